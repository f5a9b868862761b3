"""Records as people: each looked at, and as many at once as a database likes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import islice

from django.db import connection
from django.utils import timezone

from .. import members
from ..lifecycle import Refusal
from .addresses import normalise
from .columns import GONE, STAYS, plain
from .reading import Broken, NoList, Reading, Record, shown
from .staging import staged

#: A charity's soft opt-in is for whom it met from then on, not for who was on a list before (DUAA 2025, s. 114).
SOFT_OPT_IN_FROM = date(2026, 2, 5)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]{2,4})?")
#: Nobody has agreed to anything of ours before, and a year 1 fits into no zone.
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
#: So much is read of the words that somebody is filed under.
_TAGS = 1_000
_DATES = ("%d/%m/%Y", "%d.%m.%Y", "%Y/%m/%d")


@dataclass
class Chunk:
    people: dict[str, str] = field(default_factory=dict)  # by address, as they are staged
    tags: dict[str, str] = field(default_factory=dict)  # by address, as they were typed
    lines: dict[str, int] = field(default_factory=dict)  # by address, where wanted
    repeated: int = 0
    gone: int = 0  # of whom the list itself says that they left
    broken: list[Broken] = field(default_factory=list)


def opened(blocks: Iterable[bytes], columns: Mapping[str, str] | None) -> Reading:
    """Refusal where it is no list."""
    try:
        return Reading(blocks, columns)
    except NoList as problem:
        raise Refusal(str(problem)) from problem


def names(blocks: Iterable[bytes]) -> list[str]:
    """How the columns are called, whatever they are. Refusal where there are none."""
    first = next(iter(blocks), b"")
    try:
        return Reading([first]).names
    except NoList as problem:
        if problem.names:
            return problem.names
        raise Refusal(str(problem)) from problem


@dataclass(frozen=True)
class Wanted:
    """Whom of a list: those whom it says to have left, or the others; and on what is looked."""

    soft: bool = False  # the soft opt-in is claimed, which does not hold for everybody
    leavers: bool = False
    lines: bool = False  # the number of each one's line is told


ALL = Wanted()


def read_in(reading: Reading, rows: Callable[[], int], wanted: Wanted = ALL) -> Iterator[Chunk]:
    """Chunk after chunk, with so many rows each."""
    records, more = iter(reading), True
    while more:
        chunk = Chunk()
        more = _fill(chunk, reading, records, rows(), wanted)
        yield chunk


def _fill(chunk: Chunk, reading: Reading, records: Iterator[Record | Broken], rows: int, wanted: Wanted) -> bool:
    """So many records into the chunk; False where there are no more."""
    people, broken, beside = chunk.people, chunk.broken, wanted.lines or reading.says_more
    rest: tuple[str, ...] | None = ()
    for record in islice(records, rows):
        if isinstance(record, Broken):
            broken.append(record)
            continue
        line, email, first, last = record
        try:
            address = normalise(email)
            if reading.more:
                rest = _said(reading.more, wanted)
        except Refusal as problem:
            broken.append(Broken(line, str(problem), shown(",".join([email, first, last]).rstrip(","))))
            continue
        if rest is None:
            chunk.gone += 1
            _beside(chunk, address, line, {}, wanted)
        elif address in people:
            chunk.repeated += 1
        else:
            people[address] = staged(address, _named(first), _named(last), *rest)
            if beside:
                _beside(chunk, address, line, reading.more, wanted)
    return len(people) + len(broken) + chunk.repeated + chunk.gone == rows


#: People share their names, and a list has a million of them.
_named = lru_cache(maxsize=20_000)(members.one_line)


def _beside(chunk: Chunk, address: str, line: int, more: Mapping[str, str], wanted: Wanted) -> None:
    if wanted.lines:
        chunk.lines[address] = line
    if more.get("tags"):
        chunk.tags[address] = more["tags"][:_TAGS]


def _said(more: Mapping[str, str], wanted: Wanted) -> tuple[str, str] | None:
    """Language, and when they agreed; None for who is not wanted."""
    if "state" in more and wanted.leavers != _left(more["state"]):
        return None
    language = more.get("language", "").replace("_", "-").casefold()
    agreed = _moment(more.get("agreed_at", ""))
    if wanted.soft and agreed and agreed < f"{SOFT_OPT_IN_FROM:%Y-%m-%d}":
        raise Refusal(
            f"The soft opt-in is for those who gave their address from {SOFT_OPT_IN_FROM:%-d %B %Y} on, and this is of "
            f"{agreed[:10]}: only consent allows to mail them."
        )
    return language if _LANGUAGE.fullmatch(language) else "", agreed


@lru_cache(maxsize=1024)
def _left(state: str) -> bool:
    """Whether the list says that this one is a member no more, or none yet. Refusal where we do not know its word."""
    word = plain(state)
    if word and word not in GONE | STAYS:
        raise Refusal(
            f"The list says “{shown(state)}” of it, and whether that is a member is not known here. Write “active” or "
            "“left” instead, or say by --column state= that no column is the state."
        )
    return word in GONE


@lru_cache(maxsize=1024)
def _moment(typed: str) -> str:
    """A date or a moment as both databases take it, in UTC; "" for none. Refusal where it is none, or to come."""
    if not typed:
        return ""
    at = _read(typed)
    if at is None or not _EARLIEST < at <= timezone.now():
        raise Refusal(f"“{typed[:40]}” is no day on which anybody has agreed: write it as 2026-03-31.")
    return str(connection.ops.adapt_datetimefield_value(at.astimezone(UTC)))


def _read(typed: str) -> datetime | None:
    for read in (datetime.fromisoformat, *(_by(pattern) for pattern in _DATES)):
        try:
            at = read(typed.strip())
        except ValueError:
            continue
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    return None


def _by(pattern: str) -> Callable[[str], datetime]:
    return lambda typed: datetime.strptime(typed, pattern)
