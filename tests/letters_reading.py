"""Reading a letter as mail programs do: its words, its links, and the colours that each word is drawn in."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import html as lxml_html

from publisher.letters import Letter

WHITE_SPACE = re.compile(r"\s+")
RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
HIDDEN = "display:none"


@dataclass(frozen=True)
class Drawn:
    """A piece of text with the colours it is drawn in."""

    text: str
    colour: str
    background: str


def parse(letter: Letter) -> lxml_html.HtmlElement:
    return lxml_html.document_fromstring(letter.html)


def words(text: str) -> str:
    """The text with every run of white space as one space."""
    return WHITE_SPACE.sub(" ", text).strip()


def headings(letter: Letter) -> list[str]:
    return [words(each.text_content()) for each in parse(letter).iter("h1", "h2")]


def links(letter: Letter) -> list[str]:
    return [each.get("href") for each in parse(letter).iter("a")]


def as_drawn(letter: Letter, scheme: str = "light") -> list[Drawn]:
    """Every visible piece of text; `scheme` is "light", "dark", or "outlook" for its dark mode."""
    page = parse(letter)
    styles = {element: _inline(element) for element in page.iter() if isinstance(element.tag, str)}
    for selector, declarations in _rules(letter.html, scheme):
        for element in page.cssselect(selector):
            styles[element] |= declarations
    return [
        Drawn(text, _inherited(element, styles, "color"), _inherited(element, styles, "background"))
        for element in page.body.iter()
        if isinstance(element.tag, str) and not _is_hidden(element)
        for text in _texts(element)
    ]


def _texts(element: lxml_html.HtmlElement) -> list[str]:
    pieces = [element.text, element.get("alt"), *(child.tail for child in element)]
    return [words(piece) for piece in pieces if piece and piece.strip()]


def _is_hidden(element: lxml_html.HtmlElement) -> bool:
    return any(HIDDEN in each.get("style", "") for each in (element, *element.iterancestors()))


def _inherited(element: lxml_html.HtmlElement, styles: dict, name: str) -> str:
    for each in (element, *element.iterancestors()):
        if found := styles[each].get(name):
            return found
    raise AssertionError(f"No {name} is set for {element.tag} or anything around it.")


def _inline(element: lxml_html.HtmlElement) -> dict[str, str]:
    return _declarations(element.get("style", ""))


def _declarations(text: str) -> dict[str, str]:
    pairs = (each.split(":", 1) for each in text.split(";") if ":" in each)
    named = {name.strip(): value.replace("!important", "").strip() for name, value in pairs}
    if "background-color" in named:
        named["background"] = named["background-color"]
    return named


def _rules(source: str, scheme: str) -> Iterator[tuple[str, dict[str, str]]]:
    if scheme == "dark":
        (sheet,) = re.findall(r"prefers-color-scheme: dark\) \{(.*?\})\s*\}", source, re.DOTALL)
        yield from ((selector, _declarations(body)) for selector, body in RULE.findall(sheet))
    if scheme == "outlook":
        sheet = re.search(r"\[data-ogs.*?(?=</style>)", source, re.DOTALL)
        assert sheet
        for selectors, body in RULE.findall(sheet[0]):
            yield re.sub(r"\[data-ogs[cb]\] ", "", selectors), _declarations(body)
