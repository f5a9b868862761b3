"""`publisher check`, as somebody types it who wants to send in earnest."""

from __future__ import annotations

import json

import pytest


def test_what_is_missing_is_said_with_what_to_do(publisher, publication):
    answer = publisher("check")
    assert (answer.status, answer.err) == (1, "")
    assert "Public address: Set PUBLISHER_BASE_URL to the public https:// address" in answer.out
    assert "Publication update:" not in answer.out
    told = {row["check"]: row for row in json.loads(publisher("check", "--json").out)}
    assert told["Publication update"] == {
        "check": "Publication update",
        "ok": True,
        "says": "Update 120 comes next",
        "mend": "",
    }


def test_a_database_that_was_never_set_up_is_said_and_the_rest_still_looked_at(elsewhere):
    answer = elsewhere("check")
    assert (answer.status, "Traceback" in answer.err) == (1, False)
    assert "Database: Run `publisher migrate`." in answer.out
    assert "Mail server: Set PUBLISHER_SMTP_URL" in answer.out
    assert [row["check"] for row in json.loads(elsewhere("check", "--json").out)] == [
        "Database",
        "Message server",
        "Public address",
        "Keys",
        "Mail server",
        "Pace",
        "Prices",
    ]


@pytest.mark.parametrize(
    ("first", "looked_at"), [("redis+socket:///nowhere/redis.sock", "No such file"), ("", "Connection refused")]
)
def test_the_message_server_that_celery_uses_is_the_one_looked_at(elsewhere, first, looked_at):
    """`publisher up` sets both, in two forms; Celery goes by the first."""
    said = elsewhere("check", "--json", CELERY_BROKER_URL=first, REDIS_URL="redis://127.0.0.1:1/0")
    (found,) = [each for each in json.loads(said.out) if each["check"] == "Message server"]
    assert looked_at in found["says"]
