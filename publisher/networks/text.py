"""What a post says, and how long it is for the network that counts it.

The counting itself is each adapter's `measure`.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import Any

from wcwidth import iter_graphemes

from publisher.counting import extract_urls_with_indices, parse_tweet
from publisher.networks import network_class
from publisher.networks.wording import Kind, complaint, default, filled, has_link, kind_of

Measure = Callable[[str], int]

# What X counts for a URL of any length.
URL_WEIGHT = 23

# What a wording is tried with, and what its own words must leave for the news.
SOME_LINK = "https://www.example.org/" + "a" * 40
LEAST_ROOM = 80

# Looks like a domain, with or without a scheme, whether or not its TLD is known.
DOMAIN = re.compile(
    r"(?<![\w@./-])(?:https?://)?(?:[\w-]+\.)+(?:xn--[a-z0-9-]+|[^\W\d_]{2,})\b(?![@-])(?::\d+)?(?:[/?#]\S*)?",
    re.IGNORECASE,
)

LINK = re.compile(r"https?://\S+|www\.\S+", re.IGNORECASE)

HASHTAG = re.compile(r"(?<!\w)#\w+")

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


def render(purpose: str, network: str, *, wording: str | None = None, with_picture: bool = False, **fields: Any) -> str:
    """A post's text by a wording, or by the house's own for this purpose, within the network's limit.

    Fields: title, label ("Update 120. 31 March 2007"), teaser, headlines, hashtags, link; which of them a purpose
    has, and in which order they give way where not all fits, stands in wording.KINDS. The link never does. Where a
    network takes the link beside the text (Facebook), it stands in the text only with a picture: a photo has no
    field for it. Raises ValueError where not even the shortest form fits.
    """
    adapter, kind = network_class(network), kind_of(purpose)
    words = default(purpose, network) if wording is None else wording
    kept = _tidied(fields)
    if not (adapter.link_in_text or with_picture):
        kept["link"] = ""
    for name in ("", *kind.gives_way):
        if name:
            _give_way(kept, name, adapter.limit, lambda changed: adapter.measure(_written(words, kind, changed)))
        text = _written(words, kind, kept)
        if adapter.measure(text) <= adapter.limit:
            return text
    raise ValueError(f"A post for {adapter.label} of at most {adapter.limit} cannot be made of this: {text!r}")


def check_wording(wording: str, purpose: str, network: str) -> None:
    """ValueError, with a sentence for people, where posts on this network could not be worded so."""
    adapter, kind = network_class(network), kind_of(purpose)
    if sentence := complaint(wording, purpose):
        raise ValueError(sentence)
    if adapter.link_in_text and kind.link_needed and not has_link(wording):
        raise ValueError(f"On {adapter.label} the link stands in the text: the wording needs a {{link}}.")
    left = adapter.limit - adapter.measure(_written(wording, kind, _tidied({"link": SOME_LINK})))
    if left < LEAST_ROOM:
        raise ValueError(
            f"This leaves {max(left, 0)} of the {adapter.limit} characters that {adapter.label} takes for the news "
            f"itself: shorten it until {LEAST_ROOM} are left."
        )


Fields = dict[str, Any]


def _give_way(fields: Fields, name: str, limit: int, measure: Callable[[Fields], int]) -> None:
    """Shorten one field, or leave out its last parts where it is a list, until all fits or nothing of it is left."""
    whole = fields[name]
    if isinstance(whole, str):
        fields[name] = shorten(whole, limit, lambda value: measure({**fields, name: value})) if whole else ""
        return
    for kept in range(len(whole), -1, -1):
        fields[name], fields[f"more_{name}"] = whole[:kept], len(whole) - kept
        if measure(fields) <= limit:
            return


def _tidied(fields: Mapping[str, Any]) -> Fields:
    """All the fields a wording may ask for, without stray white space; hashtags with their sign."""
    link = fields.get("link") or ""
    tags = (re.sub(r"[\s#]+", "", tag) for tag in fields.get("hashtags") or ())
    return {
        "title": _line(fields.get("title") or "", link),
        "label": _line(fields.get("label") or "", link),
        "teaser": _paragraphs(fields.get("teaser") or "", link),
        "link": link,
        "headlines": [" ".join(line.split()) for line in fields.get("headlines") or ()],
        "hashtags": [f"#{tag}" for tag in dict.fromkeys(tags) if tag],
        "more_headlines": 0,
    }


def _line(text: str, link: str) -> str:
    return " ".join(word for word in text.split() if word != link)


def _paragraphs(text: str, link: str) -> str:
    """As printed, without the post's own link: it stands in the post once."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(" ".join(word for word in line.split() if word != link) for line in lines).strip()


def _written(wording: str, kind: Kind, fields: Fields) -> str:
    shown = {name: value for name, value in fields.items() if isinstance(value, str)} | {
        "headlines": _headlines(fields)
    }
    tags = fields["hashtags"]
    if tags and "hashtags" in kind.gives_way:
        said = {tag.casefold() for tag in HASHTAG.findall(filled(wording, shown))}
        tags = [tag for tag in tags if tag.casefold() not in said]
    return filled(wording, shown | {"hashtags": " ".join(tags)})


def _headlines(fields: Fields) -> str:
    lines = [f"• {headline}" for headline in fields["headlines"]]
    if more := fields["more_headlines"]:
        lines.append(f"… and {more} more" if lines else f"{more} items of news")
    return "\n".join(lines)


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
    """The furthest of the ends that fits, or 0. Lengths grow with the end, but not strictly: hence the steps back.

    Searched from the beginning on, in leaps: to count a long text costs much more than a short one.
    """
    leap = 1
    while leap <= len(ends) and length(ends[leap - 1]) <= limit:
        leap *= 2
    place = bisect_right(ends, limit, leap // 2, min(leap, len(ends)), key=length)
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
