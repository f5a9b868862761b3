"""What a post on X costs, how much rest X wants after it, how it is taken off and counted."""

import time

import pytest

from publisher.networks import connect
from publisher.networks.base import Figures, Outgoing, Refused, TryLater, Unknown
from publisher.networks.x import X
from tests.networks.conftest import Script, reply

CREATED = {"data": {"id": "12", "text": "…"}}
GONE = {"title": "Not Found Error", "type": "https://api.x.com/2/problems/resource-not-found"}


@pytest.mark.parametrize(
    ("text", "tariff"),
    [
        ("Clean water at last", "post"),
        ("Clean water at last.\n\nhttps://example.org/water", "post with link"),
        ("It stands in report.md", "post with link"),
        ("Ask gob.pe", "post with link"),
        ("https://a.kids", "post with link"),
        ("“Sí,” said Dr. Flores. Then he left.", "post"),
        ("At 9.30 for 1.5 hours", "post"),
        ("Write to office@example.org", "post"),
        ("HTTPS://EXAMPLE.ORG", "post with link"),
    ],
)
def test_a_post_is_dear_where_x_finds_an_address(text, tariff):
    assert X.tariff(Outgoing(text, None)) == tariff


def test_a_post_by_consent_carries_its_token_and_no_signature(script: Script):
    script.play(reply(201, CREATED))

    connect("x", credentials={"oauth2_token": "of-a-consent"}, address=script.address, account="psg").publish(
        Outgoing("Words", None)
    )

    assert [asked.headers["Authorization"] for asked in script.asked] == ["Bearer of-a-consent"]


def in_seconds(seconds: int) -> str:
    return str(int(time.time()) + seconds)


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({}, 0, 0),
        ({"x_rate_limit_remaining": "3", "x_rate_limit_reset": in_seconds(500)}, 0, 0),
        ({"x_rate_limit_remaining": "0", "x_rate_limit_reset": in_seconds(500)}, 400, 501),
        ({"x_rate_limit_remaining": "0", "x_rate_limit_reset": in_seconds(-500)}, 0, 0),
        ({"x_rate_limit_remaining": "0"}, 0, 0),
        ({"x_app_limit_24hour_remaining": "0", "x_app_limit_24hour_reset": in_seconds(9000)}, 8900, 9001),
    ],
)
def test_the_last_post_that_a_limit_allows_says_how_long_to_rest(script: Script, x: X, headers, least, most):
    script.play(reply(201, CREATED, **headers))

    assert least <= x.publish(Outgoing("Words", None)).rest <= most


@pytest.mark.parametrize("answer", [reply(200, {"data": {"deleted": True}}), reply(404, GONE)])
def test_a_post_is_taken_off_and_one_that_is_gone_needs_nothing(script: Script, x: X, answer):
    script.play(answer)

    x.remove("12")

    assert [(asked.method, asked.target) for asked in script.asked] == [("DELETE", "/2/tweets/12")]


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (reply(200, {"data": {"deleted": False}}), Unknown),
        (reply(200, {}), Unknown),
        (reply(404, "<html>"), Refused),
        (reply(403, {"detail": "You are not permitted to perform this action."}), Refused),
        (reply(401, {}), Refused),
        (reply(429, {}), TryLater),
        (reply(503, "<html>"), Unknown),
        ("never answer", Unknown),
    ],
)
def test_a_post_that_is_not_surely_gone_is_not_said_to_be(script: Script, x: X, answer, failure):
    script.play(answer)

    with pytest.raises(failure):
        x.remove("12")


METRICS = {"like_count": 3, "repost_count": 2, "quote_count": 1, "reply_count": 4, "impression_count": 500}


def test_figures_are_those_that_x_counts_and_what_is_gone_is_left_out(script: Script, x: X):
    found = [{"id": "12", "text": "…", "public_metrics": METRICS}, {"id": "13", "text": "…"}, {"id": "99", "text": "…"}]
    script.play(reply(200, {"data": found, "errors": [GONE]}))

    assert x.figures(["12", "13", "14"]) == {
        "12": Figures(likes=3, reposts=3, comments=4, views=500),
        "13": Figures(),
    }
    assert "ids=12%2C13%2C14" in script.asked[0].target


def test_a_repost_has_had_two_names(script: Script, x: X):
    script.play(reply(200, {"data": [{"id": "12", "text": "…", "public_metrics": {"retweet_count": 2}}]}))

    assert x.figures(["12"]) == {"12": Figures(reposts=2)}


def test_figures_are_asked_for_by_the_hundred(script: Script, x: X):
    script.play(reply(200, {"errors": [GONE]}))

    assert x.figures([str(number) for number in range(1000, 1250)]) == {}
    assert [asked.target.count("%2C") for asked in script.asked] == [99, 99, 49]


def test_no_figures_are_asked_for_nothing(script: Script, x: X):
    assert x.figures([]) == {}
    assert script.asked == []


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (reply(429, {}), TryLater),
        (reply(503, "<html>"), TryLater),
        (reply(200, []), TryLater),
        ("never answer", TryLater),
        (reply(401, {}), Refused),
        (reply(402, {}), Refused),
    ],
)
def test_figures_that_cannot_be_read_are_asked_for_later(script: Script, x: X, answer, failure):
    script.play(answer)

    with pytest.raises(failure):
        x.figures(["12"])
