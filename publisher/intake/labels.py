"""The line under a title: "Update 119. 31 January 2007", "Peru New 057. 30 March 2007", "5 March 2019"."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from publisher.intake import dates

#: Taken for a series even where no number follows, because it is the usual name.
USUAL = frozenset(["update"])
SERIES = r"(?P<series>[^\W\d_](?:[^\W\d_]|[ .&'’-]){0,38}?)"
NUMBER = r"(?:(?:no|nr|number|issue|num)\b\.?|n ?[º°]|№|#)? *(?P<number>\d{1,4})"
NUMBERED = re.compile(rf"(?:{SERIES} *)??{NUMBER}(?P<stop> ?[.,:;|)]| [-–—/])? *(?P<rest>.*)", re.IGNORECASE)
NUMBER_ONLY = re.compile(rf"{SERIES} *{NUMBER}[.,:;]?", re.IGNORECASE)
UNNUMBERED = re.compile(rf"{SERIES}(?: ?[.,:;|]| [-–—])? +(?P<rest>\S*\d.*|[^\W\d]+\.? .*\d.*)", re.IGNORECASE)
POSTED = re.compile(r"^(?:posted|published|added|created|dated?)(?: on| at)? *:? +", re.IGNORECASE)
DATE_LIKE = re.compile(rf"\b(?:19|20)\d\d\b|\b(?:{'|'.join(dates.MONTHS)})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Label:
    series: str | None
    number: int | None
    #: The date as printed, without series, number and outer punctuation.
    date_label: str
    published_on: date | None
    problem: str | None = None


def read(text: str, known: Collection[str] = USUAL) -> Label | None:
    """Return what a date line says, or None where `text` is something else.

    `known` are the series (lower case) that the page prints with numbers elsewhere: only with them may
    the number, or a readable date, be missing.
    """
    if not text or len(text) > 100:
        return None
    text = POSTED.sub("", dates.plain(text).strip("([").rstrip(")]"), count=1)
    return _dated(None, None, text) or _numbered(text, known) or _unnumbered(text, known)


def _dated(series: str | None, number: int | None, text: str) -> Label | None:
    printed = dates.read(text)
    if not printed:
        return None
    return Label(series, number, text.strip(" .,;()[]"), printed.published_on, printed.problem)


def _numbered(text: str, known: Collection[str]) -> Label | None:
    match = NUMBERED.fullmatch(text)
    if not match or not (match["series"] or match["stop"]):
        return None
    series, number, rest = match["series"], int(match["number"]), match["rest"]
    is_known = bool(series) and series.strip(" .").lower() in known
    if not is_known and (1900 <= number <= 2099 or (series and len(series.split()) > 4)):
        return None  # "Elections 2006. 30 April" is a title
    if not match["stop"] and len(match["number"]) < 3 and dates.read(f"{number} {rest}"):
        return None  # "Update 31 March 2007" has a day and no number
    name = canonical(series) if series else None
    if label := _dated(name, number, rest):
        return label
    if is_known and len(rest) <= 40 and DATE_LIKE.search(rest):
        return Label(name, number, rest.strip(" .,;"), None, f"The date “{rest}” cannot be read.")
    return None


def _unnumbered(text: str, known: Collection[str]) -> Label | None:
    match = UNNUMBERED.fullmatch(text)
    if not match or match["series"].strip(" .").lower() not in known:
        return None
    return _dated(canonical(match["series"]), None, match["rest"])


def number_only(text: str, known: Collection[str] = USUAL) -> tuple[str, int] | None:
    """Return series and number of a line that holds nothing else ("Update 119."), in a known series."""
    match = NUMBER_ONLY.fullmatch(dates.plain(text))
    if not match or match["series"].strip(" .").lower() not in known:
        return None
    return canonical(match["series"]), int(match["number"])


def canonical(series: str) -> str:
    """Write UPDATE and update as Update, so that they are one series; PSG stays PSG."""
    words = series.strip(" .,;:-").split()
    return " ".join(word.capitalize() if _shouts(word) or word.islower() else word for word in words)


def _shouts(word: str) -> bool:
    return word.isupper() and len(word) > 2 and bool(set(word) & set("AEIOU"))
