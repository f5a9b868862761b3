"""Items of a page that marks them up itself: microformats2 h-entry, and its forerunner hAtom.

Our own archive prints h-entry, so that importing one of its pages gives the same items back.
"""

from datetime import date, datetime

from lxml import etree
from lxml.html import HtmlElement

from publisher.intake import ParsedItem, Unread, clean, labels, page
from publisher.intake.damage import signs_of
from publisher.intake.labels import Label
from publisher.intake.lines import prose, trim

#: our word -> the classes that carry it
VOCABULARY = {
    "root": ("h-entry", "hentry"),
    "title": ("p-name", "entry-title"),
    "teaser": ("p-summary", "entry-summary"),
    "published": ("dt-published", "published", "entry-date"),
    "label": ("label",),
    "byline": ("p-author", "author"),
    "link": ("u-url",),
    "guid": ("u-uid",),
    "body": ("e-content", "entry-content"),
}


def read(root: HtmlElement, address: str) -> tuple[list[ParsedItem], list[Unread]]:
    """Return the entries that carry a title and a date, and those that do not; ([], []) where none does."""
    items, unread = [], []
    for entry in (entry for entry in _all(root, "root") if not _all(entry, "root")):
        if item := _item(entry, address):
            items.append(item)
        else:
            why = "It is marked up as an entry, but has no title or no date."
            unread.append(Unread(entry.sourceline or 0, (_text(entry) or "")[:500], why))
    return (items, unread) if items else ([], [])


def _item(entry: HtmlElement, address: str) -> ParsedItem | None:
    title = _text(_first(entry, "title"))
    label = _label(entry)
    if not title or not label:
        return None
    teaser = prose([line for part in _all(entry, "teaser") for line in page.lines(part, address)])
    caption = _text(next(iter(entry.xpath(".//figure//figcaption")), None))
    byline = _text(_first(entry, "byline"))
    image = next(iter(entry.xpath(".//img[@src]")), None)
    return ParsedItem(
        title=title,
        teaser=teaser,
        published_on=label.published_on,
        date_label=label.date_label,
        series=label.series,
        number=label.number,
        byline=byline,
        image_caption=caption,
        link=_link(entry, address),
        body=_body(entry, address),
        image_url=page.absolute(image.get("src"), address) if image is not None else None,
        image_alt=(trim(image.get("alt") or "") or None) if image is not None else None,
        guid=_guid(entry),
        line=entry.sourceline,
        damage=tuple(([label.problem] if label.problem else []) + signs_of(title, teaser, caption, byline)),
    )


def _label(entry: HtmlElement) -> Label | None:
    """Return the printed label, with the day that the markup states where it states one."""
    element, published = _first(entry, "label"), _first(entry, "published")
    printed = _text(element) or _text(published)
    stated = _stated(published)
    if not printed:
        return None
    label = labels.read(printed) or Label(None, None, printed, None, f"The date “{printed}” cannot be read.")
    if not stated or stated == label.published_on:
        return label
    return Label(label.series, label.number, label.date_label, stated, label.problem and _differs(label, stated))


def _differs(label: Label, stated: date) -> str:
    return f"{label.problem} The page's markup says {stated.isoformat()}."


def _stated(published: HtmlElement | None) -> date | None:
    try:
        return (
            datetime.fromisoformat((published.get("datetime") or "").strip()).date() if published is not None else None
        )
    except ValueError:
        return None


def _link(entry: HtmlElement, address: str) -> str | None:
    title = _first(entry, "title")
    inside = title.xpath("(self::a|.//a|ancestor::a)[@href]") if title is not None else []
    own = next((a.get("href") for a in [*_all(entry, "link"), *inside] if a.get("href")), None)
    return page.absolute(own, address)


def _body(entry: HtmlElement, address: str) -> str:
    body = _first(entry, "body")
    return (
        ""
        if body is None
        else clean.fragment(etree.tostring(body, encoding="unicode", method="html", with_tail=False), address)
    )


def _guid(entry: HtmlElement) -> str | None:
    element = _first(entry, "guid")
    return (element.get("href") or element.get("value") or _text(element)) if element is not None else None


def _all(element: HtmlElement, word: str) -> list[HtmlElement]:
    """Return the elements below `element` that carry the first class of `word` which any carries."""
    for name in VOCABULARY[word]:
        found: list[HtmlElement] = element.xpath(
            ".//*[contains(concat(' ', normalize-space(@class), ' '), $name)]", name=f" {name} "
        )
        if found:
            return found
    return []


def _first(element: HtmlElement, word: str) -> HtmlElement | None:
    return next(iter(_all(element, word)), None)


def _text(element: HtmlElement | None) -> str | None:
    if element is None:
        return None
    return " ".join(line.text for line in page.lines(element)) or None
