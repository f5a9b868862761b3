"""What can be done with items: receive, queue, set aside, withdraw, edit."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Field

from . import digests, identity, post_sets, posts, tags
from .intake import ParsedItem, ParsedSection, Reading, Unread
from .lifecycle import Refusal, move, note
from .models import Event, Item, Person, Publication, Source, StandingSection

#: What a source may change of an item that is not used yet.
TEXTS = ("title", "teaser", "body", "link", "published_on", "date_label", "byline", "image_caption", "image_alt")
EDITABLE = frozenset({*TEXTS, "picture"})
#: Events that say what a source said.
_HEARD = ("received", "updated", "flagged", "heard")


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


def receive(
    publication: Publication, reading: Reading, *, source: Source | None = None, by_hand: bool = False
) -> Received:
    """Take a reading in. Reading the same twice changes nothing; nothing that is used is changed by a source.

    `by_hand`: a person had it read just now. Otherwise it brings nothing into letters by itself.
    """
    received = Received(unread=reading.unread)
    with transaction.atomic():
        # Two readings at once, a poll and an import, take turns: else both would find the same news new.
        locked = Publication.objects.select_for_update().get(pk=publication.pk)
        recognised = identity.recognise(publication, source, reading.items)
        met: set[str] = set()
        for parsed, (key, known) in zip(reading.items, recognised, strict=True):
            if key in met:  # printed twice on one page
                received.unchanged += 1
            else:
                _receive_one(publication, source, parsed, key, known, received)
            met.add(key)
        first = source is None or source.last_read_at is None
        kept = (_keep_section(publication, parsed, shown=by_hand and first) for parsed in reading.sections)
        received.sections = [section for section in kept if section]
        received.proposed_number = _propose_number(locked, reading)
    return received


def queue(item: Item, *, by: Person | None) -> None:
    move(item, "queued", by=by)


def set_aside(item: Item, *, by: Person | None, why: str = "") -> None:
    if item.entries.filter(released=False, digest__state__in=["draft", "in_review", "approved"]).exists():
        raise Refusal(f"“{item}” stands in a digest that is being made. Take it out there first, or withdraw it.")
    if item.posts.filter(state__in=["approved", "held"]).exists():
        raise Refusal(f"The posts of “{item}” wait to go out. Cancel them in the plan first, or withdraw it.")
    move(item, "set_aside", by=by, why=why)


def withdraw(item: Item, *, by: Person, why: str) -> None:
    """Take an item back for good: out of every digest not yet sent (voiding its approval), no post goes out."""
    if not why.strip():
        raise Refusal("Say why the item is withdrawn: it stands in the history.")
    with transaction.atomic():
        move(item, "withdrawn", by=by, why=why)
        digests.drop_item(item, by=by, why=why)
        post_sets.drop_item(item, by=by)
        posts.cancel_of_item(item, by=by, why="the item was withdrawn")


def edit(item: Item, *, by: Person, tagged: str | None = None, **fields: Any) -> None:
    """Change the item's own text and tags. Digests hold copies of the text: what stands in one is edited there."""
    if wrong := set(fields) - EDITABLE:
        raise Refusal(f"These cannot be edited: {', '.join(sorted(wrong))}.")
    if not fields.get("title", item.title).strip():
        raise Refusal("An item needs a title.")
    if tagged is not None:
        tags.put(item, tagged, by=by)
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
        identity.follow(item)


def keep_own_text(item: Item, *, by: Person) -> None:
    with transaction.atomic():
        _drop_source_flag(item)
        note(item, "kept own text", by=by)


def clear_flags(item: Item, *, by: Person) -> None:
    """Staff have looked at what seemed damaged."""
    item.flags = []
    item.save(update_fields=["flags"])
    note(item, "checked", by=by)


def _receive_one(
    publication: Publication,
    source: Source | None,
    parsed: ParsedItem,
    key: str,
    known: Item | None,
    received: Received,
) -> None:
    if known is None:
        received.new.append(_create(publication, source, parsed, key))
        return
    tags.take(known, parsed.tags)
    heard = _Heard(source, parsed)
    before = heard.before(known)
    changes = {} if heard.says == before else _changes(known, parsed)
    if not changes:
        received.unchanged += 1
        if before not in {None, heard.says}:
            _says_the_same_again(known, heard)
    elif known.used or known.identity != key or _edited_by_staff(known, changes):
        _flag(known, changes, heard)
        received.flagged.append(known)
    else:
        _update(known, changes, parsed, heard)
        received.updated.append(known)


class _Heard:
    """What a source says of an item: a hash on each event, so that only what is new to that source counts.

    Without it staff's own edit would look like a change at the source and be undone by the next poll, and of
    two sources that word the same news differently each would undo the other, poll after poll.
    """

    def __init__(self, source: Source | None, parsed: ParsedItem) -> None:
        texts = json.dumps(_as_json(_texts(parsed)), sort_keys=True)
        self.source = source.pk if source else None
        self.says = hashlib.sha256(texts.encode()).hexdigest()

    def before(self, item: Item) -> str | None:
        """The hash of what the same source said when it was last heard."""
        events = Event.objects.filter(noun="item", noun_id=item.pk, verb__in=_HEARD).order_by("-pk")
        details = (event.detail for event in events)
        return next((detail.get("says") for detail in details if detail.get("source") == self.source), None)

    def note(self, item: Item, verb: str, why: str = "", **detail: Any) -> None:
        note(item, verb, by=None, why=why, source=self.source, says=self.says, **detail)


def _create(publication: Publication, source: Source | None, parsed: ParsedItem, key: str) -> Item:
    item = Item.objects.create(
        publication=publication,
        source=source,
        identity=key,
        state=Item.State.RECEIVED,
        printed_series=parsed.series or "",
        printed_number=parsed.number,
        image_url=_fitting("image_url", parsed.image_url or ""),
        flags=_to_look_at(parsed),
        **_texts(parsed),
    )
    _Heard(source, parsed).note(item, "received")
    tags.take(item, parsed.tags)
    return item


def _texts(parsed: ParsedItem) -> dict[str, Any]:
    given = {name: getattr(parsed, name) or "" for name in TEXTS if name != "published_on"}
    return {name: _fitting(name, text) for name, text in given.items()} | {"published_on": parsed.published_on}


def _fitting(name: str, text: str) -> str:
    """The text cut to its column; half a link leads nowhere, so of a link nothing is kept."""
    longest = _column(name).max_length
    if longest is None or len(text) <= longest:
        return text
    return "" if name in {"link", "image_url"} else text[: longest - 1] + "…"


def _to_look_at(parsed: ParsedItem) -> list[str]:
    """Sentences for staff: what looks damaged, and what did not fit."""
    cut = [name for name, text in _texts(parsed).items() if text != (getattr(parsed, name) or text)]
    return [*parsed.damage, *(f"Its {name.replace('_', ' ')} is too long to be kept whole." for name in cut)]


def _changes(item: Item, parsed: ParsedItem) -> dict[str, Any]:
    """What the source now says otherwise. A reading that gives less (a listing after a feed) takes nothing away."""
    entry = identity.printed_by_us(item.publication, parsed)
    if entry and entry.item_id != item.pk:
        entry = None
    # Our archive prints the digest's date and the digest's own wording: neither is a change at a source.
    same = {name: {getattr(item, name)} | ({getattr(entry, name, None)} if entry else set()) for name in TEXTS}
    skip = {"published_on", "date_label"} if entry else set()
    texts = _texts(parsed).items()
    return {name: text for name, text in texts if text and text not in same[name] and name not in skip}


def _edited_by_staff(item: Item, changes: dict[str, Any]) -> bool:
    """Whether a person worded what the source would change: their words stay until they decide."""
    edits = Event.objects.filter(noun="item", noun_id=item.pk, verb="edited", by__isnull=False)
    return any(set(event.detail.get("fields", ())) & set(changes) for event in edits)


def _update(item: Item, changes: dict[str, Any], parsed: ParsedItem, heard: _Heard) -> None:
    item.flags = _to_look_at(parsed)
    if parsed.image_url and not item.picture_id:
        item.image_url = _fitting("image_url", parsed.image_url)
    for name, value in changes.items():
        setattr(item, name, value)
    item.save(update_fields=[*changes, "flags", "image_url"])
    heard.note(item, "updated", "the source changed", fields=sorted(changes))


def _flag(item: Item, changes: dict[str, Any], heard: _Heard) -> None:
    item.source_says = _as_json(changes)
    item.save(update_fields=["source_says"])
    heard.note(item, "flagged", "the source changed", fields=sorted(changes))


def _says_the_same_again(item: Item, heard: _Heard) -> None:
    """The source has come round to the item's own words: there is nothing left to decide."""
    if item.source_says:
        _drop_source_flag(item)
    heard.note(item, "heard", "the source says the same again")


def _drop_source_flag(item: Item) -> None:
    item.source_says = {}
    item.save(update_fields=["source_says"])


def _as_json(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in changes.items()}


def _stored(name: str, value: Any) -> Any:
    return _column(name).to_python(value)


def _column(name: str) -> Field[Any, Any]:
    column = Item._meta.get_field(name)
    assert isinstance(column, Field)
    return column


def _keep_section(publication: Publication, parsed: ParsedSection, *, shown: bool) -> StandingSection | None:
    """A standing section is taken once; afterwards it is the staff's text, also under another title or deleted.

    A person who first imports a source brings its sections into the letters. What the clock reads, or what appears
    there later, is kept but not shown until staff say so: no page may put words into letters by itself, nor take a
    digest away from the approver by it.
    """
    title = parsed.title[:200]
    taken = Event.objects.filter(noun="publication", noun_id=publication.pk, verb="took a section")
    if publication.sections.filter(title=title).exists() or taken.filter(detail__title=title).exists():
        return None
    note(publication, "took a section", by=None, title=title)
    return StandingSection.objects.create(
        publication=publication,
        title=title,
        body=parsed.body,
        position=publication.sections.count(),
        shown=shown,
    )


def _propose_number(publication: Publication, reading: Reading) -> int | None:
    series = publication.series.casefold()
    printed = [p.number for p in reading.items if p.number and (p.series or "").casefold() == series]
    highest = max(printed, default=0)
    return highest + 1 if highest >= publication.next_number else None
