"""The MJML components that our mails are made of, and what is wrong with a mail that uses others.

mrml compiles what it does not know without a word: a misspelt tag goes into the mail as it stands, a misspelt
attribute is dropped. Here both are found, with nesting. Attributes are those of MJML 4's documentation that the
mails use or may come to use: adding one is a word in a table.
"""

from collections.abc import Iterator

from lxml import etree

PADDING = frozenset({"padding", "padding-top", "padding-right", "padding-bottom", "padding-left"})
FONT = frozenset({"font-family", "font-size", "font-style", "font-weight", "line-height", "letter-spacing"})
COMMON = frozenset({"css-class", "mj-class"})
BOX = COMMON | PADDING | {"background-color", "border", "border-radius", "direction"}
CONTENT = COMMON | PADDING | {"align", "container-background-color"}

ATTRIBUTES: dict[str, frozenset[str]] = {
    "mjml": frozenset({"lang", "dir"}),
    "mj-head": frozenset(),
    "mj-title": frozenset(),
    "mj-preview": frozenset(),
    "mj-attributes": frozenset(),
    "mj-style": frozenset(),
    "mj-raw": frozenset(),
    "mj-body": frozenset({"background-color", "css-class", "width"}),
    "mj-section": BOX | {"text-align", "full-width"},
    "mj-column": BOX | {"width", "vertical-align"},
    "mj-table": CONTENT | FONT | {"border", "color", "table-layout", "width"},
    "mj-button": CONTENT | FONT | {
        "background-color", "border", "border-radius", "color", "height", "href", "inner-padding", "text-align",
        "text-decoration", "vertical-align", "width",
    },
}  # fmt: skip

CHILDREN: dict[str, frozenset[str]] = {
    "mjml": frozenset({"mj-head", "mj-body"}),
    "mj-head": frozenset({"mj-title", "mj-preview", "mj-attributes", "mj-style", "mj-raw"}),
    "mj-attributes": frozenset({"mj-all", *ATTRIBUTES}) - {"mjml", "mj-head", "mj-title", "mj-preview", "mj-style"},
    "mj-body": frozenset({"mj-section"}),
    "mj-section": frozenset({"mj-column"}),
    "mj-column": frozenset({"mj-table", "mj-button"}),
}

# What the HTML inside a component may be made of: all that mail clients keep, and nothing that acts or loads.
# An address in `style` is not looked for: colours are all that our templates put there.
HTML: dict[str, frozenset[str]] = {
    tag: frozenset({"class", "style"}) | more
    for tag, more in {
        "a": {"href"}, "br": set(), "em": set(), "h1": set(), "h2": set(), "li": set(), "p": set(), "span": set(),
        "strong": set(), "td": {"align"}, "tr": set(), "ul": set(),
        "img": {"src", "alt", "width", "height"}, "meta": {"name", "content"},
    }.items()
}  # fmt: skip
HOLDS_HTML = frozenset({"mj-table", "mj-button", "mj-raw"})
HOLDS_TEXT = frozenset({"mj-title", "mj-preview", "mj-style"})


def problems(mjml: str) -> list[str]:
    """What mrml would swallow in silence, a sentence each with its line; nothing if the mail is sound."""
    try:
        root = etree.fromstring(mjml, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        return [f"line {error.lineno}: not well-formed: {error.msg}"]
    if root.tag != "mjml":
        return [f"line {root.sourceline}: the outermost tag is <{root.tag!s}>, not <mjml>"]
    return list(_component(root))


def _component(element: etree._Element) -> Iterator[str]:
    tag = str(element.tag)
    yield from _unknown_attributes(element, ATTRIBUTES.get(tag, frozenset()))
    for child in element.iterchildren(tag=etree.Element):
        if tag in HOLDS_HTML:
            yield from _html(child)
        elif child.tag not in CHILDREN.get(tag, frozenset()):
            yield f"line {child.sourceline}: <{child.tag!s}> does not belong in <{tag}>"
        elif tag == "mj-attributes":
            yield from _default(child)
        else:
            yield from _component(child)


def _default(element: etree._Element) -> Iterator[str]:
    """A child of mj-attributes: for `mj-all`, an attribute that any component has."""
    anywhere = frozenset().union(*ATTRIBUTES.values())
    yield from _unknown_attributes(element, anywhere if element.tag == "mj-all" else ATTRIBUTES[str(element.tag)])


def _html(element: etree._Element) -> Iterator[str]:
    for each in element.iter(tag=etree.Element):
        if each.tag in HTML:
            yield from _unknown_attributes(each, HTML[str(each.tag)])
        else:
            yield f"line {each.sourceline}: <{each.tag!s}> is not among the HTML that our mails use"


def _unknown_attributes(element: etree._Element, known: frozenset[str]) -> Iterator[str]:
    for name in element.attrib:
        if name not in known:
            yield f"line {element.sourceline}: <{element.tag!s}> has no attribute {str(name)!r}"
