"""Connected accounts in a terminal."""

from __future__ import annotations

import json
from decimal import Decimal

from publisher import sealing
from publisher.models import Channel


def test_the_list_says_how_each_account_is(publisher, channels):
    Channel.objects.filter(network="x").update(paused=True, attention="No credits left.", budget=Decimal("5"))
    rows = {row["network"]: row for row in publisher("channels", "list", "--json").json()}
    assert (rows["x"]["paused"], rows["x"]["attention"], rows["x"]["budget"]) == (True, "No credits left.", "5.000")
    assert (rows["facebook"]["paused"], rows["facebook"]["money"]) == (False, "free")
    assert "No credits left." in publisher("channels", "list").out


def test_a_check_asks_each_network_and_ends_with_1_where_something_is_wrong(publisher, connected):
    well = publisher("channels", "check")
    assert (well.status, well.out) == (0, "facebook Andean Reading Rooms: may post\nx reading_rooms: may post\n")
    connected.fault("x", "unauthorized", "me")
    ill = publisher("channels", "check")
    assert (ill.status, "X no longer accepts the keys" in ill.out) == (1, True)
    assert Channel.objects.get(network="x").paused


def test_a_budget_is_set_shown_and_lifted(publisher, channels, anne):
    said = publisher("channels", "budget", "x", "reading_rooms", "12.50", "--when-spent", "month", "--by", "anne").out
    assert said.startswith("x reading_rooms: 0.00 USD of 12.50 USD in ")
    assert said.endswith("when it is spent: wait for the next month.\n")
    assert publisher("channels", "budget", "x", "reading_rooms", "much", "--by", "anne").err.startswith("“much” is no")
    assert publisher("channels", "budget", "x", "reading_rooms").out == said
    publisher("channels", "budget", "x", "reading_rooms", "none", "--by", "anne")
    assert Channel.objects.get(network="x").budget is None


def test_rotating_reports_and_a_check_says_when_an_old_key_is_needed(publisher, channels, settings):
    settings.KEYS = {**settings.KEYS, "tokens": ["new", *settings.KEYS["tokens"]]}
    checks = {check["check"]: check for check in json.loads(publisher("check", "--json").out)}
    assert checks["Stored credentials"]["says"] == "2 still need an older key"
    assert publisher("channels", "rotate", "--json").json() == {"sealed_anew": 2, "newest_already": 0, "unreadable": []}
    assert "Sealed with the newest key already: 2." in publisher("channels", "rotate").out
    checks = {check["check"]: check for check in json.loads(publisher("check", "--json").out)}
    assert checks["Stored credentials"]["says"] == "all are sealed with the newest key"


def test_rotating_names_what_no_key_opens(publisher, channels, settings):
    settings.KEYS = {**settings.KEYS, "tokens": ["another"]}
    channels[1].sealed_credentials = sealing.seal({"page_token": "t"})
    channels[1].save()
    done = publisher("channels", "rotate")
    assert (done.status, done.err.partition(":")[0]) == (1, "x reading_rooms")


def test_prices_are_told(publisher, db):
    rows = publisher("channels", "prices", "--json").json()
    assert {"network": "X", "for": "post with link", "price": "0.200", "currency": "USD"} in rows


def test_a_proof_says_what_its_posts_cost(publisher, digest, channels, anne):
    assert "Its posts cost 0.8" in publisher("digests", "proof", "--by", "anne").out
