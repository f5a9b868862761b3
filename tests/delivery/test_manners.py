"""How a sending begins, what makes it ask a person, and whose addresses are not mailed again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from publisher import clockwork, digests, members
from publisher.delivery import ledger, manners, paces
from publisher.delivery.limits import LimitsWrong
from publisher.delivery.manners import Allowance
from publisher.models import Delivery, Digest, Member, Pace, Subscription, Suppression

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NO_SUCH_USER = {"state": "failed", "code": 550, "enhanced": "5.1.1", "phase": "rcpt"}
SENT = {"state": "sent", "code": 250, "enhanced": "2.0.0", "phase": "dot"}


@pytest.fixture
def make_sending(publication: Any) -> Any:
    """make_sending(100): a digest of that many queued letters, to members m0@… on; of "Update" unless said."""

    def make(count: int, *, of: Any = None, prefix: str = "m") -> Any:
        of = of or publication
        people = Member.objects.bulk_create(Member(email=f"{prefix}{n}@members.example") for n in range(count))
        Subscription.objects.bulk_create(
            Subscription(member=member, publication=of, state="active", state_since=NOON - timedelta(days=9))
            for member in people
        )
        digest = Digest.objects.create(publication=of, date=NOON.date(), state="sending", frozen_count=count)
        Delivery.objects.bulk_create(
            Delivery(digest=digest, member=member, address=member.email, state="queued", due_at=NOON)
            for member in people
        )
        return digest

    return make


def outcome(digest: Any, first: int, count: int, at: datetime = NOON, **fields: Any) -> None:
    """These rows of the digest, in their order, have come to this."""
    pks = list(digest.deliveries.order_by("id").values_list("pk", flat=True)[first : first + count])
    Delivery.objects.filter(pk__in=pks).update(state_since=at, **fields)


def again(digest: Any) -> Any:
    """The digest as another worker loads it."""
    return Digest.objects.select_related("publication").get(pk=digest.pk)


# ---- How much may be claimed


@pytest.mark.django_db
def test_where_nothing_is_set_all_may_be_claimed_and_nothing_is_asked(make_sending: Any) -> None:
    digest = make_sending(3)

    with CaptureQueriesContext(connection) as asked:
        assert manners.allowance(digest, 1000, NOON) == Allowance(1000)

    assert (len(asked), Pace.objects.count()) == (0, 0)


@pytest.mark.django_db
def test_a_slow_rate_claims_no_more_than_goes_soon(make_sending: Any, settings: Any) -> None:
    digest = make_sending(3)

    settings.RATE = "2"
    assert manners.allowance(digest, 1000, NOON) == Allowance(60)
    settings.RATE = "0.001"
    assert manners.allowance(digest, 1000, NOON) == Allowance(1)


# ---- Warm-up


@pytest.mark.django_db
def test_a_new_senders_letters_of_a_day_are_counted_over_digests_and_the_rest_waits_for_tomorrow(
    make_sending: Any, publication: Any, other_publication: Any, settings: Any
) -> None:
    settings.WARM_UP = "2026-11-23"
    one, other = make_sending(100), make_sending(100, of=other_publication, prefix="n")
    tomorrow = datetime(2026, 11, 24, tzinfo=UTC)

    assert manners.allowance(one, 30, NOON) == Allowance(30)
    assert manners.allowance(other, 30, NOON) == Allowance(20)
    full = "Warm-up: 50 of 50 today, goes on at 00:00 on Tuesday 24 November."
    assert manners.allowance(one, 30, NOON) == Allowance(0)
    assert manners.standing(one, NOON) == [full]

    manners.unsent(other, [NOON] * 5)
    assert manners.standing(one, NOON) == ["Warm-up: 45 of 50 today."]
    assert manners.allowance(one, 30, NOON) == Allowance(5)
    assert manners.allowance(one, 70, tomorrow) == Allowance(60)


@pytest.mark.django_db
def test_what_was_allowed_before_midnight_and_does_not_go_out_is_none_of_the_new_day(
    make_sending: Any, settings: Any
) -> None:
    settings.WARM_UP = "2026-11-23"
    digest = make_sending(100)
    before, after = (datetime(2026, 11, 24, tzinfo=UTC) + timedelta(seconds=10 * way) for way in (-1, 1))
    manners.allowance(digest, 50, before)
    manners.allowance(digest, 40, after)

    manners.unsent(digest, [before] * 45 + [after] * 3)

    assert manners.standing(digest, after) == ["Warm-up: 37 of 60 today."]


@pytest.mark.django_db
def test_a_day_that_is_full_costs_no_more_queries_than_one_with_room(make_sending: Any, settings: Any) -> None:
    settings.WARM_UP = "2026-11-23"
    digest = make_sending(100)
    manners.allowance(digest, 30, NOON)

    def queries(allowed: int) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert manners.allowance(digest, 30, NOON) == Allowance(allowed)
        return len(asked)

    assert queries(20) == queries(0)


@pytest.mark.django_db
def test_another_sending_domain_has_a_count_of_its_own(
    make_sending: Any, other_publication: Any, settings: Any
) -> None:
    settings.WARM_UP = "2026-11-23"
    other_publication.sender_email = "new@other.example"

    assert manners.allowance(make_sending(1), 50, NOON) == Allowance(50)
    assert manners.allowance(make_sending(1, of=other_publication, prefix="n"), 50, NOON) == Allowance(50)


@pytest.mark.django_db
def test_after_the_last_day_nothing_is_counted(make_sending: Any, settings: Any) -> None:
    settings.WARM_UP = "2026-10-01"
    digest = make_sending(1)

    assert manners.allowance(digest, 5000, NOON) == Allowance(5000)
    assert (Pace.objects.count(), manners.standing(digest, NOON)) == (0, [])


@pytest.mark.django_db
def test_a_first_day_that_is_no_date_is_said(make_sending: Any, settings: Any) -> None:
    settings.WARM_UP = "soon"
    sentence = "PUBLISHER_WARM_UP is “soon”: give a date, as 2026-11-23."

    with pytest.raises(LimitsWrong, match="PUBLISHER_WARM_UP is “soon”"):
        manners.allowance(make_sending(1), 5, NOON)
    assert manners.standing(Digest.objects.get(), NOON) == [sentence]


# ---- The canary


@pytest.fixture
def canary(make_sending: Any, publication: Any) -> Any:
    """A sending of 100, of which 20 go out first, and the others wait 15 minutes."""
    publication.canary_size = 20
    publication.save()
    return make_sending(100)


@pytest.mark.django_db
def test_the_first_letters_go_out_and_the_others_wait_and_then_go_by_themselves(canary: Any) -> None:
    assert manners.standing(canary, NOON) == ["Canary: the first 20 letters go out, then the others wait 15 minutes."]
    assert manners.allowance(canary, 12, NOON) == Allowance(12)
    outcome(canary, 0, 12, state="claimed")
    assert manners.allowance(again(canary), 12, NOON) == Allowance(8)
    outcome(canary, 0, 20, **SENT)

    waits = "Canary: the first 20 letters are out; the others follow at 12:15, unless more than 10% of those fail."
    quarter_past = NOON + timedelta(minutes=15)
    assert manners.allowance(again(canary), 100, NOON) == Allowance(0)
    # Of an instance that was loaded before, too; and the wait is not begun anew.
    assert manners.allowance(canary, 100, NOON + timedelta(minutes=14)) == Allowance(0)
    assert manners.standing(again(canary), NOON) == [waits]

    assert manners.allowance(again(canary), 100, quarter_past) == Allowance(100)
    assert (again(canary).canary_passed, manners.standing(again(canary), quarter_past)) == (True, [])


@pytest.mark.django_db
def test_a_letter_that_went_back_to_the_queue_is_made_up_for(canary: Any) -> None:
    outcome(canary, 0, 20, state="claimed")
    manners.allowance(canary, 1, NOON)
    outcome(canary, 0, 1, state="queued")
    outcome(canary, 1, 1, state="skipped")

    assert manners.allowance(canary, 10, NOON) == Allowance(2)


@pytest.mark.django_db
@pytest.mark.parametrize("unwell", ["failed", "deferred", "unknown"])
def test_where_more_than_a_tenth_of_the_first_are_not_well_a_person_is_asked(
    canary: Any, anne: Any, unwell: str
) -> None:
    outcome(canary, 0, 20, **SENT)
    manners.allowance(canary, 1, NOON)
    outcome(canary, 0, 2, state=unwell)
    late = NOON + timedelta(minutes=16)
    untouched = again(canary)

    outcome(canary, 2, 1, state=unwell)
    why = "Of the first 20 letters 3 failed, were put off or are unknown: look why. Resuming sends the others."
    assert manners.allowance(canary, 100, late) == Allowance(0, stop=why)
    digests.pause(canary, by=None, why=why)
    digests.resume(canary, by=anne)
    assert manners.allowance(again(canary), 100, late) == Allowance(100)

    outcome(untouched, 2, 1, **SENT)
    Digest.objects.filter(pk=canary.pk).update(canary_passed=False)
    assert manners.allowance(again(canary), 100, late) == Allowance(100)  # two are a tenth, not more


@pytest.mark.django_db
def test_one_bad_letter_is_an_accident(make_sending: Any, publication: Any) -> None:
    publication.canary_size = 5
    digest = make_sending(50)
    outcome(digest, 0, 4, **SENT)
    outcome(digest, 4, 1, **NO_SUCH_USER)
    manners.allowance(digest, 1, NOON)

    assert manners.allowance(digest, 10, NOON + timedelta(minutes=15)) == Allowance(10)


@pytest.mark.django_db
def test_who_resumes_before_the_first_letters_were_looked_at_still_waits(canary: Any, anne: Any) -> None:
    outcome(canary, 0, 20, **SENT)
    manners.allowance(canary, 1, NOON)
    digests.pause(canary, by=anne)
    digests.resume(again(canary), by=anne)

    assert manners.allowance(again(canary), 1, NOON).count == 0


# ---- The list


@pytest.mark.django_db
def test_a_list_with_many_dead_addresses_is_asked_about_as_soon_as_it_is_certain(make_sending: Any) -> None:
    digest = make_sending(600)
    outcome(digest, 0, 400, **SENT)
    outcome(digest, 400, 25, **NO_SUCH_USER)
    assert manners.verdict(digest) is None  # 25 are 5 % of 500, and not more

    outcome(digest, 425, 1, **NO_SUCH_USER)

    assert manners.verdict(digest) == (
        "26 of the first 426 letters failed for good: is this the right list? Nobody was taken off it. Look at what "
        "failed; resuming says that the list is right."
    )
    assert (Suppression.objects.count(), again(digest).list_checked) == (0, False)


@pytest.mark.django_db
@pytest.mark.parametrize(("failed", "asked"), [(19, False), (20, True)])
def test_of_a_short_list_twenty_are_enough(make_sending: Any, failed: int, asked: bool) -> None:
    digest = make_sending(100)
    outcome(digest, 0, failed, **NO_SUCH_USER)

    assert (manners.verdict(digest) is not None) == asked


@pytest.mark.django_db
@pytest.mark.parametrize(
    "answer",
    [
        {"state": "failed", "code": 550, "enhanced": "5.7.1", "phase": "rcpt"},  # about us
        {"state": "failed", "code": 554, "enhanced": "", "phase": "rcpt", "reply": "554 relaying denied"},
        {"state": "failed", "code": 554, "enhanced": "", "phase": "dot"},  # about the letter
        {"state": "failed", "code": 450, "enhanced": "4.2.0", "phase": "rcpt"},  # given up after five days
        {"state": "failed", "code": None, "enhanced": "", "phase": "body"},  # no message could be made
        {"state": "deferred", "code": 450, "enhanced": "4.2.2", "phase": "rcpt"},
        {"state": "unknown", "code": None, "enhanced": "", "phase": "dot"},
        {"state": "skipped", "code": None, "enhanced": "", "phase": ""},
    ],
)
def test_only_a_no_for_good_about_the_recipient_counts(make_sending: Any, answer: dict[str, Any]) -> None:
    digest = make_sending(100)
    outcome(digest, 0, 100, **answer)

    assert manners.verdict(digest) is None


@pytest.mark.django_db
def test_the_first_five_hundred_decide_and_after_them_nobody_asks_again(make_sending: Any) -> None:
    digest = make_sending(700)
    outcome(digest, 100, 500, at=NOON, **SENT)
    outcome(digest, 0, 100, at=NOON + timedelta(seconds=1), **NO_SUCH_USER)

    assert manners.verdict(digest) is None
    loaded = again(digest)
    with CaptureQueriesContext(connection) as asked:
        assert manners.verdict(loaded) is None
    # Only what came back is counted, which goes on as long as it comes.
    assert (len(asked), loaded.list_checked) == (1, True)


@pytest.mark.django_db
def test_who_resumes_says_that_the_list_is_right(make_sending: Any, anne: Any) -> None:
    digest = make_sending(100)
    outcome(digest, 0, 30, **NO_SUCH_USER)
    digests.pause(digest, by=None, why=manners.verdict(digest) or "")

    digests.resume(digest, by=anne)

    assert again(digest).failures_accepted
    assert manners.verdict(again(digest)) is None
    assert members.suppress_failed(again(digest)) == 30


@pytest.mark.django_db
@pytest.mark.parametrize(("refused", "seen"), [(12, False), (16, True), (40, True)])
def test_who_resumes_has_seen_the_refusals_of_us_that_stand(
    refused: int, seen: bool, make_sending: Any, anne: Any
) -> None:
    """With twenty a batch stops, and the last of them went back."""
    digest = make_sending(100)
    outcome(digest, 0, refused, state="deferred", code=550, enhanced="5.7.1", phase="rcpt")
    digests.pause(digest, by=None, why="refused")

    digests.resume(digest, by=anne)

    assert (again(digest).refusals_accepted, again(digest).failures_accepted) == (seen, False)


@pytest.mark.django_db
def test_who_resumes_where_nothing_was_wrong_yet_is_asked_when_it_is(make_sending: Any, anne: Any) -> None:
    digest = make_sending(100)
    digests.pause(digest, by=anne)
    digests.resume(digest, by=anne)
    outcome(digest, 0, 30, **NO_SUCH_USER)

    assert manners.verdict(again(digest)) is not None


# ---- Whose addresses are not mailed again


@pytest.fixture
def checked(make_sending: Any) -> Any:
    """A sending whose list has passed the check; seven of its letters failed, and one is of somebody who left."""
    digest = make_sending(12)
    Digest.objects.filter(pk=digest.pk).update(list_checked=True)
    for place, enhanced in enumerate(["5.1.1", "5.1.2", "5.1.3", "5.1.10", "5.2.2", "5.7.1", "", "5.1.1"]):
        outcome(digest, place, 1, **{**NO_SUCH_USER, "enhanced": enhanced})
    Subscription.objects.filter(member__email="m7@members.example").update(state="left")
    outcome(digest, 8, 1, **SENT)
    return again(digest)


def suppressed() -> list[str]:
    found = Subscription.objects.filter(state="suppressed").order_by("member_id")
    return list(found.values_list("member__email", flat=True))


@pytest.mark.django_db
def test_addresses_that_do_not_exist_are_suppressed_and_no_others(checked: Any) -> None:
    assert members.suppress_failed(checked) == 4

    assert suppressed() == [f"m{n}@members.example" for n in range(4)]
    assert sorted(Suppression.objects.values_list("why", flat=True)) == [
        f"no such address: {code} to {checked.label}" for code in ("5.1.1", "5.1.10", "5.1.2", "5.1.3")
    ]
    assert members.suppress_failed(checked) == 0


@pytest.mark.django_db
def test_before_the_list_has_passed_nobody_is_suppressed(make_sending: Any) -> None:
    digest = make_sending(100)
    outcome(digest, 0, 5, **NO_SUCH_USER)

    assert members.suppress_failed(digest) == 0
    assert suppressed() == []


@pytest.mark.django_db
@pytest.mark.parametrize(("failed", "count"), [(5, 5), (30, 0)])
def test_of_a_short_sending_that_is_over_only_a_right_list_counts(make_sending: Any, failed: int, count: int) -> None:
    digest = make_sending(100)
    outcome(digest, 0, 100, **SENT)
    outcome(digest, 0, failed, **NO_SUCH_USER)
    digests.finish(digest)

    assert members.suppress_failed(again(digest)) == count == len(suppressed())


@pytest.mark.django_db
def test_who_joined_anew_after_the_failure_is_not_suppressed_again(checked: Any, publication: Any) -> None:
    Subscription.objects.filter(member__email="m0@members.example").update(state_since=NOON + timedelta(hours=1))
    # Erased, and under another address since: the failed one is not theirs any more.
    Member.objects.filter(email="m1@members.example").update(email="m1.new@members.example")

    assert members.suppress_failed(checked) == 2
    assert suppressed() == ["m2@members.example", "m3@members.example"]


@pytest.mark.django_db
def test_the_clock_suppresses_in_small_parts_and_looks_no_more_when_all_is_done(checked: Any) -> None:
    assert members.suppress_failed(checked, most=3) == 3
    assert again(checked).failures_suppressed_at is None

    clockwork.tick()
    assert suppressed() == [f"m{n}@members.example" for n in range(4)]
    now = timezone.now()
    assert list(manners.to_learn_from(now)) == []
    assert list(manners.to_learn_from(now + timedelta(seconds=61))) == [checked]

    Digest.objects.filter(pk=checked.pk).update(state="sent", state_since=timezone.now())
    assert list(manners.to_learn_from(timezone.now())) == [checked]
    clockwork.tick()
    assert list(manners.to_learn_from(now + timedelta(days=1))) == []


# ---- What is said of it


@pytest.mark.django_db
def test_what_holds_a_sending_back_is_said_by_the_publications_clock(
    make_sending: Any, publication: Any, settings: Any
) -> None:
    settings.RATE, settings.WARM_UP = "2.5", "2026-11-23"
    publication.time_zone = "America/New_York"
    publication.save()
    digest = make_sending(3)
    for domain in "abcdefg":
        paces.rest(f"{domain}.example", NOON)
    ledger.rest(digest, "relay:465: encryption failed: certificate has expired.")
    Digest.objects.filter(pk=digest.pk).update(resting_until=NOON + timedelta(minutes=5))

    assert manners.standing(again(digest), NOON) == [
        "The mail server cannot be used just now (relay:465: encryption failed: certificate has expired); it is tried "
        "again at 07:05.",
        "Warm-up: 0 of 50 today.",
        "At most 2.5 letters a second.",
        *(f"{domain}.example asked for patience: it rests until 07:01." for domain in "abcde"),
        "2 more domains rest.",
    ]
    Digest.objects.filter(pk=digest.pk).update(state="paused")
    assert manners.standing(again(digest), NOON) == []
