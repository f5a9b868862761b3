"""Credentials that are renewed by one worker at a time, and sealed anew when the key changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.db import connection
from django.utils import timezone

from publisher import channel_accounts, checkups, connecting, epoch, holders, sealing, tokens
from publisher.models import Channel, Event, Handshake, Notice
from publisher.networks import x_consent
from publisher.networks.base import Refused, TryLater
from tests.consenting import APPS, agree, register
from tests.meeting import at_once

DEAD = holders.me().rpartition("/")[0] + "/not-me"


@pytest.fixture
def x(connected, settings, channels, anne):
    """The X account, connected by consent, with an access token that ends in a minute."""
    type(anne).objects.filter(pk=anne.pk).update(email="anne@reading-rooms.example")
    settings.NETWORK_APPS = APPS
    register(connected, connecting.back())
    begun = connecting.begin(channels[0].publication, "x", by=anne, session="s", channel=channels[0])
    account = connected.store.row("SELECT id FROM accounts WHERE handle = 'reading_rooms'")["id"]
    connecting.answer(agree(connecting.address_of(begun), accounts=[account]), by=anne, session="s")
    return ending(Channel.objects.get(pk=channels[0].pk))


def ending(channel, minutes=1):
    ends = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
    channel.credentials = {**channel.credentials, "oauth2_ends": ends}
    channel.save()
    return again(channel)


def again(channel):
    return Channel.objects.select_related("publication").get(pk=channel.pk)


def renewals(connected):
    return sum(line["what"] == "token" and line["grant"] == "refresh_token" for line in connected.json("/x/log.json"))


def subjects():
    return list(Notice.objects.values_list("subject", flat=True))


def test_what_is_about_to_end_is_renewed_and_kept_before_it_is_used(connected, x):
    old = x.credentials
    adapter = channel_accounts.connect(x)
    kept = again(x)
    assert adapter.check().problem is None
    assert kept.credentials["oauth2_refresh_token"] != old["oauth2_refresh_token"]
    assert (kept.renewing_by, kept.renewing_since, kept.health) == ("", None, "")
    assert renewals(connected) == 1


def test_what_lasts_is_left_alone(connected, x):
    ending(x, minutes=11)
    tokens.fresh(again(x))
    assert renewals(connected) == 0


def test_who_has_the_old_credentials_in_hand_gets_the_new_ones(connected, x):
    stale = again(x)
    renewed = tokens.fresh(again(x))
    assert tokens.fresh(stale) == renewed
    assert renewals(connected) == 1


def test_while_somebody_renews_the_others_wait(connected, x):
    Channel.objects.filter(pk=x.pk).update(renewing_by=holders.me(), renewing_since=timezone.now())
    with pytest.raises(TryLater, match="just being renewed"):
        tokens.fresh(again(x))
    assert renewals(connected) == 0


@pytest.mark.parametrize("holder", [DEAD, holders.me()], ids=["a dead worker", "a worker that hangs"])
def test_a_renewal_that_broke_off_is_told_and_tried_once_more(connected, x, holder):
    long_ago = timezone.now() - timedelta(minutes=6)
    Channel.objects.filter(pk=x.pk).update(renewing_by=holder, renewing_since=long_ago)
    tokens.fresh(again(x))
    assert again(x).health == ""
    assert Event.objects.filter(noun="channel", verb="renewal lost").count() == 1
    assert subjects() == ["x reading_rooms: an answer was lost"]


def test_a_lost_answer_is_told_once_and_ends_in_a_pause(connected, x, monkeypatch):
    monkeypatch.setattr("publisher.networks.http.TIMEOUTS", (0.3, 0.3))
    usual = x_consent.http.Session.__init__.__kwdefaults__
    monkeypatch.setattr(x_consent.http.Session.__init__, "__kwdefaults__", {**usual, "timeouts": (0.3, 0.3)})
    connected.fault("x", "silent_after_commit", "token")
    with pytest.raises(TryLater, match="may be used up"):
        tokens.fresh(again(x))
    assert (again(x).paused, again(x).health) == (False, tokens.LOST)
    # X gave new credentials, which nobody has; the old ones are used up.
    with pytest.raises(Refused, match="connect the account again"):
        tokens.fresh(again(x))
    assert again(x).paused
    assert subjects() == ["x reading_rooms: an answer was lost", "x reading_rooms is paused"]


def test_a_network_that_is_away_costs_nothing(connected, x, settings):
    settings.NETWORK_URLS = {**settings.NETWORK_URLS, "x": "http://127.0.0.1:9"}
    with pytest.raises(TryLater, match="could not be reached"):
        tokens.fresh(again(x))
    assert (again(x).paused, again(x).renewing_by, again(x).health, subjects()) == (False, "", "", [])


def test_a_copy_uses_up_no_token_of_the_installation_that_goes_on(connected, x, monkeypatch):
    """A token that renews is good for one use: a restored backup that looked at its accounts took it from the other."""
    monkeypatch.setattr(epoch, "doubt", lambda: epoch.RESTORED)
    assert "while it is not clear which database goes on" in checkups.look(again(x))
    assert (renewals(connected), again(x).paused) == (0, False)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="on SQLite one transaction writes at a time")
def test_of_many_workers_one_renews(connected, x):
    at_once(*(partial(tokens.fresh, again(x)) for _ in range(6)))
    assert renewals(connected) == 1
    assert (again(x).paused, again(x).renewing_by) == (False, "")


# ---- Rotation


def test_rotating_seals_with_the_newest_key_and_twice_does_no_harm(settings, channels, publication, anne):
    settings.KEYS = {**settings.KEYS, "tokens": ["old"]}
    for channel in channels:
        channel.credentials = {"token": str(channel)}
        channel.save()
    sealed = {"kept": {}}
    Handshake.objects.create(publication=publication, network="x", person=anne, sealed=sealing.seal(sealed))
    settings.KEYS = {**settings.KEYS, "tokens": ["new", "old"]}
    assert tokens.keys_in_use() == {1: 3}
    assert tokens.rotate() == tokens.Rotation(3, 0, [])
    assert tokens.rotate() == tokens.Rotation(0, 3, [])
    settings.KEYS = {**settings.KEYS, "tokens": ["new"]}
    assert tokens.keys_in_use() == {0: 3}
    assert [again(c).credentials for c in channels] == [{"token": str(channel)} for channel in channels]


def test_rotating_goes_in_steps_and_names_what_no_key_opens(settings, channels, publication, monkeypatch):
    monkeypatch.setattr(tokens, "STEP", 2)
    settings.KEYS = {**settings.KEYS, "tokens": ["lost"]}
    channels[0].credentials = {"token": "gone"}
    channels[0].save()
    settings.KEYS = {**settings.KEYS, "tokens": ["old"]}
    for number in range(5):
        channel = Channel(publication=publication, network="x", account=f"n{number}")
        channel.credentials = {"token": "kept"}
        channel.save()
    channels[1].credentials = {"token": "kept"}
    channels[1].save()
    settings.KEYS = {**settings.KEYS, "tokens": ["new", "old"]}
    assert tokens.rotate() == tokens.Rotation(6, 0, ["x reading_rooms"])


def test_what_is_renewed_during_a_rotation_stays(settings, channels, monkeypatch):
    settings.KEYS = {**settings.KEYS, "tokens": ["old"]}
    channels[0].credentials = {"token": "before"}
    channels[0].save()
    settings.KEYS = {**settings.KEYS, "tokens": ["new", "old"]}
    unseal = sealing.unseal

    def meanwhile(sealed):
        Channel.objects.filter(pk=channels[0].pk).update(sealed_credentials=sealing.seal({"token": "renewed"}))
        return unseal(sealed)

    monkeypatch.setattr(sealing, "unseal", meanwhile)
    tokens.rotate()
    monkeypatch.undo()
    assert again(channels[0]).credentials == {"token": "renewed"}
