"""The staff at their desks: clients that are signed in, and a way to read a page as a person does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from lxml import html


@pytest.fixture(autouse=True)
def _nobody_has_asked_before() -> Iterator[None]:
    """What is counted against somebody in one test is forgotten in the next."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def _every_page_looks_at_the_epoch_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only the first within two seconds: how often a page asks the database must not depend on the time."""
    from publisher import epoch

    monkeypatch.setattr(epoch, "REMEMBERED", 0)


def signed_in(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def as_anne(anne: Any) -> Client:
    return signed_in(anne)


@pytest.fixture
def as_ben(ben: Any) -> Client:
    return signed_in(ben)


@pytest.fixture
def as_carla(carla: Any) -> Client:
    return signed_in(carla)


class Read:
    """A page as somebody reads it: texts by selector, blanks folded."""

    def __init__(self, response: Any) -> None:
        self.status = response.status_code
        self.tree = html.fromstring(response.content.decode())

    def __call__(self, selector: str) -> list[str]:
        return [" ".join(found.text_content().split()) for found in self.tree.cssselect(selector)]

    def one(self, selector: str) -> str:
        (text,) = self(selector)
        return text

    def values(self, selector: str, attribute: str = "value") -> list[str | None]:
        return [found.get(attribute) for found in self.tree.cssselect(selector)]


@pytest.fixture
def read() -> Callable[[Any], Read]:
    return Read
