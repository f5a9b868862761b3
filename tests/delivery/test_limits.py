"""What the operator sets, in words; what a domain's answers mean; how a new sender is warmed up. Pure tables."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest

from publisher.delivery import warming
from publisher.delivery.limits import Limits, LimitsWrong, parse_limits
from publisher.delivery.refusals import Refusals, in_a_row
from publisher.delivery.replies import Phase

GMAIL, LAKE = "gmail.com", "lake.example"


def test_nothing_set_limits_nothing() -> None:
    assert parse_limits() == Limits()
    assert (Limits().paced, Limits().rate_to(GMAIL), Limits().pause(GMAIL)) == (False, 0, 0)


def test_a_domain_may_be_an_exception() -> None:
    limits = parse_limits(
        rate="100",
        domain_rate="0.5",
        domain_connections="4",
        domains=" GMail.com:rate=10;connections=3, bücher.example:connections=1,lake.example:rate=0,",
    )

    assert limits == Limits(
        rate=100,
        domain_rate=0.5,
        domain_connections=4,
        rates={GMAIL: 10, LAKE: 0},
        connections={GMAIL: 3, "xn--bcher-kva.example": 1},
    )
    assert [limits.rate_to(domain) for domain in (GMAIL, LAKE, "else.example")] == [10, 0, 0.5]
    assert [limits.pause(domain) for domain in (GMAIL, LAKE, "else.example")] == [0.2, 0.2, 2.0]


A_RATE = "give letters a second, as 10 or 0.5, or 0 for no limit."
WRITTEN = "write it as gmail.com:rate=10;connections=3."


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"rate": "fast"}, f"PUBLISHER_RATE is “fast”: {A_RATE}"),
        ({"rate": "-1"}, f"PUBLISHER_RATE is “-1”: {A_RATE}"),
        ({"rate": "nan"}, f"PUBLISHER_RATE is “nan”: {A_RATE}"),
        ({"domain_rate": "1/s"}, f"PUBLISHER_DOMAIN_RATE is “1/s”: {A_RATE}"),
        (
            {"domain_connections": "1.5"},
            "PUBLISHER_DOMAIN_CONNECTIONS is “1.5”: give a whole number, or 0 for no limit.",
        ),
        ({"domains": "gmail.com"}, f"“gmail.com” in PUBLISHER_DOMAINS: {WRITTEN}"),
        ({"domains": "a.b:speed=1"}, f"“a.b:speed=1” in PUBLISHER_DOMAINS: {WRITTEN}"),
        ({"domains": "a b:rate=1"}, f"“a b” in PUBLISHER_DOMAINS is no domain: {WRITTEN}"),
        ({"domains": "a.b:rate=x"}, f"The rate of a.b is “x”: {A_RATE}"),
        (
            {"domains": "a.b:rate=1,A.b:connections=2"},
            "PUBLISHER_DOMAINS names a.b twice: put its limits together, parted by “;”.",
        ),
    ],
)
def test_what_cannot_be_understood_is_said_in_a_sentence(setting: dict[str, str], says: str) -> None:
    with pytest.raises(LimitsWrong) as wrong:
        parse_limits(**setting)

    assert str(wrong.value) == says


@pytest.mark.parametrize(
    ("phase", "code", "enhanced", "text", "most"),
    [
        (Phase.RCPT, 421, "4.7.0", "unusual rate of mail", 1),
        (Phase.DOT, 421, "4.7.28", "unusual rate of mail", 1),
        (Phase.DOT, 451, "4.7.650", "temporarily rate limited", 3),
        (Phase.RCPT, 450, "4.7.1", "Client host rejected", 3),
        (Phase.RCPT, 450, "4.4.2", "timed out while talking to lake.example", 3),
        (Phase.RCPT, 452, "4.3.1", "insufficient storage", 3),
        (Phase.RCPT, 451, "", "try again later", 5),
        (Phase.RCPT, 450, "4.2.1", "receiving mail at a rate", 5),
        (Phase.RCPT, 452, "4.2.2", "mailbox full", 0),
        (Phase.RCPT, 450, "4.2.0", "Recipient address rejected: Greylisted", 0),
        (Phase.RCPT, 451, "4.7.1", "Graylisting in action", 0),
        (Phase.RCPT, 421, "4.3.2", "shutting down", 3),
        (Phase.RCPT, 421, None, "closing", 0),
        (Phase.DATA, 450, "4.7.1", "Data command rejected: try later", 3),
        (Phase.MAIL, 421, "4.7.0", "unusual rate of mail", 0),
        (Phase.GREETING, 450, "4.7.1", "policy", 0),
        (Phase.RCPT, 550, "5.7.1", "blocked", 0),
        (Phase.RCPT, 250, "2.1.5", "fine", 0),
        (Phase.RCPT, None, None, "it broke off", 0),
    ],
)
def test_answers_mean_that_a_domain_needs_rest(
    phase: Phase, code: int | None, enhanced: str | None, text: str, most: int
) -> None:
    assert in_a_row(phase, code, enhanced, text) == most


def test_refusals_count_in_a_row_and_for_each_domain_by_itself() -> None:
    refusals = Refusals()

    def refused(domain: str) -> bool:
        return refusals.note(domain, Phase.RCPT, 450, "4.7.1", "policy")

    assert [refused(GMAIL), refused(GMAIL), refused(LAKE)] == [False, False, False]
    refusals.taken(GMAIL)
    assert [refused(GMAIL), refused(GMAIL), refused(GMAIL)] == [False, False, True]
    assert [refused(GMAIL), refused(LAKE), refused(LAKE)] == [False, False, True]


def test_a_new_sender_sends_more_from_week_to_week_and_then_as_much_as_it_will() -> None:
    first = date(2026, 11, 23)
    caps = [warming.cap(first, first + timedelta(days=n)) for n in range(-1, 43)]

    assert caps[:3] == [50, 50, 60]
    weeks = [caps[1 + 7 * week : 8 + 7 * week] for week in range(4)]
    assert [(week[0], week[-1]) for week in weeks] == [(50, 100), (200, 500), (1000, 2000), (5000, 10_000)]
    numbers = [cap for cap in caps if cap is not None]
    assert numbers == sorted(numbers)
    assert all(more <= 2.5 * less for less, more in pairwise(numbers))
    assert caps[42:] == [1_000_000, None]
