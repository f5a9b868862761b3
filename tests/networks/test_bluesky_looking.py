"""How a post is known again on Bluesky, counted and removed, and what a check says."""

from datetime import timedelta

import pytest

from publisher.networks.base import Account, CannotLook, Figures, Published, Refused, TryLater, Unknown
from publisher.networks.bluesky import Bluesky
from tests.networks.bluesky_answers import (
    ABSENT,
    CID,
    DID,
    HANDLE,
    HERE,
    KEY,
    LINK,
    ME,
    NOW,
    POST,
    asked,
    error,
    page,
    record,
    there,
)
from tests.networks.conftest import Script, reply


def test_a_post_is_found_under_its_key(script: Script, bluesky: Bluesky):
    script.play(there(record()))

    found = bluesky.find(POST, since=NOW + timedelta(days=1))

    assert found == Published(HERE, f"https://bsky.app/profile/{HANDLE}/post/{KEY}", NOW + timedelta(seconds=5))
    assert asked(script) == ["getRecord"]


def test_a_post_made_by_hand_meanwhile_is_found_by_its_link_and_text(script: Script, bluesky: Bluesky):
    script.play(ABSENT, ME, page(("3l6c", record("Something else")), ("3l6b", record())))

    found = bluesky.find(POST, since=NOW)

    assert found is not None
    assert found.remote_id == f"at://{DID}/app.bsky.feed.post/3l6b"
    assert asked(script) == ["getRecord", "getSession", "listRecords"]


@pytest.mark.parametrize(
    "standing",
    [
        record(at="2026-11-22T09:59:58.000Z"),
        record(f"Clean water at last\n\n{LINK}/2", link=f"{LINK}/2"),
        record("Something else altogether\n\n" + LINK),
    ],
)
def test_an_older_post_another_link_or_another_text_is_not_ours(script: Script, bluesky: Bluesky, standing):
    script.play(ABSENT, ME, page(("3l6b", standing)))

    assert bluesky.find(POST, since=NOW) is None


def test_another_of_ours_is_not_found(script: Script, bluesky: Bluesky):
    script.play(ABSENT, ME, page(("3l6b", record())))

    assert bluesky.find(POST, since=NOW, known={f"at://{DID}/app.bsky.feed.post/3l6b"}) is None


def test_almost_the_same_is_for_a_person(script: Script, bluesky: Bluesky):
    script.play(ABSENT, ME, page(("3l6b", record(f"Clean water at last!\n\n{LINK}"))))

    with pytest.raises(CannotLook, match=r"almost the same stands at https://bsky\.app/"):
        bluesky.find(POST, since=NOW)


def test_further_pages_are_read_until_one_is_older_throughout(script: Script, bluesky: Bluesky):
    old = ("3l6a", record("Old", at="2026-11-21T10:00:00.000Z"))
    script.play(ABSENT, ME, page(("3l6d", record("New")), then="3l6d"), page(old, then="3l6a"))

    assert bluesky.find(POST, since=NOW) is None
    assert [one.target.partition("?")[2] for one in script.asked][2:] == [
        f"repo={DID.replace(':', '%3A')}&collection=app.bsky.feed.post&limit=100{more}" for more in ("", "&cursor=3l6d")
    ]


@pytest.mark.parametrize(
    "answers",
    [
        [error(500, "InternalServerError")],
        [there(record(), uri=HERE[:-1])],
        [there("text")],
        [ABSENT, ME, reply(200, {"records": [{}]})],
        [ABSENT, ME, reply(200, {"records": [{"uri": HERE, "value": {"text": "a", "createdAt": "soon"}}]})],
        [ABSENT, ME, reply(200, {})],
    ],
)
def test_what_cannot_be_read_is_no_evidence(script: Script, bluesky: Bluesky, answers):
    script.play(*answers)

    with pytest.raises(CannotLook):
        bluesky.find(POST, since=NOW)


def test_what_a_time_out_left_unknown_is_found(script: Script, bluesky: Bluesky):
    script.play("never answer")
    with pytest.raises(Unknown):
        bluesky.publish(POST)

    script.play(there(record()))
    found = bluesky.find(POST, since=NOW)

    assert found is not None
    assert found.remote_id == HERE


# ---- Afterwards


@pytest.mark.parametrize("answer", [reply(200, {"commit": {"cid": CID, "rev": "3l6b"}}), reply(200, {})])
def test_a_post_is_removed_and_what_is_gone_is_removed_too(script: Script, bluesky: Bluesky, answer):
    script.play(answer)

    bluesky.remove(HERE)

    assert script.asked[0].json == {"repo": DID, "collection": "app.bsky.feed.post", "rkey": KEY}


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (error(429, "RateLimitExceeded"), TryLater),
        (error(401, "AuthenticationRequired"), Refused),
        (error(500, "InternalServerError"), Unknown),
        (reply(200, "<html>"), Unknown),
        ("never answer", Unknown),
    ],
)
def test_a_removal_that_fails_is_said(script: Script, bluesky: Bluesky, answer, failure):
    script.play(answer)

    with pytest.raises(failure):
        bluesky.remove(HERE)


def test_figures_are_asked_for_25_posts_at_once(script: Script, bluesky: Bluesky):
    uris = [f"at://{DID}/app.bsky.feed.post/3l6{number:02}" for number in range(26)]
    counts = {"likeCount": 7, "repostCount": 2, "quoteCount": 1, "replyCount": 0}
    script.play(reply(200, {"posts": [{"uri": uris[0], **counts}, {"uri": uris[1]}]}), reply(200, {"posts": []}))

    assert bluesky.figures(uris) == {uris[0]: Figures(likes=7, reposts=3, comments=0), uris[1]: Figures()}
    assert [one.target.count("uris=") for one in script.asked] == [25, 1]


@pytest.mark.parametrize("answer", ["never answer", reply(500, "<html>"), reply(200, []), error(429, "X")])
def test_figures_that_cannot_be_had_are_asked_for_later(script: Script, bluesky: Bluesky, answer):
    script.play(answer)

    with pytest.raises(TryLater):
        bluesky.figures([HERE])


def test_a_check_names_the_account(script: Script, bluesky: Bluesky):
    script.play(ME, reply(200, {"did": DID, "handle": HANDLE, "displayName": "Peru Support Group"}))

    assert bluesky.check() == Account(f"@{HANDLE} (Peru Support Group)", f"https://bsky.app/profile/{HANDLE}")


@pytest.mark.parametrize(
    ("answer", "says", "refused"),
    [
        (error(401, "AccountTakedown"), "taken the account down", True),
        (reply(503, "<html>"), "503", False),
        (reply(200, {"did": DID, "handle": "other.bsky.social"}), "of @other.bsky.social, not of @psg", False),
        (reply(200, {"did": DID, "handle": HANDLE, "active": False, "status": "deactivated"}), "is deactivated", True),
        (reply(200, {"did": DID}), "did not say", False),
    ],
)
def test_a_check_says_what_is_wrong(script: Script, bluesky: Bluesky, answer, says, refused):
    script.play(answer)

    account = bluesky.check()

    assert says in str(account.problem)
    assert account.refused == refused
