"""The ways out, relays or a provider; and the engine that a worker's thread keeps from batch to batch."""

from __future__ import annotations

import random
import threading

from django.conf import settings

from .. import reach
from . import paces, parcels
from .addresses import ascii_host
from .batch import GROUP
from .couriers import Couriers
from .engine import Engine
from .pausing import Stopped
from .providers import Provider
from .relays import Relay, parse_relays
from .rows import Row
from .turns import Turns

_mine = threading.local()  # an engine is for one thread


def mine(sender: str) -> tuple[Engine | Couriers, Turns[Row]]:
    """This thread's engine, with the connections that its last batch left open, and what it has learnt of domains."""
    way = usable_provider() or usable_relays()
    key = (way, ascii_host(sender.rpartition("@")[2]), settings.CONNECTIONS, paces.limits())
    if getattr(_mine, "key", None) != key:
        hang_up()
        _mine.turns = Turns(GROUP, settings.CONNECTIONS)
    if _mine.engine is None:
        _mine.engine = _engine(way, helo=key[1])
    _mine.key = key
    return _mine.engine, _mine.turns


def _engine(way: Provider | tuple[Relay, ...], *, helo: str) -> Engine | Couriers:
    if isinstance(way, Provider):
        return parcels.couriers(way, most=settings.CONNECTIONS)
    return Engine(way, helo=helo, connections=settings.CONNECTIONS)


def hang_up() -> None:
    """Say goodbye to the relays."""
    engine = getattr(_mine, "engine", None)
    _mine.engine = None
    if engine:
        engine.close()


def forget() -> None:
    """Begin anew after an error: the line of those who wait, for one, may hold rows that are not ours."""
    hang_up()
    _mine.key = None


def usable_relays() -> tuple[Relay, ...]:
    relays = parse_relays(settings.SMTP_URL)
    if not relays:
        raise Stopped("No mail server is connected: set PUBLISHER_SMTP_URL.")
    for relay in relays:
        reach.allowed_host(relay.host)
    return relays


def usable_provider() -> Provider | None:
    provider = parcels.chosen()
    if provider:
        reach.allowed(provider.url)
    return provider


def pick_way() -> Relay | Provider:
    """One way out, for one message: the provider, or a relay."""
    if provider := usable_provider():
        return provider
    relays = usable_relays()
    return random.choices(relays, weights=[relay.weight for relay in relays])[0]  # noqa: S311 - not a secret
