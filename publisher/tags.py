"""The tags of items: what sources file them under, and what staff make of it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.db import transaction

from .lifecycle import Refusal, note
from .models import Item, Person, Tag
from .models.items import tag_key

LONGEST = 64
#: What blog software files under when nobody chose: it says nothing.
NO_TAG = frozenset({"uncategorized", "uncategorised"})


def take(item: Item, names: Iterable[str]) -> None:
    """Add what a source files it under. A source takes none away, nor brings back what staff took off."""
    wanted = {tag_key(name): " ".join(name.split()) for name in names if len(name) <= LONGEST}
    known = set(item.tags.values_list("key", flat=True)) if wanted else set()
    new = {key: name for key, name in wanted.items() if key and key not in known and key not in NO_TAG}
    if new:
        Tag.objects.bulk_create(
            (Tag(item=item, key=key, name=name) for key, name in new.items()), ignore_conflicts=True
        )
        note(item, "tagged", by=None, tags=sorted(new.values()))


def put(item: Item, text: str, *, by: Person) -> None:
    """Let it have these tags, parted by commas, and no others."""
    wanted = _read(text)
    before = {tag.key: tag for tag in item.tags.filter(dropped=False)}
    if wanted.keys() == before.keys():
        return
    with transaction.atomic():
        item.tags.exclude(key__in=wanted).update(dropped=True)
        for key, name in wanted.items():
            Tag.objects.update_or_create(item=item, key=key, defaults={"name": name, "dropped": False})
        # An edit like any other: a tag can bring a hashtag into its posts.
        note(item, "edited", by=by, fields=["tags"], tags=list(wanted.values()))


def as_text(item: Item) -> str:
    return ", ".join(tag.name for tag in item.tags.all() if not tag.dropped)


def _read(text: str) -> dict[str, str]:
    names = [" ".join(part.split()).lstrip("#") for part in re.split(r"[,\n]", text)]
    found = {tag_key(name): name for name in names if name}
    if too_long := [name for name in found.values() if len(name) > LONGEST]:
        raise Refusal(f"A tag has at most {LONGEST} characters: “{too_long[0]}” is longer.")
    if "" in found:
        raise Refusal(f"“{found['']}” is no tag: it has no letter.")
    return found
