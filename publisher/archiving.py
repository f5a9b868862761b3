"""Past Updates, brought into the archive: numbered as they were printed, in the state sent, and never mailed or posted.

A listing page has the news of many numbers on it. Each number becomes a digest of its own, of the items that say they
were in it. What is there already stays as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from django.db import transaction

from . import sources
from .lifecycle import note
from .models import Digest, Entry, Item, Person, Publication

_COPIED = ("title", "teaser", "link", "byline", "picture", "image_alt", "image_caption")


@dataclass(frozen=True)
class Past:
    """A number as it was printed: its day, its items, and why it is not brought in, if it is not."""

    number: int
    date: date | None
    titles: tuple[str, ...]
    why_not: str = ""


def look(address: str, publication: Publication) -> list[Past]:
    """Which numbers a place has, and which of them would come in. Nothing is stored."""
    found: dict[int, list[tuple[date | None, str]]] = defaultdict(list)
    for _, reading in sources.readings(address):
        for parsed in reading.items:
            if parsed.number is not None and _same(parsed.series, publication):
                found[parsed.number].append((parsed.published_on, parsed.title))
    taken = _numbers(publication)
    return [_past(number, said, taken, publication) for number, said in sorted(found.items())]


def bring(address: str, publication: Publication, *, by: Person) -> Iterator[Digest]:
    """Bring in the numbers that are not there yet; each digest as it is made."""
    for _, received in sources.import_from(address, publication):
        yield from _archive(publication, [*received.new, *received.updated, *_printed(publication)], by)


def _printed(publication: Publication) -> Iterable[Item]:
    """What an earlier import read of them, and nobody has put into a digest."""
    used = Entry.objects.filter(publication=publication, released=False).values("item")
    return Item.objects.filter(publication=publication, printed_number__isnull=False).exclude(pk__in=used)


def _archive(publication: Publication, found: Iterable[Item], by: Person) -> Iterator[Digest]:
    by_number: dict[int, dict[int, Item]] = defaultdict(dict)
    for item in found:
        if item.printed_number is not None and _same(item.printed_series, publication) and not item.used:
            by_number[item.printed_number][item.pk] = item
    for number, chosen in sorted(by_number.items()):
        made = _digest(publication, number, list(chosen.values()), by)
        if made:
            yield made


def _digest(publication: Publication, number: int, chosen: list[Item], by: Person) -> Digest | None:
    """One number; None where it is there, or where nobody knows its day."""
    with transaction.atomic():
        # The lock by which numbers are reserved: none is given to a new digest meanwhile.
        current = Publication.objects.select_for_update().get(pk=publication.pk)
        past = _past(number, [(item.published_on, item.title) for item in chosen], _numbers(current), current)
        if past.why_not or past.date is None:
            return None
        at = datetime.combine(past.date, time(12), tzinfo=UTC)
        digest = Digest.objects.create(
            publication=current, number=number, date=past.date, created_by=by, archived=True, state=Digest.State.SENT,
            state_since=at, started_at=at, frozen_count=0,
        )  # fmt: skip
        for position, item in enumerate(chosen, 1):
            copied = {name: getattr(item, name) for name in _COPIED}
            Entry.objects.create(digest=digest, publication=current, item=item, position=position, **copied)
        note(digest, "archived", by=by, items=[item.pk for item in chosen])
    return digest


def _past(number: int, said: list[tuple[date | None, str]], taken: set[int], publication: Publication) -> Past:
    days = [day for day, _ in said if day]
    why_not = ""
    if number in taken:
        why_not = "is here already"
    elif number >= publication.next_number:
        why_not = f"is not past: the next number is {publication.next_number}. Set it first, with --take-number"
    elif not days:
        why_not = "has no day"
    return Past(number, max(days, default=None), tuple(title for _, title in said), why_not)


def _numbers(publication: Publication) -> set[int]:
    """Numbers that are used, or kept for a digest to come."""
    used = Digest.objects.filter(publication=publication, number__isnull=False).values_list("number", flat=True)
    return {number for number in used if number} | set(publication.free_numbers)


def _same(series: str | None, publication: Publication) -> bool:
    return (series or "").casefold() == publication.series.casefold()
