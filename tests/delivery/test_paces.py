"""Rates, rests and the day's count, as workers on many machines share them: threads with connections of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from publisher.delivery import paces
from publisher.models import Pace
from tests.meeting import at_once

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
GMAIL, LAKE, SENDER = "gmail.com", "lake.example", "news.example.org"


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def meeting(transactional_db: Any) -> Callable[..., list[Any]]:
    """meeting(work, work, …): what each of them answers, where all begin at the same moment."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time: there is nobody to meet")

    return at_once


# ---- Rates


@pytest.mark.django_db
def test_without_a_rate_everything_is_granted_and_nothing_is_asked() -> None:
    with CaptureQueriesContext(connection) as asked:
        assert paces.allow({GMAIL: 30, LAKE: 5}, NOW) == {GMAIL: 30, LAKE: 5}

    assert len(asked) == 0


@pytest.mark.django_db
def test_no_more_goes_than_the_rate_of_all_whoever_asks(settings: Any) -> None:
    settings.RATE = "10"

    granted = [sum(paces.allow({GMAIL: 30, LAKE: 30}, later(tick / 10)).values()) for tick in range(100)]

    # Ten seconds of ten a second, and what may go ahead.
    assert sum(granted) == 10 * 10 + 1
    assert max(granted) == 2


@pytest.mark.django_db
def test_a_domain_has_its_rate_and_another_one_its_own_or_none(settings: Any) -> None:
    settings.DOMAIN_RATE, settings.DOMAINS = "5", f"{GMAIL}:rate=20,{LAKE}:rate=0"
    wanted = {GMAIL: 100, LAKE: 100, "else.example": 100}

    total: Counter[str] = Counter()
    for tick in range(50):
        total.update(paces.allow(wanted, later(tick / 10)))

    assert total == {GMAIL: 5 * 20 + 2, LAKE: 50 * 100, "else.example": 5 * 5}
    assert sorted(Pace.objects.values_list("name", flat=True)) == ["to else.example", f"to {GMAIL}"]


@pytest.mark.django_db
def test_less_than_one_a_second_is_one_now_and_then(settings: Any) -> None:
    settings.DOMAINS = f"{GMAIL}:rate=0.5"

    assert [paces.allow({GMAIL: 30}, later(second))[GMAIL] for second in range(6)] == [1, 0, 1, 0, 1, 0]


@pytest.mark.django_db
def test_a_silence_saves_nothing_up(settings: Any) -> None:
    settings.RATE = "10"
    paces.allow({GMAIL: 1}, NOW)

    hour = 3600
    assert [paces.allow({GMAIL: 30}, later(hour + tick / 10))[GMAIL] for tick in range(4)] == [2, 1, 1, 1]


@pytest.mark.django_db
def test_what_the_rate_of_all_grants_is_shared_out(settings: Any) -> None:
    settings.RATE = "50"

    assert paces.allow({GMAIL: 100, LAKE: 2, "else.example": 100}, NOW) == {GMAIL: 4, LAKE: 2, "else.example": 4}


@pytest.mark.django_db
def test_what_a_domain_was_not_granted_is_not_taken_from_the_rate_of_all(settings: Any) -> None:
    settings.RATE, settings.DOMAIN_RATE = "100", "1"

    assert paces.allow({GMAIL: 100}, NOW) == {GMAIL: 1}
    assert paces.allow({LAKE: 100, GMAIL: 100}, NOW) == {LAKE: 1, GMAIL: 0}
    assert Pace.objects.get(name="all").busy_until == later(0.02)


@pytest.mark.django_db
def test_a_pace_costs_as_many_queries_for_thirty_domains_as_for_one(settings: Any) -> None:
    settings.RATE, settings.DOMAIN_RATE = "10", "1"

    def queries(domains: int) -> int:
        wanted = {f"d{n}.example": 1 for n in range(domains)}
        paces.allow(wanted, NOW)
        with CaptureQueriesContext(connection) as asked:
            paces.allow(wanted, NOW)
        return len(asked)

    assert queries(30) == queries(1)


def test_workers_at_once_do_not_pass_the_rate_together(meeting: Any, settings: Any) -> None:
    settings.RATE, settings.DOMAIN_RATE = "100", "50"

    def worker(first: str, then: str) -> Counter[str]:
        total: Counter[str] = Counter()
        for tick in range(20):
            total.update(paces.allow({first: 10, then: 10}, later(tick / 20)))
        return total

    both = [(GMAIL, LAKE), (LAKE, GMAIL)] * 3
    answers = meeting(*(lambda pair=pair: worker(*pair) for pair in both))

    total = sum(answers, Counter())
    # 0.95 s of 50 a second, and what may go ahead; no worker's clock was further than that.
    assert sum(total.values()) <= 95 + 20
    assert all(45 <= total[domain] <= 48 + 10 for domain in (GMAIL, LAKE))


# ---- Rests


@pytest.mark.django_db
def test_a_domain_rests_a_minute_then_twice_as_long_each_time_an_hour_at_most() -> None:
    now, pauses = NOW, []
    for _ in range(9):
        until = paces.rest(GMAIL, now)
        pauses.append((until - now).total_seconds() / 60)
        now = until

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.django_db
def test_who_hears_the_same_during_the_rest_adds_nothing() -> None:
    until = paces.rest(GMAIL, NOW)

    assert paces.rest(GMAIL, later(59)) == until
    assert Pace.objects.get().strikes == 1


@pytest.mark.django_db
def test_who_rests_is_told_and_for_how_long_and_nobody_else() -> None:
    paces.rest(GMAIL, NOW)
    Pace.objects.create(name=f"to {LAKE}", busy_until=later(60))

    assert paces.resting([LAKE, GMAIL], later(59)) == {GMAIL: later(60)}
    assert paces.resting([LAKE], later(59)) == {}
    assert paces.resting(None, later(59)) == {GMAIL: later(60)}
    assert paces.resting(None, later(60)) == {}


@pytest.mark.django_db
def test_a_letter_that_is_taken_after_the_rest_wipes_out_what_was() -> None:
    paces.rest(GMAIL, NOW)
    paces.well([GMAIL], later(30))  # from before: still under way when it was refused
    assert paces.resting(None, later(30)) == {GMAIL: later(60)}
    paces.rest(GMAIL, later(60))

    paces.well([GMAIL, LAKE], later(180))

    assert paces.rest(GMAIL, later(200)) == later(260)


@pytest.mark.django_db
def test_after_a_day_without_a_word_a_domain_begins_anew() -> None:
    paces.rest(GMAIL, NOW)
    paces.rest(GMAIL, later(60))

    tomorrow = later(180) + timedelta(days=1, seconds=1)
    assert paces.rest(GMAIL, tomorrow) == tomorrow + timedelta(minutes=1)


@pytest.mark.django_db
def test_a_worker_asks_about_resting_domains_once_a_second() -> None:
    rests = paces.Rests()
    with CaptureQueriesContext(connection) as asked:
        for tick in range(10):
            assert rests.among([GMAIL, LAKE], later(tick / 10)) == {}
            rests.well([GMAIL], later(tick / 10))
    assert len(asked) == 1

    paces.rest(GMAIL, later(1))  # by another worker

    assert rests.among([GMAIL, LAKE], later(1)) == {GMAIL: later(61)}
    assert rests.rest(LAKE, later(1.1)) == later(61.1)
    assert rests.among([GMAIL, LAKE], later(1.2)) == {GMAIL: later(61), LAKE: later(61.1)}
    rests.well([GMAIL, LAKE], later(61))  # the lake's rest is not over
    assert dict(Pace.objects.values_list("name", "strikes")) == {f"to {GMAIL}": 0, f"to {LAKE}": 1}


def test_workers_that_hear_the_same_at_once_give_one_rest(meeting: Any) -> None:
    answers = meeting(*[lambda: paces.rest(GMAIL, NOW)] * 4)

    assert answers == [later(60)] * 4
    assert Pace.objects.get().strikes == 1


# ---- The day of a new sender


@pytest.mark.django_db
def test_of_a_day_no_more_is_taken_than_its_cap_and_the_next_day_begins_anew() -> None:
    taken = [paces.take_of_day(SENDER, wanted, 50, NOW) for wanted in (20, 20, 20, 1)]

    assert taken == [20, 20, 10, 0]
    assert (paces.of_day(SENDER, NOW), paces.of_day("other.example.org", NOW)) == (50, 0)
    assert paces.take_of_day("other.example.org", 5, 50, NOW) == 5
    assert paces.take_of_day(SENDER, 20, 60, NOW + timedelta(days=1)) == 20


@pytest.mark.django_db
def test_what_was_taken_and_not_sent_is_given_back_on_its_own_day() -> None:
    paces.take_of_day(SENDER, 50, 50, NOW)

    paces.give_back_of_day(SENDER, 20, NOW + timedelta(days=1))
    assert paces.of_day(SENDER, NOW) == 50
    paces.give_back_of_day(SENDER, 20, NOW)
    assert paces.of_day(SENDER, NOW) == 30
    paces.give_back_of_day(SENDER, 99, NOW)
    assert paces.of_day(SENDER, NOW) == 0


def test_workers_at_once_do_not_pass_the_cap_of_a_day_together(meeting: Any) -> None:
    answers = meeting(*[lambda: [paces.take_of_day(SENDER, 7, 100, NOW) for _ in range(10)]] * 4)

    assert sum(map(sum, answers)) == 100
    assert paces.of_day(SENDER, NOW) == 100


@pytest.mark.django_db
def test_at_midnight_a_worker_whose_clock_is_behind_waits_and_the_new_day_keeps_its_count() -> None:
    before, after = NOW.replace(hour=23, minute=59, second=59), NOW.replace(hour=0) + timedelta(days=1, seconds=1)
    paces.take_of_day(SENDER, 50, 50, before)

    taken = [paces.take_of_day(SENDER, 40, 60, now) for now in (after, before, after)]

    assert taken == [40, 0, 20]
    assert paces.of_day(SENDER, after) == 60


@pytest.mark.django_db
def test_a_clock_that_was_set_wrong_holds_nothing_up_once_it_is_right() -> None:
    paces.take_of_day(SENDER, 50, 50, NOW + timedelta(days=300))

    assert paces.of_day(SENDER, NOW) == 0
    assert paces.take_of_day(SENDER, 20, 50, NOW) == 20


# ---- And after that


@pytest.mark.django_db
def test_what_says_nothing_any_more_is_dropped_and_nothing_else() -> None:
    old, new = NOW - timedelta(days=1, minutes=1), NOW
    for name, fields in {
        "to old.example": {"busy_until": old, "resting_until": old, "strikes": 2},
        "to busy.example": {"busy_until": new},
        "to resting.example": {"resting_until": new, "strikes": 1},
        "from news.example.org": {"day": old.date(), "count": 5},
        "all": {"busy_until": old},
    }.items():
        Pace.objects.create(name=name, **fields)

    paces.tidy(NOW)

    assert sorted(Pace.objects.values_list("name", flat=True)) == [
        "all",
        "from news.example.org",
        "to busy.example",
        "to resting.example",
    ]


def test_who_tidies_waits_for_nobody_and_leaves_what_is_in_use(meeting: Any) -> None:
    for domain in (LAKE, GMAIL, "old.example"):
        Pace.objects.create(name=f"to {domain}", busy_until=NOW - timedelta(days=2))

    def tidy() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
        paces.tidy(NOW)

    with transaction.atomic():
        in_use = Pace.objects.select_for_update().get(name=f"to {GMAIL}")
        assert meeting(tidy) == [None]

    assert Pace.objects.get() == in_use


def test_who_is_taken_and_who_is_asked_for_at_once_wait_for_each_other_in_no_circle(
    meeting: Any, settings: Any
) -> None:
    settings.DOMAIN_RATE = "1000"
    domains = [f"{letter}.example" for letter in "hgfedcba"]
    for domain in domains:
        Pace.objects.create(name=f"to {domain}", strikes=1, resting_until=later(-60))

    def well() -> None:
        for _ in range(100):
            paces.well(domains, NOW)
            for domain in domains:
                Pace.objects.filter(name=f"to {domain}").update(strikes=1, resting_until=later(-60))

    def ask() -> None:
        for tick in range(100):
            paces.allow(dict.fromkeys(domains, 1), later(tick))

    assert meeting(well, ask, ask) == [None] * 3


@pytest.fixture
def tidied_meanwhile(db: Any, monkeypatch: Any) -> None:
    """Whoever asks for a row next has seen that it is there, and has it dropped before they lock it."""
    make = paces._make

    def then_tidied(names: list[str]) -> None:
        monkeypatch.setattr(paces, "_make", make)
        make(names)
        paces.tidy(NOW)

    monkeypatch.setattr(paces, "_make", then_tidied)


@pytest.mark.usefixtures("tidied_meanwhile")
def test_who_asks_as_the_rows_are_tidied_has_what_the_rate_grants(settings: Any) -> None:
    settings.DOMAIN_RATE = "10"
    Pace.objects.create(name=f"to {GMAIL}", busy_until=NOW - timedelta(days=2))

    assert paces.allow({GMAIL: 30, LAKE: 30}, NOW) == {GMAIL: 2, LAKE: 2}
    assert dict(Pace.objects.values_list("name", "busy_until")) == {f"to {GMAIL}": later(0.2), f"to {LAKE}": later(0.2)}


@pytest.mark.usefixtures("tidied_meanwhile")
def test_a_domain_that_asks_for_rest_as_the_rows_are_tidied_has_it() -> None:
    assert paces.rest(GMAIL, NOW) == later(60)
    assert paces.resting(None, NOW) == {GMAIL: later(60)}
