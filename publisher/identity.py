"""An item's identity: when what is read now is news that was read before."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from .intake import ParsedItem
from .models import Entry, Item, Publication, Source

#: So much of a teaser's beginning says that it is the same text; less may be anybody's ("Read the report").
TELLING = 60
_OPENING = 120


def identity(parsed: ParsedItem, source: Source | None) -> str:
    """The same for the same news: its link; without one, source, date and a normalised title."""
    return _by_link(parsed.link) if parsed.link else _by_title(source, parsed.date_label, parsed.title)


def normalised(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).casefold()
    return re.sub(r"[\W_]+", " ", "".join(c for c in plain if not unicodedata.combining(c))).strip()


def recognise(
    publication: Publication, source: Source | None, parsed: Sequence[ParsedItem]
) -> list[tuple[str, Item | None]]:
    """For each item of a reading its identity, and the item that we know it as. Two of one identity are one."""
    keys, rows = _keys(publication, source, parsed)
    known = [rows.get(key) for key in keys]
    claimed = {row.pk for row in known if row}
    for place, one in enumerate(parsed):
        # Two that begin alike are two where both are on the page: no row is taken for a second one.
        row = known[place] or _in_our_own_words(publication, one, claimed) or _same_news(publication, one, claimed)
        claimed |= {row.pk} if row else set()
        known[place] = row
    return list(zip(keys, known, strict=True))


def follow(item: Item) -> None:
    """Let an item without a link be found under the title that it has now."""
    key = _by_title(item.source, item.date_label, item.title)
    if not item.link and not Item.objects.filter(publication=item.publication, identity=key).exists():
        item.identity = key
        item.save(update_fields=["identity"])


def printed_by_us(publication: Publication, parsed: ParsedItem) -> Entry | None:
    """Its place in a digest of ours, where it carries our series and number: our archive, or a copy of it."""
    if parsed.number is None or (parsed.series or "").casefold() != publication.series.casefold():
        return None
    entries = Entry.objects.filter(publication=publication, digest__number=parsed.number, released=False)
    title = normalised(parsed.title)
    return next((entry for entry in entries.select_related("item") if normalised(entry.title) == title), None)


def _keys(
    publication: Publication, source: Source | None, parsed: Sequence[ParsedItem]
) -> tuple[list[str], dict[str, Item]]:
    """The identity of each, and the rows that have one of them."""
    titles = _title_keys(source, parsed)
    shared = _shared_links(parsed)
    links = [_by_link(one.link) if one.link and one.link not in shared else "" for one in parsed]
    found = Item.objects.filter(publication=publication, identity__in=[*titles, *links])
    rows = {row.identity: row for row in found}
    keys = []
    for one, link, title in zip(parsed, links, titles, strict=True):
        # An address that told other news before (a front page) does not make this the same.
        other_news = link in rows and not _resembles(rows[link], one)
        keys.append(title if not link or other_news else link)
    return keys, rows


def _title_keys(source: Source | None, parsed: Sequence[ParsedItem]) -> list[str]:
    """By source, date and title; numbered where a page has several of these with different texts ("In brief")."""
    texts: dict[str, list[str]] = defaultdict(list)
    keys = []
    for one in parsed:
        key = _by_title(source, one.date_label, one.title)
        if one.teaser not in texts[key]:
            texts[key].append(one.teaser)
        place = texts[key].index(one.teaser)
        keys.append(_hash(key, str(place)) if place else key)
    return keys


def _shared_links(parsed: Sequence[ParsedItem]) -> set[str]:
    """Links that several items of one page have: they lead to a page of news, and tell nothing apart."""
    titles, openings = defaultdict(set), defaultdict(set)
    for one in parsed:
        if one.link:
            titles[one.link].add(normalised(one.title))
            openings[one.link].add(_opening(one.teaser))
    return {link for link in titles if len(titles[link]) > 1 and len(openings[link]) > 1}


def _resembles(item: Item, parsed: ParsedItem) -> bool:
    return (
        normalised(item.title) == normalised(parsed.title)
        or (parsed.published_on is not None and item.published_on == parsed.published_on)
        or _same_opening(item.teaser, parsed.teaser)
    )


def _in_our_own_words(publication: Publication, parsed: ParsedItem, claimed: set[int]) -> Item | None:
    entry = printed_by_us(publication, parsed)
    return entry.item if entry and entry.item_id not in claimed else None


def _same_news(publication: Publication, parsed: ParsedItem, claimed: set[int]) -> Item | None:
    """The item that this one looks like under another title or from another source: same date, same opening words.

    Else a corrected headline would go out twice, and a page that moved would be read as all new.
    """
    same_day = Item.objects.filter(publication=publication, published_on=parsed.published_on).exclude(pk__in=claimed)
    if parsed.published_on is None:
        same_day = same_day.filter(date_label=parsed.date_label)
    title, opening = normalised(parsed.title), _opening(parsed.teaser)
    for item in same_day:
        same_title = normalised(item.title) == title and _opening(item.teaser) == opening
        if same_title or _same_opening(item.teaser, parsed.teaser):
            return item
    return None


def _same_opening(one: str, other: str) -> bool:
    one, other = _opening(one), _opening(other)
    length = min(len(one), len(other))
    return length >= TELLING and one[:length] == other[:length]


def _opening(teaser: str) -> str:
    return normalised(teaser)[:_OPENING]


def _by_link(link: str) -> str:
    host, slash, path = link.strip().partition("://")[2].partition("/")
    return _hash("link", (host.lower().removeprefix("www.") + slash + path).rstrip("/"))


def _by_title(source: Source | None, date_label: str, title: str) -> str:
    return _hash("title", source.address if source else "", date_label, normalised(title))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
