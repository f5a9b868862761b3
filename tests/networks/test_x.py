"""What we send to X, what its answers mean, and how a post is looked for."""

import json
import os
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import jsonschema
import pytest
from oauthlib.oauth1.rfc5849 import signature
from oauthlib.oauth1.rfc5849.utils import parse_authorization_header

from publisher.networks import connect
from publisher.networks.base import (
    Account,
    CannotLook,
    Outgoing,
    Picture,
    Published,
    Refused,
    TryLater,
    Unknown,
)
from publisher.networks.x import X
from tests.networks.conftest import X_KEYS, Asked, Script, reply

LINK = "https://example.org/water"
POST = Outgoing(f"Clean water at last\n\n{LINK}", LINK)
PICTURE = Picture(b"\x89PNG\r\n\x1a\n...", "image/png", "Children at a well")
CREATED = reply(201, {"data": {"id": "1234567890123456789", "text": "…"}}, Date="Sun, 22 Nov 2026 10:00:00 GMT")
UPLOADED = reply(200, {"data": {"id": "77", "media_key": "3_77"}})
DESCRIBED = reply(200, {"data": {"id": "77"}})
ME = reply(200, {"data": {"id": "42", "username": "psg", "name": "Peru Support Group"}})

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def problem(status: int, detail: str, **more: object) -> bytes:
    return reply(status, {"title": "Forbidden", "type": "about:blank", "status": status, "detail": detail, **more})


def limited(status: int = 429, body: object = None, **headers: str) -> bytes:
    return reply(status, body or {"title": "Too Many Requests"}, Date=format_datetime(NOW, usegmt=True), **headers)


def reset(seconds: int) -> str:
    return str(int(NOW.timestamp()) + seconds)


def signed_by(asked: Asked, address: str, consumer_secret: str, token_secret: str) -> bool:
    """Whether the Authorization header is right for this request, by oauthlib's own verification."""
    authorization = asked.headers["Authorization"]
    given = dict(parse_authorization_header(authorization))
    params = signature.collect_parameters(
        uri_query=asked.target.partition("?")[2], headers={"Authorization": authorization}
    )
    request = SimpleNamespace(
        uri=address + asked.target,
        http_method=asked.method,
        params=params,
        signature=unquote(given["oauth_signature"]),
    )
    return bool(signature.verify_hmac_sha1(request, consumer_secret, token_secret))


@pytest.fixture
def create_request() -> dict[str, object]:
    """The JSON schema of POST /2/tweets, from X's own description."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "reference" / "x-openapi.json"
    path = Path(os.environ.get("PUBLISHER_X_OPENAPI") or beside)
    if not path.exists():
        pytest.skip("X's OpenAPI description is not here: set PUBLISHER_X_OPENAPI to its file")
    components = json.loads(path.read_text())["components"]
    return {"$ref": "#/components/schemas/CreatePostsRequest", "components": components}


def test_a_post_is_published_with_its_id_and_address(script: Script, x: X):
    script.play(CREATED)

    published = x.publish(POST)

    assert published == Published("1234567890123456789", f"{script.address}/@psg#1234567890123456789", NOW)
    assert [(asked.method, asked.path, asked.json) for asked in script.asked] == [
        ("POST", "/2/tweets", {"text": POST.text})
    ]


def test_the_real_x_shows_posts_at_x_com():
    adapter = connect("x", credentials=X_KEYS, address="https://api.x.com", account="@psg")

    assert adapter._url("12") == "https://x.com/psg/status/12"


def test_the_signature_covers_the_address_that_is_called(script: Script):
    script.play(CREATED)
    connect("x", credentials=X_KEYS, address=f"{script.address}/x/", account="psg").publish(POST)

    (asked,) = script.asked
    keys = (X_KEYS["consumer_secret"], X_KEYS["access_token_secret"])
    assert asked.path == "/x/2/tweets"
    assert signed_by(asked, script.address, *keys)
    assert not signed_by(asked, "https://api.twitter.com", *keys)
    assert not signed_by(asked, script.address, keys[0], "another secret")


def test_a_picture_is_uploaded_and_described_before_it_is_posted(script: Script, x: X):
    script.play(UPLOADED, DESCRIBED, CREATED)

    x.publish(Outgoing(POST.text, POST.link, PICTURE))

    upload, describe, create = script.asked
    assert [asked.path for asked in script.asked] == ["/2/media/upload", "/2/media/metadata", "/2/tweets"]
    assert upload.headers.get_content_type() == "multipart/form-data"
    assert PICTURE.content in upload.body
    assert b'name="media_category"\r\n\r\ntweet_image\r\n' in upload.body
    assert describe.json == {"id": "77", "metadata": {"alt_text": {"text": "Children at a well"}}}
    assert create.json == {"text": POST.text, "media": {"media_ids": ["77"]}}
    keys = (X_KEYS["consumer_secret"], X_KEYS["access_token_secret"])
    assert [signed_by(asked, script.address, *keys) for asked in script.asked] == [True] * 3


def test_every_body_is_one_that_x_describes(script: Script, x: X, create_request):
    script.play(CREATED)
    x.publish(POST)
    script.play(UPLOADED, DESCRIBED, CREATED)
    x.publish(Outgoing(POST.text, None, PICTURE))

    bodies = [asked.json for asked in script.asked if asked.path == "/2/tweets"]
    assert len(bodies) == 2
    for body in bodies:
        jsonschema.validate(body, create_request)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"text": "", "made_for_super_followers": True}, create_request)


@pytest.mark.parametrize("act", ["never answer", "close after reading", reply(503, "<html>")])
@pytest.mark.parametrize("before", [[], [UPLOADED]])
def test_a_picture_that_fails_has_posted_nothing(script: Script, x: X, before, act):
    script.play(*before, act)

    with pytest.raises(TryLater) as caught:
        x.publish(Outgoing(POST.text, POST.link, PICTURE))

    assert caught.value.kind == "server"
    assert len(script.asked) == len(before) + 1


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (Picture(b"..", "image/tiff", "a"), "type image/tiff"),
        (Picture(b"." * (5 * 2**20 + 1), "image/png", "a"), "at most 5 MB"),
        (Picture(b"..", "image/png", "a" * 1001), "at most 1000 characters"),
    ],
)
def test_a_picture_that_x_would_refuse_is_not_sent(script: Script, x: X, picture, says):
    with pytest.raises(Refused, match=says):
        x.publish(Outgoing(POST.text, POST.link, picture))

    assert script.asked == []


def test_a_text_that_is_too_long_is_not_sent(script: Script, x: X):
    with pytest.raises(Refused, match="measures 281") as caught:
        x.publish(Outgoing("a" * 281, None))

    assert (caught.value.kind, script.asked) == ("text", [])


@pytest.mark.parametrize("missing", sorted(X_KEYS))
def test_missing_keys_are_named(missing):
    with pytest.raises(Refused, match=missing) as caught:
        connect("x", credentials=X_KEYS | {missing: ""}, address="https://api.x.com", account="psg")

    assert caught.value.kind == "credentials"


PROBLEMS = "https://api.x.com/2/problems/"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem(400, "One or more parameters to your request was invalid."), "other"),
        (problem(400, "…", errors=[{"message": "Your Tweet text is too long."}]), "text"),
        (reply(401, {"title": "Unauthorized", "type": "about:blank", "status": 401}), "credentials"),
        (reply(401, "<html>"), "credentials"),
        (reply(402, {"title": "CreditsDepleted", "type": PROBLEMS + "credits"}), "money"),
        (reply(402), "money"),
        (problem(403, "You are not allowed to create a Tweet with duplicate content."), "duplicate"),
        (reply(403, {"errors": [{"code": 187, "message": "Status is a duplicate."}]}), "duplicate"),
        (reply(403, {"errors": [{"code": 186, "message": "Tweet needs to be a bit shorter."}]}), "text"),
        (problem(403, "You are not permitted to perform this action."), "permission"),
        (problem(403, "Your account is suspended and is not permitted to access this."), "credentials"),
        (problem(403, "…this account has been temporarily locked."), "credentials"),
        (problem(403, "…", type=PROBLEMS + "client-forbidden"), "permission"),
        (problem(403, "…", type=PROBLEMS + "oauth1-permissions"), "permission"),
        (problem(403, "You are not allowed to see blocked duplicates."), "permission"),
        (problem(404, "Not Found"), "other"),
        (problem(413, "Payload Too Large"), "other"),
        (reply(422, [1, 2]), "other"),
    ],
)
def test_a_refusal_is_told_apart(script: Script, x: X, answer, kind):
    script.play(answer)

    with pytest.raises(Refused) as caught:
        x.publish(POST)

    assert (caught.value.kind, len(script.asked)) == (kind, 1)
    assert caught.value.code == int(answer[9:12])


def test_a_refusal_quotes_what_x_says(script: Script, x: X):
    script.play(problem(403, "You are not allowed to create a Tweet with duplicate content."))

    with pytest.raises(Refused) as caught:
        x.publish(POST)

    assert str(caught.value) == (
        "X already has a post with this text. It says: “You are not allowed to create a Tweet with duplicate content.”"
    )


@pytest.mark.parametrize(
    ("answer", "kind", "after"),
    [
        (limited(x_rate_limit_reset=reset(120)), "rate", 121),
        (limited(x_rate_limit_remaining="0", x_rate_limit_reset=reset(120)), "rate", 121),
        (limited(body={"errors": [{"code": 88}]}, x_rate_limit_reset=reset(5)), "rate", 6),
        (
            limited(
                x_rate_limit_remaining="57",
                x_rate_limit_reset=reset(120),
                x_user_limit_24hour_remaining="0",
                x_user_limit_24hour_reset=reset(40_000),
            ),
            "rate",
            40_001,
        ),
        (limited(), "rate", 900),
        (limited(x_rate_limit_reset="soon"), "rate", 900),
        (limited(x_rate_limit_reset=reset(-60)), "rate", 900),
        (limited(403, {"errors": [{"code": 185, "message": "over daily limit"}]}), "rate", 900),
        (limited(body={"type": PROBLEMS + "usage-capped"}), "money", 86_400),
        (limited(body={"type": PROBLEMS + "usage-capped"}, x_rate_limit_reset=reset(200_000)), "money", 200_001),
    ],
)
def test_a_limit_says_when_it_ends_by_x_s_own_clock(script: Script, x: X, answer, kind, after):
    script.play(answer)

    with pytest.raises(TryLater) as caught:
        x.publish(POST)

    assert (caught.value.kind, caught.value.after, len(script.asked)) == (kind, after, 1)


def test_success_with_errors_beside_it_is_success(script: Script, x: X):
    script.play(reply(201, {"data": {"id": "12"}, "errors": [{"title": "Not Found Error"}]}))

    assert x.publish(POST).remote_id == "12"


def standing(number: str, text: str, at: str = "2026-11-22T10:00:05.000Z", **entities: object) -> dict[str, object]:
    return {"id": number, "text": text, "created_at": at, "entities": entities}


def page(*posts: dict[str, object], then: str | None = None) -> bytes:
    meta = {"result_count": len(posts)} | ({"next_token": then} if then else {})
    return reply(200, {"data": list(posts), "meta": meta} if posts else {"meta": meta})


WRAPPED = {"url": "https://t.co/abc", "expanded_url": "https://Example.org/water/"}
PHOTO = {"url": "https://t.co/pic", "expanded_url": "https://x.com/psg/status/9/photo/1", "media_key": "3_77"}
AMONG_OTHERS = [
    standing("10", "Something else https://t.co/abc", urls=[WRAPPED]),
    standing("9", "Clean water at last\n\nhttps://t.co/abc https://t.co/pic", urls=[WRAPPED, PHOTO]),
]


def test_a_post_is_found_by_its_expanded_link_and_text(script: Script, x: X):
    script.play(ME, page(*AMONG_OTHERS))

    found = x.find(POST, since=NOW)

    assert found == Published("9", f"{script.address}/@psg#9", NOW + timedelta(seconds=5))
    assert [asked.path for asked in script.asked] == ["/2/users/me", "/2/users/42/tweets"]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("Bread & roses <3", "Bread &amp; roses &lt;3"),
        ("Café", "Cafe\u0301"),
        ("One\n\n\nTwo ", "One\n\nTwo"),
        ("See report.md", "See https://t.co/abc"),
    ],
)
def test_a_post_is_found_as_x_shows_it(script: Script, x: X, sent, shown):
    urls = [{"url": "https://t.co/abc", "expanded_url": "http://report.md"}]
    script.play(ME, page(standing("9", shown, urls=urls)))

    found = x.find(Outgoing(sent, None), since=NOW)

    assert found is not None
    assert found.remote_id == "9"


def test_an_older_post_is_not_found(script: Script, x: X):
    script.play(ME, page(standing("9", POST.text, "2026-11-22T09:59:58.000Z")))

    assert x.find(POST, since=NOW) is None


def test_a_post_that_is_another_of_ours_is_not_found(script: Script, x: X):
    script.play(ME, page(*AMONG_OTHERS))

    assert x.find(POST, since=NOW, known={"9"}) is None


def test_the_same_text_with_another_link_is_not_found(script: Script, x: X):
    script.play(ME, page(standing("9", POST.text + "/2")))

    assert x.find(POST, since=NOW) is None


def test_almost_the_same_post_is_for_a_person_to_judge(script: Script, x: X):
    script.play(ME, page(standing("9", f"Clean water at last!\n\n{LINK}")))

    with pytest.raises(CannotLook, match="almost the same"):
        x.find(POST, since=NOW)


def test_an_empty_timeline_has_no_post(script: Script, x: X):
    script.play(ME, page())

    assert x.find(POST, since=NOW) is None


def test_a_clock_of_ours_that_runs_ahead_hides_no_post(script: Script, x: X):
    theirs = datetime.now(UTC) - timedelta(hours=1)
    me = {"data": {"id": "42", "username": "psg"}}
    shown = standing("9", POST.text, theirs.isoformat())
    script.play(reply(200, me, Date=format_datetime(theirs, usegmt=True)), page(shown))

    assert x.find(POST, since=theirs + timedelta(minutes=59)) is not None


def test_all_pages_are_read_down_to_an_older_one(script: Script, x: X):
    other, old = standing("11", "Another"), standing("3", "Old", "2026-11-20T10:00:00.000Z")
    script.play(ME, page(other, then="p2"), page(other, old, then="p3"), page(old, then="p4"), page(*AMONG_OTHERS))

    assert x.find(POST, since=NOW) is None
    assert [asked.target.rpartition("pagination_token=")[2] for asked in script.asked[2:]] == ["p2", "p3"]


def test_a_timeline_without_end_is_not_evidence(script: Script, x: X):
    script.play(ME, page(standing("11", "Another"), then="more"))

    with pytest.raises(CannotLook, match="more posts"):
        x.find(POST, since=NOW)


@pytest.mark.parametrize("answer", [reply(200, {"errors": []}), reply(200, {"data": [{}], "meta": {}})])
def test_a_timeline_that_makes_no_sense_is_not_evidence(script: Script, x: X, answer):
    script.play(ME, answer)

    with pytest.raises(CannotLook, match="cannot be read"):
        x.find(POST, since=NOW)


def test_what_a_time_out_left_unknown_is_found(script: Script, x: X):
    script.play("never answer")
    with pytest.raises(Unknown):
        x.publish(POST)

    script.play(ME, page(*AMONG_OTHERS))
    found = x.find(POST, since=NOW)

    assert found is not None
    assert found.remote_id == "9"


def test_a_check_names_the_account(script: Script, x: X):
    script.play(ME)

    assert x.check() == Account("@psg (Peru Support Group)", f"{script.address}/@psg")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (reply(401, {}), "connect the account again"),
        (reply(402, {}), "no credits left"),
        (reply(200, {"data": {"id": "7", "username": "other"}}), "the keys of @other, not of @psg"),
        (reply(200, {"data": {"id": "42", "username": "PSG"}}, x_access_level="read"), "may only read"),
    ],
)
def test_a_check_says_what_is_wrong(script: Script, x: X, answer, says):
    script.play(answer)

    assert says in str(x.check().problem)
