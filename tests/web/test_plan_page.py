"""What goes out when: the plan of all channels, and what staff do there about the time of a post."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from publisher import slots
from publisher.models import Channel, Post, Slot

SATURDAY = datetime(2027, 3, 27, 12, tzinfo=UTC)
PLAN = "/staff/plan/"


@pytest.fixture(autouse=True)
def _a_saturday() -> Any:
    with time_machine.travel(SATURDAY, tick=False):
        yield


@pytest.fixture
def plan(channels: Any, make_item: Any) -> Callable[..., Any]:
    """plan("Title", channel=…): an approved post with its place in the timetable."""

    def make(title: str, channel: Any = None, **fields: Any) -> Any:
        item = make_item(title, published_on=date(2027, 3, 1))
        post = Post.objects.create(
            channel=channel or channels[0], item=item, purpose="item", state="approved", text=title
        )
        slots.place(Post.objects.filter(pk=post.pk), SATURDAY)
        Post.objects.filter(pk=post.pk).update(**fields)
        return Post.objects.get(pk=post.pk)

    return make


def to(deed: str, post: Any) -> str:
    return reverse(f"plan-{deed}", args=[post.pk])


def test_the_plan_tells_by_day_what_goes_out_and_first_what_waits_for_a_person(
    as_anne: Client, plan: Any, channels: Any, read: Any
) -> None:
    for title in ("First", "Second", "Third"):
        plan(title)
    plan("At once", channel=channels[1])
    plan("Held", state="held", outcome="It was due long ago.")
    plan("Gone", state="published")

    page = read(as_anne.get(PLAN))

    assert page(".pagehead p") == ["5 posts wait for their time, or for a person."]
    assert page("h2")[1:] == [
        "Waits for a person",
        "Saturday 27 March 2027",
        "Monday 29 March 2027",
        "Thursday 1 April 2027",
        "Monday 5 April 2027",
    ]
    assert page(".plan th[scope=row]") == ["HeldIt was due long ago.", "At once", "First", "Second", "Third"]
    assert page(".plan time") == ["Thursday 8 April, 17:30", "12:00", "09:00", "17:30", "09:00"]
    assert page(".plan .state") == ["held", "approved", "approved", "approved", "approved"]


def test_the_week_shows_each_channel_by_its_own_clock_and_no_more_than_fits(
    as_anne: Client, plan: Any, other_publication: Any, read: Any
) -> None:
    type(other_publication).objects.update(time_zone="America/Lima")
    type(other_publication).objects.filter(slug="update").update(time_zone="Europe/London")
    lima = Channel.objects.create(publication=other_publication, network="x", account="lima")
    for n in range(8):
        plan(f"Late on Saturday in Lima {n}", channel=lima, due_at=datetime(2027, 3, 28, 3, n, tzinfo=UTC))
    plan("In London")

    page = read(as_anne.get(PLAN))

    assert page(".week thead th")[1:] == ["Sat 27", "Sun 28", "Mon 29", "Tue 30", "Wed 31", "Thu 1", "Fri 2"]
    cells = {row[0]: row[1:] for row in rows(page, ".week tbody tr")}
    assert cells["X · reading_rooms"] == ["", "", "09:00", "", "", "", ""]
    assert cells["X · lima"][0] == "22:0022:0122:0222:0322:0422:05and 2 more"


def rows(page: Any, selector: str) -> list[list[str]]:
    return [
        [" ".join(cell.text_content().split()) for cell in row.cssselect("th, td")]
        for row in page.tree.cssselect(selector)
    ]


def test_one_publication_can_be_looked_at_alone(as_anne: Client, plan: Any, other_publication: Any, read: Any) -> None:
    lima = Channel.objects.create(publication=other_publication, network="x", account="lima")
    plan("Theirs", channel=lima)
    plan("Ours")

    page = read(as_anne.get(PLAN + "?publication=update"))

    assert (page(".plan th[scope=row]"), page(".week tbody a")) == (
        ["Ours"],
        ["Facebook · Andean Reading Rooms", "X · reading_rooms"],
    )


def test_a_post_is_held_let_go_and_posted_now(as_anne: Client, plan: Any, read: Any) -> None:
    post = plan("News")

    def after(deed: str) -> tuple[str, list[str], str]:
        page = read(as_anne.post(to(deed, post), follow=True))
        post.refresh_from_db()
        return post.state, page("#messages p"), f"{post.due_at:%a %H:%M}"

    assert after("hold") == ("held", ["“News” on x reading_rooms is held."], "Mon 08:00")
    assert after("release") == (
        "approved",
        ["“News” goes out on x reading_rooms Monday 29 March, 09:00."],
        "Mon 08:00",
    )
    assert after("now") == ("approved", ["“News” goes out on x reading_rooms now."], "Sat 12:00")


def test_a_post_is_moved_to_a_free_time_that_is_offered_or_to_one_that_is_typed(
    as_anne: Client, plan: Any, read: Any
) -> None:
    post = plan("News")
    page = read(as_anne.get(PLAN))
    assert page(f"#free-{post.pk} option")[:2] == ["Thursday 1 April, 17:30", "Monday 5 April, 09:00"]

    as_anne.post(to("move", post), {"free": page.values(f"#free-{post.pk} option")[1], "at": ""})
    post.refresh_from_db()
    assert post.due_at == datetime(2027, 4, 5, 8, tzinfo=UTC)

    page = read(as_anne.post(to("move", post), {"free": "", "at": "2027-04-06T10:15"}, follow=True))
    post.refresh_from_db()
    assert post.due_at == datetime(2027, 4, 6, 9, 15, tzinfo=UTC)
    assert page("#messages p")[-1:] == ["“News” goes out on x reading_rooms Tuesday 6 April, 10:15."]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"at": "soon"}, "Another time: Write the time as a day and an hour, such as 2007-03-31 09:00."),
        ({"free": "2027-13-13T09:00"}, "A free time: Write the time as a day and an hour, such as 2007-03-31 09:00."),
        ({"free": "2027-04-06T09:00"}, "Choose a time."),
        ({}, "Choose a time."),
        ({"at": "2027-03-01T09:00"}, "Monday 1 March, 09:00 is past: choose a time to come, or post it now."),
    ],
)
def test_a_time_that_cannot_be_is_refused(as_anne: Client, plan: Any, read: Any, given: Any, says: str) -> None:
    post = plan("News")

    page = read(as_anne.post(to("move", post), given, follow=True))

    assert page(".messages .error") == [says]
    assert Post.objects.get(pk=post.pk).due_at == post.due_at


def test_one_of_a_day_is_preferred(as_anne: Client, plan: Any, read: Any) -> None:
    posts = [plan("One"), plan("Two")]

    page = read(as_anne.post(to("prefer", posts[1]), {"priority": "first"}, follow=True))

    assert page(".plan th[scope=row]") == ["Two", "One"]
    assert page.values(f"#priority-{posts[1].pk} option[selected]") == ["first"]


def test_a_deed_leads_back_to_the_page_of_the_list_and_to_no_other_site(as_anne: Client, plan: Any) -> None:
    post = plan("News")

    for back, led_to in ((PLAN + "?page=2", PLAN + "?page=2"), ("https://elsewhere.example/", PLAN)):
        assert as_anne.post(to("hold", post), {"back": back}).headers["Location"] == led_to


def test_the_plan_takes_as_many_queries_for_many_posts_and_channels_as_for_few(
    as_anne: Client, plan: Any, publication: Any
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert as_anne.get(PLAN).status_code == 200
        return len(asked)

    plan("One")
    few = queries()
    for n in range(3):
        channel = Channel.objects.create(publication=publication, network="x", account=f"more{n}")
        Slot.objects.create(channel=channel, weekday=2, time=time(9))
        plan(f"More {n}", channel=channel)
        plan(f"Held {n}", channel=channel, state="held")
        plan(f"At the same time {n}", channel=channel, due_at=SATURDAY + timedelta(days=2))
    assert queries() == few
