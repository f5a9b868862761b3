"""A publication's members as a file: everybody, with their state, how they agreed and what they are filed under.

Read row by row, so that a million cost no memory. An import takes the same file: members by `members import`, those who
left by `members import-leavers`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import datetime

from .imports import spreadsheet_safe
from .models import Consent, Publication, Subscription

COLUMNS = (
    "email", "first_name", "last_name", "language", "state", "since", "basis", "agreed_at", "confirmed_at",
    "imported_at", "how", "wording", "tags", "plain_text", "joined_at",
)  # fmt: skip
_AT_ONCE = 2_000
#: With a mark, so that spreadsheets read it as what it is.
MARK = "\ufeff"


def rows(publication: Publication) -> Iterator[dict[str, str]]:
    found = Subscription.objects.filter(publication=publication).select_related("member").order_by("member_id")
    beside = found.prefetch_related("consents__worded", "member__tags")
    for row in beside.iterator(chunk_size=_AT_ONCE):
        yield dict(zip(COLUMNS, _cells(row), strict=True))


def as_csv(publication: Publication) -> Iterator[str]:
    """Line after line. No cell begins as a formula would."""
    yield MARK + _line(COLUMNS)
    for row in rows(publication):
        yield _line(spreadsheet_safe(cell) for cell in row.values())


def as_json(publication: Publication) -> Iterator[str]:
    """A list of objects, each on a line of its own."""
    before = "[\n"
    for row in rows(publication):
        yield before + json.dumps(row, ensure_ascii=False)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _cells(row: Subscription) -> tuple[str, ...]:
    member, newest = row.member, next(iter(row.consents.all()), None)
    tags = "; ".join(tag.name for tag in member.tags.all())
    names = (member.email, member.first_name, member.last_name, member.language)
    beside = "yes" if member.plain_text else "", _moment(member.joined_at)
    return (*names, row.state, _moment(row.state_since), *_agreed(newest), tags, *beside)


def _agreed(consent: Consent | None) -> tuple[str, ...]:
    if consent is None:
        return ("",) * 6
    moments = _moment(consent.at), _moment(consent.confirmed_at), _moment(consent.imported_at)
    return (consent.basis, *moments, consent.how, consent.words)


def _moment(at: datetime | None) -> str:
    return at.isoformat() if at else ""


def _line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
