"""The epoch: which installation this is and how far it has sent, in the database and beside it on each machine.

A restored backup or a copy does not know what was sent since, and would send it again. It is known by this:
the file on the machine saw more than the database, names another installation, was copied, or is missing
although something was sent. Then nothing goes out, neither letter nor post nor notice, until a person confirms.

A copy of a whole disk takes database and file back together. Then only the clock's last tick tells, which is
long ago: what was under way asks a person before it goes on (publisher/clockwork.py).
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from . import witness
from .lifecycle import NotAllowed, Refusal, move, note
from .models import Digest, Epoch, Event, Person, Post
from .witness import Unreadable, Witness

logger = logging.getLogger(__name__)

ONLY = 1
#: A process looks again after so many seconds.
REMEMBERED = 2
#: While letters go out the counter grows this often; in quiet times, in which people may leave, hourly. What was
#: done since the last growth before a backup was made cannot be told from what stands in the backup.
WHILE_SENDING, IN_QUIET_TIMES = timedelta(seconds=10), timedelta(hours=1)
#: So long after a confirmation what is to be posted may have been posted before: what the database forgot is
#: found, worded and approved anew.
LATELY = timedelta(days=30)
UNDER_WAY = (Digest.State.PREPARING, Digest.State.SENDING)

_UNTIL = "Nothing is sent until a person confirms that this is the one that goes on."
RESTORED = f"This database is older than what was sent from here, as after restoring a backup. {_UNTIL}"
COPIED = f"The data folder is a copy, or comes from a backup. {_UNTIL}"
ANOTHER = f"The database and the data folder of this machine belong to two installations. {_UNTIL}"
NEW_HERE = f"The database has sent before, but not from this machine. {_UNTIL}"
EMPTIED = f"Something was sent from this machine, but its database knows nothing of it. {_UNTIL}"
DAMAGED = f"The file {{file}} cannot be read: {{problem}}. {_UNTIL}"
UNWRITABLE = (
    "The file {file} cannot be written: {problem}. Without it a restored backup would not be noticed, so nothing is "
    "sent. Make room, or let the user as whom Publisher runs write there; then it goes on by itself."
)
AWAY = (
    "The clock has been away since {at:%d %B at %H:%M} UTC while a digest was under way: nothing is sent before it "
    "has looked. Start it with `publisher up`, or `python -m workers.clock`."
)
STOOD_SO = (
    "It stood so when the epoch was confirmed: letters may have gone out of which this database does not know. "
    "Compare with the log of the mail server, then go on or cancel."
)
STOOD_DUE = (
    "It was due when the epoch was confirmed, and may have been posted before: look at the account, then release it "
    "or cancel it."
)


@dataclass(frozen=True)
class Doubt:
    """Why nothing may be sent, and whether a person's word is enough to go on."""

    says: str
    confirmable: bool = True


#: What was found last in this process, and when.
_last: dict[str, tuple[float, Doubt | None]] = {}


def doubt() -> str | None:
    """Why nothing may be sent, in a sentence for people; None when it may. As it was at most 2 s ago."""
    found = look()
    return found.says if found else None


def look() -> Doubt | None:
    """The same, with what can be done about it."""
    at, before = _last.get("look", (-REMEMBERED, None))
    if time.monotonic() - at < REMEMBERED:
        return before
    found = _judge()
    if found and found != before:
        logger.warning("nothing is sent: %s", found.says)
    _last["look"] = time.monotonic(), found
    return found


def forget() -> None:
    """Look anew at the next question."""
    _last.clear()


def begin() -> None:
    """Make what a fresh installation lacks: the row, and the file. Of several at once one makes it for all."""
    if _look_again() is None:
        Epoch.objects.get_or_create(pk=ONLY)
        _look_again()


def advance() -> None:
    """Count that something goes out, with whatever is being committed. The file follows once it is."""
    # The first time the file has to be there before: without one something sent is a contradiction.
    if not _grow(counter__gt=0):
        begin()
        _grow()
    transaction.on_commit(_look_again, robust=True)


def beat() -> None:
    """The clock's sign of life; the counter grows with it now and then."""
    row, now = Epoch.objects.filter(pk=ONLY).first(), timezone.now()
    often = WHILE_SENDING if under_way().exists() else IN_QUIET_TIMES
    if row is None:
        begin()
    elif row.advanced_at and now - row.advanced_at >= often:
        advance()
    Epoch.objects.filter(pk=ONLY).update(ticked_at=now)


def away_since() -> datetime | None:
    """The clock's last sign of life, where that is too long ago to go on as if nothing had been; else None."""
    row = Epoch.objects.filter(pk=ONLY).first()
    return None if row is None or row.ticked_at is None or _alive(row) else row.ticked_at


def confirm(*, by: Person, why: str) -> Epoch:
    """A person's word that this database goes on, on this machine: both are given a new id.

    What would go out at once waits for a word of its own, since it may have gone out already: digests under way
    are paused, those due ask, posts due are held. Machines that stood by the former id follow by themselves.
    """
    if not by.may_approve:
        raise NotAllowed("Confirming the epoch lets letters go out: it is for the people named as approvers.")
    if not why.strip():
        raise Refusal("Say what you compared: it stands in the history.")
    _confirmable()
    with transaction.atomic():
        row, _ = Epoch.objects.select_for_update().get_or_create(pk=ONLY)
        # Again under the lock: of two who confirm at once one is told that it is done.
        found, known = _confirmable(), _known_until(row)
        _renew(row)
        told = {"doubt": found.says, "installation": str(row.installation), "known_until": known.isoformat()}
        note(row, "confirmed", by=by, why=why, **told, **_hold_back(by))
        # Last, and before the commit: where it fails, nothing is confirmed.
        _write(row)
    forget()
    return row


def forgotten_since() -> datetime | None:
    """From when on this database may not know what was posted: it was put back, and confirmed within a month."""
    lately = {"verb": "confirmed", "at__gte": timezone.now() - LATELY}
    told = Event.objects.filter(noun="epoch", noun_id=ONLY, **lately).values_list("detail__known_until", flat=True)
    return min((datetime.fromisoformat(known) for known in told if known), default=None)


def under_way() -> QuerySet[Digest]:
    return Digest.objects.filter(state__in=UNDER_WAY).select_related("publication")


def due_digests() -> QuerySet[Digest]:
    due = Digest.objects.filter(state=Digest.State.APPROVED, start_at__lte=timezone.now())
    return due.select_related("publication")


def due_posts() -> QuerySet[Post]:
    due = Post.objects.filter(state=Post.State.APPROVED, due_at__lte=timezone.now())
    return due.select_related("channel", "item", "digest__publication")


def file() -> Path:
    return Path(settings.DATA) / "epoch"


def _confirmable() -> Doubt:
    found = _judge()
    if found is None:
        raise NotAllowed("There is nothing to confirm: nobody doubts this epoch.")
    if not found.confirmable:
        raise Refusal(found.says)
    return found


def _look_again() -> Doubt | None:
    forget()
    return look()


def _grow(**where: int) -> int:
    return Epoch.objects.filter(pk=ONLY, **where).update(counter=F("counter") + 1, advanced_at=timezone.now())


def _judge() -> Doubt | None:
    # What was written between two readings is no contradiction: of two that begin at once one sees half of it.
    found = _judge_once() and _judge_once()
    if found and found.says == RESTORED:
        Epoch.objects.filter(pk=ONLY, doubt="").update(doubt=RESTORED)
    return found


def _judge_once() -> Doubt | None:
    try:
        # The file first: it is written after the database, so read in this order it is never ahead by itself.
        seen = witness.read(file())
    except Unreadable as problem:
        return Doubt(DAMAGED.format(file=file(), problem=problem))
    row = Epoch.objects.filter(pk=ONLY).first()
    if row is None:
        return Doubt(EMPTIED) if seen and seen.counter else None
    return _contradiction(row, seen) or _keep_up(row, seen) or _away(row)


def _contradiction(row: Epoch, seen: Witness | None) -> Doubt | None:
    here = str(row.installation)
    if row.doubt:
        return Doubt(row.doubt)
    if seen is None or (not seen.counter and seen.installation != here):
        return Doubt(NEW_HERE) if row.counter and not _joins(row) else None
    if seen.installation == here and seen.counter > row.counter:
        return Doubt(RESTORED)
    if seen.installation != here and seen.installation not in row.former:
        return Doubt(ANOTHER)
    if seen.copied and row.counter and not _joins(row):
        return Doubt(COPIED)
    return None


def _joins(row: Epoch) -> bool:
    """Whether the environment says that this is a further machine of an installation that is alive.

    Alive: in a backup that is restored somewhere with its environment the clock stands still.
    """
    return str(row.installation) == settings.EPOCH and _alive(row)


def _alive(row: Epoch) -> bool:
    return row.ticked_at is not None and timezone.now() - row.ticked_at <= timedelta(seconds=settings.LATE_AFTER)


def _keep_up(row: Epoch, seen: Witness | None) -> Doubt | None:
    """Let the file know what the database knows; within a transaction nothing that may never be committed."""
    counter = 0 if connection.in_atomic_block else row.counter
    if _knows(seen, row, counter):
        return None
    try:
        with witness.alone(file()):
            # Read again: another process, which knows more, may have written since.
            if not _knows(witness.read(file()), row, counter):
                witness.write(file(), str(row.installation), counter)
    except (OSError, Unreadable) as problem:
        why = _why(problem) if isinstance(problem, OSError) else str(problem)
        return Doubt(UNWRITABLE.format(file=file(), problem=why), confirmable=False)
    return None


def _knows(seen: Witness | None, row: Epoch, counter: int) -> bool:
    return bool(seen and not seen.copied and seen.installation == str(row.installation) and seen.counter >= counter)


def _away(row: Epoch) -> Doubt | None:
    if row.ticked_at is None or _alive(row) or not under_way().exists():
        return None
    return Doubt(AWAY.format(at=row.ticked_at), confirmable=False)


def _known_until(row: Epoch) -> datetime:
    """When the clock last said so, before the backup was made. A database that knows of no clock knows nothing."""
    return min(filter(None, (row.advanced_at, row.ticked_at)), default=timezone.now() - LATELY)


def _renew(row: Epoch) -> None:
    """A new id, and a counter above all that was seen."""
    with suppress(Unreadable):
        seen = witness.read(file())
        if seen:
            row.counter = max(row.counter, seen.counter)
            row.former.append(seen.installation)
    row.former = list(dict.fromkeys([*row.former, str(row.installation)]))
    row.installation, row.counter, row.doubt, row.advanced_at = uuid4(), row.counter + 1, "", timezone.now()
    row.save()


def _write(row: Epoch) -> None:
    try:
        witness.write(file(), str(row.installation), row.counter)
    except OSError as problem:
        raise Refusal(UNWRITABLE.format(file=file(), problem=_why(problem))) from problem


def _hold_back(by: Person) -> dict[str, list[int]]:
    """Stop what would go out at once; the ids of what was stopped."""
    paused, asking, held = list(under_way()), list(due_digests()), list(due_posts())
    for digest in paused:
        move(digest, Digest.State.PAUSED, by=by, why=STOOD_SO, attention=STOOD_SO)
    for digest in asking:
        Digest.objects.filter(pk=digest.pk, state=digest.state).update(start_at=None, attention=STOOD_SO, told_at=None)
        note(digest, "asked", by=by, why=STOOD_SO)
    for post in held:
        move(post, Post.State.HELD, by=by, why=STOOD_DUE, outcome=STOOD_DUE, spent_in="")
    return {"paused": [d.pk for d in paused], "asking": [d.pk for d in asking], "held": [p.pk for p in held]}


def _why(problem: OSError) -> str:
    return os.strerror(problem.errno) if problem.errno else str(problem)
