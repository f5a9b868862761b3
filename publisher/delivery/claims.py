"""Which rows of a digest may be claimed next, and who of them must not be mailed."""

from __future__ import annotations

from functools import partial

from django.utils import timezone

from ..models import Delivery, Digest, Suppression
from . import statements
from .statements import Due

State = Delivery.State


def due_rows(digest: Digest, most: int) -> list[tuple[Due, str]]:
    """The next rows that may be claimed, and the state of each. Those to be tried again come in between the new."""
    now = timezone.now()
    ask = partial(statements.due, digest.pk, digest.publication_id)
    deferred, queued = State.DEFERRED.value, State.QUEUED.value
    again = ask(deferred, max(1, most // 4), now)
    new = ask(queued, most - len(again), now)
    if len(again) + len(new) < most and again:
        again = ask(deferred, most - len(new), now)
    return [*((due, deferred) for due in again), *((due, queued) for due in new)]


def suppressed_among(addresses: list[str]) -> set[str]:
    """Which of these must not be mailed, by any of the keys that their hashes may have been made with."""
    if not Suppression.objects.exists():
        return set()
    prints = {print_: address for address in addresses for print_ in Suppression.fingerprints(address)}
    return {prints[found] for found in Suppression.objects.filter(hash__in=prints).values_list("hash", flat=True)}
