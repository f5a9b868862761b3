"""What can be done with items: receive, queue, set aside, withdraw, edit."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from . import digests, posts
from .intake import ParsedItem, ParsedSection, Reading, Unread
from .lifecycle import Refusal, move, note
from .models import Item, Person, Publication, Source, StandingSection

#: What a source may change of an item that is not used yet.
TEXTS = ("title", "teaser", "body", "link", "published_on", "date_label", "byline", "image_caption", "image_alt")
EDITABLE = frozenset({*TEXTS, "picture"})


@dataclass
class Received:
    """What one reading did. Every parsed item is in exactly one of new, updated, flagged or counted unchanged."""

    new: list[Item] = field(default_factory=list)
    updated: list[Item] = field(default_factory=list)
    flagged: list[Item] = field(default_factory=list)
    unchanged: int = 0
    sections: list[StandingSection] = field(default_factory=list)
    unread: tuple[Unread, ...] = ()
    #: The next number that the source's printed numbers suggest, where it is higher than the publication's.
    proposed_number: int | None = None


def receive(publication: Publication, reading: Reading, *, source: Source | None = None) -> Received:
    """Take a reading in. Reading the same twice changes nothing; nothing that is used is changed by a source."""
    received = Received(unread=reading.unread)
    with transaction.atomic():
        for parsed in reading.items:
            _receive_one(publication, source, parsed, received)
        received.sections = [section for parsed in reading.sections if (section := _keep_section(publication, parsed))]
        received.proposed_number = _propose_number(publication, reading)
    return received


def identity(parsed: ParsedItem, source: Source | None) -> str:
    """The same for the same news: its link; without one, source, date and a normalised title."""
    if parsed.link:
        return _digest("link", re.sub(r"^https?://(www\.)?", "", parsed.link).rstrip("/"))
    where = source.address if source else ""
    return _digest("title", where, parsed.date_label, normalised(parsed.title))


def normalised(title: str) -> str:
    plain = unicodedata.normalize("NFKD", title).casefold()
    return re.sub(r"[\W_]+", " ", "".join(c for c in plain if not unicodedata.combining(c))).strip()


def queue(item: Item, *, by: Person | None) -> None:
    move(item, "queued", by=by)


def set_aside(item: Item, *, by: Person | None, why: str = "") -> None:
    if item.entries.filter(released=False, digest__state__in=["draft", "in_review", "approved"]).exists():
        raise Refusal(f"“{item}” stands in a digest that is being made. Take it out there first, or withdraw it.")
    move(item, "set_aside", by=by, why=why)


def withdraw(item: Item, *, by: Person, why: str) -> None:
    """Take an item back for good: out of every digest not yet sent (voiding its approval), no post goes out."""
    if not why.strip():
        raise Refusal("Say why the item is withdrawn: it stands in the history.")
    with transaction.atomic():
        move(item, "withdrawn", by=by, why=why)
        digests.drop_item(item, by=by, why=why)
        posts.cancel_of_item(item, by=by, why="the item was withdrawn")


def edit(item: Item, *, by: Person, **fields: Any) -> None:
    """Change the item's own text. Digests hold copies: what stands in one is edited there."""
    if wrong := set(fields) - EDITABLE:
        raise Refusal(f"These cannot be edited: {', '.join(sorted(wrong))}.")
    if not fields.get("title", item.title).strip():
        raise Refusal("An item needs a title.")
    changed = {name: value for name, value in fields.items() if getattr(item, name) != value}
    if not changed:
        return
    with transaction.atomic():
        for name, value in changed.items():
            setattr(item, name, value)
        item.save(update_fields=list(changed))
        note(item, "edited", by=by, fields=sorted(changed))


def take_source_text(item: Item, *, by: Person) -> None:
    """Let the item say what its source says now. Copies in digests stay as they are."""
    says = dict(item.source_says)
    with transaction.atomic():
        _drop_source_flag(item)
        edit(item, by=by, **{name: _stored(name, value) for name, value in says.items()})


def keep_own_text(item: Item, *, by: Person) -> None:
    with transaction.atomic():
        _drop_source_flag(item)
        note(item, "kept own text", by=by)


def clear_flags(item: Item, *, by: Person) -> None:
    """Staff have looked at what seemed damaged."""
    item.flags = []
    item.save(update_fields=["flags"])
    note(item, "checked", by=by)


def _receive_one(publication: Publication, source: Source | None, parsed: ParsedItem, received: Received) -> None:
    key = identity(parsed, source)
    known = Item.objects.filter(publication=publication, identity=key).first() or _same_news(publication, parsed)
    if known is None:
        received.new.append(_create(publication, source, parsed, key))
        return
    changes = {name: value for name, value in _texts(parsed).items() if _differs(known, name, value)}
    if not changes or _as_json(changes) == known.source_says:
        received.unchanged += 1
    elif known.used or known.identity != key:
        _flag(known, changes)
        received.flagged.append(known)
    else:
        _update(known, changes)
        received.updated.append(known)


def _same_news(publication: Publication, parsed: ParsedItem) -> Item | None:
    """The item that this one looks like under a changed title: same date, and the same opening words.

    Flagged to staff, never taken as new: else a corrected headline would go out twice.
    """
    opening = normalised(parsed.teaser)[:120]
    if len(opening) < 60 or parsed.published_on is None:
        return None
    same_day = Item.objects.filter(publication=publication, published_on=parsed.published_on)
    return next((item for item in same_day if normalised(item.teaser).startswith(opening)), None)


def _create(publication: Publication, source: Source | None, parsed: ParsedItem, key: str) -> Item:
    item = Item.objects.create(
        publication=publication,
        source=source,
        identity=key,
        state=Item.State.RECEIVED,
        printed_series=parsed.series or "",
        printed_number=parsed.number,
        image_url=parsed.image_url or "",
        flags=list(parsed.damage),
        **_texts(parsed),
    )
    note(item, "received", by=None, source=source.pk if source else None)
    return item


def _texts(parsed: ParsedItem) -> dict[str, Any]:
    return {
        "title": parsed.title,
        "teaser": parsed.teaser,
        "body": parsed.body,
        "link": parsed.link or "",
        "published_on": parsed.published_on,
        "date_label": parsed.date_label,
        "byline": parsed.byline or "",
        "image_caption": parsed.image_caption or "",
        "image_alt": parsed.image_alt or "",
    }


def _differs(item: Item, name: str, value: Any) -> bool:
    # A reading that gives less (a listing after a feed) takes nothing away.
    return bool(value) and getattr(item, name) != value


def _update(item: Item, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        setattr(item, name, value)
    item.save(update_fields=list(changes))
    note(item, "updated", by=None, why="the source changed", fields=sorted(changes))


def _flag(item: Item, changes: dict[str, Any]) -> None:
    item.source_says = _as_json(changes)
    item.save(update_fields=["source_says"])
    note(item, "flagged", by=None, why="the source changed", fields=sorted(changes))


def _drop_source_flag(item: Item) -> None:
    item.source_says = {}
    item.save(update_fields=["source_says"])


def _as_json(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in changes.items()}


def _stored(name: str, value: Any) -> Any:
    return Item._meta.get_field(name).to_python(value)


def _keep_section(publication: Publication, parsed: ParsedSection) -> StandingSection | None:
    """A standing section is taken once; afterwards it is the staff's text."""
    position = publication.sections.count()
    section, made = StandingSection.objects.get_or_create(
        publication=publication, title=parsed.title, defaults={"body": parsed.body, "position": position}
    )
    return section if made else None


def _propose_number(publication: Publication, reading: Reading) -> int | None:
    series = publication.series.casefold()
    printed = [p.number for p in reading.items if p.number and (p.series or "").casefold() == series]
    highest = max(printed, default=0)
    return highest + 1 if highest >= publication.next_number else None


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
