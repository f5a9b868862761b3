"""Reads what others print (listing pages, feeds, WordPress) into items. Pure: bytes in, items out.

No database, no settings, no clock, and no network outside `fetch`. A new kind of source is one module
with a `read` and one line in KINDS.
"""

import re
from dataclasses import dataclass
from datetime import date
from importlib import import_module

#: kind of source -> "module:function". The function takes (content, *, address, content_type).
#: A folder holds many files of these kinds and takes a path instead: see `folder.read`.
KINDS = {
    "listing": "publisher.intake.listing:read",
    "feed": "publisher.intake.feed:read",
    "wordpress": "publisher.intake.wordpress:read",
}

#: What no honest listing or feed reaches. Parsers take memory and time in proportion.
MAX_BYTES = 10_000_000


class NotReadable(Exception):
    """The content as a whole cannot be read; the message is one sentence for people."""


@dataclass(frozen=True, slots=True)
class ParsedItem:
    title: str
    #: Paragraphs parted by a blank line, as printed.
    teaser: str
    #: The last day of what is printed: of the month, of the range. None where no such day exists.
    published_on: date | None
    #: As printed, without series and number: "31 January 2007", "June / July 2009".
    date_label: str
    series: str | None
    number: int | None
    byline: str | None
    image_caption: str | None
    link: str | None
    #: Cleaned HTML where the source gives more than the teaser.
    body: str = ""
    image_url: str | None = None
    image_alt: str | None = None
    #: What the source files it under: categories, tags.
    tags: tuple[str, ...] = ()
    #: The source's own identity for the item (feeds, WordPress).
    guid: str | None = None
    #: 1-based line of the title in a listing.
    line: int | None = None
    #: Sentences for staff: what looks damaged or could be meant otherwise.
    damage: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedSection:
    """A standing section: a block under a heading of its own, without a date."""

    title: str
    #: Paragraphs parted by a blank line; lines that start with "• " are a list.
    body: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """What was neither an item nor a section, so that nothing disappears in silence."""

    line: int
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Reading:
    items: tuple[ParsedItem, ...]
    sections: tuple[ParsedSection, ...]
    unread: tuple[Unread, ...]
    kind: str


def read(content: bytes, *, address: str, content_type: str | None = None, kind: str | None = None) -> Reading:
    """Return what `content`, found at `address`, says; its kind is sniffed where none is given.

    Raises NotReadable where the whole of it is no source we know. A part that cannot be read is no
    error: it stands in `Reading.unread`.
    """
    if len(content) > MAX_BYTES:
        raise NotReadable(f"{address} is larger than {MAX_BYTES // 1_000_000} MB, which no listing or feed should be.")
    if not content.strip():
        raise NotReadable(f"{address} is empty.")
    kind = kind or sniff(content)
    if kind not in KINDS:
        raise NotReadable(f"There is no reader for the kind “{kind}”; there are {', '.join(KINDS)}.")
    module, function = KINDS[kind].split(":")
    reading: Reading = getattr(import_module(module), function)(content, address=address, content_type=content_type)
    return reading


FEED = re.compile(rb"<(?:\w+:)?(?:rss|feed|rdf)\b", re.IGNORECASE)
#: Without the NULs, UTF-16 and UTF-32 look like ASCII where it matters here.
BOM = re.compile(rb"^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)")
FIRST_ELEMENT = re.compile(rb"<[a-z]", re.IGNORECASE)


def sniff(content: bytes) -> str:
    """Name the kind by the content itself: servers often send feeds as text/html and JSON as text."""
    head = BOM.sub(b"", content[:4096].replace(b"\0", b"")).lstrip()
    if head.startswith(b"<"):
        first = FIRST_ELEMENT.search(head)
        if first and FEED.match(head, first.start()):
            return "feed"
    # A plain listing may begin with "[31 March 2007]", so a bracket alone does not make it JSON.
    if re.match(rb'\[\s*(?:[{\]]|$)|\{\s*(?:"|\}|$)', head):
        return "wordpress"
    return "listing"
