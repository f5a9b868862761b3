"""What an outcome makes of a row, and when it is tried again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from ..models import Delivery
from .outcomes import Outcome, Result
from .statements import Due, Written

State = Delivery.State
FIRST_RETRY, LAST_RETRY = timedelta(minutes=5), timedelta(days=5)


class Next(NamedTuple):
    state: Delivery.State
    due_at: datetime
    #: Whether this was an attempt at the address: a break of the relay's is none.
    tried: bool


def written(row: Due | Delivery, outcome: Outcome, now: datetime) -> Written:
    """What is written of this row's outcome. In the types of the database: SQLite's driver asks twice about others."""
    # The row keeps the address until an erasure; the reply must not keep it longer.
    reply = outcome.text.replace(row.address, "the address")[:500]
    if outcome.result is Result.SENT:  # nearly all
        return Written(row.id, "sent", now, 1, outcome.code, outcome.enhanced or "", reply, "dot")
    state, due_at, tried = after(
        outcome, attempts=row.attempts, first_tried_at=row.first_tried_at,
        refused_before=(row.code or 0) >= 500, now=now,
    )  # fmt: skip
    return Written(
        row.id, state.value, due_at, int(tried), outcome.code, outcome.enhanced or "", reply, outcome.phase.value
    )


def after(
    outcome: Outcome, *, attempts: int, first_tried_at: datetime | None, refused_before: bool, now: datetime
) -> Next:
    """The next state of what was not taken. Refusals for now are tried again from 5 minutes on, doubling, 5 days.

    The last time at their end, not when the next doubling would pass it: that would be after three and a half.
    """
    if outcome.result is Result.UNKNOWN:
        return Next(State.UNKNOWN, now, True)
    if outcome.result is Result.DEFERRED and outcome.scope == "connection":
        return Next(State.QUEUED, now, False)
    if outcome.result is Result.FAILED and (outcome.scope == "recipient" or refused_before):
        return Next(State.FAILED, now, True)
    # Also where we were refused for good, and not for the address: policy changes, and one look more is cheap. Not at
    # once, though: a relay that fails at one letter for good would be asked without an end.
    left = (first_tried_at or now) + LAST_RETRY - now
    if left < FIRST_RETRY:
        return Next(State.FAILED, now, True)
    return Next(State.DEFERRED, now + min(FIRST_RETRY * 2 ** min(attempts, 12), left), True)
