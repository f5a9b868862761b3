"""An HTML page as lines: one for each block, in reading order, with what the markup says about it."""

import re
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

import lxml.html
from lxml import etree
from lxml.html import HtmlElement

from publisher.intake import NotReadable, labels
from publisher.intake.lines import Line, trim

TAGS = re.compile(
    r"<(?:!doctype html|/?(?:html|body|head|div|p|ul|ol|li|h[1-6]|table|tr|article|section|main|br|a|span|time)\b)",
    re.I,
)
DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")
BLOCKS = frozenset([
    "address", "article", "aside", "blockquote", "body", "center", "dd", "details", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr",
    "html", "legend", "li", "main", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "td",
    "tfoot", "th", "thead", "time", "tr", "ul",
])  # fmt: skip
#: Each of these holds one block of a listing.
LEADS = frozenset(["li", "tr", "article", "dt"])
NEVER = frozenset([
    "script", "style", "noscript", "template", "head", "svg", "math", "iframe", "object", "select", "textarea",
    "button", "title",
])  # fmt: skip
FURNITURE_TAGS = frozenset(["nav", "header", "footer", "form"])
FURNITURE_ROLES = frozenset(["navigation", "search", "banner", "contentinfo"])
FURNITURE_CLASSES = frozenset([
    "nav", "navbar", "navigation", "menu", "breadcrumb", "breadcrumbs", "footer", "pagination", "pager",
    "cookie", "cookies", "skip", "skiplink",
])  # fmt: skip
#: class -> what the line is. "date" only parts the line from its neighbours.
ROLES = {
    "caption": "caption", "wp-caption-text": "caption", "image-caption": "caption", "credit": "caption",
    "byline": "byline", "author": "byline", "p-author": "byline",
    "date": "date", "entry-date": "date", "published": "date", "posted-on": "date",
    "dt-published": "date", "label": "date",
}  # fmt: skip
SPACES = re.compile(r"\s+")


def is_html(text: str) -> bool:
    return bool(TAGS.search(text[:20_000]))


def parse(text: str) -> HtmlElement:
    """Return the root of an HTML text. Entities of its own and files of ours are never read."""
    parser = lxml.html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False)
    try:
        return lxml.html.document_fromstring(
            DECLARATION.sub("", text, count=1).encode("utf-8", "replace"), parser=parser
        )
    except (etree.LxmlError, ValueError, AssertionError) as error:
        raise NotReadable("This HTML holds no text.") from error


def lines(root: HtmlElement, address: str = "") -> list[Line]:
    """Return the lines of everything under `root` but scripts and the page's own furniture."""
    walk = _Walk(address)
    walk.visit(root)
    walk.flush()
    return walk.lines


def absolute(href: str | None, address: str) -> str | None:
    """Return `href` as a full address, or None where it leads nowhere a reader can go."""
    try:
        full = urljoin(address, (href or "").strip())
        return full if href and urlsplit(full).scheme in ("http", "https") and urlsplit(full).hostname else None
    except ValueError:
        return None


def classes(element: HtmlElement) -> list[str]:
    return (element.get("class") or "").split()


def is_furniture(element: HtmlElement) -> bool:
    """Say whether an element is the page's frame, by its own words, and holds no date line.

    The second half guards against pages that call the whole of themselves "menu-content".
    """
    words = {
        word for name in [*classes(element), element.get("id") or ""] for word in re.split(r"[-_\s]", name.lower())
    }
    named = (element.tag in FURNITURE_TAGS and not _inside_item(element)) or _names_columns(element)
    if element.tag in ("div", "ul", "ol", "section", "p", "span", "a"):
        named = bool(words & FURNITURE_CLASSES)
    if not (named or element.get("role") in FURNITURE_ROLES or element.get("hidden") is not None):
        return False
    return not any(labels.read(trim(text)) for text in element.itertext())


def _names_columns(element: HtmlElement) -> bool:
    return element.tag == "tr" and len(element) > 0 and all(cell.tag == "th" for cell in element)


def _inside_item(element: HtmlElement) -> bool:
    return any(parent.tag in ("article", "li", "tr", "main", "section") for parent in element.iterancestors())


def _unbroken(spaces: re.Match[str]) -> str:
    """Take a line break in the source for a space; keep other spaces as printed, even two of them."""
    return " " if "\n" in spaces[0] or "\r" in spaces[0] else spaces[0]


class _Walk:
    """Goes through a tree once and keeps the line that is being written."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.lines: list[Line] = []
        self.pieces: list[tuple[str, str | None]] = []
        self.groups: dict[HtmlElement | None, int] = {}
        self.gap = True
        self.bullet = ""
        self.depth = 0
        self.group = 0
        self.heading = 0
        self.role = ""
        self.number = 1
        self.image: tuple[str | None, str | None] = (None, None)

    def visit(self, element: HtmlElement, href: str | None = None) -> None:
        tag = element.tag
        if not isinstance(tag, str) or tag in NEVER or is_furniture(element):
            return
        if tag == "br":
            return self.end_line()
        if tag == "img":
            return self.keep_image(element)
        before = (self.heading, self.role, self.depth)
        role = next(
            (ROLES[name] for name in classes(element) if name in ROLES),
            "caption" if tag == "figcaption" else "",
        )
        parted = tag in BLOCKS or bool(role)
        if parted:
            self.open_block(element, role)
        self.read_children(element, absolute(element.get("href"), self.address) if tag == "a" else href)
        if parted:
            self.flush()
            self.gap = True
        self.heading, self.role, self.depth = before

    def open_block(self, element: HtmlElement, role: str) -> None:
        self.flush()
        self.gap = True
        self.role = role or self.role
        tag = str(element.tag)
        if re.fullmatch("h[1-6]", tag):
            self.heading = int(tag[1])
        if tag in LEADS:
            self.bullet = "•"
            self.depth += 1
            self.group = self.group_of(element)

    def group_of(self, element: HtmlElement) -> int:
        """Return one number for all points of a list, rows of a table or articles of a page."""
        return self.groups.setdefault(element.getparent(), len(self.groups) + 1)

    def read_children(self, element: HtmlElement, href: str | None) -> None:
        self.write(element.text, href, element)
        for child in element:
            self.visit(child, href)
            self.write(child.tail, href, child)

    def write(self, text: str | None, href: str | None, element: HtmlElement) -> None:
        if not text:
            return
        if not self.pieces:
            self.number = element.sourceline or self.number
        self.pieces.append((SPACES.sub(_unbroken, text), href))

    def end_line(self) -> None:
        """Break the line; a second <br> in a row makes a gap."""
        if not self.flush():
            self.gap = True

    def keep_image(self, element: HtmlElement) -> None:
        url = absolute(element.get("src"), self.address)
        if url and not self.image[0]:
            self.image = (url, trim(element.get("alt") or "") or None)

    def flush(self) -> bool:
        """Write the line that the pieces make; False where they are blank."""
        pieces, self.pieces = self.pieces, []
        text = trim("".join(piece for piece, _ in pieces))
        if not text:
            return False
        line = Line(
            self.number, text, bullet=self.bullet, indent=2 * self.depth,
            group=self.group if self.bullet else 0, gap=self.gap, broken=not self.gap,
            heading=self.heading, role=self.role, link=next((href for _, href in pieces if href), None),
            linked=all(href for piece, href in pieces if piece.strip()),
        )  # fmt: skip
        line.image_url, line.image_alt = self.image
        self.lines += _part_date(line, pieces)
        self.bullet, self.gap, self.image = "", False, (None, None)
        return True


def _part_date(line: Line, pieces: list[tuple[str, str | None]]) -> list[Line]:
    """Part "[Title] – 31 March 2007", where the title is a link, into two lines; likewise the other way."""
    linked = trim("".join(piece for piece, href in pieces if href))
    other = "".join(piece for piece, href in pieces if not href).strip(" -–—,:|()[]\xa0\t")
    if not linked or not other or not labels.read(other):
        return [line]
    title = replace(line, text=linked, linked=True)
    date = replace(line, text=other, linked=False, link=None)
    if line.text.startswith(linked):
        return [title, replace(date, bullet="", heading=0)]
    return [date, replace(title, bullet="")]
