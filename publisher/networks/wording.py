"""A wording: how posts of one purpose are put, as text with fixed fields: `{title}`, `{teaser|its fallback}`.

Staff write wordings, so they are data. A field is looked up in a table and replaced by a value, in one pass, so that a
title that looks like a field is a title; nothing is executed, and what is no field is refused when it is written down.

A line whose fields are all empty is left out, with the words around them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "social"

FIELD = re.compile(r"\{([a-z_]+)(?:\|([^{}|\r\n]*))?\}")
FIELD_LIKE = re.compile(r"\{([^{}\r\n]*)\}")
BRACE = re.compile(r"[{}]")


@dataclass(frozen=True)
class Kind:
    """What a post of one purpose is made of; `gives_way`: what is shortened or left out, first to last, to fit."""

    fields: tuple[str, ...]
    gives_way: tuple[str, ...]
    link_needed: bool = True


#: A teaser says least per letter, a title most. Half a headline or half a hashtag says nothing: they go whole.
ITEM = Kind(("title", "label", "teaser", "hashtags", "link"), ("teaser", "hashtags", "title", "label"))

#: By purpose. One that is not named here is of an item.
KINDS = {
    "item": ITEM,
    # Without hashtags: a campaign is of single items, and what else stands in the digest is none of it.
    "digest": Kind(("label", "headlines", "link"), ("headlines", "label")),
    # The hashtag is what it is about. It may lead nowhere but there.
    "campaign": Kind(("title", "label", "teaser", "hashtags", "link"), ("teaser", "title", "label"), link_needed=False),
}


def kind_of(purpose: str) -> Kind:
    return KINDS.get(purpose, ITEM)


@cache
def default(purpose: str, network: str) -> str:
    """The house's own wording: the network's where it has one, else the one for all."""
    named = [TEMPLATES / network / f"{purpose}.txt", TEMPLATES / f"{purpose}.txt"]
    return next(file for file in named if file.exists()).read_text(encoding="utf-8").strip()


def complaint(wording: str, purpose: str) -> str | None:
    """What is wrong with a wording whatever the network, in a sentence; None where nothing is."""
    if not wording.strip():
        return "A wording needs words, or at least a field."
    return _wrong_field(wording, kind_of(purpose).fields) or _wrong_link(wording)


def _wrong_field(wording: str, fields: tuple[str, ...]) -> str | None:
    there_are = f"there are {', '.join(f'{{{name}}}' for name in fields)}"
    for match in FIELD_LIKE.finditer(wording):
        known = FIELD.fullmatch(match[0])
        if not known or known[1] not in fields:
            return f"There is no field {match[0]} here: {there_are}."
    if left_over := BRACE.search(FIELD_LIKE.sub("", wording)):
        return f"A “{left_over[0]}” is left over: a field stands between two braces, and {there_are}."
    return None


def _wrong_link(wording: str) -> str | None:
    links = [match for match in FIELD.finditer(wording) if match[1] == "link"]
    if len(links) > 1:
        return "{link} stands here more than once: once is enough."
    if any(wording[match.start() - 1 : match.start()].strip() or wording[match.end() :][:1].strip() for match in links):
        return "{link} needs a blank or a new line before and after it: what touches a link becomes part of it."
    return None


def has_link(wording: str) -> bool:
    return any(match[1] == "link" for match in FIELD.finditer(wording))


def filled(wording: str, values: Mapping[str, str]) -> str:
    """The wording with its fields replaced, and without the lines that had nothing but empty ones."""
    lines = (_line(line, values) for line in wording.splitlines())
    text = "\n".join(line.rstrip(" \t") for line in lines if line is not None)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _line(line: str, values: Mapping[str, str]) -> str | None:
    found = [values.get(match[1]) or match[2] or "" for match in FIELD.finditer(line)]
    if found and not any(found):
        return None
    return FIELD.sub(lambda match: values.get(match[1]) or match[2] or "", line)
