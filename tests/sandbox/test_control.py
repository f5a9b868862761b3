"""Accounts, the log and forgetting."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from publisher.sandbox import clock, store
from tests.sandbox.conftest import KEYS, PAGE, Client, Sandbox


def register(sandbox: Sandbox, **wish: Any) -> requests.Response:
    return requests.post(f"{sandbox.url}/control/accounts", json=wish, timeout=5)


def test_a_registered_account_can_post_at_once(sandbox: Sandbox) -> None:
    keys = {key: f"new-{value}" for key, value in KEYS.items()}
    answer = register(sandbox, network="x", handle="@peru_new", name="Peru New", credentials=keys)
    assert answer.status_code == 201
    assert {key: answer.json()[key] for key in ("network", "handle", "name", "page")} == {
        "network": "x",
        "handle": "peru_new",
        "name": "Peru New",
        "page": "/x/@peru_new",
    }
    me = Client(f"{sandbox.url}/x", **keys).get_me().json()["data"]
    assert (me["id"], me["username"]) == (answer.json()["id"], "peru_new")


def test_the_list_of_accounts_shows_no_secret(sandbox: Sandbox) -> None:
    answer = sandbox.get("/control/accounts")
    assert [(one["network"], one["handle"]) for one in answer.json()] == [
        ("facebook", "update"),
        ("x", "update_news"),
    ]
    assert [secret for secret in (*KEYS.values(), PAGE["page_token"]) if secret in answer.text] == []


def test_registering_again_changes_the_keys_and_keeps_the_posts(sandbox: Sandbox, x: Client) -> None:
    x.create_tweet(text="Rivers reborn")
    keys = {key: f"new-{value}" for key, value in KEYS.items()}
    register(sandbox, network="x", handle="update_news", credentials=keys)
    again = Client(f"{sandbox.url}/x", **keys)
    me = again.get_me().json()["data"]["id"]
    assert [post["text"] for post in again.get_users_tweets(me, user_auth=True).json()["data"]] == ["Rivers reborn"]
    assert x.get_me().status_code == 401


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"network": "myspace", "credentials": {}}, "The network must be one of: x, facebook, mastodon, bluesky."),
        ({"network": "x", "handle": "a"}, "The credentials must be an object of strings."),
        (
            {"network": "x", "handle": "a", "credentials": {"consumer_key": "k"}},
            "Missing credentials: access_token, access_token_secret, consumer_secret.",
        ),
        ({"network": "x", "handle": "a", "credentials": {**KEYS, "pin": "1"}}, "Unknown credentials: pin."),
        (
            {"network": "x", "handle": "a/b", "credentials": KEYS},
            "Give the account a handle (or page_id) of letters, digits, _, - and dots.",
        ),
        (
            {"network": "x", "handle": "thief", "credentials": KEYS},
            "This token already belongs to update_news.",
        ),
    ],
)
def test_a_wrong_account_is_refused_with_a_sentence(sandbox: Sandbox, wish: dict[str, Any], sentence: str) -> None:
    answer = register(sandbox, **wish)
    assert (answer.status_code, answer.json()) == (400, {"error": sentence})


def test_control_reads_only_json_so_that_no_web_page_can_call_it(sandbox: Sandbox) -> None:
    answer = requests.post(f"{sandbox.url}/control/accounts", data='{"network": "x"}', timeout=5)
    assert (answer.status_code, answer.json()) == (400, {"error": "Send application/json."})


def test_forgetting_forgets_everything(sandbox: Sandbox, x: Client) -> None:
    x.create_tweet(text="Rivers reborn")
    sandbox.fault("x", "html_500")
    assert requests.delete(f"{sandbox.url}/control", timeout=5).json() == {"forgotten": True}
    assert [sandbox.json(path) for path in ("/x/log.json", "/x/posts.json", "/control/accounts")] == [[], [], []]
    assert sandbox.json("/control/faults")["faults"] == []
    assert x.get_me().status_code == 401


def test_the_log_is_append_only(tmp_path: Path) -> None:
    things = store.open(tmp_path)
    things.record("x", who="update_news", what="post", body="Rivers", id="7")
    for change in ("UPDATE log SET who = 'somebody'", "DELETE FROM log"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            things.run(change)
    [line] = things.log("x")
    things.close()
    assert line | {"at": ""} == {
        "seq": 1,
        "at": "",
        "who": "update_news",
        "what": "post",
        "body_sha256": hashlib.sha256(b"Rivers").hexdigest(),
        "id": "7",
    }


def test_what_was_accepted_is_there_after_the_file_is_opened_again(tmp_path: Path) -> None:
    first = store.open(tmp_path)
    first.record("graph", who="1001", what="post")
    first.close()
    second = store.open(tmp_path)
    assert [line["who"] for line in second.log("graph")] == ["1001"]
    second.close()


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    things = store.open(tmp_path)

    def fail() -> None:
        with things.transaction():
            things.record("x", who="update_news", what="post")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert things.log("x") == []
    things.close()


def test_its_clock_can_be_put_ahead(sandbox: Sandbox, x: Client) -> None:
    x.create_tweet(text="Now")
    requests.post(f"{sandbox.url}/control/clock", json={"ahead": 86_400}, timeout=5)

    answer = sandbox.get("/x/posts.json")
    assert x.create_tweet(text="A day later").status_code == 401  # our signature is of yesterday
    shown = parsedate_to_datetime(answer.headers["Date"]) - datetime.fromisoformat(answer.json()[0]["created_at"])
    assert timedelta(hours=23) < shown < timedelta(hours=25)
    sandbox.store.forget()
    assert abs(clock.time() - time.time()) < 60


def test_an_account_that_repeats_itself_may(sandbox: Sandbox, x: Client, page: Any) -> None:
    for network, credentials in (("x", KEYS), ("facebook", PAGE)):
        wish = {"network": network, "handle": "update_news", "credentials": credentials, "repeats": True}
        assert register(sandbox, **wish).status_code == 201

    assert [x.create_tweet(text="Again").status_code for _ in range(2)] == [201, 201]
    assert [page("POST", "1001/feed", message="Again").status_code for _ in range(2)] == [200, 200]
    assert [line["text"] for line in sandbox.json("/graph/log.json?who=1001")] == ["Again", "Again"]
    assert sandbox.json("/graph/log.json?who=1002") == []
