"""What a post says, and how long it is for the network that counts it."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape
from wcwidth import iter_graphemes

from publisher.counting import extract_urls_with_indices, parse_tweet
from publisher.networks import network_class

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "social"

Measure = Callable[[str], int]

# What X counts for a URL of any length.
URL_WEIGHT = 23

# Looks like a domain, with or without a scheme, whether or not its TLD is known.
DOMAIN = re.compile(
    r"(?<![\w@./-])(?:https?://)?(?:[\w-]+\.)+(?:xn--[a-z0-9-]+|[^\W\d_]{2,})\b(?![@-])(?::\d+)?(?:[/?#]\S*)?",
    re.IGNORECASE,
)

LINK = re.compile(r"https?://\S+|www\.\S+", re.IGNORECASE)

ENDS_SENTENCE = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|(?=\n\n)")

# A full stop after one of these, or after a single capital ("A. Smith"), ends no sentence.
ABBREVIATIONS = frozenset(
    {"mr", "mrs", "ms", "dr", "st", "prof", "rev", "fr", "sr", "jr", "no", "nos", "vol", "pp", "ed", "vs"}
    | {"etc", "e.g", "i.e", "c.f", "approx", "inc", "ltd"}
)

DANGLING = " \t\n,;:–—-(\"'“‘«/"


def weigh(text: str) -> int:
    """The weighted length that X counts (twitter-text v3), or a little more; never less.

    The parser's table of top-level domains is of 2021. A URL under a newer one is counted by X as any URL,
    and by the parser letter by letter: https://a.kids as 14 instead of 23. Such a one counts as the larger.
    """
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    recognised = [found["indices"] for found in extract_urls_with_indices(text)]
    extra = 0
    for match in DOMAIN.finditer(text):
        if not any(start < match.end() and match.start() < end for start, end in recognised):
            extra += max(0, URL_WEIGHT - parse_tweet(match.group()).weightedLength)
    weight: int = parse_tweet(text).weightedLength
    return weight + extra


def compose(title: str, teaser: str, link: str | None, hashtags: Iterable[str], *, network: str) -> str:
    """An item's post: title, as much of the teaser as fits, hashtags, and the link on its own line."""
    return render("item", network, title=title, teaser=teaser, link=link, hashtags=hashtags)


def render(kind: str, network: str, *, with_picture: bool = False, **fields: Any) -> str:
    """A post's text from templates/social, within the network's limit.

    Kinds and their fields, all but the first of each optional:
        item    title, label ("Update 120. 31 March 2007"), teaser, link, hashtags
        digest  label, headlines or else line (the organisation's own sentence), link, hashtags

    What does not fit gives way in the order of GIVES_WAY; the link never does. Where a network takes the link
    beside the text (Facebook), it stands in the text only with a picture: a photo has no field for it.
    Raises ValueError where not even the shortest form fits.
    """
    adapter = network_class(network)
    fields = _tidied(fields)
    if not (adapter.link_in_text or with_picture):
        fields["link"] = None
    wording = _wording(kind, network)
    for give_way in (None, *GIVES_WAY):
        if give_way:
            give_way(fields, adapter.limit, lambda changed: adapter.measure(_written(wording, changed)))
        text = _written(wording, fields)
        if adapter.measure(text) <= adapter.limit:
            return text
    raise ValueError(f"A post for {adapter.label} of at most {adapter.limit} cannot be made of this: {text!r}")


Fields = dict[str, Any]


def _shorten_field(name: str) -> Callable[[Fields, int, Callable[[Fields], int]], None]:
    def give_way(fields: Fields, limit: int, measure: Callable[[Fields], int]) -> None:
        if fields[name]:
            fields[name] = shorten(fields[name], limit, lambda value: measure({**fields, name: value}))

    return give_way


def _drop_last(name: str) -> Callable[[Fields, int, Callable[[Fields], int]], None]:
    def give_way(fields: Fields, limit: int, measure: Callable[[Fields], int]) -> None:
        whole = fields[name]
        for kept in range(len(whole), -1, -1):
            fields[name], fields[f"more_{name}"] = whole[:kept], len(whole) - kept
            if measure(fields) <= limit:
                return

    return give_way


# A teaser says least per letter, a title most. Half a headline or half a hashtag says nothing.
GIVES_WAY = (
    _shorten_field("teaser"),
    _drop_last("headlines"),
    _drop_last("hashtags"),
    _shorten_field("line"),
    _shorten_field("title"),
    _shorten_field("label"),
)


def _tidied(fields: Mapping[str, Any]) -> Fields:
    """All the fields a template may ask for, without stray white space; hashtags with their sign."""
    whole = {name: fields.get(name) or "" for name in ("title", "label", "teaser", "line")}
    tags = (re.sub(r"[\s#]+", "", tag) for tag in fields.get("hashtags") or ())
    return {name: re.sub(r"[ \t]+", " ", value).strip() for name, value in whole.items()} | {
        "link": fields.get("link"),
        "headlines": [" ".join(line.split()) for line in fields.get("headlines") or ()],
        "hashtags": [f"#{tag}" for tag in tags if tag],
        "more_headlines": 0,
        "more_hashtags": 0,
    }


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=select_autoescape(default=False),
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _wording(kind: str, network: str) -> Template:
    """A network's own wording where it has one, else the one for all."""
    return _environment().select_template([f"{network}/{kind}.txt", f"{kind}.txt"])


def _written(wording: Template, fields: Fields) -> str:
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+$", "", wording.render(fields), flags=re.MULTILINE)).strip()


def shorten(text: str, limit: int, measure: Measure) -> str:
    """The text, or as much of its beginning as measures at most `limit`.

    It ends at a sentence; else at a word, with "…"; where the first word alone is too long (Thai has no
    spaces), between two characters as people see them. A link is kept whole or left out. It may be empty.
    """
    if measure(text) <= limit:
        return text
    sentence = _longest(_sentence_ends(text), limit, lambda end: measure(text[:end]))
    if sentence:
        return text[:sentence]
    for ends in (_word_ends(text), _grapheme_ends(text)):
        end = _longest(ends, limit, lambda end: measure(_trailing_off(text[:end])))
        if end and _trailing_off(text[:end]) != "…":
            return _trailing_off(text[:end])
    return ""


def _longest(ends: list[int], limit: int, length: Callable[[int], int]) -> int:
    """The furthest of the ends that fits, or 0. Lengths grow with the end, but not strictly: hence the steps."""
    place = bisect_right(ends, limit, key=length)
    while place and length(ends[place - 1]) > limit:
        place -= 1
    return ends[place - 1] if place else 0


def _trailing_off(start: str) -> str:
    """With "…" at its end, and a space before it where a link is the last word: it would become part of it."""
    start = start.rstrip()
    if any(link.end() == len(start) for pattern in (LINK, DOMAIN) for link in pattern.finditer(start)):
        return start + " …"
    return start.rstrip(DANGLING).rstrip(".") + "…"


def _sentence_ends(text: str) -> list[int]:
    return [
        match.end()
        for match in ENDS_SENTENCE.finditer(text)
        if text[: match.end()].strip() and not _goes_on(text, match)
    ]


def _goes_on(text: str, match: re.Match[str]) -> bool:
    """Whether the sentence goes on after this full stop: an abbreviation, an initial, a small letter next."""
    if not match.group():
        return False  # the end of a paragraph
    if text[match.end() :].lstrip()[:1].islower():
        return True
    if match.group() != ".":
        return False
    word = text[: match.start()].split()[-1:] or [""]
    last = word[0].strip("(\"'“‘")
    return last.casefold() in ABBREVIATIONS or (len(last) == 1 and last.isupper())


def _word_ends(text: str) -> list[int]:
    return [match.end() for match in re.finditer(r"\S+", text)]


def _grapheme_ends(text: str) -> list[int]:
    """Where a text may be cut without hurting a character (an accent, a family, a flag) or a link."""
    ends = accumulate(len(grapheme) for grapheme in iter_graphemes(text))
    links = [link.span() for link in LINK.finditer(text)]
    return [end for end in ends if not any(start < end < stop for start, stop in links)]
