"""How a post is looked for on Mastodon, taken off, counted; and what a check says."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs

import pytest

from publisher.networks.base import (
    Account,
    CannotLook,
    Figures,
    Outgoing,
    Published,
    Refused,
    TryLater,
    Unknown,
)
from publisher.networks.mastodon import Mastodon
from tests.networks.conftest import Script, reply
from tests.networks.mastodon_answers import ME, MINE, NOW, POST, SHOWN, asked_for, limited, page, said, status


def test_a_post_is_found_by_its_link_and_text(script: Script, mastodon: Mastodon):
    other = status("11", SHOWN.replace("Clean", "Cold"))
    script.play(MINE, page(other, status("9")))

    found = mastodon.find(POST, since=NOW)

    assert found == Published("9", "https://mastodon.example/@psg/9", NOW + timedelta(seconds=5))
    assert [asked.target for asked in script.asked] == [
        "/api/v1/accounts/verify_credentials?lang=en",
        "/api/v1/accounts/42/statuses?exclude_reblogs=1&limit=40&lang=en",
    ]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("Bread & roses <3", "<p>Bread &amp; roses &lt;3</p>"),
        ("Café", "<p>Cafe\u0301</p>"),
        ("One\nTwo\n\n\nThree ", "<p>One<br />Two</p><p>Three</p>"),
        ("#EITI2016 begins", '<p><a href="https://m.example/tags/eiti2016">#<span>EITI2016</span></a> begins</p>'),
        ("“Sí,” she said.", "<p>&ldquo;S&iacute;,&rdquo; she said.</p>"),
    ],
)
def test_a_post_is_found_as_mastodon_shows_it(script: Script, mastodon: Mastodon, sent, shown):
    script.play(MINE, page(status("9", shown)))

    found = mastodon.find(Outgoing(sent, None), since=NOW)

    assert found is not None
    assert found.remote_id == "9"


def test_an_older_post_is_not_found(script: Script, mastodon: Mastodon):
    script.play(MINE, page(status("9", at="2026-11-22T09:59:58.000Z")))

    assert mastodon.find(POST, since=NOW) is None


def test_a_post_that_is_another_of_ours_is_not_found(script: Script, mastodon: Mastodon):
    script.play(MINE, page(status("9")))

    assert mastodon.find(POST, since=NOW, known={"9"}) is None


def test_the_same_text_with_another_link_is_not_found(script: Script, mastodon: Mastodon):
    script.play(MINE, page(status("9", SHOWN.replace("/water<", "/water/2<"))))

    assert mastodon.find(POST, since=NOW) is None


def test_almost_the_same_post_is_for_a_person_to_judge(script: Script, mastodon: Mastodon):
    script.play(MINE, page(status("9", SHOWN.replace("last", "last!"))))

    with pytest.raises(CannotLook, match="almost the same"):
        mastodon.find(POST, since=NOW)


def test_an_empty_timeline_has_no_post(script: Script, mastodon: Mastodon):
    script.play(MINE, page())

    assert mastodon.find(POST, since=NOW) is None


def test_a_clock_of_ours_that_runs_ahead_hides_no_post(script: Script, mastodon: Mastodon):
    theirs = datetime.now(UTC) - timedelta(hours=1)
    script.play(reply(200, ME, Date=format_datetime(theirs, usegmt=True)), page(status("9", at=theirs.isoformat())))

    assert mastodon.find(POST, since=theirs + timedelta(minutes=59)) is not None


def test_all_pages_are_read_down_to_an_older_one(script: Script, mastodon: Mastodon):
    other = [status(str(number), "<p>Another</p>") for number in (30, 20)]
    old = status("10", "<p>Old</p>", "2026-11-20T10:00:00.000Z")
    script.play(MINE, page(other[0], more=True), page(other[1], more=True), page(old, more=True), page(status("9")))

    assert mastodon.find(POST, since=NOW) is None
    assert [parse_qs(asked.target).get("max_id") for asked in script.asked[2:]] == [["30"], ["20"]]


def test_a_timeline_without_end_is_not_evidence(script: Script, mastodon: Mastodon):
    script.play(MINE, page(status("11", "<p>Another</p>"), more=True))

    with pytest.raises(CannotLook, match="more posts"):
        mastodon.find(POST, since=NOW)


@pytest.mark.parametrize("answer", [{}, {"error": "no"}, [1], [{}], [{"id": "9", "content": None, "created_at": "x"}]])
def test_a_timeline_that_makes_no_sense_is_not_evidence(script: Script, mastodon: Mastodon, answer):
    script.play(MINE, reply(200, answer))

    with pytest.raises(CannotLook, match="cannot be read"):
        mastodon.find(POST, since=NOW)


def test_what_a_time_out_left_unknown_is_found(script: Script, mastodon: Mastodon):
    script.play("never answer")
    with pytest.raises(Unknown):
        mastodon.publish(POST)

    script.play(MINE, page(status("9")))
    found = mastodon.find(POST, since=NOW)

    assert found is not None
    assert found.remote_id == "9"


@pytest.mark.parametrize("answer", [reply(200, status("9", text="Clean water")), said(404, "Record not found")])
def test_a_post_is_taken_off_or_gone_already(script: Script, mastodon: Mastodon, answer):
    script.play(answer)

    mastodon.remove("9")

    assert asked_for(script) == [("DELETE", "/api/v1/statuses/9")]


@pytest.mark.parametrize(
    ("answer", "raises"),
    [
        (said(401, "The access token is invalid"), Refused),
        (reply(404, "<html>"), Refused),
        (limited(), TryLater),
        (reply(503, "<html>"), Unknown),
        (reply(200, "<html>"), Unknown),
        (reply(200, {}), Unknown),
        ("never answer", Unknown),
    ],
)
def test_a_removal_that_failed_is_told(script: Script, mastodon: Mastodon, answer, raises):
    script.play(answer)

    with pytest.raises(raises):
        mastodon.remove("9")


def test_figures_are_asked_for_twenty_at_a_time(script: Script, mastodon: Mastodon):
    counted = status("9", favourites_count=7, reblogs_count=3, replies_count=0)
    script.play(reply(200, [counted, status("1000")]), reply(200, [status("21")]))

    figures = mastodon.figures([str(number) for number in range(1, 22)])

    assert figures == {"9": Figures(likes=7, reposts=3, comments=0), "21": Figures()}
    assert [len(parse_qs(asked.target.partition("?")[2])["id[]"]) for asked in script.asked] == [20, 1]


@pytest.mark.parametrize(
    ("answer", "raises"),
    [
        (said(401, "The access token is invalid"), Refused),
        (said(404, "Record not found"), Refused),
        (limited(), TryLater),
        (reply(503, "<html>"), TryLater),
        (reply(200, {}), TryLater),
        ("never answer", TryLater),
    ],
)
def test_figures_that_cannot_be_had_are_told(script: Script, mastodon: Mastodon, answer, raises):
    script.play(answer)

    with pytest.raises(raises):
        mastodon.figures(["9"])


def instance(most: object) -> bytes:
    return reply(200, {"domain": "m.example", "configuration": {"statuses": {"max_characters": most}}})


def test_a_check_names_the_account(script: Script, mastodon: Mastodon):
    script.play(
        MINE, instance(5000), reply(200, {"name": "Publisher", "scopes": ["read", "write:statuses", "write:media"]})
    )

    assert mastodon.check() == Account("@psg@mastodon.example (Peru Support Group)", "https://m.example/@psg")
    assert asked_for(script) == [
        ("GET", "/api/v1/accounts/verify_credentials"),
        ("GET", "/api/v2/instance/"),
        ("GET", "/api/v1/apps/verify_credentials"),
    ]


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ([said(401, "The access token is invalid")], "connect the account again"),
        ([reply(200, {**ME, "id": None})], "whose token"),
        ([reply(200, {**ME, "username": "other"})], "the token of @other, not of @psg@mastodon.example"),
        ([MINE, instance(300)], "posts of 300 characters, and ours may have 500"),
        ([MINE, reply(503, "<html>")], "503"),
        ([MINE, instance(500), reply(200, {"scopes": ["read", "write:statuses"]})], "lacks write:media"),
        (
            [MINE, instance(500), reply(200, {"scopes": []})],
            "read:accounts, read:statuses, write:media, write:statuses",
        ),
    ],
)
def test_a_check_says_what_is_wrong(script: Script, mastodon: Mastodon, answers, says):
    script.play(*answers)

    account = mastodon.check()

    assert says in str(account.problem)
    assert account.refused == (says == "connect the account again")


@pytest.mark.parametrize(
    "answers",
    [
        [MINE, reply(200, {}), reply(200, {"name": "Publisher"})],
        [MINE, instance("many"), said(403, "This action is outside the authorized scopes")],
        [MINE, instance(500), "close after reading"],
    ],
)
def test_what_a_server_does_not_tell_is_no_problem(script: Script, mastodon: Mastodon, answers):
    script.play(*answers)

    assert mastodon.check().problem is None
