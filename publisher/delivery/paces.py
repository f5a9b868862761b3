"""The pace that all workers keep together: rates, the rest of domains, and the day's count of a new sender.

Each limit is a row that is changed under its lock, or by comparing, so that workers on many machines share it. The
clocks of these machines may differ: the rates hold by the fastest one, and a slower one waits a little longer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest

from ..models import Pace
from .limits import GRANTED_AHEAD, Limits, parse_limits

ALL = "all"
DOMAIN_FIRST_REST, DOMAIN_LONGEST_REST = timedelta(minutes=1), timedelta(hours=1)
#: A domain that has been well for so long begins anew; and a row that said nothing for so long is dropped.
FORGOTTEN_AFTER = timedelta(days=1)
#: How old the news that a domain rests may be, in seconds.
NEWS = 1.0


def limits() -> Limits:
    """What is set. LimitsWrong where it cannot be understood."""
    return _limits(settings.RATE, settings.DOMAIN_RATE, settings.DOMAIN_CONNECTIONS, settings.DOMAINS)


@lru_cache(maxsize=4)
def _limits(rate: str, domain_rate: str, domain_connections: str, domains: str) -> Limits:
    return parse_limits(rate=rate, domain_rate=domain_rate, domain_connections=domain_connections, domains=domains)


def allow(wanted: Mapping[str, int], now: datetime) -> dict[str, int]:
    """How many of each domain's letters may go out now, of so many wanted; they count as gone.

    Without a rate all of them, and no query is made. Else call it outside of other transactions: it holds the locks of
    all these domains until the end. `limits().pause(domain)` says when asking again for the rest is worth it.
    """
    set_ = limits()
    if not set_.paced or not wanted:
        return dict(wanted)
    paced = {domain: rate for domain in wanted if (rate := set_.rate_to(domain))}
    names = [_to(domain) for domain in paced] + [ALL] * bool(set_.rate)
    with _locked(names) as rows:
        granted = {
            domain: min(count, _room(rows[_to(domain)], paced[domain], now)) if domain in paced else count
            for domain, count in wanted.items()
        }
        if set_.rate:
            granted = _part(granted, _room(rows[ALL], set_.rate, now))
            _spend(rows[ALL], sum(granted.values()), set_.rate, now)
        for domain, rate in paced.items():
            _spend(rows[_to(domain)], granted[domain], rate, now)
        Pace.objects.bulk_update(rows.values(), ["busy_until"])
    return granted


def rest(domain: str, now: datetime) -> datetime:
    """Let the domain rest: a minute, twice as long each time, an hour at most; until when.

    Where it rests already (another worker heard the same) nothing is added.
    """
    with _locked([name := _to(domain)]) as rows:
        row = rows[name]
        if row.resting_until is None or row.resting_until < now - FORGOTTEN_AFTER:
            row.strikes = 0
        elif row.resting_until > now:
            return row.resting_until
        row.strikes += 1
        row.resting_until = now + min(DOMAIN_FIRST_REST * 2 ** min(row.strikes - 1, 10), DOMAIN_LONGEST_REST)
        row.save(update_fields=["strikes", "resting_until"])
    return row.resting_until


def resting(domains: Collection[str] | None, now: datetime) -> dict[str, datetime]:
    """Which of these domains (None: of all) rest, and until when. One query, over the few that rest."""
    found = Pace.objects.filter(strikes__gt=0, resting_until__gt=now).values_list("name", "resting_until")
    rests = {name.removeprefix("to "): until for name, until in found if until}
    return rests if domains is None else {domain: rests[domain] for domain in domains if domain in rests}


def well(domains: Iterable[str], now: datetime) -> None:
    """A letter to these domains was taken: what they refused before their rest was over counts no more."""
    struck = Pace.objects.filter(name__in=[_to(domain) for domain in domains], strikes__gt=0, resting_until__lte=now)
    with transaction.atomic():
        # One after the other as in `_locked`: an update alone takes its locks in any order.
        locked = list(struck.select_for_update().order_by("name").values_list("pk", flat=True))
        Pace.objects.filter(pk__in=locked).update(strikes=0, resting_until=None)


class Rests:
    """What one worker knows of resting domains: asked of the database at most once in NEWS seconds."""

    def __init__(self) -> None:
        self._asked_at: datetime | None = None
        self._struck: dict[str, datetime] = {}

    def among(self, domains: Iterable[str], now: datetime) -> dict[str, datetime]:
        """Which of these domains rest, and until when."""
        self._ask(now)
        if not self._struck:
            return {}
        return {domain: until for domain in domains if (until := self._struck.get(domain, now)) > now}

    def rest(self, domain: str, now: datetime) -> datetime:
        self._struck[domain] = until = rest(domain, now)
        return until

    def well(self, domains: Iterable[str], now: datetime) -> None:
        """A letter to these domains was taken. Costs a query only where one of them has rested before."""
        if not self._struck:
            return
        back = [domain for domain in domains if domain in self._struck and self._struck[domain] <= now]
        if back:
            well(back, now)
            for domain in back:
                del self._struck[domain]

    def _ask(self, now: datetime) -> None:
        if self._asked_at is not None and 0 <= (now - self._asked_at).total_seconds() < NEWS:
            return
        self._asked_at = now
        found = Pace.objects.filter(strikes__gt=0).values_list("name", "resting_until")
        self._struck = {name.removeprefix("to "): until for name, until in found if until}


def take_of_day(sender: str, wanted: int, cap: int, now: datetime) -> int:
    """Take so many of this sending domain's letters of today (UTC), as far as the cap goes; how many that were.

    Nothing where tomorrow has begun by a clock that is ahead of ours: that day's count stays, and we wait for midnight.
    """
    with _locked([name := _from(sender)]) as rows:
        row, today = rows[name], now.date()
        if row.day == today + timedelta(days=1):
            return 0
        if row.day != today:  # a day that is over, or one that only a clock which was set wrong has seen
            row.day, row.count = today, 0
        taken = max(0, min(wanted, cap - row.count))
        row.count += taken
        row.save(update_fields=["day", "count"])
    return taken


def give_back_of_day(sender: str, unused: int, taken_at: datetime) -> None:
    """What was taken then and has not been sent after all. Once another day has begun it is of no use to anybody."""
    rows = Pace.objects.filter(name=_from(sender), day=taken_at.date())
    rows.update(count=Greatest(F("count"), unused) - unused)


def of_day(sender: str, now: datetime) -> int:
    """How many of this sending domain's letters were taken today."""
    found = Pace.objects.filter(name=_from(sender), day=now.date()).values_list("count", flat=True).first()
    return found or 0


def tidy(now: datetime) -> None:
    """Drop the rows of recipient domains that say nothing any more. What somebody uses just now stays."""
    old = now - FORGOTTEN_AFTER
    quiet = Q(busy_until=None) | Q(busy_until__lt=old)
    rested = Q(resting_until=None) | Q(resting_until__lt=old)
    found = Pace.objects.filter(quiet, rested, name__startswith="to ")
    with transaction.atomic():
        # Nobody is waited for: who deletes takes the locks in any order, and others would wait in a circle with it.
        locked = list(found.select_for_update(skip_locked=True).values_list("pk", flat=True))
        Pace.objects.filter(pk__in=locked).delete()


def _to(domain: str) -> str:
    return f"to {domain}"


def _from(sender: str) -> str:
    return f"from {sender}"


@contextmanager
def _locked(names: list[str]) -> Iterator[dict[str, Pace]]:
    """These rows, locked until the end. Where `tidy` has dropped one since it was seen, it is made once more."""
    while True:
        _make(names)
        with transaction.atomic():
            found = Pace.objects.select_for_update().filter(name__in=names).order_by("name")
            rows = {row.name: row for row in found}
            if rows.keys() >= set(names):
                yield rows
                return


def _make(names: list[str]) -> None:
    """See that these rows are there. Before any lock, and in one order: so nobody waits for each other in a circle."""
    there = set(Pace.objects.filter(name__in=names).values_list("name", flat=True))
    if missing := sorted(set(names) - there):
        Pace.objects.bulk_create([Pace(name=name) for name in missing], ignore_conflicts=True)


def _room(row: Pace, rate: float, now: datetime) -> int:
    """How many may go now. GCRA: as many as end within GRANTED_AHEAD, if they follow what was granted before."""
    ahead = timedelta(seconds=max(GRANTED_AHEAD, 1 / rate))
    free = now + ahead - max(row.busy_until or now, now)
    return max(0, int(free.total_seconds() * rate + 1e-6))


def _spend(row: Pace, count: int, rate: float, now: datetime) -> None:
    if count:
        row.busy_until = max(row.busy_until or now, now) + timedelta(seconds=count / rate)


def _part(wanted: Mapping[str, int], room: int) -> dict[str, int]:
    """Share out what there is: each the same, the few that want less have what they want."""
    parts: dict[str, int] = {}
    for left, (domain, count) in enumerate(sorted(wanted.items(), key=lambda pair: pair[1])):
        parts[domain] = min(count, -(-room // (len(wanted) - left)))
        room -= parts[domain]
    return parts
