"""The ledger: one row per member and digest, moved in batches by compare-and-set.

Nothing outside this folder writes a Delivery's state. Every write names the state that it expects, and where a
worker writes, its hold, so that a worker which lost its lease changes nothing. What a worker does with its rows is in
batch.py, how they are settled when it died in takeover.py; here is what everybody else needs.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Count, F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from ..lifecycle import Refusal, move, note
from ..models import Delivery, Digest, Person, Publication, Subscription
from . import audiences, statements

State = Delivery.State
_OPEN = tuple(state for state in State if state not in Delivery.SETTLED)
DIGEST_FIRST_REST, DIGEST_LONGEST_REST = timedelta(seconds=30), timedelta(minutes=10)
#: Members frozen in one transaction: somebody who leaves meanwhile waits no longer than it takes.
CHUNK = 2000
#: Seconds that are left to others between two chunks, at most.
LONGEST_GAP = 0.1


def audience(publication: Publication, rule: audiences.Rule | None = None) -> QuerySet[Subscription]:
    """Who receives a digest of this publication that starts now; a rule names some of them."""
    return audiences.of(publication, rule)


def rule_of(digest: Digest) -> audiences.Rule:
    """The rule that was approved, or lies before the approver, else that of the chosen segment; {} for all."""
    frozen = digest.proof or digest.review
    if frozen is not None:
        return dict(frozen.audience.get("rule", {}))
    return dict(digest.segment.rule) if digest.segment else {}


def audience_of(digest: Digest) -> QuerySet[Subscription]:
    return audience(digest.publication, rule_of(digest))


def locked(pk: int) -> Digest:
    """This digest, locked until the transaction ends: before a hold or a row of it, for everybody who needs both."""
    return Digest.objects.select_for_update(of=("self",)).select_related("publication").get(pk=pk)


def freeze_all(digest: Digest, size: int = CHUNK) -> None:
    """Add what is left of the audience, until there is no more or it is paused.

    SQLite has one writer, and who waits to be it looks only now and then: of chunks without a gap between them they
    would see the end alone, seconds later where there are a million. So half of the time is theirs.
    """
    began = time.monotonic()
    while freeze_chunk(digest, size):
        if connection.vendor == "sqlite":
            time.sleep(min(time.monotonic() - began, LONGEST_GAP))
        began = time.monotonic()


def freeze_chunk(digest: Digest, size: int = CHUNK) -> bool:
    """Add the next chunk of the audience to the ledger; False when there is no more, or it is paused.

    Short transactions, so that somebody who leaves meanwhile is answered at once. Under the digest's lock,
    so that of two workers each adds its own chunk. A member whose row exists already is not added again.
    """
    with transaction.atomic():
        current = locked(digest.pk)
        if current.state != Digest.State.PREPARING:
            return False
        last = _freeze(current, size)
        if last is None:
            return False
        Digest.objects.filter(pk=digest.pk).update(freeze_cursor=last)
    return True


def _freeze(digest: Digest, size: int) -> int | None:
    """The rule is the proof's: what somebody makes of the segment after the approval changes nothing."""
    if rule := rule_of(digest):
        chunk = audiences.next_ids(digest.publication, rule, digest.freeze_cursor, size)
        return statements.freeze_some(digest.pk, chunk, timezone.now())
    return statements.freeze(digest.pk, digest.publication_id, digest.freeze_cursor, size, timezone.now())


def close_audience(digest: Digest) -> None:
    """preparing → sending, with the count of what was frozen. Nothing can be added between count and move."""
    with transaction.atomic():
        locked(digest.pk)
        move(digest, Digest.State.SENDING, by=None, frozen_count=digest.deliveries.count())


def counts(digest: Digest) -> dict[str, int]:
    """How many rows are in each state: all states, in the lifecycle's order. They sum to the frozen count."""
    found = dict(digest.deliveries.values_list("state").annotate(n=Count("id")))
    return {state.value: found.get(state.value, 0) for state in State}


def unfinished(digest: Digest) -> bool:
    return digest.deliveries.filter(state__in=_OPEN).exists()


def unsettled(digest: Digest) -> QuerySet[Delivery]:
    """What a person may have to decide: handed over, and no reply was read."""
    return digest.deliveries.filter(state=State.UNKNOWN)


def at_work(digest: Digest) -> int:
    """How many workers are sending this digest just now."""
    return digest.holds.filter(ended_at=None, until__gt=Now()).count()


def rest(digest: Digest, why: str, at_least: timedelta = timedelta(0)) -> int:
    """Let the digest rest after its relay broke off so, longer each time; how often it broke off in a row."""
    Digest.objects.filter(pk=digest.pk).update(breaks=F("breaks") + 1)
    digest.refresh_from_db(fields=["breaks"])
    pause = max(min(DIGEST_FIRST_REST * 2 ** min(digest.breaks - 1, 10), DIGEST_LONGEST_REST), at_least)
    Digest.objects.filter(pk=digest.pk).update(resting_until=timezone.now() + pause, resting_why=why[:500])
    return digest.breaks


def go_on(digest: Digest) -> None:
    """The relay took a batch: earlier breaks count no more."""
    Digest.objects.filter(pk=digest.pk, breaks__gt=0).update(breaks=0, resting_until=None)


def skip_waiting(digest: Digest) -> bool:
    """Skip what has not gone out of a cancelled digest; True where somebody received it, or may have."""
    waiting = digest.deliveries.filter(state__in=[State.QUEUED, State.CLAIMED, State.DEFERRED])
    waiting.update(state=State.SKIPPED, state_since=timezone.now(), reply="The digest was cancelled.")
    return digest.deliveries.exclude(state__in=[State.SKIPPED, State.FAILED]).exists()


def went_back(digest: Digest) -> None:
    """Rows may have gone back to the queue: in a digest that is over nobody would look at them again.

    The caller holds the digest's lock, and has read its state under it.
    """
    if digest.state == Digest.State.CANCELLED:
        skip_waiting(digest)
    elif digest.state == Digest.State.SENT and unfinished(digest):
        move(digest, Digest.State.SENDING, by=None, why="what was unknown has not gone out after all")


def settle(row: Delivery, to: str, *, by: Person, why: str) -> None:
    """A person's decision on an unknown row: it arrived (sent), or send it again (queued)."""
    if not settle_many(row.digest, to, by=by, why=why, ids=[row.pk]):
        raise Refusal("Somebody has settled this delivery already.")


def settle_many(
    digest: Digest,
    to: str,
    *,
    by: Person,
    why: str,
    ids: Collection[int] | None = None,
    until: datetime | None = None,
) -> int:
    """One decision on many unknown rows: those of `ids`, or all that were unknown at `until`. How many it settled."""
    if to not in {State.SENT, State.QUEUED}:
        raise Refusal("Unknown deliveries are settled as sent, or queued again.")
    with transaction.atomic():
        current = locked(digest.pk)
        if to == State.QUEUED and current.state == Digest.State.CANCELLED:
            raise Refusal(f"{current.label} was cancelled: nothing of it is sent again.")
        rows = current.deliveries.filter(state=State.UNKNOWN)
        rows = rows.filter(state_since__lte=until) if ids is None else rows.filter(pk__in=ids)
        now = timezone.now()
        reply = f"Settled by {by.name}: {why}"[:500]
        settled = rows.update(state=to, state_since=now, due_at=now, reply=reply)
        if settled:
            note(current, "settled", by=by, why=why, to=to, deliveries=settled)
            reopen(current, to == State.QUEUED, by)
    return settled


def reopen(digest: Digest, queued_again: bool, by: Person | None) -> None:
    if queued_again and digest.state == Digest.State.SENT:
        move(digest, Digest.State.SENDING, by=by, why="unknown deliveries were queued again")
