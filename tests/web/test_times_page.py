"""The timetable of a channel, as staff see and set it."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from publisher import slots
from publisher.models import Channel, Post, Slot
from publisher.slots import Rules
from publisher.timetable import Quiet


@pytest.fixture(autouse=True)
def _a_saturday() -> Any:
    with time_machine.travel(datetime(2027, 3, 27, 12, tzinfo=UTC), tick=False):
        yield


@pytest.fixture
def x(channels: Any) -> Any:
    return channels[0]


def to(channel: Any, name: str = "channel-times") -> str:
    return reverse(name, args=[channel.pk])


def typed(page: Any) -> dict[str, Any]:
    """What the page's form would send as it stands."""
    given: dict[str, Any] = {}
    for field in page.tree.cssselect("#times input"):
        ticked = field.get("type") != "checkbox" or field.get("checked") is not None
        if ticked and field.get("name") != "csrfmiddlewaretoken":
            given.setdefault(field.get("name"), []).append(field.get("value") or "")
    return given


def test_the_grid_shows_each_time_with_its_days_and_room_for_more(as_anne: Client, x: Any, read: Any) -> None:
    page = read(as_anne.get(to(x)))

    assert page.values(".grid input[type=time]") == ["09:00", "17:30", "", "", ""]
    assert page.values(".grid input[checked]", "aria-label") == ["Monday 09:00", "Thursday 17:30"]
    assert page("#times .quiet")[0] == (
        "Free next: Monday 29 March, 09:00; Thursday 1 April, 17:30; Monday 5 April, 09:00; "
        "Thursday 8 April, 17:30; Monday 12 April, 09:00."
    )
    assert len(page.tree.cssselect("svg .slot")) == 2


def test_saving_the_page_as_it_is_changes_nothing(as_anne: Client, x: Any, read: Any, anne: Any) -> None:
    slots.set_rules(x, Rules(((0, time(9)),), Quiet(time(22), time(7)), late_after=None), by=anne)
    before = slots.rules_of(Channel.objects.get(pk=x.pk))

    as_anne.post(to(x, "channel-times-set"), typed(read(as_anne.get(to(x)))))

    assert slots.rules_of(Channel.objects.get(pk=x.pk)) == before


def test_times_hours_distance_and_delay_are_set_together(as_anne: Client, x: Any, read: Any) -> None:
    given = typed(read(as_anne.get(to(x))))
    given |= {"time-2": "08:15", "on-2": ["5", "6"], "on-0": [], "quiet_from": "22:00", "quiet_until": "07:00"}
    given |= {"spacing": "30", "late_after": "120"}

    page = read(as_anne.post(to(x, "channel-times-set"), given, follow=True))

    assert page("#messages p") == [
        "x reading_rooms posts by this timetable from now on. What has its time already keeps it."
    ]
    assert page.values(".grid input[checked]", "aria-label") == ["Saturday 08:15", "Sunday 08:15", "Thursday 17:30"]
    kept = Channel.objects.get(pk=x.pk)
    assert (kept.quiet_from, kept.quiet_until, kept.spacing_minutes, kept.late_after) == (time(22), time(7), 30, 7200)
    assert len(page.tree.cssselect("svg .quiet-hours")) == 14
    assert page(".history li span") == [
        "Anne Rowe edited it: its weekly times, its quiet hours, the distance between its posts, what is too late"
    ]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"time-0": "23:00", "quiet_from": "22:00", "quiet_until": "07:00"},
            "Monday 23:00 lies in the quiet hours, 22:00 to 07:00: choose another time, or other hours.",
        ),
        ({"quiet_from": "22:00"}, "Quiet hours need both times, or none."),
        ({"time-0": ""}, "Give the row in which Monday is ticked a time, such as 09:00."),
        ({"spacing": "-1"}, "Minutes between two posts: Ensure this value is greater than or equal to 0."),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_of_it_is_kept(
    as_anne: Client, x: Any, read: Any, given: Any, says: str
) -> None:
    before = slots.rules_of(x)

    page = read(as_anne.post(to(x, "channel-times-set"), {**typed(read(as_anne.get(to(x)))), **given}, follow=True))

    assert page(".messages .error") == [says]
    assert slots.rules_of(Channel.objects.get(pk=x.pk)) == before


def test_the_page_takes_as_many_queries_for_many_times_and_posts_as_for_few(
    as_anne: Client, x: Any, make_item: Any
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert as_anne.get(to(x)).status_code == 200
        return len(asked)

    few = queries()
    for n in range(5):
        Slot.objects.create(channel=x, weekday=n, time=time(10 + n))
        Post.objects.create(channel=x, item=make_item(str(n)), purpose="item", state="approved", text="News")
    slots.place(Post.objects.all(), datetime(2027, 3, 27, 12, tzinfo=UTC))
    assert queries() == few
