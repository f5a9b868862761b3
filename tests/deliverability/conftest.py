"""A sender whose letters go out from https://news.example, with keys of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks import deliverability_population as population
from publisher.deliverability.rules import Facts

NOON = datetime(2007, 3, 31, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def a_folder_of_keys(tmp_path_factory: Any) -> Path:
    return Path(tmp_path_factory.mktemp("dkim"))


@pytest.fixture
def sender(settings: Any, a_folder_of_keys: Path) -> str:
    """The domain of the publication that the messages come from."""
    settings.BASE_URL = "https://news.example"
    settings.DKIM_FOLDER = str(a_folder_of_keys)
    if not any(a_folder_of_keys.iterdir()):
        population.make_keys()
    return "rsa.example"


@pytest.fixture
def sample(sender: str) -> population.Message:
    """Update 120, as Rosa Flores gets it: signed, and nothing wrong with it."""
    return population.sample(NOON)


@pytest.fixture
def facts(sample: population.Message) -> Facts:
    return facts_of(sample)


def facts_of(message: population.Message) -> Facts:
    return Facts("https://news.example", message.postal_address, message.at, message.signed)
