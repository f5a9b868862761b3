"""The pages of the connected accounts, and the way to connect one without JavaScript."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from django.urls import reverse

from publisher import connecting
from publisher.models import Channel, Handshake
from publisher.sandbox import accounts
from tests import canaries
from tests.consenting import APPS, agree, register


@pytest.fixture
def net(connected, settings):
    settings.NETWORK_APPS = APPS
    register(connected, connecting.back())
    return connected


def to_connect(channel=None, network="x"):
    return reverse("channel-connect", args=["update", network]) + (f"?channel={channel.pk}" if channel else "")


def test_the_page_says_how_each_account_is_and_what_it_costs(as_carla, read, channels, django_assert_num_queries):
    Channel.objects.filter(network="x").update(
        health="X is away.", budget=Decimal("5"), checked_at=datetime(2026, 11, 20, 9, tzinfo=UTC)
    )
    Channel.objects.filter(network="facebook").update(paused=True, attention="The token was revoked.")
    with django_assert_num_queries(6):
        page = read(as_carla.get(reverse("channels")))
    assert page("td .state") == ["paused", "needs a look"]
    assert page("th[scope=row]") == ["Andean Reading RoomsThe token was revoked.", "reading_roomsX is away."]
    assert page("td:last-child")[0] == "free"
    assert page("td:last-child")[1].startswith("0.00 USD of 5.00 USD in ")


def test_an_account_is_connected_by_consent(as_anne, read, net):
    answer = as_anne.post(to_connect(), {"way": "consent"})
    page = read(as_anne.get(answer.url))
    (address,) = page.values("#next", "href")
    query = agree(address, accounts=[net.store.row("SELECT id FROM accounts WHERE handle = 'reading_rooms'")["id"]])
    answer = as_anne.get(reverse("channel-answered"), query)
    assert answer.url == reverse("channel", args=[Channel.objects.get(network="x").pk])
    page = read(as_anne.get(answer.url))
    assert page("#messages p") == ["reading_rooms is connected, and may post."]
    assert Channel.objects.get(network="x").credentials.keys() > {"oauth2_token"}
    assert not Handshake.objects.exists()


def test_an_account_on_a_server_of_its_own_is_connected_by_naming_the_server(as_anne, read, net, settings):
    settings.NETWORK_URLS = {**settings.NETWORK_URLS, "mastodon": "https://{server}"}
    wrong = as_anne.post(to_connect(network="mastodon"), {"way": "consent", "server": "https://rooms.example"})
    assert (wrong.status_code, "write it as mastodon.example" in wrong.content.decode()) == (422, True)
    settings.NETWORK_URLS = {**settings.NETWORK_URLS, "mastodon": f"{net.url}/mastodon"}
    known = {"network": "mastodon", "handle": "rooms", "credentials": {"access_token": canaries.secret("typed")}}
    accounts.add(net.store, known)
    answer = as_anne.post(to_connect(network="mastodon"), {"way": "consent", "server": "rooms.example"})
    (address,) = read(as_anne.get(answer.url)).values("#next", "href")
    answer = as_anne.get(reverse("channel-answered"), agree(address))
    assert read(as_anne.get(answer.url))("#messages p") == ["@rooms@rooms.example is connected, and may post."]


def test_who_is_not_signed_in_any_more_leaves_the_code_behind(client, net):
    answer = client.get(reverse("channel-answered"), {"code": canaries.secret("code"), "state": "s"})
    assert (answer.status_code, answer.url) == (302, reverse("sign-in"))


def test_an_answer_that_nobody_asked_for_changes_nothing(as_anne, read, net, channels):
    before = list(Channel.objects.values_list("sealed_credentials", flat=True))
    answer = as_anne.get(reverse("channel-answered") + "?" + urlencode({"code": "c", "state": "s"}))
    page = read(as_anne.get(answer.url))
    assert page("#messages p") == [connecting.GONE]
    assert list(Channel.objects.values_list("sealed_credentials", flat=True)) == before


def test_keys_that_are_typed_in_stand_on_no_page(as_anne, read, net):
    keys = {
        name: canaries.secret(name)
        for name in ("consumer_key", "consumer_secret", "access_token", "access_token_secret")
    }
    wrong = as_anne.post(to_connect(), {"way": "keys", "account": "rooms", **keys, "access_token": ""})
    assert wrong.status_code == 422
    assert "X needs access_token" in wrong.content.decode()
    done = as_anne.post(to_connect(), {"way": "keys", "account": "rooms", **keys})
    pages = [
        wrong.content.decode(),
        as_anne.get(done.url).content.decode(),
        as_anne.get(reverse("channels")).content.decode(),
    ]
    assert [page for page in pages if canaries.MARK in page] == []
    assert Channel.objects.get(account="rooms").paused


def test_what_the_app_lacks_is_said_with_the_address_to_register(as_anne, read, channels, settings):
    settings.NETWORK_APPS = {"x": {"client_id": ""}}
    page = read(as_anne.get(to_connect()))
    assert page.one(".attention").startswith("The app on X is not configured yet: client_id is missing.")
    assert page.one("code") == connecting.back()
    assert page("#next") == []


def test_a_budget_is_set_and_its_mistakes_are_said(as_anne, read, channels):
    channel = channels[0]
    to = reverse("channel-budget", args=[channel.pk])
    assert read(as_anne.post(to, {"amount": "much"}, follow=True))("#messages p") == [
        "“much” is no amount of money: write it as 12.50, or leave it empty."
    ]
    page = read(as_anne.post(to, {"amount": "12.50", "when_spent": "month"}, follow=True))
    channel.refresh_from_db()
    assert (channel.budget, channel.when_spent, page("#messages p")) == (Decimal("12.500"), "month", ["Saved."])
    as_anne.post(to, {"amount": "", "when_spent": "month"})
    channel.refresh_from_db()
    assert channel.budget is None


def test_a_paused_account_is_let_go_after_a_look(as_anne, read, connected, channels):
    Channel.objects.filter(pk=channels[0].pk).update(paused=True, attention="No credits.")
    to = reverse("channel", args=[channels[0].pk])
    assert read(as_anne.get(to)).one("#next") == "Let it post again"
    as_anne.post(reverse("channel-resume", args=[channels[0].pk]))
    page = read(as_anne.post(reverse("channel-look", args=[channels[0].pk]), follow=True))
    assert page("#messages p") == ["It posts again.", "Looked at: it may post."]
    assert page.one(".pagehead .state") == "in order"


def test_nothing_is_shown_or_done_without_signing_in(client, channels):
    pk = channels[0].pk
    doors = [reverse("channels"), reverse("channel", args=[pk]), to_connect(), reverse("channel-go", args=[1])]
    doors += [
        reverse(name, args=[pk]) for name in ("channel-look", "channel-budget", "channel-resume", "channel-choose")
    ]
    answers = [client.post(door) for door in doors[4:]] + [client.get(door) for door in doors[:4]]
    assert {answer.url.partition("?")[0] for answer in answers} == {reverse("sign-in")}


def test_a_proof_shows_what_each_post_and_all_of_them_cost(as_ben, read, channels, proof):
    page = read(as_ben.get(reverse("proof", args=[proof.digest_id])))
    costs = [Decimal(said.split()[1]) for said in page(".price")]
    assert (len(costs), page.one("#cost")) == (4, f"{sum(costs):f} USD")
    assert all(cost in (Decimal("0.20"), Decimal("0.205")) for cost in costs)


def test_a_page_of_prices_that_cannot_be_read_says_so(as_anne, channels, settings, tmp_path):
    settings.PRICES = tmp_path / "prices.toml"
    answer = as_anne.get(reverse("channels"))
    said = f"The price table {settings.PRICES} cannot be read"
    assert (answer.status_code, said in answer.content.decode()) == (503, True)
