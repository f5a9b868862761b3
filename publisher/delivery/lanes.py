"""Which of the claimed rows may go out next: one lane for each recipient domain, in turns.

A domain that is slow, or has not answered yet, must not take the connections away from the others. So a domain begins
with one in 32 of them (at least one) and earns one more with each quick answer; one whose answers take much longer
than the others', or do not come, goes back to that share, and has it together with all slow ones for as long as others
wait. Where nobody else waits, it may have them all. What was under way when a domain turned slow is not taken from it.

Times are seconds of the caller's clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Generic, TypeVar

T = TypeVar("T")

#: So many times longer than a usual row is slow, and so is no answer in that time; but never below these seconds.
SLOWER, NOTICEABLE, PATIENCE = 5.0, 0.005, 1.0
#: What cannot go within so many seconds need not wait here.
SOON = 30.0
#: Of a row that is given back no more is said than this: an estimate from a dead domain's time-outs would be days.
LONGEST = 3600.0
#: Domains with nothing under way are forgotten beyond so many.
REMEMBERED = 4096
_UNLIMITED = 1 << 30


class _Lane(Generic[T]):
    """The waiting rows of one domain, how many are under way, and how it has answered."""

    __slots__ = ("cap", "domain", "moved", "place", "rows", "seconds", "slow", "trust", "under", "until")

    def __init__(self, domain: str, cap: int, trust: int) -> None:
        self.domain, self.cap, self.trust = domain, cap, trust
        self.rows: deque[T] = deque()
        #: Where the lane stands while rows wait in it: one of the four deques of Lanes.
        self.place: deque[_Lane[T]] | None = None
        self.under, self.slow = 0, False
        #: An outcome's usual time, reckoned as for all; the last outcome, or the beginning; nothing of it before.
        self.seconds = self.moved = self.until = 0.0


class Lanes(Generic[T]):
    """Rows parted by domain. `at_once` may be under way together, `domain_connections` of one domain (0: no cap);
    `exceptions` has the caps of single domains. Within a domain rows keep their order. Of those under way some wait for
    one of the `connections`, where these are fewer.
    """

    def __init__(
        self,
        *,
        at_once: int,
        connections: int = 0,
        domain_connections: int = 0,
        exceptions: Mapping[str, int] | None = None,
    ) -> None:
        self.at_once, self.share = at_once, max(1, (connections or at_once) // 32)
        self._cap, self._exceptions = domain_connections, exceptions or {}
        self._lanes: dict[str, _Lane[T]] = {}
        #: Lanes in which rows wait: may go; slow; have all they may have; rest.
        self._ready: deque[_Lane[T]] = deque()
        self._slow: deque[_Lane[T]] = deque()
        self._full: deque[_Lane[T]] = deque()
        self._parked: deque[_Lane[T]] = deque()
        #: More is due than stands here: then nobody has what stands idle because nobody else waits.
        self.more_due = False
        self._under = self._slow_under = 0
        self._now = 0.0
        #: A row's usual time: about the lower third, which a few slow domains among many quick ones do not move. A
        #: stall of the relay moves it as it moves each lane's, where a mean would call slow whoever was under way.
        self._usual = 0.0

    def put(self, row: T, domain: str) -> None:
        lane = self._lanes.get(domain) or self._open(domain)
        lane.rows.append(row)
        if lane.place is None:
            self._move(lane, self._parked if lane.until else self._slow if lane.slow else self._ready)

    def take(self, most: int, now: float) -> list[T]:
        """Up to `most` rows that may begin now, one domain after the other. They are under way until `done`."""
        self._now = now
        if self._parked:
            self._wake(now)
        most = min(most, self.at_once - self._under)
        taken: list[T] = [] if self._slow or self._full else self._round(most, now)
        while len(taken) < most:
            lane = self._next(now)
            if lane is None:
                break
            self._begin(lane, most - len(taken) if self._alone() else 1, now, taken)
        return taken

    def done(self, domain: str, now: float, seconds: float) -> None:
        """One of this domain's rows has its outcome, after `seconds` on the wire."""
        lane = self._lanes[domain]
        lane.under -= 1
        self._under -= 1
        lane.moved = now
        usual = self._usual = self._usual * (1.1 if seconds > self._usual else 0.8) or seconds
        mine = lane.seconds = lane.seconds * (1.1 if seconds > lane.seconds else 0.8) or seconds
        self._slow_under -= lane.slow
        if mine > SLOWER * usual and mine > NOTICEABLE:
            self._call_slow(lane)
            return
        lane.trust += 1
        if lane.slow:
            self._call_quick(lane)
        elif lane.place is self._full:
            self._move(lane, self._ready)

    def unsent(self, domain: str) -> None:
        """One of this domain's rows that was taken has not begun after all: that says nothing of the domain."""
        lane = self._lanes[domain]
        lane.under -= 1
        self._under -= 1
        self._slow_under -= lane.slow
        if lane.place is self._full:
            self._move(lane, self._ready)

    def rest(self, domain: str, until: float) -> None:
        """Nothing of this domain before then."""
        lane = self._lanes.get(domain) or self._open(domain)
        lane.until = max(lane.until, until)
        if lane.rows:
            self._move(lane, self._parked)

    def wake_at(self) -> float | None:
        """When a domain that rests may go on; None where none with waiting rows rests."""
        return min((lane.until for lane in self._parked), default=None)

    def give_back(self, now: float) -> list[tuple[T, float]]:
        """Take out the rows that cannot go soon, each with the moment at which it may.

        Those of a domain that rests for long, and those of a slow one beyond what its share carries in that time. To be
        asked before more is claimed: else what is slow remains, until a worker holds nothing else.
        """
        self._look_at_the_full(now)
        given: list[tuple[T, float]] = []
        for lane in [lane for lane in self._parked if lane.until - now > SOON]:
            given += [(row, lane.until) for row in lane.rows]
            lane.rows.clear()
            self._move(lane, None)
        for lane in list(self._slow):
            self._give_back_beyond(lane, now, given)
        return given

    def drain(self) -> list[T]:
        """Take out all that waits, by domain: the sending was stopped."""
        lanes = [lane for place in self._places() for lane in place]
        rows = [row for lane in lanes for row in lane.rows]
        for lane in lanes:
            lane.rows.clear()
            self._move(lane, None)
        return rows

    def _round(self, most: int, now: float) -> list[T]:
        """The short way while all are quick: one of each lane in turn, until one has what it may have."""
        taken: list[T] = []
        ready = self._ready
        part = -(-self.at_once // max(1, len(ready)))
        while len(taken) < most and len(ready) > 1:
            lane = ready[0]
            under = lane.under
            if under >= part or under >= lane.trust or under >= lane.cap or (under and now - lane.moved > PATIENCE):
                break
            if not under:
                lane.moved = now
            lane.under = under + 1
            taken.append(lane.rows.popleft())
            ready.rotate(-1)
            if not lane.rows:
                ready.pop()
                lane.place = None
        self._under += len(taken)
        return taken

    def _next(self, now: float) -> _Lane[T] | None:
        """The lane whose turn it is: a slow one within its share, then the others; more of a slow one if none waits."""
        if self._slow and self._slow_under < self.share and (lane := self._next_slow()):
            return lane
        ready = self._ready
        while ready:
            lane = ready[0]
            if lane.under >= self.share and self._silent(lane, now):
                self._call_slow(lane)
            elif lane.under < self._allowed(lane):
                ready.rotate(-1)
                return lane
            else:
                self._move(lane, self._full)
        return self._next_full(now) if self._full else self._beyond()

    def _next_full(self, now: float) -> _Lane[T] | None:
        """Nobody else may go: what would stand idle is for a lane that has its equal part, and has earned more."""
        self._look_at_the_full(now)
        able = [lane for lane in self._full if lane.under < lane.cap and (lane.under < lane.trust or self._alone())]
        if able:
            return min(able, key=lambda lane: lane.under)
        return None if self._full else self._beyond()

    def _beyond(self) -> _Lane[T] | None:
        """One of the slow lanes, where no quick one is kept waiting by it: not even by what can be claimed yet."""
        if self.more_due and any(not lane.slow for lane in self._lanes.values()):
            return None
        return self._next_slow()

    def _next_slow(self) -> _Lane[T] | None:
        for _ in range(len(self._slow)):
            lane = self._slow[0]
            self._slow.rotate(-1)
            if lane.under < lane.cap:
                return lane
        return None

    def _begin(self, lane: _Lane[T], most: int, now: float, taken: list[T]) -> None:
        rows = lane.rows
        count = min(most, len(rows), lane.cap - lane.under)
        if not lane.under:
            lane.moved = now
        lane.under += count
        self._under += count
        self._slow_under += count * lane.slow
        pop = rows.popleft
        taken += [pop() for _ in range(count)]
        if not rows:
            self._move(lane, None)

    def _allowed(self, lane: _Lane[T]) -> int:
        """How many of a lane may be under way. Not more than its equal part while others wait, however quick it is:
        so it holds no more than that when it falls silent."""
        waiting = len(self._ready) + len(self._slow) + len(self._full)
        return lane.cap if self._alone() else min(lane.cap, lane.trust, -(-self.at_once // waiting))

    def _alone(self) -> bool:
        return not self.more_due and len(self._ready) + len(self._slow) + len(self._full) == 1

    def _silent(self, lane: _Lane[T], now: float) -> bool:
        """Whether answers of this domain should have come long ago."""
        return lane.under > 0 and now - lane.moved > max(PATIENCE, SLOWER * self._usual)

    def _look_at_the_full(self, now: float) -> None:
        """A domain that waits for answers which do not come is not one that others should wait for."""
        for lane in [lane for lane in self._full if self._silent(lane, now)]:
            self._call_slow(lane)

    def _call_slow(self, lane: _Lane[T]) -> None:
        if not lane.slow:
            self._slow_under += lane.under
        lane.slow, lane.trust = True, self.share
        if lane.place is self._ready or lane.place is self._full:
            self._move(lane, self._slow)

    def _call_quick(self, lane: _Lane[T]) -> None:
        self._slow_under -= lane.under
        lane.slow = False
        if lane.place is self._slow:
            self._move(lane, self._ready)

    def _wake(self, now: float) -> None:
        for lane in [lane for lane in self._parked if lane.until <= now]:
            lane.until = 0.0
            self._move(lane, self._slow if lane.slow else self._ready)

    def _give_back_beyond(self, lane: _Lane[T], now: float, given: list[tuple[T, float]]) -> None:
        each = max(lane.seconds, now - lane.moved if lane.under else 0.0, NOTICEABLE) / self.share
        kept = max(1, int(SOON / each))
        beyond = [lane.rows.pop() for _ in range(len(lane.rows) - kept)]
        given += [(row, now + min(each * n, LONGEST)) for n, row in enumerate(reversed(beyond), kept + 1)]

    def _open(self, domain: str) -> _Lane[T]:
        if len(self._lanes) >= REMEMBERED:
            kept = (lane for lane in self._lanes.values() if lane.rows or lane.under or lane.until > self._now)
            self._lanes = {lane.domain: lane for lane in kept}
        cap = self._exceptions.get(domain, self._cap) or _UNLIMITED
        lane = self._lanes[domain] = _Lane(domain, cap, self.share)
        return lane

    def _move(self, lane: _Lane[T], to: deque[_Lane[T]] | None) -> None:
        if lane.place is not None:
            lane.place.remove(lane)
        lane.place = to
        if to is not None:
            to.append(lane)

    def _places(self) -> tuple[deque[_Lane[T]], ...]:
        return self._ready, self._slow, self._full, self._parked
