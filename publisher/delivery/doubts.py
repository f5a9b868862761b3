"""What is known of a delivery whose outcome is not: who handed it over, where to, and what to look for in a log.

Doubts come about in dialogue.py and takeover.py, and are settled in evidence.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db.models import prefetch_related_objects

from ..models import Delivery, Digest
from . import message, parcels
from .outcomes import in_full
from .relays import RelayWrong, parse_relays

#: Nearly always it is this one. A worker that ended is taken to have come so far: nobody saw where it was.
_PHASES = {"dot": "its last byte may have left, and no answer was read"}


@dataclass(frozen=True)
class Known:
    """One delivery with what is known of it; "" where nothing is. `message_id` is None where it cannot be told."""

    row: Delivery
    message_id: str | None
    worker: str
    relay: str
    phase: str
    said: str


def known(rows: Iterable[Delivery]) -> list[Known]:
    """The rows in their order. Two queries, however many there are."""
    found = list(rows)
    prefetch_related_objects(found, "hold")
    ids, relay = message_ids(found), relays()
    return [Known(row, ids[row.pk], worker_of(row), relay, phase_of(row), said_of(row)) for row in found]


def message_ids(rows: Collection[Delivery]) -> dict[int, str | None]:
    """The Message-ID that each row's letter has on every attempt; None after an erasure: the address is gone."""
    keys = _keys({row.digest_id for row in rows})
    return {row.pk: _message_id(row, keys.get(row.digest_id)) for row in rows}


def worker_of(row: Delivery) -> str:
    """The process that handed it over: "process 4711 on mail1"."""
    place, _, process = (row.hold.holder if row.hold else "").rpartition("/")[0].rpartition("/")
    return f"process {process} on {place.partition(':')[0]}" if process else ""


def relays() -> str:
    """The relays, or the provider, that are connected now. Which of several took a letter is not kept."""
    try:
        if provider := parcels.chosen():
            return str(provider)
        return " or ".join(str(relay) for relay in parse_relays(settings.SMTP_URL))
    except RelayWrong:
        return ""


def phase_of(row: Delivery) -> str:
    return _PHASES.get(row.phase, f"in the phase {row.phase.upper()}" if row.phase else "")


def said_of(row: Delivery) -> str:
    """What the relay said last, or our own words where it said nothing."""
    return in_full(row.code, row.enhanced, row.reply)


def _keys(digests: set[int]) -> dict[int, tuple[str, str]]:
    """What the Message-IDs of a digest are made of: its proof's hash, and the sender's domain."""
    found = Digest.objects.filter(pk__in=digests, proof__isnull=False)
    return {
        pk: (sha256, sender["email"].rpartition("@")[2])
        for pk, sha256, sender in found.values_list("pk", "proof__sha256", "proof__sender")
    }


def _message_id(row: Delivery, key: tuple[str, str] | None) -> str | None:
    if key is None or "@" not in row.address:
        return None
    return message.message_id(key[0], row.address, key[1])
