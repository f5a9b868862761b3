"""When the lines of a log were written, and which spans of time it covers."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

#: A log without a line for longer than this may have a piece missing.
LONGEST_SILENCE = timedelta(hours=1)

_MONTHS = {month: number for number, month in enumerate(
    ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
)}  # fmt: skip
#: "Nov 23 02:44:15", "2026-11-23T02:44:15.123456+00:00", "2026-11-23 02:44:15.123 +0000"; before it, where containers
#: are logged, the container's name and a bar.
_STAMP = re.compile(
    rb"(?:\S+ +\| )?(?:"
    rb"(?P<minute>(?P<month>[A-Z][a-z]{2}) +(?P<day>\d{1,2}) (?P<clock>\d\d:\d\d)):(?P<second>\d\d)"
    rb"|(?P<dated>(?P<date>\d{4}-\d\d-\d\d)[T ](?P<hour>\d\d:\d\d)):(?P<tick>\d\d)(?:[.,]\d+)?"
    rb" ?(?P<zone>Z\b|[+-]\d\d:?\d\d)?"
    rb")(?=\s)"
)


@dataclass
class Coverage:
    """The spans in which there are lines, with no silence longer than LONGEST_SILENCE within one."""

    spans: list[tuple[datetime, datetime]] = field(default_factory=list)
    #: The log itself says that lines are missing.
    left_out: bool = False

    def add(self, at: datetime) -> None:
        """Lines come nearly in order, so the last span is nearly always the one that grows."""
        if self.spans:
            start, end = self.spans[-1]
            if start - LONGEST_SILENCE <= at <= end + LONGEST_SILENCE:
                self.spans[-1] = (min(start, at), max(end, at))
                return
        self.spans.append((at, at))

    def joined(self) -> list[tuple[datetime, datetime]]:
        """The spans of all files in order, those that touch as one."""
        joined: list[tuple[datetime, datetime]] = []
        for start, end in sorted(self.spans):
            if joined and start <= joined[-1][1] + LONGEST_SILENCE:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((start, end))
        return joined

    def covers(self, start: datetime, end: datetime) -> bool:
        return any(first <= start and end <= last for first, last in self.joined())


class Stamps:
    """Reads the time at the start of each line; `at` is that of the last one, in UTC."""

    def __init__(self, now: datetime, zone: tzinfo) -> None:
        self.now, self.zone = now, zone
        self.at: datetime | None = None
        self._minute: tuple[bytes, bytes | None] | None = None
        self._at = now

    def read(self, line: bytes, coverage: Coverage) -> int | None:
        """Where the rest of the line begins; None for a line without a time."""
        match = _STAMP.match(line)
        if match is None:
            return None
        minute, second = match["minute"] or match["dated"], match["second"] or match["tick"]
        # Millions of lines, thousands of minutes: the rest is read once for each.
        if (minute, match["zone"]) != self._minute:
            at = self._moment(match)
            if at is None:
                return None
            self._minute, self._at = (minute, match["zone"]), at
            coverage.add(at)
        self.at = self._at + timedelta(seconds=min(int(second), 59))
        return match.end()

    def _moment(self, match: re.Match[bytes]) -> datetime | None:
        """The minute that a line was written in; None where the calendar has no such day."""
        try:
            if match["date"]:
                written = datetime.fromisoformat(f"{match['date'].decode()} {match['hour'].decode()}")
                return written.replace(tzinfo=_zone(match["zone"]) or self.zone).astimezone(UTC)
            return self._this_year(_MONTHS[match["month"].decode()], int(match["day"]), match["clock"].decode())
        except (KeyError, ValueError, OverflowError):
            return None

    def _this_year(self, month: int, day: int, clock: str) -> datetime:
        """The classic stamp tells no year: it is the newest that makes no line of the future."""
        hour, minute = map(int, clock.split(":"))
        latest = self.now + timedelta(days=1)
        for year in range(latest.year, latest.year - 5, -1):
            try:
                at = datetime(year, month, day, hour, minute, tzinfo=self.zone).astimezone(UTC)
            except ValueError:
                continue  # 29 February
            if at <= latest:
                return at
        raise ValueError("no such day")


def _zone(written: bytes | None) -> tzinfo | None:
    return datetime.strptime(written.decode(), "%z").tzinfo if written else None
