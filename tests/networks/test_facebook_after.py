"""How much rest Facebook wants after a post, how one is taken off a page and counted."""

import json

import pytest

from publisher.networks.base import Figures, Outgoing, Refused, TryLater, Unknown
from publisher.networks.facebook import Facebook
from tests.networks.conftest import FACEBOOK_KEYS, Script, reply

CREATED = {"id": "1001_9"}
PAGE = reply(200, {"id": "1001"})
GONE = reply(400, {"error": {"code": 100, "error_subcode": 33, "message": "Object does not exist"}})
REVOKED = reply(401, {"error": {"code": 190, "error_subcode": 467, "message": "logged out"}})


def used(share: int, **more: int) -> dict[str, int]:
    return {"call_count": share, "total_time": 3, "total_cputime": 0, **more}


def by_case(*entries: dict[str, int]) -> str:
    return json.dumps({"1001": [{"type": "pages", **entry} for entry in entries]})


@pytest.mark.parametrize(
    ("headers", "rest"),
    [
        ({}, 0),
        ({"X_App_Usage": json.dumps(used(40))}, 0),
        ({"X_App_Usage": json.dumps(used(95))}, 900),
        ({"X_Page_Usage": json.dumps(used(0, total_cputime=91))}, 900),
        ({"X_Business_Use_Case_Usage": by_case(used(30), used(92, estimated_time_to_regain_access=0))}, 900),
        ({"X_Business_Use_Case_Usage": by_case(used(100, estimated_time_to_regain_access=40))}, 2400),
        ({"X_Business_Use_Case_Usage": "{", "X_App_Usage": "[]"}, 0),
        ({"X_Business_Use_Case_Usage": '{"1001": 7}', "X_App_Usage": '{"call_count": "many"}'}, 0),
    ],
)
def test_a_page_rests_before_its_limit_is_used_up(script: Script, facebook: Facebook, headers, rest):
    script.play(reply(200, CREATED, **headers))

    assert facebook.publish(Outgoing("Words", None)).rest == rest


def test_a_post_is_taken_off(script: Script, facebook: Facebook):
    script.play(reply(200, {"success": True}))

    facebook.remove("1001_9")

    assert [(asked.method, asked.path) for asked in script.asked] == [("DELETE", "/v24.0/1001_9")]
    assert "appsecret_proof=" in script.asked[0].target


def test_what_is_gone_from_a_page_that_the_token_sees_needs_nothing(script: Script, facebook: Facebook):
    script.play(GONE, PAGE)

    facebook.remove("1001_9")

    assert [asked.path for asked in script.asked] == ["/v24.0/1001_9", "/v24.0/1001"]


@pytest.mark.parametrize(
    ("answers", "failure"),
    [
        # The token sees nothing any more: neither the post nor its page.
        ((GONE, GONE), Refused),
        ((GONE, REVOKED), Refused),
        ((REVOKED,), Refused),
        ((reply(200, {"success": False}),), Unknown),
        ((reply(200, {}),), Unknown),
        ((reply(500, {"error": {"code": 2, "message": "…"}}),), Unknown),
        ((reply(400, {"error": {"code": 32, "message": "…"}}),), TryLater),
        (("never answer",), Unknown),
    ],
)
def test_a_post_that_is_not_surely_gone_is_not_said_to_be(script: Script, facebook: Facebook, answers, failure):
    script.play(*answers)

    with pytest.raises(failure):
        facebook.remove("1001_9")


@pytest.mark.parametrize("name", ["", "me", "1001_9/likes", "1001_9?method=delete", "at://did/1"])
def test_what_is_no_id_of_a_post_is_not_asked_for(script: Script, facebook: Facebook, name):
    for ask in (facebook.remove, lambda name: facebook.figures([name])):
        with pytest.raises(Refused, match="no id"):
            ask(name)

    assert script.asked == []


def counts(likes: int, comments: int, **more: object) -> bytes:
    summaries = {
        name: {"data": [], "summary": {"total_count": n}} for name, n in (("likes", likes), ("comments", comments))
    }
    return reply(200, {"id": "1001_9", **summaries, **more})


def seen(*values: object, period: str = "lifetime") -> bytes:
    told = [{"name": "post_media_view", "period": period, "values": [{"value": value} for value in values]}]
    return reply(200, {"data": told})


NO_INSIGHTS = reply(400, {"error": {"code": 200, "message": "(#200) needs read_insights"}})


@pytest.mark.parametrize(
    ("answers", "figures"),
    [
        ((counts(3, 2, shares={"count": 1}), seen(66)), Figures(likes=3, reposts=1, comments=2, views=66)),
        ((counts(0, 0), seen(0)), Figures(likes=0, reposts=0, comments=0, views=0)),
        ((reply(200, {"id": "1001_9"}), seen()), Figures(reposts=0)),
        ((counts(0, 0), seen(5, period="day")), Figures(likes=0, reposts=0, comments=0)),
        ((counts(0, 0), reply(200, {"data": [None, {"values": 3}]})), Figures(likes=0, reposts=0, comments=0)),
        ((counts(0, 0), reply(503, "<html>")), Figures(likes=0, reposts=0, comments=0)),
    ],
)
def test_figures_are_those_that_facebook_counts(script: Script, facebook: Facebook, answers, figures):
    script.play(*answers)

    assert facebook.figures(["1001_9"]) == {"1001_9": figures}


def test_a_token_without_insights_is_asked_for_them_once(script: Script, facebook: Facebook):
    """What it may not see hides nothing else."""
    script.play(counts(4, 1).replace(b"1001_9", b"1001_8"), NO_INSIGHTS, counts(3, 2))

    assert [one.likes for one in facebook.figures(["1001_8", "1001_9"]).values()] == [4, 3]
    assert len(script.asked) == 3


def test_a_post_that_is_gone_has_no_figures_and_hides_no_others(script: Script, facebook: Facebook):
    script.play(GONE, PAGE, counts(3, 2), seen(66))

    assert list(facebook.figures(["1001_8", "1001_9"])) == ["1001_9"]


@pytest.mark.parametrize(
    ("answers", "failure"),
    [
        ((reply(400, {"error": {"code": 4, "message": "…"}}),), TryLater),
        ((reply(500, {"error": {"code": 2, "message": "…"}}),), TryLater),
        ((reply(503, "<html>"),), TryLater),
        (("never answer",), TryLater),
        ((REVOKED,), Refused),
        ((GONE, GONE), Refused),
    ],
)
def test_figures_that_cannot_be_read_are_asked_for_later(script: Script, facebook: Facebook, answers, failure):
    script.play(*answers)

    with pytest.raises(failure) as caught:
        facebook.figures(["1001_9"])

    assert FACEBOOK_KEYS["page_token"] not in caught.value.reason
