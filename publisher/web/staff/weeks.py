"""A week drawn: days side by side, hours from top to bottom, quiet hours shaded, weekly times as marks.

Numbers for an SVG, whose colours stand in the style sheet. The tables beside it say the same in words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time

from publisher.models import Post
from publisher.timetable import WEEKDAYS, Quiet, Timetable

from ..wording import tone

LEFT, TOP, DAY, HOUR = 34, 20, 50, 11
WIDTH, HEIGHT = LEFT + 7 * DAY, TOP + 24 * HOUR + 6


@dataclass(frozen=True)
class Band:
    """Quiet hours of a day."""

    x: float
    y: float
    height: float


@dataclass(frozen=True)
class Mark:
    """A weekly time, or a post of the coming days: its tone repeats its state."""

    x: float
    y: float
    tone: str = ""


@dataclass(frozen=True)
class Week:
    days: list[tuple[float, str]]
    hours: list[tuple[float, str]]
    quiet: list[Band]
    slots: list[Mark]
    posts: list[Mark]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def drawn(table: Timetable, posts: Iterable[Post]) -> Week:
    return Week(
        days=[(LEFT + (n + 0.5) * DAY, name[:3]) for n, name in enumerate(WEEKDAYS)],
        hours=[(TOP + hour * HOUR, f"{hour:02}") for hour in range(0, 25, 6)],
        quiet=[band for day in range(7) for band in _bands(table.quiet, day)],
        slots=[Mark(LEFT + weekday * DAY, _y(at)) for weekday, at in table.weekly],
        posts=[_mark(post.due_at.astimezone(table.zone), post.state) for post in posts if post.due_at],
    )


def _bands(quiet: Quiet | None, day: int) -> list[Band]:
    if quiet is None:
        return []
    night = [(quiet.since, None), (time(), quiet.until)] if quiet.since > quiet.until else [(quiet.since, quiet.until)]
    x = LEFT + day * DAY
    return [Band(x, _y(since), (_y(until) if until else TOP + 24 * HOUR) - _y(since)) for since, until in night]


def _mark(local: datetime, state: str) -> Mark:
    return Mark(LEFT + (local.weekday() + 0.5) * DAY, _y(local.time()), tone(state))


def _y(at: time) -> float:
    return TOP + (at.hour + at.minute / 60) * HOUR
