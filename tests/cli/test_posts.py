"""Posts from the command line."""

from __future__ import annotations

from publisher.models import Channel, Event


def test_a_channel_is_resumed_by_somebody_once(publisher, channels, anne):
    Channel.objects.filter(network="x").update(paused=True, attention="X refused our keys.")
    words = ("posts", "resume-channel", "x", "reading_rooms", "--by", "anne")
    answer = publisher(*words)
    assert answer.status == 0, answer.err
    assert answer.out == "x reading_rooms posts again. Held on it: 0; `publisher posts release` lets one go out.\n"
    assert list(Channel.objects.filter(network="x").values_list("paused", "attention")) == [(False, "")]
    assert list(Event.objects.filter(noun="channel").values_list("verb", "by__username")) == [("resumed", "anne")]
    twice = publisher(*words)
    assert (twice.status, twice.err) == (1, "x reading_rooms is not paused.\n")


def test_a_channel_that_is_not_there_is_told_with_those_that_are(publisher, channels, anne):
    answer = publisher("posts", "resume-channel", "x", "reading_room", "--by", "anne")
    connected = "facebook Andean Reading Rooms, x reading_rooms"
    assert (answer.status, answer.err) == (1, f"There is no channel x reading_room. Connected: {connected}.\n")


def test_the_weekly_times_of_a_channel_are_shown_and_set(publisher, channels, anne):
    words = ("posts", "slots", "x", "reading_rooms")
    assert publisher(*words).out == "x reading_rooms: Monday 09:00, Thursday 17:30 (Europe/London).\n"
    answer = publisher(*words, "sat 8:15", "Tuesday 17:30", "--by", "anne")
    assert answer.out == "x reading_rooms: Tuesday 17:30, Saturday 08:15 (Europe/London).\n"
    gone = publisher(*words, "--none", "--by", "anne")
    assert gone.out == "x reading_rooms: no slots: posts go out at once (Europe/London).\n"
    assert Event.objects.filter(noun="channel", verb="edited", by=anne).count() == 2


def test_what_is_no_weekly_time_is_told_and_changes_nothing(publisher, channels, anne):
    for wrong in ("Mon", "09:00", "Mo 09:00", "Mon 25:00", "soon"):
        answer = publisher("posts", "slots", "x", "reading_rooms", "Wed 10:00", wrong, "--by", "anne")
        assert (answer.status, answer.err) == (
            1,
            f"“{wrong}” is no weekly time: give a weekday and a time, as 'Mon 09:00'.\n",
        )
    assert [str(slot) for slot in channels[0].slots.all()] == ["Monday 09:00", "Thursday 17:30"]
