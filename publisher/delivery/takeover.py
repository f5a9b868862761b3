"""Settling the rows of workers that died or lost their lease, with what their journals say.

    claimed                                       → queued
    armed, and the journal has its answer         → what the answer says
    armed, the journal has an intent and no more  → unknown: its dot may have left
    armed, and the journal is silent              → queued, where the journal is whole; else unknown

A journal is whole where the machine has not started anew since: its writer's death loses no write(). Who has the file's
lock has outlived the writer. A writer that lives on past its lease on this machine is ended first.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from .. import epoch, holders
from ..lifecycle import note
from ..models import Delivery, Digest, Hold
from . import ledger, retries, statements
from .journal import NOTHING_KNOWN, AbandonedJournal, Account, InUse, journal_path
from .outcomes import Result
from .replies import Phase

logger = logging.getLogger(__name__)

State = Delivery.State
DIED = "The worker ended between handing this over and reading the answer: it may have arrived."
#: Seconds to wait for a killed process to be gone.
_DYING = 5.0
#: So long after the lease a dead worker's journal that somebody has locked is believed to be read by another of us.
_READING = timedelta(minutes=5)
#: So long a journal is kept of whose hold the database knows nothing.
_KEPT = timedelta(days=2)


def recover() -> int:
    """Settle what dead workers left; how many rows that moved.

    A dead process of this machine is seen at once, another machine's when its lease is over.
    """
    moved = sum(take_over(hold) for hold in _lost())
    return moved + _hear_left_behind()


def _lost() -> list[Hold]:
    open_ = Hold.objects.filter(ended_at=None)
    late = set(open_.filter(until__lt=Now()).values_list("pk", flat=True))
    return [hold for hold in open_ if hold.pk in late or holders.alive(hold.holder) is False]


def take_over(hold: Hold) -> int:
    """Settle the rows of this hold, whose worker has ended or is ended here; how many rows that moved."""
    try:
        found = _journal(hold)
    except FileNotFoundError:
        # It lies on another machine, or is lost: when it comes back, it is heard.
        return _settle(hold, NOTHING_KNOWN)
    except InUse:
        if holders.alive(hold.holder) is False and timezone.now() < hold.until + _READING:
            return 0  # somebody else is reading it just now, and settles it with what it says
        logger.warning("%s is past its lease, holds its journal and cannot be ended from here", hold.holder)
        return _settle(hold, NOTHING_KNOWN)
    except OSError as problem:
        return _settle(hold, _unreadable(hold, problem))
    with found:
        return _settle_with(found, hold)


def _settle_with(found: AbandonedJournal, hold: Hold) -> int:
    try:
        account = found.read()
    except OSError as problem:
        return _settle(hold, _unreadable(hold, problem))
    moved = _settle(hold, account)
    _remove(found)
    return moved


def _unreadable(hold: Hold, problem: OSError) -> Account:
    logger.error("the journal of %s cannot be read (%s): what it had armed is unknown", hold.holder, problem)
    return NOTHING_KNOWN


def _remove(found: AbandonedJournal) -> None:
    """Once all that it says is committed: what a failing commit takes back is read from it again."""
    try:
        found.forget()
    except OSError as problem:
        _say_that_it_stays(found.path, str(problem))


@cache
def _say_that_it_stays(path: Path, why: str) -> None:
    """Once in a process: removing it is tried at every tick."""
    logger.error(
        "the journal %s is needed no more and cannot be removed (%s): remove it, or let us write there", path, why
    )


def _journal(hold: Hold) -> AbandonedJournal:
    """The hold's journal with its lock; a writer of this machine that still has it is ended."""
    path = journal_path(settings.DATA, hold.journal)
    deadline = time.monotonic() + _DYING
    while True:
        try:
            return AbandonedJournal(path)
        except InUse:
            if time.monotonic() > deadline or not holders.alive(hold.holder) or not _end(hold.holder):
                raise
            time.sleep(0.05)


def _end(holder: str) -> bool:
    """SIGKILL: it may be stopped, and must not wake up. Not ourselves, and only the process that was meant."""
    pid = int(holder.rsplit("/", 2)[1])
    if pid == os.getpid():
        return False
    logger.warning("ending process %s, which is past its lease", pid)
    try:
        os.kill(pid, signal.SIGKILL)
    except PermissionError:
        return False
    except ProcessLookupError:
        pass
    return True


def _settle(hold: Hold, account: Account) -> int:
    """End the hold and move its rows. The worker's own transactions wait for this one, and then find it ended."""
    with transaction.atomic():
        digest, current = _locked(hold)
        Hold.objects.filter(pk=hold.pk).update(ended_at=current.ended_at or timezone.now())
        held = Delivery.objects.filter(digest_id=hold.digest_id, hold=hold)
        moved = _apply(held, hold, account)
        if moved:
            note(digest, "recovered", by=None, rows=moved)
            ledger.went_back(digest)
    return moved


def _locked(hold: Hold) -> tuple[Digest, Hold]:
    """The digest first, as everybody does who locks both."""
    return ledger.locked(hold.digest_id), Hold.objects.select_for_update().get(pk=hold.pk)


def _apply(held: QuerySet[Delivery], hold: Hold, account: Account) -> int:
    now = timezone.now()
    armed = list(held.filter(state=State.ARMED))
    silent = [row.pk for row in armed if row.pk not in account.intended and row.pk not in account.answered]
    written = [retries.written(row, account.answered[row.pk], now) for row in armed if row.pk in account.answered]
    doubtful = [row.pk for row in armed if row.pk in account.intended and row.pk not in account.answered]
    if not account.complete:
        doubtful, silent = [*doubtful, *silent], []
    back = [*silent, *held.filter(state=State.CLAIMED).values_list("pk", flat=True)]
    statements.write(hold.pk, written, now)
    for state in (State.CLAIMED, State.ARMED):
        statements.move(back, state, State.QUEUED, now, hold=hold.pk)
    held.filter(pk__in=doubtful, state=State.ARMED).update(
        state=State.UNKNOWN, state_since=now, reply=DIED, phase=Phase.DOT
    )
    return len(written) + len(back) + len(doubtful)


def _left_behind() -> list[Path]:
    """Journals of holds that ended without them: their machine was away, or their worker could not write its end."""
    folder = journal_path(settings.DATA, "-").parent
    return sorted(folder.glob("*.journal")) if folder.exists() else []


def _hear_left_behind() -> int:
    """Of all of them the database is asked at once."""
    left = _left_behind()
    holds, moved = Hold.objects.in_bulk([path.stem for path in left], field_name="journal"), 0
    for path in left:
        hold = holds.get(path.stem)
        if hold is None:
            _drop_unknown(path)
        elif hold.ended_at is not None:
            moved += _hear_returned(path, hold)
    return moved


def _hear_returned(path: Path, hold: Hold) -> int:
    """What a journal that returns says of rows that were called unknown without it."""
    try:
        with AbandonedJournal(path) as found:
            moved = _heard(hold, found.read())
            _remove(found)
    except (OSError, InUse):
        return 0
    return moved


def _heard(hold: Hold, account: Account) -> int:
    with transaction.atomic():
        digest, _ = _locked(hold)
        moved = _correct(hold, account)
        if moved:
            note(digest, "recovered", by=None, rows=moved, why="a journal came back")
        ledger.went_back(digest)
    return moved


def _drop_unknown(path: Path) -> None:
    """Remove a journal without a hold, once nobody has its lock and it is old.

    Its worker died before the hold was committed, and then it is empty; or the database was put back to before that.
    There its numbers may be other rows' by now, so it settles nothing. A newer backup may still know its hold: so it
    stays for some days, and as long as it is in doubt whether this database goes on, or belongs to this folder.
    """
    with suppress(OSError, InUse):
        if time.time() - path.stat().st_mtime > _KEPT.total_seconds() and epoch.doubt() is None:
            with AbandonedJournal(path) as found:
                _remove(found)


def _correct(hold: Hold, account: Account) -> int:
    now = timezone.now()
    held = Delivery.objects.filter(digest_id=hold.digest_id, hold=hold)
    moved = _apply(held, hold, account)
    unknown = list(held.filter(state=State.UNKNOWN, reply=DIED))
    taken = [row for row in unknown if (outcome := account.answered.get(row.pk)) and outcome.result is Result.SENT]
    statements.write(hold.pk, [retries.written(row, account.answered[row.pk], now) for row in taken], now)
    known = account.intended if account.complete else {row.pk for row in unknown}
    # Neither handed over nor about to be, says a whole journal; or refused by the relay, says its answer. Where it too
    # says that nobody knows, nobody knows.
    never = Q(pk__in=[row.pk for row in unknown if row.pk not in known | account.answered.keys()])
    certain = {Result.FAILED, Result.DEFERRED}
    refused = Q(pk__in=[pk for pk, outcome in account.answered.items() if outcome.result in certain])
    freed = held.filter(never | refused, state=State.UNKNOWN, reply=DIED).update(
        state=State.QUEUED, state_since=now, due_at=now, hold=None
    )
    return moved + len(taken) + freed
