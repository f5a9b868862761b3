"""The demo talks to this machine only; and nobody leads us into our own network by a name."""

from __future__ import annotations

import pytest

from publisher import channel_accounts, connecting, reach
from publisher.lifecycle import Refusal
from publisher.models import Channel
from publisher.sandbox import accounts as registered
from tests import canaries

HERE = ["http://127.0.0.1:8000/x", "http://localhost/", "http://LOCALHOST/", "smtp://127.8.9.1:25", "http://[::1]:80/"]
ELSEWHERE = [
    "https://api.x.com",
    "http://localhost.example.org/",
    "http://127.0.0.1.example.org/",
    "http://127.0.0.1@example.org/",
    "http://example.org/127.0.0.1",
    "http://10.0.0.1/",
    "http://0.0.0.0/",
    "http://2130706433/",
    "http://127.1/",
    "smtp://mail.example.org:25",
    "/etc/passwd",
    "",
]


@pytest.mark.parametrize("address", HERE)
def test_the_demo_reaches_this_machine(settings, address):
    settings.LOOPBACK_ONLY = True
    assert reach.allowed(address) == address


@pytest.mark.parametrize("address", ELSEWHERE)
def test_the_demo_reaches_nothing_else(settings, address):
    settings.LOOPBACK_ONLY = True
    with pytest.raises(Refusal, match="This is the demo: it talks to this machine only"):
        reach.allowed(address)


@pytest.mark.parametrize("address", [*HERE, *ELSEWHERE])
def test_in_earnest_every_address_is_allowed(settings, address):
    settings.LOOPBACK_ONLY = False
    assert reach.allowed(address) == address


def test_what_is_no_address_is_said(settings):
    settings.LOOPBACK_ONLY = False
    with pytest.raises(Refusal, match="is not an address"):
        reach.allowed("http://[::1/")


def test_a_page_elsewhere_is_refused_before_anybody_is_asked_about_its_host(settings, monkeypatch):
    settings.LOOPBACK_ONLY = True
    monkeypatch.setattr("publisher.intake.fetch.resolve", lambda host, port: pytest.fail(f"asked about {host}"))
    with pytest.raises(Refusal, match=r"not to example\.org"):
        reach.page("https://example.org/")


@pytest.fixture
def on_a_server(sandbox, settings, monkeypatch, publication):
    """An account on social.example, which is the sandbox; and what that name leads to, one list for each question."""
    settings.LOOPBACK_ONLY, settings.ALLOW_LOOPBACK_SOURCES = False, True
    settings.NETWORK_URLS = {"mastodon": "http://{server}/mastodon"}
    channel = Channel(publication=publication, network="mastodon", account="@rooms@social.example")
    port = sandbox.url.rpartition(":")[2]
    channel.credentials = {"access_token": canaries.secret("token"), "server": f"social.example:{port}"}
    channel.save()
    known = {"network": "mastodon", "handle": "rooms", "credentials": channel.credentials}
    registered.add(sandbox.store, known)
    answers = []
    monkeypatch.setattr("publisher.intake.fetch.resolve", lambda host, port: answers.pop(0) if answers else [])
    return channel, answers


def test_a_server_is_asked_where_its_name_led_when_it_was_checked(on_a_server):
    """No name service knows social.example: whoever asked a second time would not get there."""
    channel, answers = on_a_server
    answers += [["127.0.0.1"]] * 3
    assert channel_accounts.connect(channel).check().problem is None


@pytest.mark.parametrize("inside", ["10.0.0.7", "169.254.169.254", "fd00::7", "::ffff:c0a8:1"])
def test_a_name_that_leads_into_our_network_tomorrow_is_not_asked_then(on_a_server, inside):
    channel, answers = on_a_server
    answers += [["127.0.0.1"], ["93.184.216.34", inside]]
    told = f"Mastodon is not asked: social.example leads to {inside}, an address inside a private network."
    assert channel_accounts.connect(channel).check().problem == told


def test_nobody_connects_an_account_on_a_server_inside(on_a_server, anne, settings):
    channel, answers = on_a_server
    settings.ALLOW_LOOPBACK_SOURCES = False
    answers += [["127.0.0.1"]]
    with pytest.raises(Refusal, match=r"social\.example leads to 127\.0\.0\.1, an address inside"):
        connecting.begin(
            channel.publication, "mastodon", by=anne, session="s", asked={"server": channel.credentials["server"]}
        )
