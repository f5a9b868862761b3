"""The places of posts in the timetables of their channels, and what keeps back a post whose time has come."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from publisher import digests, posting, posts, reviews, slots
from publisher.lifecycle import NotAllowed, Refusal
from publisher.models import Campaign, Channel, Digest, Event, Post
from publisher.slots import Rules
from publisher.timetable import Quiet
from tests.meeting import at_once

#: A Saturday noon in London; summer time begins that night.
NOON = datetime(2027, 3, 27, 12, 0, tzinfo=UTC)
NIGHT = Quiet(time(22), time(7))
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _saturday_noon():
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def two_at_once():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time: there is nobody to meet")


@pytest.fixture
def x(channels):
    return channels[0]


@pytest.fixture
def page(channels):
    """The Facebook page: no weekly times."""
    return channels[1]


@pytest.fixture
def make_post(make_item):
    """make_post(channel, "Title", published_on=…): an approved post of its own, without a time."""

    def make(channel, title, *, priority=0, position=0, item=True, campaign=None, **fields):
        fields.setdefault("published_on", date(2027, 3, 20))
        return Post.objects.create(
            channel=channel,
            item=make_item(title, **fields) if item else None,
            purpose="item",
            state="approved",
            text=title,
            priority=priority,
            position=position,
            campaign=campaign,
        )

    return make


def placed(channel, start=NOON):
    slots.place(channel.posts.all(), start)
    return shown(channel)


def shown(channel):
    """What goes out when, on London's clock."""
    listed = channel.posts.exclude(due_at=None).order_by("due_at", "pk")
    zone = channel.publication.zone
    return [f"{post.due_at.astimezone(zone):%a %d %b %H:%M} {post.text}" for post in listed]


def fresh(post):
    return Post.objects.select_related("channel__publication", "item", "digest").get(pk=post.pk)


def rule(channel, by, **changed):
    slots.set_rules(channel, replace(slots.rules_of(channel), **changed), by=by)


# ---- Placing


def test_posts_take_the_free_weekly_times_in_the_order_of_date_priority_and_position(x, make_post):
    make_post(x, "new", published_on=date(2027, 3, 26))
    make_post(x, "undated", published_on=None)
    make_post(x, "old, second", published_on=date(2027, 3, 2), position=2)
    make_post(x, "old, first", published_on=date(2027, 3, 2), position=1)
    make_post(x, "old, preferred", published_on=date(2027, 3, 2), position=3, priority=1)

    assert placed(x) == [
        "Mon 29 Mar 09:00 old, preferred",
        "Thu 01 Apr 17:30 old, first",
        "Mon 05 Apr 09:00 old, second",
        "Thu 08 Apr 17:30 new",
        "Mon 12 Apr 09:00 undated",
    ]


def test_what_a_digest_says_of_itself_goes_before_its_items(digest, channels, anne, ben):
    reviews.approve(digests.proof(digest, by=anne), by=ben)

    listed = Post.objects.filter(channel=channels[0]).order_by("due_at")

    assert [post.item and post.item.published_on.isoformat() for post in listed] == [
        None,
        "2007-02-28",
        "2007-03-12",
        "2007-03-20",
    ]


def test_a_time_that_another_post_has_is_not_given_again_until_it_is_cancelled(x, make_post, anne):
    first = make_post(x, "first")
    placed(x)
    second = make_post(x, "second")
    slots.place(Post.objects.filter(pk=second.pk), NOON)
    assert shown(x) == ["Mon 29 Mar 09:00 first", "Thu 01 Apr 17:30 second"]

    posts.cancel(first, by=anne)
    third = make_post(x, "third")
    slots.place(Post.objects.filter(pk=third.pk), NOON)

    assert fresh(third).due_at == datetime(2027, 3, 29, 8, tzinfo=UTC)


def test_without_weekly_times_posts_go_at_once_at_their_distance(page, make_post, anne):
    for title in "one", "two", "three":
        make_post(page, title)
    assert placed(page) == ["Sat 27 Mar 12:00 one", "Sat 27 Mar 12:00 two", "Sat 27 Mar 12:00 three"]

    rule(page, anne, spacing=20 * MINUTE)

    assert placed(page) == ["Sat 27 Mar 12:00 one", "Sat 27 Mar 12:20 two", "Sat 27 Mar 12:40 three"]


def test_live_coverage_does_not_wait_for_weekly_times_but_for_the_end_of_quiet_hours(x, make_post, publication, anne):
    days = {"starts_on": date(2027, 3, 20), "ends_on": date(2027, 3, 30)}
    live = Campaign.objects.create(publication=publication, hashtag="EITI2027", key="eiti2027", live=True, **days)
    rule(x, anne, quiet=NIGHT, spacing=15 * MINUTE)
    for title, campaign in (("live", live), ("also live", live), ("not", None)):
        make_post(x, title, campaign=campaign)

    assert placed(x, NOON + timedelta(hours=11)) == [
        "Sun 28 Mar 07:00 live",
        "Sun 28 Mar 07:15 also live",
        "Mon 29 Mar 09:00 not",
    ]


def test_nothing_is_placed_before_the_day_on_which_its_item_becomes_public(page, x, make_post):
    make_post(page, "public on Wednesday", published_on=date(2027, 3, 31))
    make_post(x, "public on Friday", published_on=date(2027, 4, 2))

    assert placed(page) == ["Wed 31 Mar 00:00 public on Wednesday"]
    assert placed(x) == ["Mon 05 Apr 09:00 public on Friday"]


def test_placing_anew_keeps_the_time_that_a_person_chose(x, make_post, anne):
    chosen, other = make_post(x, "chosen"), make_post(x, "other")
    placed(x)
    slots.move_to(fresh(chosen), datetime(2027, 4, 9, 10, tzinfo=UTC), by=anne)

    assert placed(x, NOON + timedelta(days=7)) == ["Mon 05 Apr 09:00 other", "Fri 09 Apr 11:00 chosen"]
    # But not before the start: then it is as if nobody had.
    assert placed(x, NOON + timedelta(days=14)) == ["Mon 12 Apr 09:00 chosen", "Thu 15 Apr 17:30 other"]
    assert fresh(other).timing == "planned"


@pytest.mark.django_db(transaction=True)
def test_of_two_who_place_posts_at_once_each_gets_times_of_its_own(two_at_once, x, make_post):
    batches = [[make_post(x, f"{who}{n}").pk for n in range(3)] for who in "ab"]

    answers = at_once(*(lambda pks=pks: slots.place(Post.objects.filter(pk__in=pks), NOON) for pks in batches))

    assert answers == [None, None]
    times = list(x.posts.order_by("due_at").values_list("due_at", "slot_at"))
    assert len(set(times)) == 6
    assert [f"{due:%a %H:%M}" for due, _ in times] == ["Mon 08:00", "Thu 16:30"] * 3


def test_a_voided_approval_gives_its_times_back(digest, x, anne, ben, make_post):
    reviews.approve(digests.proof(digest, by=anne), by=ben)
    assert x.posts.exclude(slot_at=None).count() == 4

    digests.edit(Digest.objects.get(pk=digest.pk), by=anne, introduction="New")

    assert set(x.posts.values_list("state", "due_at", "slot_at", "timing")) == {("draft", None, None, "planned")}
    make_post(x, "another")
    assert placed(x) == ["Mon 29 Mar 09:00 another"]


# ---- What a channel is told


def test_the_rules_of_a_channel_are_set_together_and_told(x, anne):
    rules = Rules(((2, time(12)), (0, time(8))), NIGHT, 30 * MINUTE, timedelta(hours=2))

    slots.set_rules(x, rules, by=anne)

    kept = slots.rules_of(Channel.objects.get(pk=x.pk))
    assert kept == Rules(((0, time(8)), (2, time(12))), NIGHT, 30 * MINUTE, timedelta(hours=2))
    event = Event.objects.get(noun="channel", verb="edited")
    assert event.why == "its weekly times, its quiet hours, the distance between its posts, what is too late"
    assert event.detail == {"slots": ["Monday 08:00", "Wednesday 12:00"]}


def test_rules_that_are_the_same_leave_no_trace(x, anne):
    slots.set_rules(x, slots.rules_of(x), by=anne)
    assert not Event.objects.filter(noun="channel").exists()


def test_quiet_hours_over_a_weekly_time_are_refused_and_change_nothing(x, anne):
    with pytest.raises(Refusal, match="Monday 09:00 lies in the quiet hours, 22:00 to 10:00"):
        rule(x, anne, quiet=Quiet(time(22), time(10)), spacing=MINUTE)
    assert slots.rules_of(Channel.objects.get(pk=x.pk)) == Rules(((0, time(9)), (3, time(17, 30))))


# ---- What a person does with the time of a post


def test_a_post_is_moved_to_a_free_time_and_leaves_its_own_to_others(x, make_post, anne):
    post = make_post(x, "moved")
    placed(x)
    later = slots.free_times([x], 3)[x.pk]
    assert [f"{each:%a %d %H:%M}" for each in later] == ["Thu 01 16:30", "Mon 05 08:00", "Thu 08 16:30"]

    slots.move_to(fresh(post), later[1], by=anne)

    assert (fresh(post).due_at, fresh(post).slot_at, fresh(post).timing) == (later[1], None, "chosen")
    assert slots.free_times([x], 1)[x.pk] == [datetime(2027, 3, 29, 8, tzinfo=UTC)]
    assert Event.objects.get(noun="post", verb="timed").by == anne


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("2027-03-27T11:00", "Saturday 27 March, 11:00 is past: choose a time to come, or post it now."),
        ("2027-03-28T22:30", "Sunday 28 March, 23:30 lies in the quiet hours of x reading_rooms, 22:00 to 07:00."),
        (
            "2027-03-29T07:45",
            "Another post of x reading_rooms goes out on Monday 29 March, 09:00, and two keep 30 minutes apart.",
        ),
        ("2027-03-29T16:00", "It is public from Tuesday 30 March, 00:00: choose a time after that."),
    ],
)
def test_a_time_against_which_something_stands_is_refused_with_its_reason(x, make_post, anne, to, says):
    rule(x, anne, quiet=NIGHT, spacing=30 * MINUTE)
    make_post(x, "has Monday 09:00")
    placed(x)
    post = make_post(x, "to move", published_on=date(2027, 3, 30 if "public" in says else 20))

    with pytest.raises(Refusal) as refused:
        slots.move_to(fresh(post), datetime.fromisoformat(to).replace(tzinfo=UTC), by=anne)

    assert str(refused.value) == says
    assert fresh(post).due_at is None


def test_what_went_out_has_no_other_time(x, make_post, anne):
    post = make_post(x, "gone")
    Post.objects.filter(pk=post.pk).update(state="published")
    for verb in (slots.post_now, lambda post, by: slots.move_to(post, NOON + MINUTE, by=by)):
        with pytest.raises(NotAllowed, match="is published: only what waits can be given another time"):
            verb(fresh(post), by=anne)


def test_a_preferred_post_changes_places_with_the_others_of_its_day(x, make_post, anne):
    for n, title in enumerate(("one", "two", "three")):
        make_post(x, title, position=n)
    make_post(x, "of an earlier day", published_on=date(2027, 3, 1))
    placed(x)

    slots.prefer(fresh(x.posts.get(text="three")), 1, by=anne)

    assert [line[17:] for line in shown(x)] == ["of an earlier day", "three", "one", "two"]
    assert x.posts.exclude(slot_at=None).count() == 4


def test_a_held_post_is_released_to_its_time_or_when_that_is_past_to_the_soonest(x, make_post, anne):
    rule(x, anne, spacing=45 * MINUTE)
    post = make_post(x, "held")
    placed(x)
    monday = fresh(post).due_at
    posts.hold(fresh(post), by=anne)
    posts.release(fresh(post), by=anne)
    assert (fresh(post).state, fresh(post).due_at) == ("approved", monday)

    posts.hold(fresh(post), by=anne)
    with time_machine.travel(monday + 10 * MINUTE, tick=False):
        slots.place(Post.objects.filter(pk=make_post(x, "at ten").pk), NOON)
        x.posts.filter(text="at ten").update(due_at=monday + 30 * MINUTE, slot_at=None)
        posts.release(fresh(post), by=anne)

    assert (fresh(post).due_at, fresh(post).slot_at) == (monday + 75 * MINUTE, None)


# ---- Whose turn it is


@pytest.fixture
def out(connected):
    """What the page's followers have seen."""
    return lambda: [entry["text"] for entry in connected.json("/graph/posts.json")]


def publish_all():
    for post in slots.in_turn(posting.due()):
        posting.publish(fresh(post))


def test_two_posts_keep_their_distance_also_after_one_that_was_sent_now(page, make_post, out, anne):
    rule(page, anne, spacing=30 * MINUTE)
    for n, title in enumerate(("one", "two", "three")):
        make_post(page, title, position=n)
    placed(page)
    publish_all()
    publish_all()
    assert out() == ["one"]

    slots.post_now(fresh(page.posts.get(text="three")), by=anne)
    publish_all()
    assert sorted(out()) == ["one", "three"]

    # “two” was due at 12:30; “three” went at 12:10.
    Post.objects.filter(text="three").update(intent_at=NOON + 10 * MINUTE, published_at=NOON + 10 * MINUTE)
    for minutes, gone in ((30, 2), (39, 2), (40, 3)):
        with time_machine.travel(NOON + minutes * MINUTE, tick=False):
            publish_all()
            assert len(out()) == gone


def test_in_quiet_hours_only_what_a_person_sends_now_goes_out(page, make_post, out, anne):
    rule(page, anne, quiet=NIGHT)
    waits, urgent = make_post(page, "waits"), make_post(page, "urgent")
    placed(page)
    with time_machine.travel(NOON + timedelta(hours=13), tick=False):
        Channel.objects.update(late_after=24 * 3600)
        publish_all()
        assert out() == []
        assert Channel.objects.get(pk=page.pk).free_at == datetime(2027, 3, 28, 6, tzinfo=UTC)
        assert not posting.due().exists()

        slots.post_now(fresh(urgent), by=anne)
        publish_all()
        assert out() == ["urgent"]
    with time_machine.travel(datetime(2027, 3, 28, 6, tzinfo=UTC), tick=False):
        publish_all()
    assert (fresh(waits).state, len(out())) == ("published", 2)


def test_what_waits_behind_its_channel_is_not_asked_about(page, make_post, out, anne, django_assert_num_queries):
    rule(page, anne, spacing=30 * MINUTE)
    for n in range(20):
        make_post(page, f"number {n}")
    Post.objects.update(due_at=NOON)
    publish_all()
    publish_all()
    assert len(out()) == 1

    with django_assert_num_queries(1):
        posting.epoch.look()
        assert list(slots.in_turn(Post.objects.filter(slots.not_kept_back(timezone.now()), state="approved"))) == []


def test_in_each_channel_one_goes_after_the_other_and_what_a_person_sends_now_first(page, x, make_post, anne):
    for channel in (page, x):
        for n, title in enumerate(("second", "first", "urgent")):
            make_post(channel, title + str(channel.pk), published_on=date(2027, 3, 9 - n))
    Post.objects.update(due_at=NOON)
    slots.post_now(fresh(page.posts.get(text__startswith="second")), by=anne)

    turn = slots.in_turn(Post.objects.filter(state="approved"))

    assert sorted(post.text for post in turn) == sorted([f"second{page.pk}", f"urgent{x.pk}"])


def test_posting_now_goes_on_a_paused_channel_or_before_its_day_no_more_than_otherwise(page, make_post, anne):
    post = make_post(page, "tomorrow's", published_on=date(2027, 3, 28))
    with pytest.raises(Refusal, match=r"^Its item is public from Sunday 28 March, 00:00: not before\.$"):
        slots.post_now(fresh(post), by=anne)

    Channel.objects.update(paused=True, attention="Facebook refused our keys.")
    with pytest.raises(Refusal, match=r"^facebook Andean Reading Rooms is paused: Facebook refused our keys\.$"):
        slots.post_now(fresh(make_post(page, "today's")), by=anne)
    assert not Event.objects.filter(verb="timed").exists()


def test_a_held_post_is_posted_now_without_its_release(page, make_post, out, anne):
    post = make_post(page, "held")
    posts.hold(post, by=anne)

    slots.post_now(fresh(post), by=anne)
    publish_all()

    assert out() == ["held"]


def test_what_is_too_late_is_what_the_channel_says(page, x, make_post, out, anne, settings):
    rule(page, anne, late_after=timedelta(minutes=90))
    late, in_time = make_post(page, "late"), make_post(page, "in time")
    Post.objects.filter(pk=late.pk).update(due_at=NOON - 91 * MINUTE)
    Post.objects.filter(pk=in_time.pk).update(due_at=NOON - 89 * MINUTE)

    publish_all()
    publish_all()

    assert (fresh(late).state, out()) == ("held", ["in time"])
    assert fresh(late).outcome == "This was due on Saturday 27 March, 10:29; release it if it should still go out."
    assert slots.is_late(Post(due_at=NOON - timedelta(seconds=settings.LATE_AFTER + 1)), x)
    assert not slots.is_late(Post(due_at=NOON - timedelta(seconds=settings.LATE_AFTER)), x)


@pytest.mark.django_db(transaction=True)
def test_of_two_posts_that_two_workers_begin_at_once_one_keeps_the_distance(
    two_at_once, page, make_post, connected, anne
):
    rule(page, anne, spacing=30 * MINUTE)
    pair = [make_post(page, f"number {n}") for n in range(2)]
    Post.objects.update(due_at=NOON)

    at_once(*(lambda post=post: posting.publish(fresh(post)) for post in pair))

    assert sorted(fresh(post).state for post in pair) == ["approved", "published"]
    assert len(connected.json("/graph/posts.json")) == 1
