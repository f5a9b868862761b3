"""Dates as people print them: one day, a month, a range of either.

What counts is the last day: "June / July 2009" was published by 31 July 2009.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from itertools import pairwise

FULL = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
MONTHS = {name: n for n, name in enumerate(FULL, 1)} | {name[:3]: n for n, name in enumerate(FULL, 1)} | {"sept": 9}
SEASON = re.compile(r"(?:spring|summer|autumn|fall|winter|christmas|easter),? (?:19|20)\d\d(?: ?[/–-] ?\d{2,4})?", re.I)

WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\.?,? +)?"
DAY = r"(?P<day>\d{1,2}) ?(?:st|nd|rd|th)?"
MONTH = r"(?P<month>[a-z]{3,10})\.?"
YEAR = r"(?P<year>['’]?\d{2,5})"
#: The shapes of one end of a range; what it leaves out is the other end's.
SHAPES = tuple(
    re.compile(shape, re.IGNORECASE)
    for shape in (
        rf"{WEEKDAY}(?:the )?{DAY}[ .,]*(?:of )?{MONTH}(?:,? *{YEAR})?",
        rf"{WEEKDAY}{MONTH} *{DAY}(?:, ?| )(?P<year>\d{{4}})",
        rf"{MONTH},?(?: of)? *{YEAR}",
        MONTH,
        DAY,
    )
)
NUMERIC = re.compile(
    r"(?:(?P<y>\d{4})([-/.])(?P<m>\d{1,2})\2(?P<d>\d{1,2})|(?P<d2>\d{1,2})([-/.])(?P<m2>\d{1,2})\6(?P<y2>\d{4}|\d\d))"
)
HYPHENED = re.compile(r"(\d{1,2})[-/.]([a-z]{3,9})[-/.](\d{2,4})", re.IGNORECASE)
BETWEEN = re.compile(r" ?[/–—‐‑−-] ?| (?:to|and|until|till|through) | ?& ?", re.IGNORECASE)
TIME = re.compile(r",? *(?:at )?\b\d{1,2}[:.]\d\d(?: ?[ap]m)?(?: ?(?:gmt|utc|bst|pet))?$", re.IGNORECASE)
#: "Mid-June 2003" tells no day: the month counts.
VAGUE = re.compile(r"^(?:early|mid|late|(?:the )?(?:beginning|middle|end) of)[ -]+", re.IGNORECASE)
SPACES = re.compile(r"[\s\u200b\u2060\ufeff]+")


@dataclass(frozen=True, slots=True)
class Printed:
    """A line that is a date. `published_on` is None where that day does not exist; `problem` says so."""

    published_on: date | None
    problem: str | None = None


@dataclass(slots=True)
class End:
    day: int | None
    month: int | None
    year: int | None


def plain(text: str) -> str:
    """Return `text` with every run of spaces, also no-break and zero-width ones, as one space."""
    return SPACES.sub(" ", text).strip()


def read(text: str) -> Printed | None:
    """Return the date that `text` is as a whole, or None where it is anything else."""
    text = TIME.sub("", plain(text).strip(" .,;()[]"))
    if len(text) > 60 or not text:
        return None
    if SEASON.fullmatch(text):
        return Printed(None, f"The date “{text}” names a season, not a month.")
    if numeric := NUMERIC.fullmatch(text):
        return _numeric(text, numeric)
    return _range(VAGUE.sub("", text))


def is_a_day(text: str) -> bool:
    """Whether this is one whole day. Of a month or a range `read` gives the end; what it dates is out before that."""
    text = TIME.sub("", plain(text).strip(" .,;()[]"))
    parts = BETWEEN.split(HYPHENED.sub(r"\1 \2 \3", text))
    found = _match(parts[0].strip()) if len(parts) == 1 else None
    return bool(NUMERIC.fullmatch(text) or (found and found.groupdict().get("day")))


def _numeric(text: str, match: re.Match[str]) -> Printed:
    year, month, day = (int(match[a] or match[b]) for a, b in (("y", "y2"), ("m", "m2"), ("d", "d2")))
    if month > 12 >= day and match["d2"]:
        day, month = month, day  # 03/31/2007: only an American can have meant that
    return _settle(text, [End(day, month, full_year(year))])


def _range(text: str) -> Printed | None:
    parts = BETWEEN.split(HYPHENED.sub(r"\1 \2 \3", text))
    matches = [_match(part.strip()) for part in parts]
    if len(parts) > 4 or not all(matches):
        return None
    found = [match.groupdict() for match in matches if match]
    if not any(f.get("year") for f in found) or not any(f.get("month") for f in found):
        return None
    unknown = [f["month"] for f in found if f.get("month") and f["month"].lower() not in MONTHS]
    if unknown:
        return _misspelt(text, unknown[0], any(f.get("day") for f in found))
    return _settle(text, [_end(f) for f in found])


def _match(part: str) -> re.Match[str] | None:
    return next((match for shape in SHAPES if (match := shape.fullmatch(part))), None)


def _misspelt(text: str, word: str, has_day: bool) -> Printed | None:
    """Take "31 Janury 2007" for a date that is damaged, "Augusta 2007" for no date."""
    near = get_close_matches(word.lower(), FULL, n=1, cutoff=0.75)
    if not near or not has_day or len(near[0]) < 5:
        return None
    return Printed(None, f"The month of the date “{text}” cannot be read (perhaps {near[0].capitalize()}).")


def _end(found: dict[str, str | None]) -> End:
    day, month, year = found.get("day"), found.get("month"), found.get("year")
    return End(
        int(day) if day else None,
        MONTHS[month.lower()] if month else None,
        full_year(int(year.strip("'’"))) if year else None,
    )


def full_year(year: int) -> int:
    """Read '07 as 2007 and '85 as 1985. No clock: the same page gives the same dates for ever."""
    return year if year > 99 else year + (2000 if year < 70 else 1900)


def _settle(text: str, ends: list[End]) -> Printed:
    _fill(ends)
    days = [_last_day(end) for end in ends]
    known = [day for day in days if day]
    if len(known) < len(days):
        return Printed(None, f"The date “{text}” does not exist.")
    if known != sorted(known):
        return Printed(max(known), f"The range “{text}” runs backwards.")
    return Printed(known[-1])


def _fill(ends: list[End]) -> None:
    """Give each end what it shares with its neighbour: first forwards, then backwards.

    "December 2009 / January" ends in 2010, and "December / January 2010" begins in 2009.
    """
    for left, right in pairwise(ends):
        if right.year is None and left.year and right.month:
            right.year = left.year + (1 if left.month and right.month < left.month else 0)
    for left, right in zip(ends[-2::-1], ends[:0:-1], strict=True):
        left.month = left.month or right.month
        if left.year is None and right.year and left.month and right.month:
            left.year = right.year - (1 if left.month > right.month else 0)


def _last_day(end: End) -> date | None:
    if not end.year or not end.month or not 1900 <= end.year <= 2099:
        return None
    try:
        return date(end.year, end.month, monthrange(end.year, end.month)[1] if end.day is None else end.day)
    except ValueError:
        return None


def in_words(day: date) -> str:
    """Return "31 March 2007", for sources that give a date to machines only."""
    return f"{day.day} {FULL[day.month - 1].capitalize()} {day.year}"
