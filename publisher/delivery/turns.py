"""Whose turn it is: what this worker, and all others, have learnt of the recipients' domains.

One for a worker's thread, kept from batch to batch. What it learns is written once in a step, not at each letter.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from django.utils import timezone

from . import paces
from .lanes import LONGEST, SOON, Lanes
from .outcomes import Outcome, Result
from .paces import Rests
from .refusals import Refusals


class HasDomain(Protocol):
    """What stands in line here."""

    domain: str
    #: When it was begun, by time.monotonic(); 0 where it is not under way.
    begun: float


R = TypeVar("R", bound=HasDomain)


class Turns(Generic[R]):
    """The rows that a worker has claimed and may not, or need not, begin with yet."""

    def __init__(self, at_once: int, connections: int) -> None:
        self._limits = limits = paces.limits()
        self._lanes: Lanes[R] = Lanes(
            at_once=at_once,
            connections=connections,
            domain_connections=limits.domain_connections,
            exceptions=limits.connections,
        )
        self._refusals, self._rests = Refusals(), Rests()
        self._tired: set[str] = set()
        self._well: set[str] = set()
        self._told_at = 0.0
        #: Of each domain with a rate: how many stand in line, and those that are more than it lets go soon.
        self._paced_waiting: Counter[str] = Counter()
        self._beyond: list[R] = []
        #: How many rows stand in line.
        self.waiting = 0

    def put(self, rows: Iterable[R]) -> None:
        rows = list(rows)
        self._hear_of_rests({row.domain for row in rows})
        paced = self._limits.paced
        for row in rows:
            if paced and self._is_beyond(row.domain):
                self._beyond.append(row)
            else:
                self._lanes.put(row, row.domain)
        self.waiting += len(rows)

    def _is_beyond(self, domain: str) -> bool:
        """Whether more of a domain with a rate is in hand than goes soon: others would find no place in a batch."""
        rate = self._limits.rate_to(domain)
        if not rate or self._paced_waiting[domain] < max(1.0, rate * SOON):
            self._paced_waiting[domain] += bool(rate)
            return False
        return True

    def choose(self, most: int, *, more_due: bool = False) -> list[R]:
        """Up to `most` rows that may begin now. Not within a transaction: where rates are set it locks their rows.

        `more_due`: others can be claimed yet. Until they are, nobody has more than their part for want of others.
        """
        self._lanes.more_due = more_due
        chosen = self._lanes.take(most, time.monotonic()) if most > 0 else []
        if chosen and self._limits.paced:
            chosen = self._paced(chosen)
            self._paced_waiting -= Counter(row.domain for row in chosen)
        self.waiting -= len(chosen)
        return chosen

    def settled(self, row: R, outcome: Outcome, at: float | None = None) -> None:
        """A chosen row has its outcome. Only the first counts: a doubt that follows is about the relay."""
        if not row.begun:
            return
        now = time.monotonic() if at is None else at
        self._lanes.done(row.domain, now, now - row.begun)
        row.begun = 0.0
        if outcome.result is Result.SENT:
            if self._refusals:
                self._refusals.taken(row.domain)
            self._well.add(row.domain)
        elif self._refusals.note(row.domain, outcome.phase, outcome.code, outcome.enhanced, outcome.text):
            self._tired.add(row.domain)

    def unsent(self, row: R) -> None:
        """A chosen row was not begun after all."""
        self._lanes.unsent(row.domain)

    def back(self, rows: Iterable[R]) -> None:
        """These were chosen, and could not be armed: they stand in line again."""
        for row in rows:
            self._lanes.unsent(row.domain)
            self._lanes.put(row, row.domain)
            self._paced_waiting[row.domain] += bool(self._limits.rate_to(row.domain))
            self.waiting += 1

    def postponed(self) -> list[tuple[R, datetime]]:
        """Rows that cannot go soon, taken out of the line, each with the moment at which it may."""
        now, moment = time.monotonic(), timezone.now()
        given = self._lanes.give_back(now)
        self._paced_waiting -= Counter(row.domain for row, _ in given)
        given += [(row, now + seconds) for row, seconds in self._later()]
        self.waiting -= len(given)
        return [(row, moment + timedelta(seconds=at - now)) for row, at in given]

    def _later(self) -> list[tuple[R, float]]:
        """Those beyond what goes soon, each with the seconds that the rate needs for those before it."""
        before, later = Counter(self._paced_waiting), []
        for row in self._beyond:
            before[row.domain] += 1
            later.append((row, min(before[row.domain] / self._limits.rate_to(row.domain), LONGEST)))
        self._beyond.clear()
        return later

    def drain(self) -> list[R]:
        rows = [*self._lanes.drain(), *self._beyond]
        self.waiting = 0
        self._beyond.clear()
        self._paced_waiting.clear()
        return rows

    def learn(self) -> None:
        """Tell the other workers what was learnt since, once in a while. Not within a transaction."""
        if not self._tired and time.monotonic() - self._told_at < paces.NEWS:
            return
        self._told_at, now = time.monotonic(), timezone.now()
        for domain in self._tired:
            self._rest(domain, self._rests.rest(domain, now), now)
        self._rests.well(self._well, now)
        self._tired.clear()
        self._well.clear()

    def wait(self) -> float:
        """Seconds until a row may begin that may not yet."""
        at = self._lanes.wake_at()
        return max(0.0, at - time.monotonic()) if at is not None else 0.0

    def _paced(self, chosen: list[R]) -> list[R]:
        """Those for which the common rates have room; the others stand in line again, until there may be."""
        granted = Counter(paces.allow(Counter(row.domain for row in chosen), timezone.now()))
        kept: list[R] = []
        for row in chosen:
            if granted[row.domain] > 0:
                granted[row.domain] -= 1
                kept.append(row)
            else:
                self._lanes.unsent(row.domain)
                self._lanes.put(row, row.domain)
                self._lanes.rest(row.domain, time.monotonic() + self._limits.pause(row.domain))
        return kept

    def _hear_of_rests(self, domains: set[str]) -> None:
        now = timezone.now()
        for domain, until in self._rests.among(domains, now).items():
            self._rest(domain, until, now)

    def _rest(self, domain: str, until: datetime, now: datetime) -> None:
        self._lanes.rest(domain, time.monotonic() + (until - now).total_seconds())
