"""Bringing whole lists of members: a million lines of CSV, each address looked at, in bounded memory.

`reading` makes records of bytes, `addresses` looks at them, `staging` takes them into the database chunk by chunk.
An import that was killed is simply run again: each chunk is in whole or not at all, and who is in is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

from django.db import connection

from .. import members
from ..lifecycle import Refusal, note
from ..models import Consent, Person, Publication
from .addresses import normalise
from .reading import Broken, NoList, Reading, Record, shown, spreadsheet_safe
from .staging import Counted, People, Terms, bring

__all__ = ["Broken", "Imported", "import_csv", "spreadsheet_safe"]


@dataclass
class Imported:
    """What an import did so far. Every record of the file is counted in exactly one of these."""

    added: int = 0
    known: int = 0
    refused: int = 0  # left, suppressed or erased: never re-activated by an import
    rejected: int = 0

    @property
    def rows(self) -> int:
        return self.added + self.known + self.refused + self.rejected


@dataclass(frozen=True)
class _Manner:
    """How a database likes its chunks."""

    rows: int  # of the largest chunk
    held: float  # seconds that a transaction may take: so long others may wait for it
    lanes: int = 1  # connections that take in one chunk, each its own people of it
    rest: float = 0.0  # seconds from one transaction to the next


_MANNERS = {
    "postgresql": _Manner(rows=20_000, held=1.0, lanes=4),
    # A writer that waits for SQLite looks again every tenth of a second, and must not find us there each time.
    "sqlite": _Manner(rows=10_000, held=0.2, rest=0.1),
}
_FEWEST = 500


@dataclass
class _Chunk:
    people: People = field(default_factory=dict)
    repeated: int = 0
    broken: list[Broken] = field(default_factory=list)


def import_csv(
    blocks: Iterable[bytes],
    publication: Publication,
    *,
    by: Person | None,
    basis: str,
    how: str,
    reject: Callable[[Broken], object],
) -> Iterator[Imported]:
    """Read members from the bytes of a CSV file with a header; yields the running report after each chunk.

    Columns: email (or e-mail), and first_name, last_name where there are any, parted by comma, semicolon or tab.
    Nobody who left, or whose address is suppressed, is made active again. A line that cannot be read is given to
    `reject`, and the next one is read.
    """
    if basis not in Consent.Basis.values:
        raise Refusal(f"“{basis}” is no basis for mailing anybody: say one of {', '.join(Consent.Basis.values)}.")
    try:
        reading = Reading(blocks)
    except NoList as problem:
        raise Refusal(str(problem)) from problem
    terms = Terms(publication, Consent.Basis(basis), how[:120], by.pk if by else None)
    report = Imported()
    for chunk, counted in _taken(reading, terms):
        _count(report, chunk, counted)
        for broken in chunk.broken:
            reject(broken)
        yield report
    note(publication, "imported members", by=by, why=how, **vars(report))


def _count(report: Imported, chunk: _Chunk, counted: Counted) -> None:
    report.added += counted.added
    report.known += counted.known + chunk.repeated
    report.refused += counted.refused
    report.rejected += len(chunk.broken)


def _taken(reading: Reading, terms: Terms) -> Iterator[tuple[_Chunk, Counted]]:
    """Chunk after chunk, when it is in the database."""
    pace = _Pace(_MANNERS[connection.vendor])
    chunks = _chunks(reading, pace)
    with _lanes(pace.manner.lanes, terms) as bring_:
        for chunk in chunks if pace.manner.rest else _ahead(chunks):
            with pace:
                counted = bring_(chunk.people)
            yield chunk, counted


class _Pace:
    """Chunks of so many rows that nobody waits long for a transaction, and a rest between two where one is needed."""

    def __init__(self, manner: _Manner) -> None:
        self.manner, self.rows, self._ended = manner, manner.rows // 4, 0.0
        # Within somebody's transaction nobody else gets a turn anyway.
        self._rest = 0.0 if connection.in_atomic_block else manner.rest

    def __enter__(self) -> None:
        time.sleep(max(0.0, self._ended + self._rest - time.monotonic()))
        self._began = time.monotonic()

    def __exit__(self, *problem: object) -> None:
        self._ended = time.monotonic()
        took = self._ended - self._began
        if took > self.manner.held:
            self.rows = max(self.rows // 2, _FEWEST)
        elif took < self.manner.held / 3:
            self.rows = min(self.rows * 2, self.manner.rows)


def _chunks(reading: Reading, pace: _Pace) -> Iterator[_Chunk]:
    records, more = iter(reading), True
    while more:
        chunk = _Chunk()
        more = _fill(chunk, records, pace.rows)
        yield chunk


def _fill(chunk: _Chunk, records: Iterator[Record | Broken], rows: int) -> bool:
    """So many records into the chunk; False where there are no more."""
    people, broken, named = chunk.people, chunk.broken, members.one_line
    for _ in range(rows):
        record = next(records, None)
        if record is None:
            return False
        if isinstance(record, Broken):
            broken.append(record)
            continue
        line, email, first, last = record
        try:
            address = normalise(email)
        except Refusal as problem:
            broken.append(Broken(line, str(problem), shown(",".join([email, first, last]).rstrip(","))))
            continue
        if address in people:
            chunk.repeated += 1
        else:
            people[address] = (named(first), named(last))
    return True


def _ahead(chunks: Iterator[_Chunk]) -> Iterator[_Chunk]:
    """The same, each read while the one before is taken in."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = reader.submit(next, chunks, None)
            yield chunk


@contextmanager
def _lanes(count: int, terms: Terms) -> Iterator[Callable[[People], Counted]]:
    """What takes a chunk in: several connections at once, or, within somebody's transaction, that one."""
    if count == 1 or connection.in_atomic_block:
        yield partial(bring, terms=terms)
        return
    with ExitStack() as ended:
        lanes = [ended.enter_context(ThreadPoolExecutor(1)) for _ in range(count)]
        for lane in lanes:
            ended.callback(lane.submit, _hang_up)
        yield partial(_side_by_side, lanes, terms)


def _side_by_side(lanes: list[ThreadPoolExecutor], terms: Terms, people: People) -> Counted:
    parts: list[People] = [{} for _ in lanes]
    for place, (address, names) in enumerate(people.items()):
        parts[place % len(lanes)][address] = names
    done = [lane.submit(bring, part, terms) for lane, part in zip(lanes, parts, strict=True) if part]
    counted = [part.result() for part in done]
    return Counted(*(sum(getattr(c, name) for c in counted) for name in ("added", "known", "refused")))


def _hang_up() -> None:
    connection.close()  # the connection of the thread that this runs in
