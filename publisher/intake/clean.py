"""Foreign HTML, made safe to show (nh3) or turned into text."""

import nh3

from publisher.intake import NotReadable, page
from publisher.intake.lines import prose

#: What a text needs. Never svg, math, style, title, textarea, noscript, iframe or xmp: every known way
#: around the sanitiser leads through one of them. No img either: pictures are fetched and stored by us.
TAGS = frozenset([
    "a", "abbr", "b", "blockquote", "br", "cite", "code", "del", "em", "h2", "h3", "h4", "h5", "h6", "hr", "i",
    "ins", "li", "ol", "p", "pre", "q", "s", "small", "strong", "sub", "sup", "table", "tbody", "td", "tfoot",
    "th", "thead", "tr", "u", "ul",
])  # fmt: skip
ATTRIBUTES = {
    "a": {"href", "title", "hreflang"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
}
SCHEMES = {"http", "https", "mailto"}
#: Removed with all that is in them; of other unknown elements the text stays.
EMPTIED = frozenset([
    "script", "style", "iframe", "object", "embed", "svg", "math", "title", "textarea", "noscript", "template",
    "xmp", "select", "form",
])  # fmt: skip


def fragment(html: str, address: str = "") -> str:
    """Return `html` with only harmless tags, and links made absolute."""

    def filtered(tag: str, attribute: str, value: str) -> str | None:
        if attribute != "href" or value.strip().lower().startswith("mailto:"):
            return value
        return page.absolute(value, address)

    return nh3.clean(
        html,
        tags=set(TAGS),
        clean_content_tags=set(EMPTIED),
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        attribute_filter=filtered,
        url_schemes=set(SCHEMES),
        link_rel="noopener noreferrer",
    ).strip()


def paragraphs(html: str) -> str:
    """Return the text of `html`, paragraphs parted by a blank line, lists as "• …"."""
    if not html.strip():
        return ""
    try:
        return prose(page.lines(page.parse(html)))
    except NotReadable:
        return ""


def text(html: str) -> str:
    """Return the text of `html` on one line."""
    return " ".join(paragraphs(html).split("\n")).replace("  ", " ").strip()
