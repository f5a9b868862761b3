"""Update 120, sent to five members with its links counted, and people and machines who follow them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture(autouse=True)
def _nobody_was_here_before() -> None:
    cache.clear()


@pytest.fixture
def counted(publication: Any) -> Any:
    """The publication counts how often links are followed."""
    publication.measure = "links"
    publication.save()
    return publication


@pytest.fixture
def follow(client: Any) -> Callable[..., Any]:
    """follow(path, agent=…, network=…): one request, as a reader's browser makes it."""

    def ask(path: str, *, agent: str = BROWSER, address: str = "203.0.113.7", method: str = "get") -> Any:
        return getattr(client, method)(path, HTTP_USER_AGENT=agent, REMOTE_ADDR=address)

    return ask
