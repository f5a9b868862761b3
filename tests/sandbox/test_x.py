"""X in the sandbox, asked by the real tweepy and by plain HTTP."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest
import requests
from requests_oauthlib import OAuth1

from publisher.sandbox import accounts
from tests.sandbox.conftest import KEYS, PNG, Client, Sandbox

UNAUTHORIZED = {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}
DUPLICATE = {
    "detail": "You are not allowed to create a Tweet with duplicate content.",
    "type": "about:blank",
    "title": "Forbidden",
    "status": 403,
}


def invalid(message: str, **parameters: list[str]) -> dict[str, Any]:
    return {
        "errors": [{"parameters": parameters, "message": message}],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": "https://api.x.com/2/problems/invalid-request",
    }


def upload(x: Client, content: bytes = PNG, **fields: str) -> requests.Response:
    fields = {"media_category": "tweet_image", **fields}
    return x.request("POST", "/2/media/upload", data=fields, files={"media": ("a.png", content, "image/png")})


def test_a_post_is_kept_logged_and_answered(sandbox: Sandbox, x: Client) -> None:
    answer = x.create_tweet(text="Rivers reborn")
    number = answer.json()["data"]["id"]
    assert answer.status_code == 201
    assert answer.json() == {"data": {"id": number, "text": "Rivers reborn", "edit_history_tweet_ids": [number]}}
    [line] = sandbox.json("/x/log.json")
    assert {key: line[key] for key in ("who", "what", "id", "text", "media")} == {
        "who": "update_news",
        "what": "post",
        "id": number,
        "text": "Rivers reborn",
        "media": [],
    }
    assert [post["text"] for post in sandbox.json("/x/posts.json")] == ["Rivers reborn"]


def test_a_text_comes_back_with_short_links_and_escaped(sandbox: Sandbox, x: Client) -> None:
    x.create_tweet(text="  Dams & rivers: https://example.org/dam?a=1&b=2 and report.md ")
    [post] = x.get_users_tweets(_id(sandbox), tweet_fields=["entities"], user_auth=True).json()["data"]
    first, second = post["entities"]["urls"]
    assert post["text"] == f"Dams &amp; rivers: {first['url']} and {second['url']}"
    assert [post["text"][url["start"] : url["end"]] for url in (first, second)] == [first["url"], second["url"]]
    assert [url["expanded_url"] for url in (first, second)] == [
        "https://example.org/dam?a=1&b=2",
        "http://report.md",
    ]
    assert sandbox.json("/x/log.json")[0]["text"] == ("Dams & rivers: https://example.org/dam?a=1&b=2 and report.md")


def test_every_answer_carries_the_rate_limit(x: Client) -> None:
    first, second = x.create_tweet(text="One"), x.create_tweet(text="Two")
    assert [answer.headers["x-rate-limit-limit"] for answer in (first, second)] == ["100", "100"]
    assert [answer.headers["x-rate-limit-remaining"] for answer in (first, second)] == ["99", "98"]
    assert first.headers["x-rate-limit-reset"] == second.headers["x-rate-limit-reset"]


def test_the_hundred_and_first_post_in_a_quarter_of_an_hour_is_refused(sandbox: Sandbox, x: Client) -> None:
    x.create_tweet(text="One")
    sandbox.store.run("UPDATE rates SET used = 100")
    answer = x.create_tweet(text="Two")
    assert answer.status_code == 429
    assert answer.headers["x-rate-limit-remaining"] == "0"
    assert answer.json() == {
        "title": "Too Many Requests",
        "detail": "Too Many Requests",
        "type": "about:blank",
        "status": 429,
    }


def test_a_text_is_refused_for_a_day_and_not_longer(sandbox: Sandbox, x: Client) -> None:
    x.create_tweet(text="Rivers reborn")
    again = x.create_tweet(text=" Rivers reborn")
    assert (again.status_code, again.json()) == (403, DUPLICATE)
    assert again.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    sandbox.store.run("UPDATE x_posts SET created_at = '2026-01-01T00:00:00.000Z'")
    assert x.create_tweet(text="Rivers reborn").status_code == 201


def test_another_account_may_say_the_same(sandbox: Sandbox, x: Client) -> None:
    x.create_tweet(text="Rivers reborn")
    other = {key: f"other-{value}" for key, value in KEYS.items()}
    accounts.add(sandbox.store, {"network": "x", "handle": "other", "credentials": other})
    assert Client(f"{sandbox.url}/x", **other).create_tweet(text="Rivers reborn").status_code == 201


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("a" * 280, 201),
        ("a" * 281, 400),
        ("ñ" * 140 + "…" * 70, 201),
        ("…" * 141, 400),
        ("a" * 256 + " https://example.org/" + "b" * 100, 201),
        ("a" * 257 + " https://example.org/" + "b" * 100, 400),
    ],
)
def test_length_is_weighed_as_x_weighs_it(x: Client, text: str, status: int) -> None:
    answer = x.create_tweet(text=text)
    assert answer.status_code == status
    if status == 400:
        assert answer.json() == invalid(
            "Your Tweet text is too long. For more information on how Twitter determines text length see "
            "https://github.com/twitter/twitter-text."
        )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"text": "a", "made_for_super_followers": True},
            "[$.made_for_super_followers] is not defined in the schema and the schema does not allow additional"
            " properties",
        ),
        ({"text": 7}, "[$.text] does not match the schema: 7"),
        ({"text": "a", "media": {"media_ids": []}}, "[$.media.media_ids] must be an array of 1 to 4 items"),
        ({"text": "a", "media": {}}, "[$.media.media_ids] is missing but it is required"),
        ({"text": "a", "reply_settings": "all"}, "[$.reply_settings] does not match the schema: 'all'"),
        ({"text": "a", "poll": {"options": ["b", "c"]}}, "The sandbox does not support: poll"),
        ({}, "Required properties: text or media"),
        ([], "[$] must be an object"),
    ],
)
def test_a_malformed_post_is_refused_in_x_words(sandbox: Sandbox, x: Client, body: Any, message: str) -> None:
    answer = x.request("POST", "/2/tweets", json=body)
    assert (answer.status_code, answer.json()) == (400, invalid(message))
    assert sandbox.json("/x/log.json") == []


def test_a_body_that_is_not_json_is_refused(x: Client) -> None:
    answer = x.request("POST", "/2/tweets", data={"text": "a"})
    message = "Requests with bodies must have content-type of application/json."
    assert (answer.status_code, answer.json()) == (400, invalid(message))


@pytest.mark.parametrize("wrong", sorted(KEYS))
def test_each_of_the_four_keys_must_be_right(sandbox: Sandbox, wrong: str) -> None:
    stranger = Client(f"{sandbox.url}/x", **{**KEYS, wrong: "guessed"})
    answer = stranger.create_tweet(text="Let me in")
    assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)
    assert sandbox.json("/x/log.json") == []


def test_a_bearer_token_and_no_token_are_nobody(sandbox: Sandbox) -> None:
    for headers in ({"Authorization": f"Bearer {KEYS['access_token']}"}, {}):
        answer = requests.get(f"{sandbox.url}/x/2/users/me", headers=headers, timeout=5)
        assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)


def test_a_signature_over_another_address_is_refused(sandbox: Sandbox, x: Client) -> None:
    signed = requests.Request("GET", "https://api.twitter.com/2/users/me", auth=_auth()).prepare()
    answer = requests.get(f"{sandbox.url}/x/2/users/me", headers=signed.headers, timeout=5)
    assert (answer.status_code, answer.headers["X-Sandbox-Reason"]) == (401, "signature")


def test_the_query_is_part_of_the_signature(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/x/2/users/{_id(sandbox)}/tweets"
    signed = requests.Request("GET", url, params={"max_results": "5"}, auth=_auth()).prepare()
    answer = requests.get(f"{url}?max_results=100", headers=signed.headers, timeout=5)
    assert (answer.status_code, answer.headers["X-Sandbox-Reason"]) == (401, "signature")


def test_a_request_is_accepted_once(sandbox: Sandbox) -> None:
    signed = requests.Request("GET", f"{sandbox.url}/x/2/users/me", auth=_auth()).prepare()
    with requests.Session() as session:
        first, second = session.send(signed, timeout=5), session.send(signed, timeout=5)
    assert (first.status_code, second.status_code) == (200, 401)
    assert second.headers["X-Sandbox-Reason"] == "nonce used before"


def test_an_old_timestamp_is_refused(sandbox: Sandbox) -> None:
    auth = _auth(timestamp=str(int(time.time()) - 301))
    answer = requests.get(f"{sandbox.url}/x/2/users/me", auth=auth, timeout=5)
    assert (answer.status_code, answer.headers["X-Sandbox-Reason"]) == (401, "timestamp")


def test_a_picture_is_uploaded_described_and_posted(sandbox: Sandbox, x: Client) -> None:
    answer = upload(x)
    number = answer.json()["data"]["id"]
    assert (answer.status_code, answer.json()) == (
        200,
        {"data": {"id": number, "media_key": f"3_{number}", "size": len(PNG), "expires_after_secs": 86400}},
    )
    described = x.request("POST", "/2/media/metadata", json={"id": number, "metadata": {"alt_text": {"text": "A dam"}}})
    assert (described.status_code, described.json()) == (
        200,
        {"data": {"id": number, "associated_metadata": {"alt_text": {"text": "A dam"}}}},
    )
    x.create_tweet(text="Look", media_ids=[number])
    [post] = sandbox.json("/x/posts.json")
    assert post["media"] == [
        {"id": number, "url": f"/x/media/{number}", "media_type": "image/png", "alt_text": "A dam"}
    ]


def test_a_post_with_a_picture_ends_in_a_link_to_it(sandbox: Sandbox, x: Client) -> None:
    number = upload(x).json()["data"]["id"]
    x.create_tweet(text="Look", media_ids=[number])
    answer = x.get_users_tweets(_id(sandbox), tweet_fields=["entities", "attachments"], user_auth=True)
    [post] = answer.json()["data"]
    [url] = post["entities"]["urls"]
    assert post["text"] == f"Look {url['url']}"
    assert url["expanded_url"] == f"https://x.com/update_news/status/{post['id']}/photo/1"
    assert post["attachments"] == {"media_keys": [f"3_{number}"]}


def test_a_picture_may_come_as_base64(x: Client) -> None:
    body = {"media": base64.b64encode(PNG).decode(), "media_category": "tweet_image"}
    answer = x.request("POST", "/2/media/upload", json=body)
    assert (answer.status_code, answer.json()["data"]["size"]) == (200, len(PNG))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<svg onload='alert(1)'/>", "media type unrecognized."),
        (PNG + bytes(5 * 2**20), "File size exceeds 5242880 bytes."),
    ],
)
def test_what_is_no_picture_or_too_large_is_refused(x: Client, content: bytes, message: str) -> None:
    answer = upload(x, content)
    assert (answer.status_code, answer.json()) == (400, invalid(message))


def test_an_upload_with_an_unknown_field_is_refused(x: Client) -> None:
    answer = upload(x, media_type="image/png")
    assert answer.json() == invalid(
        "[$.media_type] is not defined in the schema and the schema does not allow additional properties"
    )


def test_alt_text_has_a_limit(x: Client) -> None:
    number = upload(x).json()["data"]["id"]
    body = {"id": number, "metadata": {"alt_text": {"text": "a" * 1001}}}
    answer = x.request("POST", "/2/media/metadata", json=body)
    assert answer.json() == invalid("[$.metadata.alt_text.text] is longer than 1000 characters")


def test_pictures_that_are_unknown_foreign_or_too_old_are_refused(sandbox: Sandbox, x: Client) -> None:
    number = upload(x).json()["data"]["id"]
    refusal = invalid("Your media IDs are invalid.", **{"media.media_ids": [f"[{number}]"]})
    for change in ("created_at = '2026-01-01T00:00:00.000Z'", "created_at = '9999', account = 'somebody else'"):
        sandbox.store.run(f"UPDATE x_media SET {change}")
        answer = x.create_tweet(text="Look", media_ids=[number])
        assert (answer.status_code, answer.json()) == (400, refusal)
    assert x.create_tweet(text="Look", media_ids=["7"]).status_code == 400


def test_who_am_i(sandbox: Sandbox, x: Client) -> None:
    assert x.get_me().json() == {"data": {"id": _id(sandbox), "name": "Update", "username": "update_news"}}


def test_the_timeline_is_newest_first_in_pages(sandbox: Sandbox, x: Client) -> None:
    for number in range(7):
        x.create_tweet(text=f"Item {number}")
    first = x.get_users_tweets(_id(sandbox), max_results=5, user_auth=True).json()
    token = first["meta"]["next_token"]
    second = x.get_users_tweets(_id(sandbox), max_results=5, pagination_token=token, user_auth=True).json()
    assert [post["text"] for post in first["data"] + second["data"]] == [f"Item {n}" for n in range(6, -1, -1)]
    assert sorted(first["data"][0]) == ["edit_history_tweet_ids", "id", "text"]
    assert second["meta"] == {
        "result_count": 2,
        "newest_id": second["data"][0]["id"],
        "oldest_id": second["data"][1]["id"],
    }


def test_the_timeline_can_begin_at_a_moment_or_after_a_post(sandbox: Sandbox, x: Client) -> None:
    old, new = (x.create_tweet(text=text).json()["data"]["id"] for text in ("Old", "New"))
    sandbox.store.run("UPDATE x_posts SET created_at = '2027-03-31T09:00:00.000Z' WHERE text = 'Old'")
    sandbox.store.run("UPDATE x_posts SET created_at = '2027-03-31T10:00:00.000Z' WHERE text = 'New'")
    fields = {"tweet_fields": ["created_at"], "user_auth": True}
    since = x.get_users_tweets(_id(sandbox), start_time="2027-03-31T09:30:00Z", **fields).json()
    # Both stand in the future of this test's clock, so nothing is visible before that moment comes.
    assert since == {"meta": {"result_count": 0}}
    sandbox.store.run("UPDATE x_posts SET created_at = replace(created_at, '2027', '2025')")
    since = x.get_users_tweets(_id(sandbox), start_time="2025-03-31T09:30:00Z", **fields).json()
    assert [(post["text"], post["created_at"]) for post in since["data"]] == [("New", "2025-03-31T10:00:00.000Z")]
    after = x.get_users_tweets(_id(sandbox), since_id=old, **fields).json()
    assert [post["id"] for post in after["data"]] == [new]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("max_results", "4", "The `max_results` query parameter value [4] is not between 5 and 100"),
        ("start_time", "today", "The `start_time` query parameter value [today] is not a valid date-time (RFC3339)"),
        ("since_id", "x", "The `since_id` query parameter value [x] does not match ^[0-9]{1,19}$"),
    ],
)
def test_a_wrong_query_is_refused(sandbox: Sandbox, x: Client, name: str, value: str, message: str) -> None:
    answer = x.request("GET", f"/2/users/{_id(sandbox)}/tweets", params={name: value})
    assert (answer.status_code, answer.json()) == (400, invalid(message, **{name: [value]}))


def test_an_unknown_user_is_a_problem_with_status_200(x: Client) -> None:
    answer = x.get_users_tweets("7", user_auth=True)
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "errors": [
                {
                    "value": "7",
                    "detail": "Could not find user with id: [7].",
                    "title": "Not Found Error",
                    "resource_type": "user",
                    "parameter": "id",
                    "resource_id": "7",
                    "type": "https://api.x.com/2/problems/resource-not-found",
                }
            ]
        },
    )


def test_a_deleted_post_leaves_the_timeline_and_stays_in_the_log(sandbox: Sandbox, x: Client) -> None:
    number = x.create_tweet(text="A mistake").json()["data"]["id"]
    x.create_tweet(text="Still true")
    assert x.delete_tweet(number).json() == {"data": {"deleted": True}}
    timeline = x.get_users_tweets(_id(sandbox), user_auth=True).json()
    assert [post["text"] for post in timeline["data"]] == ["Still true"]
    assert [(line["what"], line["id"] == number) for line in sandbox.json("/x/log.json")] == [
        ("post", True),
        ("post", False),
        ("delete", True),
    ]
    assert x.delete_tweet(number).status_code == 404


def _id(sandbox: Sandbox) -> str:
    return accounts.x_id("update_news")


def _auth(**options: Any) -> OAuth1:
    return OAuth1(
        KEYS["consumer_key"], KEYS["consumer_secret"], KEYS["access_token"], KEYS["access_token_secret"], **options
    )
