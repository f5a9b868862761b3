"""Bringing whole lists of members: a million lines of CSV, each address looked at, in bounded memory.

`reading` makes records of bytes, `addresses` looks at them, `staging` takes them into the database chunk by chunk, as
large and as fast as `pacing` says.
An import that was killed is simply run again: each chunk is in whole or not at all, and who is in is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from django.db import connection

from .. import members
from ..lifecycle import Refusal, note
from ..models import Consent, Person, Publication
from .addresses import normalise
from .pacing import MANNERS, Pace, lanes
from .reading import Broken, NoList, Reading, Record, shown, spreadsheet_safe
from .staging import Counted, Terms, staged

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


@dataclass
class _Chunk:
    people: dict[str, str] = field(default_factory=dict)  # by address, as they are staged
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
    manner = MANNERS[connection.vendor]
    if connection.in_atomic_block:  # it all belongs to somebody's transaction, and nobody else gets a turn
        manner = replace(manner, lanes=1, rest=0.0)
    pace = Pace(manner)
    chunks = _chunks(reading, pace)
    with lanes(manner, terms) as bring:
        for chunk in chunks if manner.rest else _ahead(chunks):
            with pace:
                counted = bring(list(chunk.people.values()))
            yield chunk, counted


def _chunks(reading: Reading, pace: Pace) -> Iterator[_Chunk]:
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
            people[address] = staged(address, named(first), named(last))
    return True


def _ahead(chunks: Iterator[_Chunk]) -> Iterator[_Chunk]:
    """The same, each read while the one before is taken in."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = reader.submit(next, chunks, None)
            yield chunk
