"""When a channel may post: weekly times on a wall clock, quiet hours, a distance between two posts. Knows no row.

Weekly times are wall times. One that does not exist in spring is moved on by as much as the clocks are; one that
exists twice in autumn is taken the first time. What is quiet is asked of the wall clock at each moment: an hour that
autumn repeats is as quiet the second time as the first.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
#: Two posts in weekly times never share one, however little distance the channel keeps.
APART = timedelta(microseconds=1)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

#: A weekday (0 is Monday) and a wall time.
Weekly = tuple[int, time]


@dataclass(frozen=True)
class Quiet:
    """Hours in which nothing goes out: from a wall time up to another, which may be the next day's."""

    since: time
    until: time

    def __str__(self) -> str:
        return f"{self.since:%H:%M} to {self.until:%H:%M}"

    def covers(self, wall: time) -> bool:
        if self.since < self.until:
            return self.since <= wall < self.until
        return wall >= self.since or wall < self.until


@dataclass(frozen=True)
class Timetable:
    zone: ZoneInfo
    weekly: tuple[Weekly, ...] = ()
    quiet: Quiet | None = None
    spacing: timedelta = field(default_factory=timedelta)

    @property
    def slotted(self) -> bool:
        """Whether there are weekly times at all that are not quiet."""
        return any(not _asleep(self, each) for each in self.weekly)


def called(weekly: Weekly) -> str:
    """ "Monday 09:00"."""
    return f"{WEEKDAYS[weekly[0]]} {weekly[1]:%H:%M}"


def on_the_wall(zone: ZoneInfo, at: datetime) -> str:
    """ "Saturday 31 March, 09:00" as a clock in the zone shows it; with the year when it is not this one."""
    local = at.astimezone(zone)
    year = f" {local.year}" if local.year != datetime.now(zone).year else ""
    return f"{local:%A} {local.day} {local:%B}{year}, {local:%H:%M}"


def moment(zone: ZoneInfo, wall: datetime) -> datetime:
    """When a clock in the zone shows this; a time that spring skips is moved on, of two in autumn it is the first."""
    return _instant(zone, wall.date(), wall.time().replace(tzinfo=None))


def complaint(table: Timetable) -> str:
    """What is wrong with it, in a sentence; empty where nothing is."""
    if table.quiet and table.quiet.since == table.quiet.until:
        return "Quiet hours from and until the same time would never end: to stop a channel, hold its posts."
    if asleep := [each for each in table.weekly if _asleep(table, each)]:
        return f"{called(asleep[0])} lies in the quiet hours, {table.quiet}: choose another time, or other hours."
    if crowded := _closer_than_spacing(table):
        one, other = crowded
        minutes = int(table.spacing.total_seconds() // 60)
        return f"{called(one)} and {called(other)} are less than the {minutes} minutes apart that two posts keep."
    return ""


def is_quiet(table: Timetable, at: datetime) -> bool:
    return table.quiet is not None and table.quiet.covers(at.astimezone(table.zone).time())


def awake(table: Timetable, at: datetime) -> datetime:
    """The first moment from `at` on that is not quiet."""
    if table.quiet is None or not is_quiet(table, at):
        return at
    today = at.astimezone(table.zone).date()
    # Twice in autumn, the second time only where it is still, or again, quiet after the first.
    ends = (_instant(table.zone, today + n * DAY, table.quiet.until, fold) for n in range(3) for fold in (0, 1))
    return next(end for end in sorted(ends) if end > at and not is_quiet(table, end))


def occurrences(table: Timetable, start: datetime) -> Iterator[datetime]:
    """The weekly times from `start` on, one after the other, without those that are quiet."""
    wanted = [each for each in table.weekly if not _asleep(table, each)]
    # From the day before: a time that midnight skipped was moved on into this one.
    day, last = start.astimezone(table.zone).date() - DAY, start - APART
    while wanted:
        for at in sorted(_instant(table.zone, day, wall) for weekday, wall in wanted if weekday == day.weekday()):
            # Two wall times can be one moment in spring.
            if at > last and not is_quiet(table, at):
                yield at
                last = at
        day += DAY


def free(table: Timetable, start: datetime, taken: Iterable[datetime]) -> Iterator[datetime]:
    """Times for one post after the other, from `start` on, each at the distance from all others and from `taken`.

    Weekly times; where there are none, the soonest.
    """
    busy = sorted(taken)
    for at in _fitting(table, start, busy) if table.slotted else _soonest(table, start, busy):
        insort(busy, at)
        yield at


def crowding(table: Timetable, at: datetime, taken: Iterable[datetime]) -> datetime | None:
    """The first of `taken` that is nearer to `at` than two posts may be, or is `at` itself."""
    return _neighbour(sorted(taken), at, max(table.spacing, APART))


def _fitting(table: Timetable, start: datetime, busy: list[datetime]) -> Iterator[datetime]:
    within = max(table.spacing, APART)
    return (at for at in occurrences(table, start) if _neighbour(busy, at, within) is None)


def _soonest(table: Timetable, start: datetime, busy: list[datetime]) -> Iterator[datetime]:
    at = awake(table, start)
    while True:
        while neighbour := _neighbour(busy, at, table.spacing):
            at = awake(table, neighbour + table.spacing)
        yield at


def _neighbour(busy: list[datetime], at: datetime, within: timedelta) -> datetime | None:
    place = bisect_right(busy, at - within)
    return busy[place] if place < len(busy) and busy[place] < at + within else None


def _instant(zone: ZoneInfo, day: date, wall: time, fold: int = 0) -> datetime:
    """By way of UTC: a wall time that does not exist in spring is moved on, not shown as it cannot be."""
    return datetime.combine(day, wall.replace(fold=fold), zone).astimezone(UTC)


def _asleep(table: Timetable, weekly: Weekly) -> bool:
    return table.quiet is not None and table.quiet.covers(weekly[1])


def _closer_than_spacing(table: Timetable) -> tuple[Weekly, Weekly] | None:
    """Two weekly times that follow each other too soon; Sunday's last is followed by Monday's first."""
    ordered = sorted(table.weekly)
    if len(ordered) < 2:
        return None
    pairs = zip(ordered, [*ordered[1:], ordered[0]], strict=True)
    return next(
        ((one, other) for one, other in pairs if (_in_week(other) - _in_week(one)) % WEEK < table.spacing), None
    )


def _in_week(weekly: Weekly) -> timedelta:
    return timedelta(days=weekly[0], hours=weekly[1].hour, minutes=weekly[1].minute, seconds=weekly[1].second)
