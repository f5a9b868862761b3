"""Failures on demand: each as a real client meets it, and what it leaves behind."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
import requests

from publisher.sandbox import behaviours, errors
from tests.sandbox.conftest import Client, Sandbox

HTML = "<!doctype html><title>Something went wrong</title><h1>Sorry, something went wrong.</h1>"
FORBIDDEN = {"type": "about:blank", "title": "Forbidden", "status": 403}

# behaviour → (status, body), where nothing is done.
X_REFUSALS: dict[str, tuple[int, Any]] = {
    "unauthorized": (
        401,
        {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"},
    ),
    "payment_required": (
        402,
        {
            "title": "CreditsDepleted",
            "detail": "Your enrolled account does not have any credits to fulfill this request.",
            "type": "https://api.x.com/2/problems/credits",
        },
    ),
    "duplicate": (
        403,
        {**FORBIDDEN, "detail": "You are not allowed to create a Tweet with duplicate content."},
    ),
    "forbidden": (403, {**FORBIDDEN, "detail": "You are not permitted to perform this action."}),
    "suspended": (
        403,
        {**FORBIDDEN, "detail": "Your account is suspended and is not permitted to access this feature."},
    ),
    "client_forbidden": (403, errors.X["client_forbidden"][1]),
    "rate_limited_without_reset": (
        429,
        {"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank", "status": 429},
    ),
    "rate_limited_88": (429, {"errors": [{"code": 88, "message": "Rate limit exceeded"}]}),
    "usage_capped": (429, errors.X["usage_capped"][1]),
    "internal_error": (
        500,
        {"title": "Internal Server Error", "detail": "Internal Server Error", "type": "about:blank", "status": 500},
    ),
    "unreadable": (
        503,
        {"title": "Service Unavailable", "detail": "Service Unavailable", "type": "about:blank", "status": 503},
    ),
    "empty_object": (200, {}),
    "success_false": (200, {"success": False}),
}


@pytest.mark.parametrize("behaviour", sorted(X_REFUSALS))
def test_x_refuses_as_ordered_once_and_keeps_nothing(sandbox: Sandbox, x: Client, behaviour: str) -> None:
    sandbox.fault("x", behaviour, "post")
    answer = x.create_tweet(text="Rivers reborn")
    assert (answer.status_code, answer.json()) == X_REFUSALS[behaviour]
    assert sandbox.json("/x/log.json") == []
    assert x.create_tweet(text="Rivers reborn").status_code == 201


@pytest.mark.parametrize(("behaviour", "ahead"), [("rate_limited", 900), ("rate_limited_reset_past", -60)])
def test_a_rate_limit_says_when_it_ends(sandbox: Sandbox, x: Client, behaviour: str, ahead: int) -> None:
    sandbox.fault("x", behaviour)
    answer = x.create_tweet(text="Rivers reborn")
    assert (answer.status_code, answer.headers["x-rate-limit-remaining"]) == (429, "0")
    assert abs(int(answer.headers["x-rate-limit-reset"]) - time.time() - ahead) < 30


def test_a_rate_limit_may_say_nothing_about_its_end(sandbox: Sandbox, x: Client) -> None:
    sandbox.fault("x", "rate_limited_without_reset")
    headers = x.create_tweet(text="Rivers reborn").headers
    assert [name for name in headers if name.lower().startswith("x-rate-limit")] == []


@pytest.mark.parametrize(("code", "subcode"), sorted(errors.GRAPH, key=str))
def test_graph_refuses_with_each_code(sandbox: Sandbox, page: Any, code: int, subcode: int | None) -> None:
    sandbox.fault("facebook", f"code_{code}" + (f"_{subcode}" if subcode else ""), "post")
    answer = page("POST", "1001/feed", message="Rivers reborn")
    found = answer.json()["error"]
    assert (answer.status_code, found["message"]) == errors.GRAPH[code, subcode]
    assert (found["code"], found.get("error_subcode")) == (code, subcode)
    assert sandbox.json("/graph/log.json") == []


@pytest.mark.parametrize("code", [1, 2])
def test_graph_may_say_500_and_have_published(sandbox: Sandbox, page: Any, code: int) -> None:
    sandbox.fault("facebook", f"code_{code}_published", "post")
    answer = page("POST", "1001/feed", message="Rivers reborn")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, code)
    assert [line["text"] for line in sandbox.json("/graph/log.json")] == ["Rivers reborn"]


def test_graph_may_answer_500_without_an_error(sandbox: Sandbox, page: Any) -> None:
    sandbox.fault("facebook", "json_500_without_error")
    answer = page("POST", "1001/feed", message="Rivers reborn")
    assert (answer.status_code, answer.json()) == (500, {"message": "Oops"})


@pytest.mark.parametrize(("behaviour", "status"), [("html_500", 500), ("html_503", 503)])
def test_a_server_error_may_be_a_page(sandbox: Sandbox, x: Client, behaviour: str, status: int) -> None:
    sandbox.fault("x", behaviour)
    answer = x.create_tweet(text="Rivers reborn")
    assert (answer.status_code, answer.text) == (status, HTML)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


def test_success_may_be_a_page_a_list_or_half_an_answer(sandbox: Sandbox, x: Client) -> None:
    for behaviour in ("html_success", "json_list", "truncated_json"):
        sandbox.fault("x", behaviour)
    page, listed, half = (x.create_tweet(text=text) for text in ("One", "Two", "Three"))
    assert (page.status_code, page.text) == (201, HTML)
    assert (listed.status_code, listed.json()) == (201, [])
    assert (half.status_code, half.text[:8]) == (201, '{"data":')
    with pytest.raises(json.JSONDecodeError):
        json.loads(half.text)
    assert [line["text"] for line in sandbox.json("/x/log.json")] == ["One", "Two", "Three"]


def test_any_answer_can_be_a_lie(sandbox: Sandbox, x: Client) -> None:
    sandbox.fault("x", "html_500", commit=True)
    assert x.create_tweet(text="Kept").status_code == 500
    sandbox.fault("x", "html_success", commit=False)
    assert x.create_tweet(text="Lost").status_code == 200
    assert [line["text"] for line in sandbox.json("/x/log.json")] == ["Kept"]


@pytest.mark.parametrize(("behaviour", "kept"), [("close_before_reading", []), ("close_after_commit", ["Rivers"])])
def test_the_connection_may_end_without_an_answer(sandbox: Sandbox, x: Client, behaviour: str, kept: list[str]) -> None:
    sandbox.fault("x", behaviour, "post")
    with pytest.raises(requests.ConnectionError):
        x.create_tweet(text="Rivers")
    assert [line["text"] for line in sandbox.json("/x/log.json")] == kept


def test_the_connection_may_end_within_the_answer(sandbox: Sandbox, x: Client) -> None:
    sandbox.fault("x", "cut_body", "post")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        x.create_tweet(text="Rivers")
    assert [line["text"] for line in sandbox.json("/x/log.json")] == ["Rivers"]


@pytest.mark.parametrize(("behaviour", "kept"), [("silent", []), ("silent_after_commit", ["Rivers"])])
def test_an_answer_may_never_come(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, x: Client, behaviour: str, kept: list[str]
) -> None:
    sandbox.fault("x", behaviour, "post")
    monkeypatch.setattr(x, "patience", 0.3)
    with pytest.raises(requests.ReadTimeout):
        x.create_tweet(text="Rivers")
    assert [line["text"] for line in sandbox.json("/x/log.json")] == kept


def test_a_held_connection_ends_when_the_sandbox_stops(sandbox: Sandbox, x: Client) -> None:
    """The fixture's own stopping would wait for ever; the client learns of it by a cut connection."""
    sandbox.fault("x", "silent_after_commit", "post")
    cut: list[Exception] = []

    def wait() -> None:
        try:
            x.create_tweet(text="Rivers")
        except requests.ConnectionError as error:
            cut.append(error)

    x.patience = 60
    waiting = threading.Thread(target=wait)
    waiting.start()
    while not sandbox.json("/x/log.json"):
        pass
    sandbox.stop()
    waiting.join(10)
    assert [type(error) for error in cut] == [requests.ConnectionError]


def test_an_answer_may_come_late_or_slowly_and_be_true(sandbox: Sandbox, x: Client) -> None:
    sandbox.fault("x", "late_after_commit", "post", seconds=0.05)
    sandbox.fault("x", "slow_body", "post", seconds=0.05)
    assert [x.create_tweet(text=text).json()["data"]["text"] for text in ("Late", "Slow")] == ["Late", "Slow"]


def test_an_answer_may_be_ten_megabytes(sandbox: Sandbox, x: Client) -> None:
    sandbox.fault("x", "huge_body", "post")
    assert len(x.create_tweet(text="Rivers").content) > 10 * 2**20


def test_a_redirect_leads_to_a_false_success(sandbox: Sandbox, x: Client) -> None:
    sandbox.fault("x", "redirect_301", "post")
    answer = x.create_tweet(text="Rivers")
    assert (answer.status_code, answer.headers["Location"]) == (301, "/moved")
    assert sandbox.json("/moved") == {"data": {"id": "1", "text": ""}, "id": "1"}
    assert sandbox.json("/x/log.json") == []


def test_success_may_carry_errors_and_no_data(sandbox: Sandbox, x: Client) -> None:
    sandbox.fault("x", "partial_errors", "timeline")
    answer = x.get_users_tweets("1", user_auth=True)
    assert (answer.status_code, sorted(answer.json())) == (200, ["errors"])


@pytest.mark.parametrize("seconds", [60, 0])
def test_a_timeline_may_lag(sandbox: Sandbox, x: Client, page: Any, seconds: int) -> None:
    x.create_tweet(text="Just now")
    page("POST", "1001/feed", message="Just now")
    for network in ("x", "facebook"):
        sandbox.fault(network, "lagging", "timeline", seconds=seconds)
    me = x.get_me().json()["data"]["id"]
    shown = x.get_users_tweets(me, user_auth=True).json().get("data", []) + page("GET", "1001/feed").json()["data"]
    assert len(shown) == (0 if seconds else 2)


def test_a_timeline_may_be_unreadable(sandbox: Sandbox, x: Client, page: Any) -> None:
    for network in ("x", "facebook"):
        sandbox.fault(network, "unreadable", "timeline")
    assert x.get_users_tweets("1", user_auth=True).status_code == 503
    assert page("GET", "1001/published_posts").json()["error"]["code"] == 2


def test_a_fault_meets_its_own_operation_as_often_as_ordered(sandbox: Sandbox, x: Client) -> None:
    sandbox.fault("x", "forbidden", "post", times=2)
    statuses = [x.create_tweet(text=f"Item {number}").status_code for number in range(2)]
    assert x.get_me().status_code == 200
    assert [*statuses, x.create_tweet(text="Item 2").status_code] == [403, 403, 201]


def test_a_fault_may_last_until_it_is_withdrawn(sandbox: Sandbox, x: Client) -> None:
    sandbox.fault("x", "forbidden", times=None)
    assert [x.get_me().status_code for _ in range(3)] == [403, 403, 403]
    assert requests.delete(f"{sandbox.url}/control/faults", timeout=5).json() == {"withdrawn": 1}
    assert x.get_me().status_code == 200


def test_what_fails_by_chance_follows_from_the_seed(sandbox: Sandbox, x: Client, monkeypatch: Any) -> None:
    refused = behaviours.TABLE["x"]["forbidden"]
    monkeypatch.setitem(behaviours.TABLE, "x", {"forbidden": refused})

    def statuses(seed: int) -> list[int]:
        order = {"network": "x", "seed": seed, "one_in": 2}
        assert requests.post(f"{sandbox.url}/control/weather", json=order, timeout=5).status_code == 201
        return [x.get_me().status_code for _ in range(12)]

    first, other = statuses(1), statuses(2)
    assert {*first} == {200, 403}
    assert (first == statuses(1), first == other) == (True, False)
    assert requests.delete(f"{sandbox.url}/control/weather", timeout=5).json() == {"cleared": 1}
    assert {x.get_me().status_code for _ in range(12)} == {200}


@pytest.mark.parametrize(
    "wish", [{"network": "mail", "seed": 1}, {"network": "x"}, {"network": "x", "seed": 1, "one_in": 0}]
)
def test_a_weather_that_cannot_be_is_refused(sandbox: Sandbox, x: Client, wish: dict[str, Any]) -> None:
    assert requests.post(f"{sandbox.url}/control/weather", json=wish, timeout=5).status_code == 400
    assert x.get_me().status_code == 200


def test_the_orders_and_all_behaviours_can_be_listed(sandbox: Sandbox) -> None:
    sandbox.fault("facebook", "code_190_463", "post")
    found = sandbox.json("/control/faults")
    assert found["faults"] == [
        {"id": 1, "network": "facebook", "operation": "post", "behaviour": "code_190_463", "times": 1}
    ]
    assert sorted(found["behaviours"]["x"]) == sorted(behaviours.TABLE["x"])


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        (
            {"network": "myspace", "behaviour": "html_500"},
            "The network must be one of: x, facebook, mastodon, bluesky, mail.",
        ),
        (
            {"network": "x", "behaviour": "html_500", "operation": "sing"},
            "The operation must be one of: post, media, metadata, me, timeline, figures, delete, token, *.",
        ),
        ({"network": "x", "behaviour": "html_500", "times": 0}, "Times must be a number from 1, or null"),
        ({"network": "x", "behaviour": "code_190"}, "The behaviour must be one of: close_before_reading,"),
        ({"network": "x", "behaviour": "html_500", "when": 1}, "Unknown: when. Known: "),
        (
            {"network": "x", "behaviour": "html_500", "match": "rosa"},
            "A fault of x has no match; it has: commit, seconds, location.",
        ),
        ({"network": "x", "behaviour": "silent", "seconds": "9"}, "This is not a value for seconds: '9'."),
    ],
)
def test_a_wrong_order_is_refused_with_a_sentence(sandbox: Sandbox, order: dict[str, Any], sentence: str) -> None:
    answer = requests.post(f"{sandbox.url}/control/faults", json=order, timeout=5)
    assert (answer.status_code, answer.json()["error"][: len(sentence)]) == (400, sentence)
    assert sandbox.json("/control/faults")["faults"] == []
