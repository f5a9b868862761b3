"""Bringing whole lists of members: a million lines of CSV, each address looked at, in bounded memory.

`reading` makes records of bytes, `chunks` people of these, `staging` takes them into the database chunk by chunk, as
large and as fast as `pacing` says.
An import that was killed is simply run again: each chunk is in whole or not at all, and who is in is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from django.db import connection

from .. import readership
from ..delivery.outcomes import unnamed
from ..lifecycle import Refusal, note
from ..models import Consent, Person, Publication
from .chunks import Chunk, Wanted, names, opened, read_in
from .departures import Departed, import_leavers, import_suppressions
from .judging import KINDS, Judged, Preview, dry_run, preview
from .pacing import MANNERS, Pace, lanes
from .reading import EMPTY, Broken, Reading, spreadsheet_safe
from .staging import Counted, Terms
from .tagging import tag

__all__ = [
    "EMPTY",
    "KINDS",
    "Broken",
    "Departed",
    "Imported",
    "Judged",
    "Preview",
    "as_words",
    "dry_run",
    "ground",
    "import_csv",
    "import_leavers",
    "import_suppressions",
    "names",
    "opened",
    "preview",
    "spreadsheet_safe",
]

#: Characters of what people said yes to elsewhere.
LONGEST_WORDING = 2_000


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


def import_csv(
    blocks: Iterable[bytes],
    publication: Publication,
    *,
    by: Person | None,
    basis: str,
    how: str,
    reject: Callable[[Broken], object],
    columns: Mapping[str, str] | None = None,
    wording: str = "",
) -> Iterator[Imported]:
    """Read members from the bytes of a CSV file with a header; yields the running report after each chunk.

    Columns are known by their names (`columns.CALLED`), or as `columns` says: {"email": "Correo"}. Nobody who left, or
    whose address is suppressed, is made active again; nor does anybody become a member of whom the list itself says
    that they left. A line that cannot be read is given to `reject`, and the next one is read. `wording` is what these
    people said yes to, as far as it is known; it stands with each of them.
    """
    on = ground(basis)
    reading = opened(blocks, columns)
    terms = Terms(publication, on, unnamed(how)[:120], by.pk if by else None, as_words(wording))
    report, broke_off = Imported(), {"broke_off": True}
    try:
        for chunk, counted in _taken(reading, terms):
            _count(report, chunk, counted)
            readership.joined(publication, counted.added)
            for broken in chunk.broken:
                reject(broken)
            yield report
        broke_off = {}
    finally:  # what is in the database stays there, and must be in the history
        if report.added or not broke_off:
            note(publication, "imported members", by=by, why=terms.how, **vars(report), **broke_off)


def ground(said: str) -> Consent.Basis:
    """On what the people of a list may be mailed. Refusal where nobody says it: it is never assumed."""
    if said in Consent.Basis.values:
        return Consent.Basis(said)
    wrong = f"“{said}” is no basis for mailing anybody" if said else "Nobody has said on what they may be mailed"
    choices = ", or ".join(f"{basis} ({means})" for basis, means in Consent.MEANS.items())
    raise Refusal(f"{wrong}: say {choices}.")


def as_words(typed: str) -> str:
    """A wording as it is kept: in one paragraph, without what no database stores."""
    return " ".join("".join(c if c.isprintable() else " " for c in typed).split())[:LONGEST_WORDING]


def _count(report: Imported, chunk: Chunk, counted: Counted) -> None:
    report.added += counted.added
    report.known += counted.known + chunk.repeated
    report.refused += counted.refused + chunk.gone
    report.rejected += len(chunk.broken)


def _taken(reading: Reading, terms: Terms) -> Iterator[tuple[Chunk, Counted]]:
    """Chunk after chunk, when it is in the database."""
    manner = MANNERS[connection.vendor]
    if connection.in_atomic_block:  # it all belongs to somebody's transaction, and nobody else gets a turn
        manner = replace(manner, lanes=1, rest=0.0)
    pace = Pace(manner)
    chunks = read_in(reading, lambda: pace.rows, Wanted(soft=terms.basis == Consent.Basis.SOFT_OPT_IN))
    with lanes(manner, terms) as bring:
        for chunk in chunks if manner.rest else _ahead(chunks):
            with pace:
                counted = bring(list(chunk.people.values()))
                tag(chunk.tags, terms.publication)
            yield chunk, counted


def _ahead(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """The same, each read while the one before is taken in."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = reader.submit(next, chunks, None)
            yield chunk
