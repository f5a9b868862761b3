"""A member's own values in a letter: `{first_name|friend}`, `{last_name}`, `{unsubscribe_url}`, `{view_url}` alone.

And two that our own templates have: `{because|you asked for it}`, why they get it, and `{reader}` behind counted links.
Staff text is data. A field is looked up in a table and replaced by a value; nothing is ever executed, and
what is not one of these fields stays as it was typed. (Jinja2 here would run whatever somebody pastes into a
letter.)
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

#: What staff may write in an introduction; the others stand in our own templates.
OF_STAFF = ("first_name", "last_name", "unsubscribe_url", "view_url")
FIELDS = (*OF_STAFF, "because", "reader")

# A letter that goes out without these would have a dead link where the way out should be.
NEVER_EMPTY = frozenset({"unsubscribe_url", "view_url"})

# Doubled braces are another program's fields: left alone here, and named by `unknown_fields`.
_FIELD = re.compile(r"(?<!\{)\{(" + "|".join(FIELDS) + r")(?:\|([^{}|\r\n]*))?\}(?!\})")
_FIELD_LIKE = re.compile(r"\{{1,3}%?\s*[^\W\d][\w .-]*(?:\|[^{}\r\n]*)?%?\}{1,3}")


class ValueMissing(ValueError):
    """A letter uses a field for which this member has no value."""

    def __init__(self, field: str) -> None:
        super().__init__(f"The letter has the field {{{field}}}, but this member has no {field}.")


@dataclass(frozen=True)
class Field:
    """A merge field's place in a letter. The fallback is part of the letter, which is already in its final form."""

    name: str
    fallback: str = ""


def pieces(text: str) -> tuple[list[tuple[str, Field]], str]:
    """The text taken apart: each field with what stands before it, and what stands behind the last."""
    words = _FIELD.split(text)
    fields = [Field(name, fallback or "") for name, fallback in zip(words[1::3], words[2::3], strict=True)]
    return list(zip(words[:-1:3], fields, strict=True)), words[-1]


def fill(text: str, values: Mapping[str, str], escape: Callable[[str], str] | None = None) -> str:
    """The text with its merge fields replaced by the member's values.

    An empty or absent value gives the fallback after the bar, else nothing; for a link it raises
    ValueMissing. `escape` is applied to values alone. One pass: a value that looks like a field is text, so no member
    can reach another field through their name.
    """
    found, rest = pieces(text)
    return "".join(before + (_value(field, values, escape) or field.fallback) for before, field in found) + rest


def _value(field: Field, values: Mapping[str, str], escape: Callable[[str], str] | None) -> str:
    value = values.get(field.name, "")
    if not value and field.name in NEVER_EMPTY:
        raise ValueMissing(field.name)
    return escape(value) if escape else value


def unknown_fields(text: str) -> tuple[str, ...]:
    """What looks like a merge field and is none, in order and each once: `{firstname}`, `{{ first_name }}`.

    Style rules in HTML (`{color: red}`) are no fields: a colon or a semicolon never stands in one.
    """
    found = (match[0] for match in _FIELD_LIKE.finditer(text) if not _FIELD.fullmatch(match[0]))
    return tuple(dict.fromkeys(found))


def misspelt(text: str) -> str:
    """Why a text of staff would not read as they mean it: a sentence of its first field that is none; else nothing."""
    wrong = [*unknown_fields(text), *(match[0] for match in _FIELD.finditer(text) if match[1] not in OF_STAFF)]
    wrong = [found for found in wrong if _meant(found)]
    if not wrong:
        return ""
    near, _, fallback = wrong[0].strip("{}% ").partition("|")
    names = get_close_matches(near.casefold().replace(" ", "_"), OF_STAFF, n=1, cutoff=0.7)
    name = names[0] if names else "first_name"
    mended = f"{{{name}|{fallback or 'friend'}}}" if name not in NEVER_EMPTY else f"{{{name}}}"
    fields = ", ".join(f"{{{name}}}" for name in OF_STAFF)
    return (
        f"“{wrong[0]}” would reach everybody just so: there is no such field. Did you mean {mended}? The fields are "
        f"{fields}. If it is no field, write it in round brackets."
    )


def _meant(found: str) -> bool:
    """Several words in single braces are somebody's own, unless they are nearly a field: {First name}."""
    inner = found.strip("{}")
    plain = " " in inner.strip() and found == f"{{{inner}}}" and "|" not in inner and "%" not in inner
    return not plain or bool(get_close_matches(inner.strip().casefold().replace(" ", "_"), OF_STAFF, cutoff=0.8))
