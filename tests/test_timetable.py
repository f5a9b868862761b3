"""Weekly times, quiet hours and spacing on wall clocks that change twice a year. The oracle walks by quarters."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher import timetable
from publisher.timetable import Quiet, Timetable

LONDON, NEW_YORK, LORD_HOWE = ZoneInfo("Europe/London"), ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")
MINUTE = timedelta(minutes=1)
#: Every time of the walks below is a multiple of it, and so is every change of a clock.
STEP = 15 * MINUTE
SUNDAY = 6
#: The Saturday before each change of the clocks.
CHANGES = {
    "London, spring": (LONDON, datetime(2027, 3, 27, tzinfo=UTC)),
    "London, autumn": (LONDON, datetime(2027, 10, 30, tzinfo=UTC)),
    "New York, spring": (NEW_YORK, datetime(2027, 3, 13, tzinfo=UTC)),
    "New York, autumn": (NEW_YORK, datetime(2027, 11, 6, tzinfo=UTC)),
    # By half an hour only.
    "Lord Howe, spring": (LORD_HOWE, datetime(2027, 10, 2, tzinfo=UTC)),
    "Lord Howe, autumn": (LORD_HOWE, datetime(2027, 4, 3, tzinfo=UTC)),
}


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def clock(text):
    return time.fromisoformat(text)


def first(table, start, count, taken=()):
    return [each.isoformat(" ", "minutes")[:16] for each in islice(timetable.free(table, start, taken), count)]


# ---- Weekly times


def test_a_weekly_time_stays_on_the_wall_when_the_clocks_change():
    table = Timetable(LONDON, ((SUNDAY, clock("09:00")),))

    assert first(table, at("2027-03-20"), 3) == ["2027-03-21 09:00", "2027-03-28 08:00", "2027-04-04 08:00"]


def test_a_wall_time_that_does_not_exist_in_spring_is_moved_on():
    table = Timetable(LONDON, ((SUNDAY, clock("01:30")),))

    (missing,) = islice(timetable.occurrences(table, at("2027-03-27")), 1)

    assert missing.astimezone(LONDON).strftime("%a %d %b %H:%M") == "Sun 28 Mar 02:30"


def test_two_weekly_times_that_spring_makes_one_are_one():
    table = Timetable(LONDON, ((SUNDAY, clock("01:30")), (SUNDAY, clock("02:30"))))

    assert first(table, at("2027-03-27"), 2) == ["2027-03-28 01:30", "2027-04-04 00:30"]


def test_a_wall_time_that_exists_twice_in_autumn_happens_once():
    table = Timetable(LONDON, ((SUNDAY, clock("01:30")),))

    assert first(table, at("2027-10-30"), 2) == ["2027-10-31 00:30", "2027-11-07 01:30"]
    # From the second 01:30 on, it was already.
    assert first(table, at("2027-10-31 00:31"), 1) == ["2027-11-07 01:30"]


def test_what_midnight_skipped_is_moved_on_into_the_next_day():
    apia = ZoneInfo("Pacific/Apia")  # there was no 30 December 2011
    table = Timetable(apia, ((4, clock("09:00")), (5, clock("09:00"))))

    days = [
        each.astimezone(apia).strftime("%a %d") for each in islice(timetable.occurrences(table, at("2011-12-28")), 2)
    ]

    assert days == ["Sat 31", "Fri 06"]


def test_taken_times_are_left_out_and_each_is_given_once():
    table = Timetable(LONDON, ((0, clock("09:00")), (3, clock("17:30"))))

    assert first(table, at("2027-06-01"), 3, [at("2027-06-07 08:00")]) == [
        "2027-06-03 16:30",
        "2027-06-10 16:30",
        "2027-06-14 08:00",
    ]


def test_a_weekly_time_too_near_to_a_post_that_has_its_time_is_left_out():
    table = Timetable(LONDON, ((0, clock("09:00")), (0, clock("10:00"))), spacing=30 * MINUTE)

    assert first(table, at("2027-06-07"), 1, [at("2027-06-07 08:29")]) == ["2027-06-07 09:00"]
    assert first(table, at("2027-06-07"), 1, [at("2027-06-07 07:30")]) == ["2027-06-07 08:00"]


# ---- Without weekly times


def test_without_weekly_times_and_distance_all_go_at_once():
    assert first(Timetable(LONDON), at("2027-06-07 08:00"), 3) == ["2027-06-07 08:00"] * 3


def test_without_weekly_times_posts_keep_their_distance_and_fill_gaps():
    table = Timetable(LONDON, spacing=30 * MINUTE)
    taken = [at("2027-06-07 08:10"), at("2027-06-07 09:10")]

    assert first(table, at("2027-06-07 08:00"), 2, taken) == ["2027-06-07 08:40", "2027-06-07 09:40"]


def test_what_would_go_in_quiet_hours_goes_when_they_end():
    table = Timetable(LONDON, quiet=Quiet(clock("22:00"), clock("07:00")), spacing=30 * MINUTE)

    assert first(table, at("2027-06-07 20:45"), 3) == ["2027-06-07 20:45", "2027-06-08 06:00", "2027-06-08 06:30"]


# ---- Quiet hours


@pytest.mark.parametrize(
    ("since", "until", "quiet", "loud"),
    [
        ("22:00", "07:00", ["22:00", "23:59", "00:00", "06:59"], ["07:00", "12:00", "21:59"]),
        ("12:00", "14:00", ["12:00", "13:59"], ["14:00", "00:00", "11:59"]),
    ],
)
def test_quiet_hours_may_go_over_midnight_and_their_end_is_not_quiet(since, until, quiet, loud):
    hours = Quiet(clock(since), clock(until))

    assert [wall for wall in quiet + loud if hours.covers(clock(wall))] == quiet


def test_the_hour_that_autumn_repeats_is_quiet_both_times():
    table = Timetable(LONDON, quiet=Quiet(clock("00:30"), clock("01:30")))
    night = at("2027-10-30 23:00")

    loud = [night + n * MINUTE for n in range(240) if not timetable.is_quiet(table, night + n * MINUTE)]

    #: From 00:30 to 01:30 by summer time, loud until 02:00, and from 01:00 to 01:30 once more.
    assert [loud[n + 1] for n in range(len(loud) - 1) if loud[n + 1] - loud[n] > MINUTE] == [
        at("2027-10-31 00:30"),
        at("2027-10-31 01:30"),
    ]
    assert timetable.awake(table, at("2027-10-31 01:10")) == at("2027-10-31 01:30")


def test_a_weekly_time_that_spring_moves_into_quiet_hours_is_skipped_that_once():
    table = Timetable(LONDON, ((SUNDAY, clock("01:30")),), Quiet(clock("02:00"), clock("06:00")))

    assert first(table, at("2027-03-20"), 2) == ["2027-03-21 01:30", "2027-04-04 00:30"]


# ---- What cannot be


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (Timetable(LONDON), ""),
        (Timetable(LONDON, ((0, clock("09:00")), (0, clock("09:30"))), spacing=30 * MINUTE), ""),
        (
            Timetable(LONDON, ((2, clock("23:00")),), Quiet(clock("22:00"), clock("07:00"))),
            "Wednesday 23:00 lies in the quiet hours, 22:00 to 07:00: choose another time, or other hours.",
        ),
        (
            Timetable(LONDON, ((0, clock("00:10")), (6, clock("23:50"))), spacing=30 * MINUTE),
            "Sunday 23:50 and Monday 00:10 are less than the 30 minutes apart that two posts keep.",
        ),
        (
            Timetable(LONDON, quiet=Quiet(clock("07:00"), clock("07:00"))),
            "Quiet hours from and until the same time would never end: to stop a channel, hold its posts.",
        ),
    ],
)
def test_what_contradicts_itself_is_said(table, says):
    assert timetable.complaint(table) == says


# ---- Held against a walk, quarter by quarter, over each change of the clocks


walls = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
weeks = st.lists(st.tuples(st.integers(0, 6), walls), min_size=1, max_size=12, unique=True)
hours = st.none() | st.builds(Quiet, walls, walls).filter(lambda quiet: quiet.since != quiet.until)


@pytest.mark.parametrize("change", CHANGES)
@settings(max_examples=12, deadline=None)
@given(weekly=weeks, quiet=hours)
def test_weekly_times_are_those_that_somebody_at_the_wall_clock_would_take(change, weekly, quiet):
    zone, start = CHANGES[change]
    table = Timetable(zone, tuple(sorted(weekly)), quiet)
    end = start + timedelta(days=3)

    found = list(_until(timetable.occurrences(table, start), end)) if table.slotted else []

    assert found == walked(table, start, end)


@pytest.mark.parametrize("change", CHANGES)
@settings(max_examples=12, deadline=None)
@given(quiet=hours, quarter=st.integers(0, 3 * 24 * 4), spacing=st.integers(0, 6))
def test_the_soonest_is_loud_far_enough_from_the_others_and_not_later_than_need_be(change, quiet, quarter, spacing):
    zone, start = CHANGES[change]
    table = Timetable(zone, (), quiet, spacing * STEP)
    begin, taken = start + quarter * STEP, [start + n * timedelta(hours=7) for n in range(11)]

    (found,) = islice(timetable.free(table, begin, taken), 1)

    def fits(moment):
        return not is_quiet(table, moment) and all(abs(moment - other) >= table.spacing for other in taken)

    assert fits(found)
    # Where the end of the quiet hours falls into the hour that spring skips, it is moved on with it.
    late = sum(fits(begin + n * STEP) for n in range(int((found - begin) / STEP)))
    assert late * STEP <= timedelta(hours=1)


def _until(moments, end):
    for moment in moments:
        if moment >= end:
            return
        yield moment


def walked(table, start, end):
    """The moments at which the wall shows a weekly time for the first time; those it skipped, as much later."""
    seen, found = set(), set()
    moment = start - timedelta(days=1)
    while moment < end:
        wall = moment.astimezone(table.zone)
        ahead = (moment + STEP).astimezone(table.zone)
        if (wall.date(), wall.time()) not in seen and (wall.weekday(), wall.time()) in table.weekly:
            found.add(moment)
        seen.add((wall.date(), wall.time()))
        skipped = ahead.replace(tzinfo=None) - wall.replace(tzinfo=None) - STEP
        for n in range(int(skipped / STEP)):
            missing = wall.replace(tzinfo=None) + (n + 1) * STEP
            if (missing.weekday(), missing.time()) in table.weekly:
                found.add(moment + (n + 1) * STEP)
        moment += STEP
    return sorted(each for each in found if start <= each < end and not is_quiet(table, each) and awake(table, each))


def is_quiet(table, moment):
    wall = moment.astimezone(table.zone).strftime("%H:%M")
    if table.quiet is None:
        return False
    since, until = table.quiet.since.strftime("%H:%M"), table.quiet.until.strftime("%H:%M")
    return since <= wall < until if since < until else wall >= since or wall < until


def awake(table, moment):
    """A weekly time in the quiet hours is none, even where spring moves it out of them."""
    return any(
        not is_quiet_wall(table, wall)
        for _, wall in table.weekly
        if moment in {datetime.combine(moment.astimezone(table.zone).date(), wall, table.zone).astimezone(UTC)}
    )


def is_quiet_wall(table, wall):
    return table.quiet is not None and table.quiet.covers(wall)
