"""A sender whose letters go out from https://news.example, with keys of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks import deliverability_population as population
from publisher.deliverability.rules import Facts

from .nameserver import Zone, serving

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


@pytest.fixture(scope="session")
def nameserver() -> Iterator[tuple[Zone, str]]:
    zone = Zone()
    with serving(zone) as address:
        yield zone, address


@pytest.fixture
def zone(nameserver: tuple[Zone, str], settings: Any) -> Zone:
    """What the DNS says of reading-rooms.example: all that it should; of anything else it knows nothing."""
    zone, settings.DNS_SERVERS = nameserver
    zone.records, zone.broken, zone.asked = [], set(), []
    zone.put(
        'reading-rooms.example. IN TXT "v=spf1 ip4:198.51.100.7 ~all"',
        "reading-rooms.example. IN MX 10 mail.reading-rooms.example.",
        '_dmarc.reading-rooms.example. IN TXT "v=DMARC1; p=quarantine; rua=mailto:dmarc@reading-rooms.example"',
        "mail.reading-rooms.example. IN A 198.51.100.7",
        "7.100.51.198.in-addr.arpa. IN PTR mail.reading-rooms.example.",
    )
    return zone
