"""Posts from the command line."""

from __future__ import annotations

import pytest

from publisher.models import Channel, Event


def test_a_channel_is_resumed_by_somebody_once(publisher, channels, anne):
    Channel.objects.filter(network="x").update(paused=True, attention="X refused our keys.")
    words = ("posts", "resume-channel", "x", "reading_rooms", "--by", "anne")
    answer = publisher(*words)
    assert answer.status == 0, answer.err
    assert answer.out == "x reading_rooms posts again. Due on it: 0; what is too late by its rule asks first.\n"
    assert list(Channel.objects.filter(network="x").values_list("paused", "attention")) == [(False, "")]
    assert list(Event.objects.filter(noun="channel").values_list("verb", "by__username")) == [("resumed", "anne")]
    twice = publisher(*words)
    assert (twice.status, twice.err) == (1, "x reading_rooms is not paused.\n")


def test_a_channel_that_is_not_there_is_told_with_those_that_are(publisher, channels, anne):
    answer = publisher("posts", "resume-channel", "x", "reading_room", "--by", "anne")
    connected = "facebook Andean Reading Rooms, x reading_rooms"
    assert (answer.status, answer.err) == (1, f"There is no channel x reading_room. Connected: {connected}.\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["compose", "9" * 30], f"There is no item {'9' * 30} of Update: see `publisher items list`.\n"),
        (["hold", "9" * 30], f"There is no post {'9' * 30}: see `publisher posts list`.\n"),
        (["resume-channel", "x", "r\udcfcm"], "What was typed holds bytes that are no text in UTF-8: nothing was "),
    ],
)
def test_what_no_database_takes_is_told_and_changes_nothing(publisher, channels, anne, words, says):
    answer = publisher("posts", *words, "--by", "anne")
    assert (answer.status, answer.err[: len(says)], Event.objects.count()) == (1, says, 0)
