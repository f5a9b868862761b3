"""When posts go out, from the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import time_machine

from publisher import slots
from publisher.models import Channel, Event, Post

X = ("x", "reading_rooms")


@pytest.fixture(autouse=True)
def _a_saturday():
    with time_machine.travel(datetime(2027, 3, 27, 12, tzinfo=UTC), tick=False):
        yield


@pytest.fixture
def post(channels, make_item):
    """A post in the next weekly time of the X account: Monday at nine."""
    post = Post.objects.create(
        channel=channels[0], item=make_item(), purpose="item", state="approved", text="News\nmore"
    )
    slots.place(Post.objects.all(), datetime(2027, 3, 27, 12, tzinfo=UTC))
    return post


def test_the_timetable_of_a_channel_is_shown_and_set(publisher, channels, anne):
    assert publisher("slots", "show", *X).out == "x reading_rooms: Monday 09:00, Thursday 17:30 (Europe/London).\n"
    answer = publisher("slots", "set", *X, "sat 8:15", "Tuesday 17:30", "--by", "anne")
    assert answer.out == "x reading_rooms: Tuesday 17:30, Saturday 08:15 (Europe/London).\n"
    rest = ("--quiet", "22:00-7:00", "--spacing", "30", "--late-after", "90")
    assert publisher("slots", "set", *X, *rest, "--by", "anne").out == (
        "x reading_rooms: Tuesday 17:30, Saturday 08:15; quiet from 22:00 to 07:00; "
        "30 minutes between two posts; asks after 90 minutes (Europe/London).\n"
    )
    gone = publisher("slots", "set", *X, "--none", "--quiet", "no", "--spacing", "0", "--by", "anne")
    assert gone.out == (
        "x reading_rooms: no weekly times: posts go out at once; asks after 90 minutes (Europe/London).\n"
    )
    assert Event.objects.filter(noun="channel", verb="edited", by=anne).count() == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["Mon"], "“Mon” is no weekly time: give a weekday and a time, as 'Mon 09:00'."),
        (["09:00"], "“09:00” is no weekly time: give a weekday and a time, as 'Mon 09:00'."),
        (["Mo 09:00"], "“Mo 09:00” is no weekly time: give a weekday and a time, as 'Mon 09:00'."),
        (["Mon 25:00"], "“Mon 25:00” is no weekly time: give a weekday and a time, as 'Mon 09:00'."),
        (["--quiet", "22"], "“22” are no quiet hours: give two times, as 22:00-07:00, or “no”."),
        (
            ["Sun 23:00", "--quiet", "22:00-07:00"],
            "Sunday 23:00 lies in the quiet hours, 22:00 to 07:00: choose another time, or other hours.",
        ),
    ],
)
def test_what_cannot_be_set_is_told_and_changes_nothing(publisher, channels, anne, words, says):
    answer = publisher("slots", "set", *X, "Wed 10:00", *words, "--spacing", "5", "--by", "anne")
    assert (answer.status, answer.err) == (1, says + "\n")
    assert [str(slot) for slot in channels[0].slots.all()] == ["Monday 09:00", "Thursday 17:30"]
    assert Channel.objects.get(network="x").spacing_minutes == 0


def test_what_goes_out_when_is_listed(publisher, channels, post):
    (told,) = json.loads(publisher("slots", "plan", "--json").out)
    assert told == {
        "id": post.pk,
        "channel": "x reading_rooms",
        "due_at": "2027-03-29 08:00:00+00:00",
        "state": "approved",
    }
    assert "Mon 29 Mar 2027 09:00" in publisher("slots", "plan").out


def test_a_post_is_moved_on_the_publications_clock_or_sent_now(publisher, channels, post, anne):
    answer = publisher("slots", "move", str(post.pk), "2027-03-30 10:30", "--by", "anne")
    assert answer.out == "It goes out on Tue 30 Mar 2027 10:30.\n"
    post.refresh_from_db()
    assert (post.due_at, post.timing) == (datetime(2027, 3, 30, 9, 30, tzinfo=UTC), "chosen")
    assert publisher("slots", "move", str(post.pk), "soon", "--by", "anne").err == (
        "“soon” is no time: give a day and an hour, as '2007-03-31 09:00'.\n"
    )
    moved = publisher("slots", "move", str(post.pk), "2027-03-30 10:30+05:00", "--by", "anne")
    assert moved.out == "It goes out on Tue 30 Mar 2027 06:30.\n"
    for never in ("0001-01-01 00:00", "9999-12-31 23:59", "9999-12-31 23:59-12:00"):
        assert publisher("slots", "move", str(post.pk), never, "--by", "anne").err == (
            "That is more than 5 years away: choose a time that is nearer.\n"
        )
    assert (
        publisher("slots", "now", str(post.pk), "--by", "anne").out == "It goes out with the next tick of the clock.\n"
    )
    post.refresh_from_db()
    assert (post.due_at, post.timing) == (datetime(2027, 3, 27, 12, tzinfo=UTC), "now")
