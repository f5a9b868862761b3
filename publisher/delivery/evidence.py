"""What settles a delivery that is unknown: the relay's own log, a report from outside, or people for many at once.

Each write is a compare-and-set on the state, so that what somebody else has settled meanwhile stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import groupby
from pathlib import Path
from statistics import median

from django.db import transaction
from django.utils import timezone

from ..lifecycle import Refusal, note
from ..models import Delivery, Digest, Person
from . import doubts, ledger, logfiles
from .addresses import AddressRefused, ascii_domain
from .logfiles import LogUnreadable
from .relaylogs import TAKEN, Found, Passage, Reader, Trace

State = Delivery.State
#: So far before the sending began and after the doubt was written down a log has to reach: clocks differ, and a relay
#: may go on with what it has after we gave it up.
MARGIN = timedelta(minutes=15)
#: A log whose times of letters that were surely taken lie further off than this is in another time zone.
CLOCKS_DIFFER = timedelta(minutes=10)
#: So many letters that the relay said yes to are looked for, before and after the doubts.
WITNESSES = 100


@dataclass(frozen=True)
class Finding:
    """What the log has of one unknown delivery, what it becomes ("" where it stays unknown), and why."""

    row: Delivery
    message_id: str | None
    found: Found | None
    passage: Passage | None
    becomes: str
    says: str


@dataclass(frozen=True)
class Witness:
    """A letter that the relay said yes to: where the log is the right one, and whole, it is in there."""

    message_id: str
    address: str
    sent_at: datetime


# One row, by evidence. Reports of providers and bounces come in through these too.


def arrived(row: Delivery, says: str) -> bool:
    """unknown → sent. False where it is not unknown any more: nothing is changed then."""
    return _set(row, State.UNKNOWN, State.SENT, says)


def bounced(row: Delivery, says: str) -> bool:
    """sent → bounced; of an unknown one the bounce is the proof that it was taken. False in every other state."""
    with transaction.atomic():
        arrived(row, says)
        return _set(row, State.SENT, State.BOUNCED, says)


def _set(row: Delivery, before: str, to: str, says: str) -> bool:
    now = timezone.now()
    reply = _without(row.address, says)
    changed = Delivery.objects.filter(pk=row.pk, state=before).update(
        state=to, state_since=now, due_at=now, reply=reply[:500]
    )
    return changed == 1


def _without(address: str, says: str) -> str:
    """The row keeps the address until an erasure; what is said of it must not keep it longer."""
    start = says.lower().find(address.lower()) if "@" in address else -1
    return says if start < 0 else says[:start] + "the address" + _without(address, says[start + len(address) :])


# Many rows, by the relay's log.


def look(
    rows: Iterable[Delivery], logs: Sequence[Path], *, zone: tzinfo, absent_was_not_taken: bool = False
) -> tuple[list[Finding], Reader]:
    """Look for unknown deliveries in a relay's log, and decide; nothing is changed.

    What the log does not have stays unknown, unless a person says that absent means not taken, and the log shows that
    it is the right one, whole, and covers the time. Refusal where a file cannot be read.
    """
    unknown = list(rows)
    ids = doubts.message_ids(unknown)
    witnesses = {pk: _witnesses(list(each)) for pk, each in _by_digest(unknown)} if absent_was_not_taken else {}
    asked = {witness.message_id: _plain(witness.address) for each in witnesses.values() for witness in each}
    asked |= {found: _plain(row.address) for row in unknown if (found := ids[row.pk])}
    try:
        reader = logfiles.read(logs, asked, now=timezone.now(), zone=zone)
    except LogUnreadable as problem:
        raise Refusal(str(problem)) from problem
    against = {pk: _why_not(found, reader) for pk, found in witnesses.items()}
    return [_finding(row, ids[row.pk], reader, against.get(row.digest_id)) for row in unknown], reader


def apply(findings: Iterable[Finding], *, by: Person | None, why: str) -> Counter[str]:
    """Write down what was found: one transaction and one Event for each digest. How many rows became what.

    A row that is no longer unknown is left alone, and counted as "overtaken".
    """
    counts: Counter[str] = Counter()
    becoming = {each.row.pk: each for each in findings}
    for pk, rows in _by_digest([each.row for each in becoming.values()]):
        with transaction.atomic():
            digest = ledger.locked(pk)
            became = Counter(_written(becoming[row.pk], digest) for row in rows)
            note(digest, "reconciled", by=by, why=why, **{name: became[name] for name in sorted(became)})
            ledger.reopen(digest, became[State.QUEUED] > 0, by)
        counts += became
    return counts


def _by_digest(rows: Iterable[Delivery]) -> Iterator[tuple[int, Iterator[Delivery]]]:
    return groupby(sorted(rows, key=lambda row: row.digest_id), lambda row: row.digest_id)


def _written(finding: Finding, digest: Digest) -> str:
    row, to, says = finding.row, finding.becomes, finding.says
    if not to or (to == State.QUEUED and digest.state == Digest.State.CANCELLED):
        return State.UNKNOWN
    done = _set(row, State.UNKNOWN, State.QUEUED if to == State.QUEUED else State.SENT, says)
    # Only what was unknown a moment ago: a row that somebody has called sent is not touched by a log.
    if done and to == State.BOUNCED:
        done = _set(row, State.SENT, State.BOUNCED, says)
    return to if done else "overtaken"


def _finding(row: Delivery, message_id: str | None, reader: Reader, against: str | None) -> Finding:
    if message_id is None:
        return Finding(row, None, None, None, "", "The address was erased: it cannot be looked for.")
    trace = reader.trace(message_id)
    passage = trace.last if trace.passages else None
    becomes = {Found.TAKEN: State.SENT, Found.DELIVERED: State.SENT, Found.BOUNCED: State.BOUNCED}.get(trace.found)
    if becomes and passage:
        return Finding(row, message_id, trace.found, passage, becomes, _evidence(trace.found, passage))
    says = _no_evidence(trace, passage)
    if against is None or trace.found not in {Found.ABSENT, Found.REFUSED}:
        return Finding(row, message_id, trace.found, passage, "", says)
    if against := against or _uncovered(row, reader):
        return Finding(row, message_id, trace.found, passage, "", f"{says} It stays unknown: {against}")
    says = f"{says} The relay's log is whole and covers the time: it was not taken."
    return Finding(row, message_id, trace.found, passage, State.QUEUED, says)


def _evidence(found: Found, passage: Passage) -> str:
    name = f" as {passage.queue_id}" if passage.queue_id else ""
    at = f" at {passage.at:%Y-%m-%d %H:%M:%S} UTC" if passage.at else ""
    end = {Found.DELIVERED: ", and delivered", Found.BOUNCED: ", and came back"}.get(found, "")
    return f"Taken by the relay{name}{at}{end}, says its log.{' ' + passage.said if passage.said and end else ''}"


def _no_evidence(trace: Trace, passage: Passage | None) -> str:
    if passage is None:
        return "It is not in the log."
    if trace.found is Found.REFUSED:
        return f"In the log as {passage.queue_id or 'refused'}, and not taken: {passage.said or 'it was refused'}."
    if trace.found is Found.ADDRESSED:
        return (
            f"This log names no Message-IDs. A letter to the address was taken as {passage.queue_id} "
            f"at {passage.at:%Y-%m-%d %H:%M:%S} UTC: look whether it was this one."
        )
    return f"In the log as {passage.queue_id}, which does not tell whether it was taken."


def _witnesses(rows: Sequence[Delivery]) -> list[Witness]:
    """Letters of the digest that the relay said yes to, nearest before and after the doubts."""
    first, last = min(row.state_since for row in rows), max(row.state_since for row in rows)
    # With a 2xx on the row: who was called sent by a person, or by a log, proves nothing about a log.
    sent = Delivery.objects.filter(digest_id=rows[0].digest_id, state=State.SENT, code__range=(200, 299))
    chosen = [
        *sent.filter(state_since__lte=first).order_by("-state_since")[:WITNESSES],
        *sent.filter(state_since__gt=first, state_since__lte=last).order_by("state_since")[:WITNESSES],
        *sent.filter(state_since__gt=last).order_by("state_since")[:WITNESSES],
    ]
    ids = doubts.message_ids(chosen)
    return [Witness(found, row.address, row.state_since) for row in chosen if (found := ids[row.pk])]


def _why_not(witnesses: Sequence[Witness], reader: Reader) -> str:
    """What speaks against taking this log for the whole truth about a digest; "" for nothing."""
    taken = [(each, reader.trace(each.message_id)) for each in witnesses]
    missing = sum(trace.found not in TAKEN for _, trace in taken)
    if not witnesses:
        return "no other letter of this digest is known to have been taken, by which the log could be checked."
    if missing:
        return (
            f"{missing:,} of {len(taken):,} letters that were surely taken around that time are not in the log either. "
            "It is another relay's, or a piece is missing: name all files of all relays."
        )
    if reader.coverage.left_out:
        return "the log says itself that lines were left out of it."
    offsets = [
        (at - each.sent_at).total_seconds() for each, trace in taken if trace.last and (at := trace.last.at) is not None
    ]
    if offsets and abs(off := median(offsets)) > CLOCKS_DIFFER.total_seconds():
        return f"the log's clock is {off / 60:+.0f} minutes off ours: name its time zone with --time-zone."
    return ""


def _uncovered(row: Delivery, reader: Reader) -> str:
    """It was handed over between the start of its digest and the moment the doubt was written down."""
    assert row.digest.started_at is not None
    start, end = row.digest.started_at - MARGIN, row.state_since + MARGIN
    if reader.coverage.covers(start, end):
        return ""
    return f"the log does not reach, without a gap, from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC."


def _plain(address: str) -> str:
    """As it stood in the conversation, and so in the log."""
    try:
        return ascii_domain(address)
    except AddressRefused:
        return address
