"""Lanes: which row may go next. The clock is a number, and servers are a table of how long each domain takes."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.delivery.lanes import REMEMBERED, SOON, Lanes

QUICK, SLOW = 0.01, 2.0
DOMAINS = ("quick.example", "brisk.example", "slow.example", "dead.example", "few.example")

Row = tuple[str, int]


def filled(lanes: Lanes[Row], counts: Mapping[str, int]) -> Lanes[Row]:
    """Rows of these domains, mixed, each domain's numbered from 0."""
    for n in range(max(counts.values(), default=0)):
        for domain, count in counts.items():
            if n < count:
                lanes.put((domain, n), domain)
    return lanes


class Wire:
    """What takes the rows and answers each after its domain's time."""

    def __init__(self, lanes: Lanes[Row], seconds: Mapping[str, float]) -> None:
        self.lanes, self.seconds = lanes, seconds
        self.now = 0.0
        self.out: list[tuple[float, str, float]] = []
        self.begun: list[Row] = []
        self.under: Counter[str] = Counter()
        self.ended: dict[str, list[float]] = defaultdict(list)

    def begin(self, most: int = 1000) -> None:
        for row in self.lanes.take(most, self.now):
            domain = row[0]
            self.begun.append(row)
            self.under[domain] += 1
            heapq.heappush(self.out, (self.now + self.seconds[domain], domain, self.seconds[domain]))

    def answer(self) -> None:
        self.now, domain, took = heapq.heappop(self.out)
        self.under[domain] -= 1
        self.ended[domain].append(self.now)
        self.lanes.done(domain, self.now, took)

    def run(self, until: float = 1e9) -> None:
        self.begin()
        while self.out and self.out[0][0] <= until:
            self.answer()
            self.begin()


def test_domains_take_turns_and_within_one_the_order_is_kept() -> None:
    lanes = filled(Lanes(at_once=100), {"a.example": 3, "b.example": 1, "c.example": 2})

    assert lanes.take(100, 0.0) == [
        ("a.example", 0),
        ("b.example", 0),
        ("c.example", 0),
        ("a.example", 1),
        ("c.example", 1),
        ("a.example", 2),
    ]
    assert lanes.drain() == []


def test_a_domain_alone_may_have_all_connections() -> None:
    lanes = filled(Lanes(at_once=8), {"a.example": 20})

    assert lanes.take(100, 0.0) == [("a.example", n) for n in range(8)]
    assert lanes.take(100, 0.0) == []


def test_a_domain_that_has_not_answered_yet_gets_its_share_and_more_with_each_answer() -> None:
    wire = Wire(filled(Lanes(at_once=10), {"a.example": 50, "b.example": 50}), {"a.example": QUICK, "b.example": QUICK})

    wire.begin()
    assert wire.under == {"a.example": 1, "b.example": 1}
    for _ in range(2):
        wire.answer()
        wire.begin()

    assert wire.under == {"a.example": 2, "b.example": 2}


@pytest.mark.parametrize("slow", [0.2, SLOW, 300.0])
def test_a_slow_domain_takes_less_than_a_twentieth_of_the_time_from_the_others(slow: float) -> None:
    """40 connections, 20 quick domains; and the same with a slow or dead one among them."""
    quick = {f"q{n}.example": 500 for n in range(20)}
    seconds = {**dict.fromkeys(quick, QUICK), "slow.example": slow}

    def lasts(counts: dict[str, int]) -> float:
        wire = Wire(filled(Lanes(at_once=40), counts), seconds)
        wire.run(until=20)
        assert all(len(wire.ended[domain]) == 500 for domain in quick)
        return max(wire.ended[domain][-1] for domain in quick)

    assert lasts({**quick, "slow.example": 500}) < lasts(quick) * 1.05


def test_all_slow_domains_together_have_one_share_while_others_wait() -> None:
    slow = {f"s{n}.example": 50 for n in range(12)}
    seconds = {**dict.fromkeys(slow, SLOW), "quick.example": QUICK}
    wire = Wire(filled(Lanes(at_once=20), {**slow, "quick.example": 20_000}), seconds)

    wire.run(until=4.5)

    assert sum(wire.under[domain] for domain in slow) == 1
    assert wire.under["quick.example"] == 19


def test_a_quick_domain_that_falls_silent_gets_no_more_connections() -> None:
    seconds = {"turns.example": QUICK, "quick.example": QUICK}
    wire = Wire(filled(Lanes(at_once=10), {"turns.example": 5000, "quick.example": 5000}), seconds)
    wire.run(until=1.0)
    held = wire.under["turns.example"]

    seconds["turns.example"] = 300.0
    wire.run(until=4.0)

    assert held == 5
    assert wire.under == {"turns.example": 5, "quick.example": 5}
    wire.run(until=6.0)
    assert wire.under["turns.example"] == 5


def test_where_all_domains_are_slow_none_is() -> None:
    """A relay far away: each takes its time, and no connection stands idle."""
    wire = Wire(filled(Lanes(at_once=10), {"a.example": 90, "b.example": 90}), {"a.example": SLOW, "b.example": SLOW})

    wire.run(until=20)

    assert wire.under == {"a.example": 5, "b.example": 5}


def test_what_is_slow_has_all_connections_when_nobody_else_waits() -> None:
    seconds = {"slow.example": SLOW, "quick.example": QUICK}
    wire = Wire(filled(Lanes(at_once=10), {"slow.example": 200, "quick.example": 2000}), seconds)

    wire.run(until=5)

    assert len(wire.ended["quick.example"]) == 2000
    assert wire.under == {"slow.example": 10, "quick.example": 0}


def test_a_cap_holds_for_one_domain_and_an_exception_for_another() -> None:
    lanes: Lanes[Row] = Lanes(at_once=60, domain_connections=2, exceptions={"big.example": 3, "free.example": 0})
    wire = Wire(
        filled(lanes, dict.fromkeys(["a.example", "big.example", "free.example"], 4000)),
        {"a.example": QUICK, "big.example": QUICK, "free.example": QUICK},
    )

    wire.run(until=0.3)

    assert wire.under == {"a.example": 2, "big.example": 3, "free.example": 55}


def test_a_domain_that_rests_waits_until_then_and_the_others_do_not() -> None:
    lanes = filled(Lanes(at_once=10), {"a.example": 2, "b.example": 1})

    lanes.rest("a.example", 60.0)
    lanes.rest("a.example", 30.0)  # an earlier end takes nothing off

    assert lanes.take(10, 59.9) == [("b.example", 0)]
    assert lanes.wake_at() == 60.0
    assert lanes.take(10, 60.0) == [("a.example", 0), ("a.example", 1)]
    assert lanes.wake_at() is None


def test_a_domain_that_rested_before_its_rows_came_rests_too() -> None:
    lanes: Lanes[Row] = Lanes(at_once=10)
    lanes.rest("a.example", 60.0)
    lanes.put(("a.example", 0), "a.example")

    assert lanes.take(10, 1.0) == []
    assert lanes.take(10, 61.0) == [("a.example", 0)]


def test_what_rests_for_long_is_given_back_and_what_goes_on_soon_is_kept() -> None:
    lanes = filled(Lanes(at_once=10), {"long.example": 2, "soon.example": 1, "now.example": 1})
    lanes.rest("long.example", SOON + 100)
    lanes.rest("soon.example", SOON - 1)

    assert lanes.give_back(0.0) == [(("long.example", 0), SOON + 100), (("long.example", 1), SOON + 100)]
    assert lanes.wake_at() == SOON - 1
    assert sorted(lanes.drain()) == [("now.example", 0), ("soon.example", 0)]


def test_of_a_slow_domain_what_its_share_does_not_carry_is_given_back() -> None:
    seconds = {"slow.example": SLOW, "quick.example": QUICK}
    wire = Wire(filled(Lanes(at_once=20), {"slow.example": 100, "quick.example": 100_000}), seconds)
    wire.run(until=9)
    waiting = 100 - sum(1 for domain, _ in wire.begun if domain == "slow.example")

    given_back = wire.lanes.give_back(wire.now)

    kept = int(SOON / SLOW)
    assert [row for row, _ in given_back] == [("slow.example", n) for n in range(100 - waiting + kept, 100)]
    moments = [at for _, at in given_back]
    assert moments == sorted(moments)
    assert moments[0] > wire.now + SOON - 1


def test_a_row_that_has_not_begun_after_all_leaves_its_place_to_another() -> None:
    lanes = filled(Lanes(at_once=1), {"a.example": 2})
    lanes.take(1, 0.0)

    lanes.unsent("a.example")

    assert lanes.take(1, 0.0) == [("a.example", 1)]


def test_drained_lanes_hold_nothing() -> None:
    lanes = filled(Lanes(at_once=2), {"a.example": 2, "b.example": 2, "c.example": 1})
    lanes.rest("c.example", 100.0)
    under_way = lanes.take(2, 0.0)

    assert sorted(lanes.drain() + under_way) == [
        *(("a.example", n) for n in range(2)),
        *(("b.example", n) for n in range(2)),
        ("c.example", 0),
    ]
    assert (lanes.drain(), lanes.wake_at()) == ([], None)


def test_many_domains_are_not_remembered_for_ever() -> None:
    lanes: Lanes[int] = Lanes(at_once=4)
    for n in range(20_000):
        lanes.put(n, f"d{n}.example")
        lanes.take(1, float(n))
        lanes.done(f"d{n}.example", float(n), QUICK)

    assert len(lanes._lanes) <= REMEMBERED


_STEP = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(DOMAINS), st.integers(1, 12)),
    st.tuples(st.just("take"), st.integers(0, 12)),
    st.tuples(st.just("answer"), st.integers(1, 6)),
    st.tuples(st.just("rest"), st.sampled_from(DOMAINS), st.floats(0.1, 90)),
    st.tuples(st.just("unsent")),
    st.tuples(st.just("give back")),
)
SECONDS = {"quick.example": 0.01, "brisk.example": 0.02, "slow.example": 3.0, "dead.example": 300.0, "few.example": 0.5}


class Witness:
    """Does what it is told, and keeps account of each row and of each promise."""

    def __init__(self, at_once: int, cap: int) -> None:
        self.at_once, self.cap = at_once, cap
        self.lanes: Lanes[Row] = Lanes(at_once=at_once, domain_connections=cap, exceptions={"few.example": 1})
        self.wire = Wire(self.lanes, SECONDS)
        self.put: Counter[str] = Counter()
        self.waiting: dict[str, list[Row]] = defaultdict(list)
        self.resting: dict[str, float] = {}

    def do(self, what: str, *how: object) -> None:
        getattr(self, f"do_{what.replace(' ', '_')}")(*how)
        assert self.wire.under.total() <= self.at_once
        for domain, under in self.wire.under.items():
            cap = 1 if domain == "few.example" else self.cap
            assert under <= (cap or self.at_once)

    def do_put(self, domain: str, count: int) -> None:
        for _ in range(count):
            row = (domain, self.put[domain])
            self.put[domain] += 1
            self.waiting[domain].append(row)
            self.lanes.put(row, domain)

    def do_take(self, most: int) -> None:
        before = len(self.wire.begun)
        self.wire.begin(most)
        begun = self.wire.begun[before:]
        assert len(begun) <= most
        for domain, n in begun:
            assert self.waiting[domain].pop(0) == (domain, n)
            assert self.resting.get(domain, 0) <= self.wire.now

    def do_answer(self, count: int) -> None:
        for _ in range(min(count, len(self.wire.out))):
            self.wire.answer()

    def do_rest(self, domain: str, seconds: float) -> None:
        until = self.wire.now + seconds
        self.resting[domain] = max(until, self.resting.get(domain, 0))
        self.lanes.rest(domain, until)

    def do_unsent(self) -> None:
        if self.wire.out:
            _, domain, _ = self.wire.out.pop()
            heapq.heapify(self.wire.out)
            self.wire.under[domain] -= 1
            self.lanes.unsent(domain)

    def do_give_back(self) -> None:
        for (domain, n), at in self.lanes.give_back(self.wire.now):
            self.waiting[domain].remove((domain, n))
            assert at > self.wire.now

    def finish(self) -> None:
        """Answer and begin until nothing is left; time passes to where something that rests may go on."""
        for _ in range(100_000):
            self.do_take(1000)
            if self.wire.out:
                self.wire.answer()
            elif (at := self.lanes.wake_at()) is not None:
                self.wire.now = max(self.wire.now, at)
            else:
                return
        raise AssertionError("it does not come to an end")


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 45), st.sampled_from([0, 1, 3]), st.lists(_STEP, max_size=80))
def test_no_cap_is_passed_nothing_is_lost_and_each_domain_keeps_its_order(
    at_once: int, cap: int, steps: list[tuple[object, ...]]
) -> None:
    witness = Witness(at_once, cap)
    for step in steps:
        witness.do(*step)  # type: ignore[arg-type] # the first is the word, by the strategy
    witness.finish()

    assert {domain: rows for domain, rows in witness.waiting.items() if rows} == {}
    assert witness.lanes.drain() == []


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 45), st.sampled_from([0.5, 3.0, 300.0]), st.integers(1, 6))
def test_what_is_slow_from_the_beginning_never_has_more_than_its_share_while_others_wait(
    at_once: int, slow: float, quick_domains: int
) -> None:
    names = [f"q{n}.example" for n in range(quick_domains)]
    lanes: Lanes[Row] = Lanes(at_once=at_once)
    wire = Wire(
        filled(lanes, {**dict.fromkeys(names, 2000), "slow.example": 2000}),
        {**dict.fromkeys(names, QUICK), "slow.example": slow},
    )
    wire.begin()
    while min(len(wire.ended[name]) for name in names) < 300:
        assert wire.under["slow.example"] <= max(1, at_once // 10)
        wire.answer()
        wire.begin()


def test_nobody_has_more_than_a_part_for_want_of_others_while_others_are_due() -> None:
    lanes: Lanes[int] = Lanes(at_once=64)
    for number in range(10):
        lanes.put(number, "a.example")
    lanes.more_due = True
    assert lanes.take(64, 0.0) == [0, 1]
    lanes.more_due = False
    assert lanes.take(64, 0.0) == list(range(2, 10))


def test_a_relay_that_stalls_makes_nobody_slow() -> None:
    lanes: Lanes[int] = Lanes(at_once=64)
    for domain in ("a.example", "b.example"):
        for number in range(200):
            lanes.put(number, domain)
    for seconds in [0.01] * 100 + [0.25] * 16:
        taken = len(lanes.take(2, 0.0))
        for domain in ("a.example", "b.example")[:taken]:
            lanes.done(domain, 0.0, seconds)
    assert len(lanes.take(64, 0.0)) == 64
