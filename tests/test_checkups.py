"""The daily look at each account: refused credentials pause it, trouble on the way does not; an end is told ahead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from publisher import checkups, posts
from publisher.models import Channel, Event, Notice
from publisher.sandbox import accounts
from tests.meeting import at_once

END = datetime(2028, 2, 18, tzinfo=UTC)  # of Graph v24.0


@pytest.fixture
def looked(connected, anne):
    """looked("x"): what a look finds, and the channel as it stands then."""
    type(anne).objects.filter(pk=anne.pk).update(email="anne@reading-rooms.example")

    def look(network):
        found = checkups.look(Channel.objects.select_related("publication").get(network=network))
        return found, Channel.objects.get(network=network)

    return look


def subjects():
    return list(Notice.objects.values_list("subject", flat=True))


def test_a_look_writes_down_what_it_found_and_when(looked):
    before = timezone.now()
    found, channel = looked("facebook")
    assert (found, channel.health, channel.paused, channel.expires_at) == ("", "", False, END)
    assert before <= channel.checked_at <= timezone.now()


def test_refused_credentials_pause_the_channel_before_a_post_fails(looked, connected):
    connected.fault("x", "unauthorized", "me", times=None)
    looked("x")
    found, channel = looked("x")
    assert found.startswith("X no longer accepts the keys: connect the account again.")
    assert (channel.paused, channel.attention, channel.health) == (True, found, found)
    assert subjects() == ["x reading_rooms is paused"]
    assert not Channel.objects.get(network="facebook").paused


def test_trouble_on_the_way_pauses_nothing(looked, connected, settings):
    connected.fault("x", "html_503", "me")
    assert [looked("x")[1].paused, looked("x")[0]] == [False, ""]
    settings.NETWORK_URLS = {**settings.NETWORK_URLS, "x": "http://127.0.0.1:9"}
    found, channel = looked("x")
    assert "could not be reached" in found
    assert (channel.paused, subjects()) == (False, [])


def test_a_lost_key_pauses_the_channel(looked, settings):
    settings.KEYS = {**settings.KEYS, "tokens": ["another"]}
    found, channel = looked("x")
    assert "put the key they were sealed with back" in found
    assert channel.paused


def test_credentials_of_another_account_pause_the_channel_before_a_post_stands_there(looked, channels, anne):
    """Until a person says that it is right so: an account that was renamed."""
    Channel.objects.filter(network="x").update(account="somebody_else")
    found, channel = looked("x")
    assert found == "These are the keys of @reading_rooms, not of @somebody_else."
    assert (channel.paused, channel.attention, subjects()) == (True, found, ["x somebody_else is paused"])
    posts.resume_channel(channel, by=anne)
    assert (looked("x")[1].paused, len(subjects())) == (False, 1)


@pytest.mark.parametrize(("days", "told"), [(15, []), (13, ["It ends on 18 February 2028."])])
def test_an_end_is_told_fourteen_days_ahead_and_once(looked, days, told):
    looked("facebook")
    Channel.objects.update(announced=None)
    channel = Channel.objects.select_related("publication").get(network="facebook")
    for hours in (0, 24):
        checkups.announce(channel, END - timedelta(days=days, hours=-hours / 24))
    assert subjects() == [f"facebook Andean Reading Rooms: {sentence}" for sentence in told]
    assert list(Event.objects.filter(verb="ending").values_list("why", flat=True)) == told


def test_an_end_that_was_moved_is_told_anew(looked, connected):
    channel = Channel.objects.select_related("publication").get(network="facebook")
    for end in (END, END, END + timedelta(days=3)):
        Channel.objects.filter(pk=channel.pk).update(expires_at=end)
        channel.refresh_from_db()
        checkups.announce(channel, END - timedelta(days=1))
    assert len(subjects()) == 2


def test_the_end_of_a_token_counts_where_it_comes_first(looked, connected, channels):
    channel = Channel.objects.get(network="facebook")
    channel.credentials = {**channel.credentials, "ends_at": "2027-01-02T00:00:00+00:00"}
    channel.save()
    assert looked("facebook")[1].expires_at == datetime(2027, 1, 2, tzinfo=UTC)


def test_each_account_is_looked_at_once_a_day(looked, connected, channels):
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=False) as clock:
        due = list(checkups.due().select_related("publication"))
        assert [checkups.daily(channel) for channel in (*due, *due)] == [True, True, False, False]
        assert list(checkups.due()) == []
        clock.shift(timedelta(days=1))
        assert set(checkups.due()) == set(channels)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="on SQLite one transaction writes at a time")
def test_two_workers_look_once(connected, channels):
    Channel.objects.update(check_at=timezone.now())
    channel = Channel.objects.select_related("publication").get(network="x")
    assert sorted(at_once(*(partial(checkups.daily, channel) for _ in range(4)))) == [False, False, False, True]


def test_accounts_may_end(sandbox):
    """The stand-in ends tokens as well, so that the tests above are about something."""
    accounts.add(
        sandbox.store, {"network": "facebook", "credentials": {"page_id": "9", "page_token": "t", "expires_at": "1"}}
    )
    answer = sandbox.get("/graph/v24.0/9?access_token=t")
    assert answer.json()["error"]["error_subcode"] == 463
