"""What follows from mail that came back, and from what only looks like it."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from benchmarks import bounces_frames as frames
from publisher import bounces, links, members
from publisher.bounces.reading import read
from publisher.lifecycle import Refusal
from publisher.models import Bounce, Delivery, Digest, Event, Member, Notice, Publication, Subscription
from tests.bounces.conftest import back, everything, suppressed, take

GONE = frames.report("550 5.1.1 <rosa@members.example>: user unknown")
FULL = frames.report("552 5.2.2 mailbox full")
BLOCKED = frames.report("550 5.7.1 blocked by policy, see https://lists.example")
SPAM = frames.feedback("abuse")


def states(digest):
    return {row.address.partition("@")[0]: row.state for row in digest.deliveries.order_by("pk")}


def state(row):
    return Delivery.objects.get(pk=row.pk).state


@pytest.mark.parametrize(
    ("raw", "kind", "becomes", "gone"),
    [
        (GONE, "hard", "bounced", ["m0"]),
        (frames.qmail("Sorry, no mailbox here by that name. (#5.1.1)"), "hard", "bounced", ["m0"]),
        (FULL, "soft", "bounced", []),
        (BLOCKED, "policy", "bounced", []),
        (SPAM, "complaint", "sent", ["m0"]),
    ],
)
def test_each_kind_has_its_effect_and_nobody_elses_letter_is_touched(digest, row, raw, kind, becomes, gone):
    taken = take(raw, row)
    bounce = Bounce.objects.get()
    assert (taken.delivery, taken.new, taken.understood) == (row, True, True)
    assert (bounce.delivery, bounce.digest, bounce.kind, bounce.source) == (row, digest, kind, "file")
    assert bounce.applied_at is not None
    assert states(digest) == {"m0": becomes, "m1": "sent", "m2": "sent", "m3": "sent", "m4": "sent"}
    assert suppressed() == gone


@pytest.mark.parametrize(
    "raw",
    [
        frames.report("451 4.4.1 no answer", action="delayed"),
        frames.feedback("not-spam"),
        frames.letter("Re: Update 120", "Thank you for this Update."),
    ],
)
def test_what_says_nothing_for_good_changes_nothing(digest, row, raw):
    before = everything()
    taken = take(raw, row)
    assert (taken.new, everything()) == (False, before)


@pytest.mark.parametrize(
    "raw",
    [
        frames.report("250 2.0.0 OK", action="delivered"),
        frames.letter("Out of Office: Update 120", "I am away."),
        frames.letter("Please confirm your message to rosa", "Click the link so that your message is delivered."),
    ],
)
def test_a_doubt_is_over_when_somebody_answers(digest, row, raw):
    digest.deliveries.filter(pk=row.pk).update(state="unknown")
    other = digest.deliveries.get(address="m1@members.example")
    digest.deliveries.filter(pk=other.pk).update(state="unknown")
    assert take(raw, row).new
    assert (state(row), state(other), Bounce.objects.count()) == ("sent", "unknown", 0)


@pytest.mark.parametrize("raw", [GONE, FULL, BLOCKED])
def test_what_came_back_was_taken_whatever_was_known_of_it(digest, row, raw):
    digest.deliveries.filter(pk=row.pk).update(state="unknown")
    take(raw, row)
    assert state(row) == "bounced"


def test_what_is_kept_of_it_names_nobody(digest, row):
    take(frames.report("550 5.1.1 <rosa@members.example> forwards to luis@elsewhere.example: m0 is unknown"), row)
    bounce = Bounce.objects.get()
    assert bounce.says == "smtp; 550 5.1.1 <the address> forwards to the address: m0 is unknown"
    assert (bounce.code, bounce.enhanced) == (550, "5.1.1")
    rows = [*Event.objects.values(), *Bounce.objects.values()]
    assert not [each for each in rows if "@" in str(each)]


def test_a_name_before_the_at_is_an_address_too():
    said = bounces.without_addresses("user Rosa.Diaz unknown, rosa.diazzo is not", ["rosa.diaz@members.example"])
    assert said == "user … unknown, rosa.diazzo is not"


def test_after_an_erasure_nothing_is_kept_of_what_was_said(digest, row, anne):
    take(GONE, row)
    members.erase(Member.objects.get(pk=row.member_id), by=anne)
    assert Bounce.objects.get().says == ""
    before = everything()
    take(GONE, row)
    assert everything() == before


# Forged, replayed, out of order


def forgeries(row, other):
    good = back(GONE, row)
    token = links.bounce_address(row.pk).encode()
    changed = token[:8] + (b"a" if token[8:9] != b"a" else b"b") + token[9:]
    glued = links.bounce_address(row.pk).partition("@")[0].encode() + b"aa@news.example.org"
    return {
        "no token": GONE,
        "plain address": good.replace(token, b"bounces@news.example.org"),
        "changed token": good.replace(token, changed),
        "longer token": good.replace(token, glued),
        "no such delivery": good.replace(token, links.bounce_address(10**9).encode()),
        "another purpose": good.replace(token, f"bounces+{links.sign('leave', row.pk)}@news.example.org".encode()),
        "only its address": GONE.replace(b"rosa@members.example", row.address.encode()),
    }


def test_what_is_forged_changes_nothing(digest, row):
    other = digest.deliveries.get(address="m1@members.example")
    before = everything()
    for name, raw in forgeries(row, other).items():
        for source in (raw, raw.replace(b"5.1.1", b"5.2.1"), SPAM):
            taken = bounces.take(source, "file")
            assert (name, taken.delivery, taken.understood, everything()) == (name, None, False, before)


def test_whoever_has_a_token_can_only_speak_of_their_own_letter(digest, row):
    """m1's own token in a report that names m0."""
    other = digest.deliveries.get(address="m1@members.example")
    named = GONE.replace(b"rosa@members.example", row.address.encode())
    bounces.take(back(named, other), "file")
    assert (state(row), state(other), suppressed()) == ("sent", "bounced", ["m1"])


def test_a_token_made_with_an_older_key_is_still_read(digest, row, settings):
    raw = back(GONE, row)
    settings.KEYS = {**settings.KEYS, "links": ["newer", *settings.KEYS["links"]]}
    assert bounces.take(raw, "file").new
    settings.KEYS = {**settings.KEYS, "links": ["another"]}
    assert bounces.take(raw, "file").delivery is None


@pytest.mark.parametrize("raw", [GONE, FULL, BLOCKED, SPAM])
def test_a_hundred_replays_are_one(digest, row, raw):
    take(raw, row)
    before, events = everything(), Event.objects.count()
    report = take(raw, row).report
    assert not any(bounces.note(row, report, "another door") for _ in range(99))
    assert (everything(), Event.objects.count()) == (before, events)


def test_a_replay_does_not_suppress_who_joined_anew(digest, row):
    take(GONE, row)
    take(SPAM, row)
    Subscription.objects.filter(member=row.member_id).update(state="active", state_since=timezone.now())
    take(GONE, row)
    take(SPAM, row)
    assert suppressed() == []


@pytest.mark.parametrize("before", ["queued", "claimed", "armed", "deferred"])
def test_what_comes_before_its_letter_is_known_to_be_sent_waits_for_that(digest, row, before):
    digest.deliveries.filter(pk=row.pk).update(state=before)
    take(GONE, row)
    assert (state(row), suppressed(), bounces.settle()) == (before, [], 0)
    digest.deliveries.filter(pk=row.pk).update(state="sent")
    assert (bounces.settle(), state(row), suppressed()) == (1, "bounced", ["m0"])
    assert bounces.settle() == 0


@pytest.mark.parametrize("before", ["claimed", "armed"])
def test_a_complaint_waits_for_nothing(digest, row, before):
    digest.deliveries.filter(pk=row.pk).update(state=before)
    take(SPAM, row)
    assert (state(row), suppressed(), bounces.settle()) == (before, ["m0"], 0)


def test_a_complaint_after_a_bounce_and_the_other_way_round_end_alike(digest):
    first, second = digest.deliveries.order_by("pk")[:2]
    for row, raws in ((first, (GONE, SPAM)), (second, (SPAM, GONE))):
        for raw in raws:
            take(raw, row)
    assert (state(first), state(second), suppressed()) == ("bounced", "bounced", ["m0", "m1"])
    assert Bounce.objects.count() == 4


@pytest.mark.parametrize("over", ["failed", "skipped"])
def test_what_never_left_cannot_come_back(digest, row, over):
    digest.deliveries.filter(pk=row.pk).update(state=over)
    take(GONE, row)
    assert (state(row), bounces.settle()) == (over, 0)


def test_who_joined_anew_since_the_letter_is_left_alone(digest, row):
    Subscription.objects.filter(member=row.member_id).update(state_since=timezone.now())
    take(GONE, row)
    assert (state(row), suppressed()) == ("bounced", [])


def test_who_has_another_address_by_now_is_left_alone(digest, row):
    Member.objects.filter(pk=row.member_id).update(email="new@members.example")
    take(GONE, row)
    assert suppressed() == []


# Soft ones


def test_the_fourth_day_in_thirty_is_one_too_many(went_out, make_members):
    people = make_members(2)
    began = timezone.now().replace(hour=12) - timedelta(days=40)  # a quarter of an hour later is the same day
    for number, day in enumerate((0, 20, 20.01, 30, 33, 34)):
        with time_machine.travel(began + timedelta(days=day), tick=False):
            assert suppressed() == []
            digest = went_out(people, 100 + number)
            take(FULL, digest.deliveries.order_by("pk")[0])
    with time_machine.travel(began + timedelta(days=49), tick=False):
        take(FULL, went_out(people, 120).deliveries.order_by("pk")[0])
        assert suppressed() == ["m0"]


def test_what_came_back_before_a_new_joining_counts_no_more(went_out, make_members):
    people = make_members(1)
    for number in range(4):
        with time_machine.travel(timezone.now() - timedelta(days=9 - number), tick=False):
            digest = went_out(people, 100 + number)
            if number == 3:
                Subscription.objects.update(state_since=timezone.now() - timedelta(hours=20))
            take(FULL, digest.deliveries.get())
    assert suppressed() == []


def test_policy_never_suppresses_however_often(went_out, make_members):
    people = make_members(1)
    for number in range(12):
        with time_machine.travel(timezone.now() - timedelta(days=12 - number), tick=False):
            take(BLOCKED, went_out(people, 100 + number).deliveries.get())
    assert suppressed() == []


# Storms


def many_come_back(digest, count, raw=GONE):
    report = read(raw)
    for row in list(digest.deliveries.order_by("pk")[:count]):
        bounces.note(row, report, "file")


@pytest.mark.parametrize("list_checked", [False, True])
def test_a_wrong_list_behind_a_relay_that_takes_everything_pauses_and_suppresses_nobody(
    went_out, make_members, list_checked, ben
):
    Publication.objects.update(sender_email="update@reading-rooms.example")
    type(ben).objects.filter(pk=ben.pk).update(email="ben@reading-rooms.example")
    digest = went_out(make_members(60), state="sending", ago=timedelta(minutes=2), list_checked=list_checked)
    many_come_back(digest, 25)
    digest.refresh_from_db()
    assert (digest.state, suppressed(), bounces.settle()) == ("paused", [], 0)
    assert "20 letters came back because there is no such address: is this the right list?" in digest.attention
    assert Bounce.objects.filter(kind="hard", applied_at=None).count() == 25
    assert list(Notice.objects.values_list("kind", "address")) == [("alert", "ben@reading-rooms.example")]


def test_a_person_who_says_that_the_list_is_right_lets_them_go(went_out, make_members, ben):
    digest = went_out(make_members(60), ago=timedelta(minutes=2))
    many_come_back(digest, 21)
    assert (suppressed(), Digest.objects.get().state) == ([], "sent")
    bounces.believe(digest, by=ben)
    assert (bounces.settle(), len(suppressed()), Digest.objects.get().attention) == (21, 21, "")
    with pytest.raises(Refusal, match="nothing is asked"):
        bounces.believe(Digest.objects.get(), by=ben)


def test_before_the_list_has_shown_to_be_right_nobody_is_suppressed(went_out, make_members):
    """600 went out just now; the first to come back may be the beginning of a storm, and an hour later they are not."""
    digest = went_out(make_members(600), state="sending", ago=timedelta(minutes=2), list_checked=True)
    many_come_back(digest, 5)
    assert (states(digest)["m0"], suppressed(), bounces.settle()) == ("bounced", [], 0)
    with time_machine.travel(timezone.now() + timedelta(hours=1), tick=False):
        assert bounces.settle() == 5
    assert suppressed() == ["m0", "m1", "m2", "m3", "m4"]


def test_refusals_of_us_ask_a_person_and_name_their_reasons(went_out, make_members):
    digest = went_out(make_members(60), state="sending")
    many_come_back(digest, 12, BLOCKED)
    digest.refresh_from_db()
    assert (digest.state, suppressed()) == ("paused", [])
    assert "10 letters came back because servers refuse us" in digest.attention
    assert bounces.counts(digest) == {"hard": 0, "soft": 0, "policy": 12, "complaint": 0}
    (reason,) = bounces.reasons(digest)
    assert (reason["kind"], reason["count"], reason["enhanced"]) == ("policy", 12, "5.7.1")


def test_a_person_who_has_seen_them_is_not_asked_again(went_out, make_members):
    digest = went_out(make_members(60), state="sending")
    many_come_back(digest, 12, BLOCKED)
    Digest.objects.update(state="sending")
    many_come_back(digest, 14, BLOCKED)
    assert Digest.objects.get().state == "sending"


def test_what_a_server_says_after_an_erasure_is_not_kept(digest, row, anne):
    members.erase(Member.objects.get(pk=row.member_id), by=anne)
    take(frames.report("550 5.1.1 rosa is unknown here"), row)
    assert list(Bounce.objects.values_list("kind", "says")) == [("hard", "")]


def test_a_provider_that_turns_many_away_in_unknown_words_takes_nobody_off(went_out, make_members):
    """Four weeks long, each of twenty: it may be them, and it may be us."""
    people, nobody_knows = make_members(20), frames.report("550 5.0.0 Transaction dropped")
    for week in range(4):
        at = timezone.now() - timedelta(days=21 - 7 * week)
        rows = went_out(people, 100 + week, ago=timezone.now() - at).deliveries.order_by("pk")
        Bounce.objects.bulk_create(
            Bounce(delivery=each, digest_id=each.digest_id, kind="soft", at=at) for each in rows[bool(week == 3) :]
        )
    take(nobody_knows, rows[0])
    assert (Bounce.objects.filter(kind="soft").count(), suppressed()) == (80, [])
