"""Connecting an account from the click to the channel: what begins in one session comes back there, once."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from publisher import connecting
from publisher.lifecycle import Refusal
from publisher.models import Channel, Event, Handshake
from publisher.networks import facebook_consent
from publisher.sandbox import accounts
from tests import canaries
from tests.consenting import APPS, agree, register
from tests.meeting import at_once

SESSION = "the-session-of-anne"


@pytest.fixture
def pages(net):
    """Two pages of one name, 1001 and 2002."""
    other = {"page_id": "2002", "page_token": canaries.secret("t2")}
    accounts.add(net.store, {"network": "facebook", "name": "Update", "credentials": other})
    return {"1001": "Update", "2002": "Update (2002)"}


@pytest.fixture
def net(sandbox, settings):
    """The networks of the sandbox with our apps; on X @update_news and @other, on Facebook one page."""
    settings.NETWORK_URLS = {**settings.NETWORK_URLS, "x": f"{sandbox.url}/x", "facebook": f"{sandbox.url}/graph"}
    settings.NETWORK_APPS = APPS
    keys = {
        name: canaries.secret(f"{name}-of-other")
        for name in ("consumer_key", "consumer_secret", "access_token", "access_token_secret")
    }
    accounts.add(sandbox.store, {"network": "x", "handle": "other", "credentials": keys})
    register(sandbox, connecting.back())
    return sandbox


@pytest.fixture
def begin(net, publication, anne):
    def start(network="x", **more):
        return connecting.begin(publication, network, by=anne, session=SESSION, **more)

    return start


@pytest.fixture
def come_back(anne):
    def answer(query, by=anne, session=SESSION):
        return connecting.answer(query, by=by, session=session)

    return answer


def on_x(net, handle):
    return [net.store.row("SELECT id FROM accounts WHERE handle = ?", handle)["id"]]


def test_consent_on_x_makes_a_channel_that_posts(begin, come_back, net, anne):
    channel = come_back(agree(connecting.address_of(begin()), accounts=on_x(net, "update_news")))
    assert (channel.network, channel.account, channel.paused) == ("x", "update_news", False)
    assert [(event.verb, event.by) for event in Event.objects.filter(noun="channel")] == [("connected", anne)]
    assert not Handshake.objects.exists()


def test_an_answer_is_good_once(begin, come_back):
    query = agree(connecting.address_of(begin()))
    come_back(query)
    with pytest.raises(Refusal, match="was used already"):
        come_back(query)
    assert Channel.objects.count() == 1


def test_an_answer_is_good_for_who_began_and_in_their_session(begin, come_back, ben):
    query = agree(connecting.address_of(begin()))
    for stranger in (partial(come_back, by=ben), partial(come_back, session="another")):
        with pytest.raises(Refusal, match="did not begin here"):
            stranger(query)
    with pytest.raises(Refusal, match="did not begin here"):
        come_back({**query, "state": "guessed"})
    with pytest.raises(Refusal, match="did not begin here"):
        come_back({"code": query["code"]})
    assert not Channel.objects.exists()
    assert come_back(query).account


def test_who_takes_too_long_begins_anew(begin, come_back):
    query = agree(connecting.address_of(begin()))
    with time_machine.travel(timezone.now() + timedelta(minutes=16)), pytest.raises(Refusal, match="took too long"):
        come_back(query)
    assert not Channel.objects.exists()


def test_a_no_connects_nothing_and_says_so(begin, come_back):
    with pytest.raises(Refusal, match="X was told no"):
        come_back(agree(connecting.address_of(begin()), allow=False))
    assert (Channel.objects.count(), Handshake.objects.count()) == (0, 0)


def test_a_page_is_chosen_and_the_persons_token_is_not_kept(begin, net, come_back, anne):
    accounts.add(
        net.store,
        {
            "network": "facebook",
            "page_id": "2002",
            "name": "Lake",
            "credentials": {"page_token": canaries.secret("t2")},
        },
    )
    moderated = {"page_token": canaries.secret("t3"), "tasks": "MODERATE"}
    accounts.add(net.store, {"network": "facebook", "page_id": "3003", "name": "Club", "credentials": moderated})
    chosen = come_back(agree(connecting.address_of(begin("facebook"))))
    names = [candidate.account for candidate in connecting.candidates(chosen)]
    assert sorted(names) == ["Club", "Lake", "Update"]
    with pytest.raises(Refusal, match="does not allow posting"):
        connecting.choose(chosen, names.index("Club"))
    channel = connecting.choose(chosen, names.index("Lake"))
    assert (channel.account, sorted(channel.credentials)) == ("Lake", ["app_secret", "page_id", "page_token"])
    assert channel.credentials["page_id"] == "2002"
    with pytest.raises(Refusal, match="was used already"):
        connecting.choose(chosen, names.index("Update"))
    assert Channel.objects.count() == 1


def test_two_pages_of_one_name_stay_two_channels(begin, net, come_back, pages, publication, anne):
    """The token of one must not take the place of the other's: its posts would stand on the wrong page."""
    for page in (*pages, "1001"):
        come_back(agree(connecting.address_of(begin("facebook")), accounts=[page]))
    kept = {channel.credentials["page_id"]: channel.account for channel in Channel.objects.all()}
    assert kept == pages
    first = Channel.objects.get(account="Update")
    with pytest.raises(Refusal, match="to be Update, and you came back with Update"):
        come_back(agree(connecting.address_of(begin("facebook", channel=first)), accounts=["2002"]))
    typed = {"page_id": "2002", "page_token": canaries.secret("typed")}
    with pytest.raises(Refusal, match="“Update” is connected already, as page_id 1001"):
        connecting.type_in(publication, "facebook", "Update", typed, by=anne)


def test_a_page_whose_key_was_lost_is_connected_again_by_its_name(begin, net, come_back, publication, settings):
    channel = Channel(publication=publication, network="facebook", account="Update")
    channel.credentials = {"page_id": "1001", "page_token": canaries.secret("lost")}
    channel.save()
    settings.KEYS = {**settings.KEYS, "tokens": ["another"]}
    answer = agree(connecting.address_of(begin("facebook", channel=channel)))
    assert come_back(answer).pk == channel.pk


def test_an_account_whose_token_was_typed_in_is_connected_again_by_consent(
    begin, net, come_back, publication, settings, anne
):
    settings.NETWORK_URLS = {**settings.NETWORK_URLS, "mastodon": f"{net.url}/mastodon"}
    typed = {"access_token": canaries.secret("typed")}
    accounts.add(net.store, {"network": "mastodon", "handle": "update", "credentials": typed})
    channel = connecting.type_in(publication, "mastodon", "@update@news.example", typed, by=anne)
    begun = begin("mastodon", channel=channel, asked={"server": " news.example "})
    assert come_back(agree(connecting.address_of(begun))).pk == channel.pk
    channel.refresh_from_db()
    assert (channel.credentials["server"], channel.credentials != typed) == ("news.example", True)


def test_an_account_that_was_renamed_on_its_network_stays_the_channel(begin, net, come_back):
    channel = come_back(agree(connecting.address_of(begin()), accounts=on_x(net, "update_news")))
    Channel.objects.filter(pk=channel.pk).update(account="as_it_was_called")
    again = come_back(agree(connecting.address_of(begin()), accounts=on_x(net, "update_news")))
    assert (again.pk, again.account) == (channel.pk, "as_it_was_called")


def test_an_answer_that_cannot_be_read_is_said_and_begins_anew(begin, come_back, monkeypatch):
    query = agree(connecting.address_of(begin("facebook")))
    monkeypatch.setattr(facebook_consent.Consent, "_accounts", lambda self, token: iter(["no page"]))
    with pytest.raises(Refusal, match="answered in a way that cannot be read: begin anew"):
        come_back(query)
    assert (Channel.objects.count(), Handshake.objects.count()) == (0, 0)


def test_connecting_again_keeps_the_channel_and_lifts_its_pause(begin, net, come_back, publication):
    channel = Channel.objects.create(publication=publication, network="x", account="@Update_News", paused=True)
    answer = agree(connecting.address_of(begin(channel=channel)), accounts=on_x(net, "update_news"))
    assert come_back(answer).pk == channel.pk
    channel.refresh_from_db()
    assert (channel.paused, channel.account, channel.credentials.keys() > {"oauth2_token"}) == (
        False,
        "@Update_News",
        True,
    )


def test_connecting_again_as_somebody_else_is_refused(begin, net, come_back, publication):
    channel = Channel.objects.create(publication=publication, network="x", account="update_news")
    answer = agree(connecting.address_of(begin(channel=channel)), accounts=on_x(net, "other"))
    with pytest.raises(Refusal, match="to be update_news, and you came back with other"):
        come_back(answer)
    assert not Channel.objects.exclude(sealed_credentials="").exists()


def test_an_app_that_is_not_configured_is_said_before_anybody_is_sent_away(begin, settings):
    settings.NETWORK_APPS = {}
    with pytest.raises(Refusal, match="client_id is missing"):
        begin()


def test_keys_are_typed_in_and_their_blanks_taken_off(publication, anne):
    keys = dict.fromkeys(("consumer_key", "consumer_secret", "access_token"), " k ")
    with pytest.raises(Refusal, match="needs access_token_secret"):
        connecting.type_in(publication, "x", "rooms", keys, by=anne)
    channel = connecting.type_in(publication, "x", " rooms ", {**keys, "access_token_secret": "s\n"}, by=anne)
    assert (channel.account, set(channel.credentials.values())) == ("rooms", {"k", "s"})


def test_nothing_of_a_handshake_can_be_read_in_the_database(begin):
    handshake = begin()
    address = connecting.address_of(handshake)
    state = address.partition("state=")[2].partition("&")[0]
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM publisher_handshake")
        row = str(cursor.fetchall())
    assert [secret for secret in (state, SESSION, "verifier", "x/i/oauth2") if secret in row] == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="on SQLite one transaction writes at a time")
def test_of_two_who_come_back_at_once_one_connects(begin, come_back):
    query = agree(connecting.address_of(begin()))
    answers = at_once(*(partial(come_back, query) for _ in range(3)))
    assert sorted(type(answer).__name__ for answer in answers) == ["Channel", "Refusal", "Refusal"]
