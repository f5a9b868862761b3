"""The ledger: one row per member and digest, moved in batches by compare-and-set.

Nothing else writes a Delivery's state. Every write names the state (and where a worker writes, the holder
and the fencing number) that it expects, so that a worker which lost its lease changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from .. import holders
from ..lifecycle import Refusal, move, note
from ..models import Delivery, Digest, Person, Publication, Subscription, Suppression
from .conversation import Outcome, Result, Timeouts

State = Delivery.State
_ACTIVE = Subscription.State.ACTIVE
#: A row is armed from before DATA to the reply: as long as the conversation may wait there, and some.
ARMED_LEASE = timedelta(seconds=Timeouts().data + Timeouts().body + Timeouts().dot + 60)
#: Whether a member may still be mailed is asked again of rows that were claimed longer ago than this.
ASK_AGAIN_AFTER = timedelta(seconds=30)
_OPEN = tuple(state for state in State if state not in Delivery.SETTLED)
FIRST_REST, LONGEST_REST = timedelta(seconds=30), timedelta(minutes=10)
FIRST_RETRY, LAST_RETRY = timedelta(minutes=5), timedelta(days=5)


def audience(publication: Publication) -> QuerySet[Subscription]:
    """Who receives a digest of this publication that starts now."""
    return Subscription.objects.filter(publication=publication, state=_ACTIVE)


def freeze_chunk(digest: Digest, size: int = 1000) -> bool:
    """Add the next chunk of the audience to the ledger; False when there is no more, or it is paused.

    Short transactions, so that somebody who leaves meanwhile is answered at once. Under the digest's lock,
    so that of two workers each adds its own chunk. A member whose row exists already is not added again.
    """
    with transaction.atomic():
        locked = Digest.objects.select_for_update().get(pk=digest.pk)
        chunk = _next_chunk(locked, size) if locked.state == Digest.State.PREPARING else []
        if not chunk:
            return False
        Delivery.objects.bulk_create(
            [Delivery(digest=locked, member_id=pk, address=email, state=State.QUEUED) for pk, email in chunk],
            ignore_conflicts=True,
        )
        Digest.objects.filter(pk=digest.pk).update(freeze_cursor=chunk[-1][0])
    return True


def close_audience(digest: Digest) -> None:
    """preparing → sending, with the count of what was frozen. Nothing can be added between count and move."""
    with transaction.atomic():
        Digest.objects.select_for_update().get(pk=digest.pk)
        move(digest, Digest.State.SENDING, by=None, frozen_count=digest.deliveries.count())


def _next_chunk(digest: Digest, size: int) -> list[tuple[int, str]]:
    following = audience(digest.publication).filter(member_id__gt=digest.freeze_cursor)
    return list(following.order_by("member_id").values_list("member_id", "member__email")[:size])


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
    held = digest.deliveries.filter(state__in=[State.CLAIMED, State.ARMED], lease_until__gt=timezone.now())
    return held.values("holder").distinct().count()


def claim(digest: Digest, holder: str, size: int | None = None) -> list[Delivery]:
    """Take the next due rows under a lease. Who left, was suppressed or erased meanwhile is skipped here."""
    now = timezone.now()
    with transaction.atomic():
        if Digest.objects.filter(pk=digest.pk, resting_until__gt=now).exists():
            return []
        due = digest.deliveries.filter(state__in=[State.QUEUED, State.DEFERRED], due_at__lte=now).order_by("id")
        ids = list(due.select_for_update(skip_locked=True).values_list("pk", flat=True)[: size or settings.CLAIM_SIZE])
        rows = Delivery.objects.filter(pk__in=ids)
        rows.update(
            state=State.CLAIMED,
            state_since=now,
            holder=holder,
            fence=F("fence") + 1,
            lease_until=now + timedelta(seconds=settings.CLAIM_LEASE),
        )
        claimed = list(rows.select_related("member", "digest").order_by("id"))
        return _skip_who_must_not_be_mailed(digest, claimed)


def arm(row: Delivery) -> bool:
    """Commit that this message is about to be handed over. False: the lease was lost or the digest paused.

    This is the last line before doubt: from here on a worker that dies leaves the row unknown.
    """
    now = timezone.now()
    # EXISTS, not a join: the join would move the row's own conditions into a subselect, and PostgreSQL does not
    # ask that again after it waited for somebody else's lock on the row.
    sending = Exists(Digest.objects.filter(pk=OuterRef("digest_id"), state=Digest.State.SENDING))
    armed = (
        _held(row, State.CLAIMED)
        .filter(sending)
        .update(state=State.ARMED, state_since=now, lease_until=now + ARMED_LEASE)
    )
    return armed == 1


def disarm(row: Delivery) -> None:
    """Take an armed row back whose message was broken off before the dot: nobody takes half a message."""
    _requeue(_held(row, State.ARMED))


def keep(row: Delivery) -> bool:
    """Whether this claimed row should still go out; asked again, and its lease renewed, where the claim is old."""
    now = timezone.now()
    if now - row.state_since < ASK_AGAIN_AFTER:
        return True
    renewed = _held(row, State.CLAIMED).update(
        state_since=now, lease_until=now + timedelta(seconds=settings.CLAIM_LEASE)
    )
    return renewed == 1 and bool(_skip_who_must_not_be_mailed(row.digest, [row]))


class Watch:
    """How long a row has been armed, also while the process or the machine slept.

    A worker that was stopped between arming and the final dot, and wakes when its lease is over, must not
    write the dot: a person may have sent the letter again meanwhile.
    """

    #: Linux's clock that goes on through a suspend; elsewhere the ordinary one.
    _clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def start(self) -> bool:
        self.until = time.clock_gettime(self._clock) + (ARMED_LEASE.total_seconds() - Timeouts().dot)
        return True

    def in_time(self) -> bool:
        return time.clock_gettime(self._clock) < self.until


def rest(digest: Digest) -> int:
    """Let the digest rest after its relay broke off, longer each time; how often it broke off in a row."""
    Digest.objects.filter(pk=digest.pk).update(breaks=F("breaks") + 1)
    digest.refresh_from_db(fields=["breaks"])
    pause = min(FIRST_REST * 2 ** min(digest.breaks - 1, 10), LONGEST_REST)
    Digest.objects.filter(pk=digest.pk).update(resting_until=timezone.now() + pause)
    return digest.breaks


def go_on(digest: Digest) -> None:
    """The relay took a batch: earlier breaks count no more."""
    Digest.objects.filter(pk=digest.pk, breaks__gt=0).update(breaks=0, resting_until=None)


def record(row: Delivery, outcome: Outcome) -> bool:
    """Write the outcome of a row this worker holds. False where it is held no more: the outcome stands as it is."""
    now = timezone.now()
    state, due_at = _state_after(row, outcome)
    # A late answer is evidence: where recovery has called the row unknown meanwhile, "taken" settles it.
    late = [State.UNKNOWN] if outcome.result is Result.SENT else []
    written = _held(row, State.CLAIMED, State.ARMED, *late).update(
        state=state,
        state_since=now,
        due_at=due_at,
        attempts=F("attempts") + (0 if state == State.QUEUED else 1),
        first_tried_at=Coalesce("first_tried_at", now),
        lease_until=None,
        code=outcome.code,
        enhanced=outcome.enhanced or "",
        # The row keeps the address until an erasure; the reply must not keep it longer.
        reply=outcome.text.replace(row.address, "the address")[:500],
        phase=str(outcome.phase),
    )
    return written == 1


def release(rows: Iterable[Delivery]) -> None:
    """Give claimed rows back, unsent."""
    mine = [Q(pk=row.pk, holder=row.holder, fence=row.fence) for row in rows]
    if mine:
        _requeue(Delivery.objects.filter(reduce(or_, mine), state=State.CLAIMED))


def recover() -> int:
    """Settle the rows of workers that died or lost their lease: claimed → queued, armed → unknown.

    A dead process of this machine is seen at once; one of another machine when its lease runs out.
    """
    leased = Delivery.objects.filter(state__in=[State.CLAIMED, State.ARMED])
    held_by = set(leased.values_list("holder", flat=True).distinct())
    dead = [holder for holder in held_by if holders.alive(holder) is False]
    lost = leased.filter(Q(holder__in=dead) | Q(lease_until__lt=timezone.now()))
    unknown = lost.filter(state=State.ARMED).update(
        state=State.UNKNOWN,
        state_since=timezone.now(),
        reply="The worker ended between handing this over and reading the answer: it may have arrived.",
        phase="dot",
    )
    return unknown + _requeue(lost.filter(state=State.CLAIMED))


def skip_rest(digest: Digest) -> bool:
    """Skip what has not gone out of a cancelled digest; True where somebody received it, or may have."""
    waiting = digest.deliveries.filter(state__in=[State.QUEUED, State.CLAIMED, State.DEFERRED])
    waiting.update(state=State.SKIPPED, state_since=timezone.now(), reply="The digest was cancelled.")
    return digest.deliveries.exclude(state__in=[State.SKIPPED, State.FAILED]).exists()


def settle(row: Delivery, to: str, *, by: Person, why: str) -> None:
    """A person's decision on an unknown row: it arrived (sent), or send it again (queued)."""
    if to not in {State.SENT, State.QUEUED}:
        raise Refusal("An unknown delivery is settled as sent, or queued again.")
    now = timezone.now()
    with transaction.atomic():
        # Under the digest's lock: it must not be called sent while a row of it goes back to the queue.
        digest = Digest.objects.select_for_update(of=("self",)).select_related("publication").get(pk=row.digest_id)
        if to == State.QUEUED and digest.state == Digest.State.CANCELLED:
            raise Refusal(f"{digest.label} was cancelled: nothing of it is sent again.")
        moved = Delivery.objects.filter(pk=row.pk, state=State.UNKNOWN).update(
            state=to, state_since=now, due_at=now, reply=f"Settled by {by.name}: {why}"[:500]
        )
        if moved != 1:
            raise Refusal("Somebody has settled this delivery already.")
        note(row, "settled", by=by, why=why, to=to)
        if to == State.QUEUED and digest.state == Digest.State.SENT:
            move(digest, Digest.State.SENDING, by=by, why="an unknown delivery was queued again")


def _skip_who_must_not_be_mailed(digest: Digest, claimed: list[Delivery]) -> list[Delivery]:
    members = [row.member_id for row in claimed if row.member_id is not None]
    active = set(audience(digest.publication).filter(member_id__in=members).values_list("member_id", flat=True))
    hashes = {print_: row.pk for row in claimed for print_ in Suppression.fingerprints(row.address)}
    suppressed = {hashes[found] for found in Suppression.objects.filter(hash__in=hashes).values_list("hash", flat=True)}
    right = [row for row in claimed if row.member_id in active and row.pk not in suppressed]
    wrong = {row.pk for row in claimed} - {row.pk for row in right}
    Delivery.objects.filter(pk__in=wrong).update(
        state=State.SKIPPED,
        state_since=timezone.now(),
        lease_until=None,
        reply="Left or suppressed before the sending.",
    )
    return right


def _state_after(row: Delivery, outcome: Outcome) -> tuple[str, datetime]:
    now = timezone.now()
    if outcome.result is Result.SENT:
        return State.SENT, now
    if outcome.result is Result.UNKNOWN:
        return State.UNKNOWN, now
    if outcome.result is Result.FAILED and outcome.scope == "recipient":
        return State.FAILED, now
    if outcome.scope != "recipient" or outcome.result is Result.STOPPED:
        # The relay, the login or the connection is the matter, not this address: it waits, and counts no retry.
        return State.QUEUED, now
    wait = FIRST_RETRY * 2 ** min(row.attempts, 12)
    if now + wait > (row.first_tried_at or now) + LAST_RETRY:
        return State.FAILED, now
    return State.DEFERRED, now + wait


def _held(row: Delivery, *states: str) -> QuerySet[Delivery]:
    """The row, if this worker still holds it in one of these states. No join: see arm."""
    return Delivery.objects.filter(pk=row.pk, holder=row.holder, fence=row.fence, state__in=states)


def _requeue(rows: QuerySet[Delivery]) -> int:
    now = timezone.now()
    return rows.update(state=State.QUEUED, state_since=now, due_at=now, lease_until=None)
