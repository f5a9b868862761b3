"""Which of a worker's rows may begin, by what this worker and all others have learnt of their domains."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from publisher.delivery import paces
from publisher.delivery.batch import GROUP
from publisher.delivery.outcomes import Outcome, Result
from publisher.delivery.replies import Phase
from publisher.delivery.turns import Turns

from .batches import NOBODY, SILENCE, TAKEN

pytestmark = pytest.mark.django_db

TIRED = Outcome(Result.DEFERRED, Phase.DOT, 421, "4.7.0", "421 4.7.0 unusual rate of mail", "connection")
BUSY = Outcome(Result.DEFERRED, Phase.RCPT, 450, "4.7.1", "450 4.7.1 try again later", "recipient")
SLOW, FAST = "slow.example", "fast.example"


@dataclass(eq=False)
class Row:
    domain: str
    begun: float = 0.0


def turns_with(**rows: int) -> Turns[Row]:
    turns: Turns[Row] = Turns(GROUP, 20)
    turns.put(Row(f"{name}.example") for name, count in rows.items() for _ in range(count))
    return turns


def choose(turns: Turns[Row], most: int = 100) -> list[Row]:
    chosen = turns.choose(most)
    for row in chosen:
        row.begun = time.monotonic()
    return chosen


def domains(rows: list[Row]) -> Counter[str]:
    return Counter(row.domain for row in rows)


def send_all(turns: Turns[Row]) -> Counter[str]:
    """Until nothing may begin: how many of each domain went."""
    sent: Counter[str] = Counter()
    while chosen := choose(turns):
        sent += domains(chosen)
        for row in chosen:
            turns.settled(row, TAKEN)
    return sent


def test_without_limits_all_go(settings):
    turns = turns_with(slow=5, fast=8)
    assert send_all(turns) == {SLOW: 5, FAST: 8}
    assert (turns.waiting, turns.wait()) == (0, 0.0)


def test_a_domain_with_a_rate_waits_and_the_others_do_not(settings):
    settings.DOMAINS = "slow.example:rate=0.05"
    turns = turns_with(slow=5, fast=8)
    assert send_all(turns) == {SLOW: 1, FAST: 8}
    assert turns.waiting == 4
    assert 15 < turns.wait() <= 20


def test_a_rate_is_common_to_all_workers(settings):
    settings.DOMAINS = "slow.example:rate=0.05"
    assert send_all(turns_with(slow=5)) == {SLOW: 1}
    assert send_all(turns_with(slow=5, fast=1)) == {FAST: 1}


def test_rows_that_must_wait_for_long_are_given_back_with_their_moment(settings):
    settings.DOMAINS = "slow.example:rate=0.01"
    turns, before = turns_with(slow=5, fast=2), timezone.now()
    assert send_all(turns) == {SLOW: 1, FAST: 2}
    postponed = turns.postponed()
    assert domains([row for row, _ in postponed]) == {SLOW: 4}
    assert [round((at - before).total_seconds(), -2) for _, at in postponed] == [100, 200, 300, 400]
    assert turns.waiting == 0


def test_a_domain_that_rests_is_left_alone_until_its_moment(settings):
    until = paces.rest(SLOW, timezone.now())
    turns = turns_with(slow=3, fast=3)
    assert send_all(turns) == {FAST: 3}
    postponed = turns.postponed()
    assert domains([row for row, _ in postponed]) == {SLOW: 3}
    assert {abs(at - until) < timedelta(seconds=1) for _, at in postponed} == {True}


@pytest.mark.parametrize(("answer", "times"), [(TIRED, 1), (BUSY, 3)])
def test_what_a_domain_answers_makes_it_rest_for_every_worker(answer, times):
    turns = turns_with(slow=times + 4)
    for _ in range(times):
        turns.settled(*choose(turns, 1), answer)
    turns.put([Row(FAST), Row(FAST)])
    assert paces.resting(None, timezone.now()) == {}
    turns.learn()
    assert set(paces.resting(None, timezone.now())) == {SLOW}
    assert send_all(turns) == {FAST: 2}
    assert send_all(turns_with(slow=2, fast=2)) == {FAST: 2}


def test_a_letter_that_is_taken_between_shows_that_a_domain_is_well():
    turns = turns_with(slow=6)
    for answer in (BUSY, BUSY, TAKEN, BUSY, BUSY):
        turns.settled(*choose(turns, 1), answer)
    turns.learn()
    assert paces.resting(None, timezone.now()) == {}


def test_an_address_that_does_not_exist_says_nothing_of_its_domain():
    turns = turns_with(slow=10)
    for _ in range(10):
        turns.settled(*choose(turns, 1), NOBODY)
    turns.learn()
    assert paces.resting(None, timezone.now()) == {}


def test_a_domain_begins_with_a_few_and_earns_more(settings):
    turns = turns_with(slow=40, fast=40)
    first = domains(choose(turns))
    assert set(first) == {SLOW, FAST}
    assert max(first.values()) < 5


def test_a_domain_has_no_more_under_way_than_its_connections(settings):
    settings.DOMAINS = "slow.example:connections=2"
    turns = turns_with(slow=20)
    under_way = choose(turns)
    while under_way and turns.waiting:
        assert len(under_way) <= 2
        turns.settled(under_way.pop(), TAKEN)
        under_way += choose(turns)


def test_a_doubt_after_the_answer_counts_no_second_time(settings):
    """The answer frees its domain's place at once, whatever becomes of it when those behind it are there."""
    settings.DOMAINS = "slow.example:connections=1"
    turns = turns_with(slow=3)
    (row,) = choose(turns)
    turns.settled(row, TAKEN)
    turns.settled(row, SILENCE)
    assert len(choose(turns)) == 1
    assert choose(turns) == []


def test_what_was_chosen_in_vain_stands_in_line_again():
    turns = turns_with(fast=3)
    chosen = choose(turns)
    turns.back(chosen)
    assert turns.waiting == 3
    assert send_all(turns) == {FAST: 3}


STEPS = st.lists(
    st.sampled_from(["put", "choose", "sent", "refused", "tired", "unsent", "back", "postpone"]), max_size=60
)


@given(STEPS, st.booleans())
@hypothesis_settings(deadline=None)
def test_every_row_is_in_one_place(steps, drained):
    """In line, under way or out again, whatever happens: no row is forgotten, and none is given out twice."""
    turns: Turns[Row] = Turns(4, 4)
    inside: set[Row] = set()
    under_way: list[Row] = []
    for number, step in enumerate(steps):
        if step == "put":
            rows = [Row(f"{number % 3}.example") for _ in range(3)]
            turns.put(rows)
            inside |= set(rows)
        elif step == "choose":
            chosen = choose(turns, 2)
            inside -= set(chosen)
            assert len(set(under_way) | set(chosen)) == len(under_way) + len(chosen)
            under_way += chosen
        elif step == "postpone":
            inside -= {row for row, _ in turns.postponed()}
        elif under_way:
            row = under_way.pop(0)
            if step == "back":
                turns.back([row])
                inside.add(row)
            elif step == "unsent":
                turns.unsent(row)
            else:
                turns.settled(row, {"sent": TAKEN, "refused": BUSY, "tired": TIRED}[step])
        assert turns.waiting == len(inside)
    if drained:
        assert (set(turns.drain()), turns.waiting) == (inside, 0)
