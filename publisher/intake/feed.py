"""RSS and Atom, by feedparser, after everything that makes XML dangerous has been refused."""

import io
import re
from collections.abc import Mapping
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import feedparser

from publisher.intake import NotReadable, ParsedItem, Reading, Unread, clean, damage, page
from publisher.intake.dates import in_words

#: What may hold the word DOCTYPE without being one.
#: The end of the text ends them too, so that a million openings cost one pass.
HARMLESS = re.compile(r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<\?.*?(?:\?>|\Z)", re.DOTALL)
DECLARES = re.compile(r"<!\s*(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)
DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")
#: What blog software adds below each summary.
APPENDED = re.compile(r"^The post .{0,300} (?:first )?appeared (?:first )?on .{0,200}$", re.MULTILINE)
CUT = re.compile(r"\[?(?:…|\.\.\.)\]$|(?:Continue reading|Read more)\b.{0,200}$", re.IGNORECASE)
ENTRY = re.compile(r"<(?:\w+:)?(?:item|entry)[\s>]", re.IGNORECASE)
#: No feed carries more, nobody could look through them, and feedparser is slow.
MAX_ENTRIES = 5_000


def read(content: bytes, *, address: str, content_type: str | None = None) -> Reading:
    """Return the entries of a feed; those without a title or text are reported as unread."""
    text = damage.decode(content, content_type)
    refuse_declarations(text)
    if len(ENTRY.findall(text)) > MAX_ENTRIES:
        raise NotReadable(f"{address} holds more than {MAX_ENTRIES} entries, which no feed should.")
    feed = _parse(DECLARATION.sub("", text, count=1), address)
    if not feed.version and not feed.entries:
        raise NotReadable(f"{address} is no RSS or Atom feed, or one too broken to read.")
    items, unread = [], []
    for position, entry in enumerate(feed.entries, 1):
        item = _item(entry, address)
        if item:
            items.append(item)
        else:
            unread.append(Unread(position, str(entry.get("id", ""))[:200], f"Entry {position} has no title."))
    return Reading(tuple(items), (), tuple(unread), "feed")


def refuse_declarations(text: str) -> None:
    """Raise NotReadable where a document type or an entity is declared: a feed needs none, attacks do."""
    if DECLARES.search(HARMLESS.sub(_unless_open, text)):
        raise NotReadable("The feed declares a document type or entities (DTD); such XML is refused as unsafe.")


def _unless_open(match: re.Match[str]) -> str:
    """Drop a comment that ends; keep one that does not, because a lenient parser may look inside."""
    return "" if match[0].endswith(("-->", "]]>", "?>")) else match[0]


def _parse(text: str, address: str) -> Any:
    # The very text that was checked, as UTF-8: what the parser sees is never decoded a second way. And in
    # a file object, because feedparser takes bytes that name a local file for that file.
    checked = io.BytesIO(text.encode("utf-8", "replace"))
    headers = {"content-type": "application/xml; charset=utf-8", "content-location": address}
    try:
        # Sanitising is nh3's work (clean.py); doing it twice only loses text.
        return feedparser.parse(checked, response_headers=headers, sanitize_html=False)
    except Exception as error:  # feedparser lets several parsers' own errors through on broken input
        raise NotReadable(f"{address} is a feed too broken to read.") from error


def _item(entry: Mapping[str, Any], address: str) -> ParsedItem | None:
    summary, content = entry.get("summary") or "", _content(entry)
    title = _title(entry)
    if not title:
        return None
    teaser = _teaser(summary, content)
    body = clean.fragment(content or summary, entry.get("link") or address)
    printed, published_on = _published(entry)
    image_url, image_alt = _image(entry, address)
    return ParsedItem(
        title=title,
        teaser=teaser,
        published_on=published_on,
        date_label=in_words(published_on) if published_on else printed,
        series=None,
        number=None,
        byline=clean.text(entry.get("author") or "") or None,
        image_caption=None,
        link=page.absolute(entry.get("link"), address),
        body=body if clean.paragraphs(body) != teaser else "",
        image_url=image_url,
        image_alt=image_alt,
        tags=_tags(entry),
        guid=entry.get("id") or None,
        damage=tuple(_undated(printed, published_on) + damage.signs_of(title, teaser)),
    )


def _content(entry: Mapping[str, Any]) -> str:
    return next((part["value"] for part in entry.get("content") or () if part.get("value")), "")


def _title(entry: Mapping[str, Any]) -> str:
    raw = entry.get("title") or ""
    if (entry.get("title_detail") or {}).get("type") == "text/plain":
        return " ".join(raw.split())
    return clean.text(raw)


def _teaser(summary: str, content: str) -> str:
    """Return the summary as text, or the first paragraph where only the whole text is given."""
    text = APPENDED.sub("", clean.paragraphs(summary)).strip()
    if text and summary != content:
        return uncut(text)
    return clean.paragraphs(content).split("\n\n")[0] if content else text


def uncut(text: str) -> str:
    """Return a summary with "…" where blog software wrote "[…]", and without its "Read more"."""
    shorter = CUT.sub("", text).rstrip()
    return f"{shorter}…" if text.endswith("]") and shorter != text else shorter


def _published(entry: Mapping[str, Any]) -> tuple[str, date | None]:
    """Return the date as the feed writes it, and its day where the writer was (not in Greenwich)."""
    own = dict(entry)  # feedparser's own look-up answers `updated` with `published`, and warns of it
    printed = str(own.get("published") or own.get("updated") or "").strip()
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return printed, parse(printed).date()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    parsed = own.get("published_parsed") or own.get("updated_parsed")
    try:
        return printed, date(*parsed[:3]) if parsed else None
    except (ValueError, TypeError):
        return printed, None


def _undated(printed: str, published_on: date | None) -> list[str]:
    if published_on:
        return []
    return [f"The date “{printed[:60]}” cannot be read." if printed else "The feed gives no date."]


def _tags(entry: Mapping[str, Any]) -> tuple[str, ...]:
    names = (tag.get("label") or tag.get("term") for tag in entry.get("tags") or ())
    return tuple(dict.fromkeys(clean.text(str(name)) for name in names if name))


def _image(entry: Mapping[str, Any], address: str) -> tuple[str | None, str | None]:
    pictures = [
        *(entry.get("media_content") or ()),
        *(entry.get("enclosures") or ()),
        *(entry.get("media_thumbnail") or ()),
    ]
    for picture in pictures:
        kind = str(picture.get("type") or picture.get("medium") or "image")
        url = page.absolute(picture.get("url") or picture.get("href"), address)
        if url and kind.startswith("image"):
            return url, clean.text(picture.get("alt") or "") or None
    return None, None
