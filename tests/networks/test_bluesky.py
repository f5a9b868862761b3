"""What we send to Bluesky, what its answers mean, and how a session is kept."""

import io
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from PIL import Image

from publisher.networks import connect
from publisher.networks.base import Outgoing, Picture, Published, Refused, TryLater, Unknown
from publisher.networks.bluesky import SESSIONS, Bluesky
from publisher.networks.bluesky_records import facets, record_key
from tests.networks.bluesky_answers import (
    BLOB,
    CID,
    DID,
    HANDLE,
    HERE,
    KEY,
    LINK,
    MADE,
    NOW,
    POST,
    SESSION,
    UPLOADED,
    asked,
    error,
    record,
    there,
)
from tests.networks.conftest import BLUESKY_KEYS, BLUESKY_TOKENS, Script, reply


def png(width: int, height: int) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (width, height)).save(written, "PNG")
    return written.getvalue()


def test_a_post_is_published_with_its_address(script: Script, bluesky: Bluesky):
    script.play(MADE)

    published = bluesky.publish(POST)

    assert published == Published(HERE, f"https://bsky.app/profile/{HANDLE}/post/{KEY}", NOW)
    (put,) = script.asked
    assert (put.method, put.path) == ("POST", "/xrpc/com.atproto.repo.putRecord")
    assert put.headers["Authorization"] == f"Bearer {BLUESKY_TOKENS[0]}"
    body = put.json
    made_at = datetime.fromisoformat(body["record"].pop("createdAt"))
    assert abs(datetime.now(UTC) - made_at) < timedelta(minutes=1)
    assert body == {
        "repo": DID,
        "collection": "app.bsky.feed.post",
        "rkey": KEY,
        "swapRecord": None,
        "record": {
            "$type": "app.bsky.feed.post",
            "text": POST.text,
            "langs": ["en"],
            "facets": [
                {
                    "index": {"byteStart": 21, "byteEnd": 46},
                    "features": [{"$type": "app.bsky.richtext.facet#link", "uri": LINK}],
                }
            ],
            "embed": {
                "$type": "app.bsky.embed.external",
                "external": {"uri": LINK, "title": "Clean water at last", "description": ""},
            },
        },
    }


def test_a_stand_in_shows_posts_beside_its_interface(script: Script):
    adapter = connect("bluesky", credentials=BLUESKY_KEYS, address=f"{script.address}/bluesky/", account=HANDLE)

    assert adapter._url(KEY) == f"{script.address}/bluesky/@{HANDLE}#{KEY}"


def test_a_key_makes_one_record_and_another_key_another():
    keys = [record_key(f"post {number}") for number in range(1000)]

    assert keys == [record_key(f"post {number}") for number in range(1000)]
    assert len(set(keys)) == 1000
    # Valid (the first digit has a bit less), and of no moment at which another program makes one.
    assert all(len(key) == 13 and set(key) <= set("234567abcdefghijklmnopqrstuvwxyz") for key in keys)
    assert max(keys) < "3lyfalvqs2222" < record_key("") < "4"


def test_without_a_key_each_post_is_a_new_one():
    assert len({record_key("") for _ in range(100)}) == 100


def test_a_second_attempt_gives_the_post_of_the_first(script: Script, bluesky: Bluesky):
    script.play(error(400, "InvalidSwap", f"Record was at {CID}"), there(record()))

    published = bluesky.publish(POST)

    assert (published.remote_id, published.at) == (HERE, NOW + timedelta(seconds=5))
    assert asked(script) == ["putRecord", "getRecord"]


def test_a_record_that_is_there_and_cannot_be_read_is_a_duplicate(script: Script, bluesky: Bluesky):
    script.play(error(400, "InvalidSwap"), reply(503, "<html>"))

    with pytest.raises(Refused) as caught:
        bluesky.publish(POST)

    assert caught.value.kind == "duplicate"


def test_a_picture_is_uploaded_and_named_with_its_description_and_shape(script: Script, bluesky: Bluesky):
    script.play(UPLOADED, MADE)
    picture = Picture(png(30, 20), "image/png", "Children at a well")

    bluesky.publish(Outgoing(POST.text, LINK, picture, key=POST.key))

    upload, put = script.asked
    assert (upload.path, upload.headers["Content-Type"]) == ("/xrpc/com.atproto.repo.uploadBlob", "image/png")
    assert upload.body == picture.content
    assert put.json["record"]["embed"] == {
        "$type": "app.bsky.embed.images",
        "images": [{"alt": "Children at a well", "image": BLOB, "aspectRatio": {"width": 30, "height": 20}}],
    }


@pytest.mark.parametrize(
    "act", ["never answer", "close after reading", reply(503, "<html>"), reply(200, {"blob": {}}), reply(200, "<html>")]
)
def test_a_picture_that_fails_has_posted_nothing(script: Script, bluesky: Bluesky, act):
    script.play(act)

    with pytest.raises(TryLater) as caught:
        bluesky.publish(Outgoing(POST.text, LINK, Picture(b"...", "image/png", "A well"), key=POST.key))

    assert (caught.value.kind, asked(script)) == ("server", ["uploadBlob"])
    assert caught.value.reason.startswith("Nothing was posted: ")


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (Picture(b"..", "image/gif", "a"), "type image/gif"),
        (Picture(b"." * 1_000_001, "image/png", "a"), "at most 1,000,000 bytes"),
        (Picture(b"..", "image/png", "a" * 2001), "at most 2000 characters"),
    ],
)
def test_a_picture_that_bluesky_would_refuse_is_not_sent(script: Script, bluesky: Bluesky, picture, says):
    with pytest.raises(Refused, match=says):
        bluesky.publish(Outgoing(POST.text, LINK, picture))

    assert script.asked == []


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("Clean water", 11),
        ("e\u0301\r\n🇬🇧👍🏽", 4),
        ("👨‍👩‍👧‍👦" * 10, 25),  # 250 bytes: nearer to the 3,000 than to the 300
        ("a" * 301, 301),
        ("👨‍👩‍👧‍👦" * 121, 303),
    ],
)
def test_a_text_is_measured_by_graphemes_and_never_beyond_its_bytes(script: Script, bluesky: Bluesky, text, length):
    assert bluesky.measure(text) == length
    if length > 300:
        with pytest.raises(Refused, match=f"measures {length}") as caught:
            bluesky.publish(Outgoing(text, None))
        assert (caught.value.kind, script.asked) == ("text", [])


@pytest.mark.parametrize(
    ("text", "link", "found"),
    [
        ("See https://a.org/b.", None, ["https://a.org/b"]),
        ("See (https://a.org/b), ¡sí!", None, ["https://a.org/b"]),
        ("Água 🎉 https://a.org/b(1)", "https://a.org/b(1)", ["https://a.org/b(1)"]),
        ("https://a.org/bc https://a.org/b", "https://a.org/b", ["https://a.org/bc", "https://a.org/b"]),
        ("#EITI2016 and #água_, not #2016 or a#b", None, ["#EITI2016", "#água"]),
        ("a.org and @psg are no links", None, []),
        ("#" + "a" * 65, None, []),
    ],
)
def test_links_and_hashtags_are_marked_by_their_bytes(text: str, link: str | None, found: list[str]):
    marked = facets(text, link)

    whole = text.encode()
    assert [whole[one["index"]["byteStart"] : one["index"]["byteEnd"]].decode() for one in marked] == found
    named = [one["features"][0].get("uri") or "#" + one["features"][0]["tag"] for one in marked]
    assert named == found


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(400, "InvalidRequest", 'Missing required key "text"'), "other"),
        (error(400, "InvalidRequest", "Record/text must not be longer than 300 graphemes"), "text"),
        (error(400, "BlobTooLarge"), "other"),
        (error(400, "InvalidMimeType"), "other"),
        (error(401, "AuthMissing"), "credentials"),
        (error(401, "AuthenticationRequired"), "credentials"),
        (error(401, "AccountTakedown"), "credentials"),
        (error(401, "AccountDeactivated"), "credentials"),
        (error(403, "AccountSuspended"), "credentials"),
        (error(400, "RepoDeactivated"), "credentials"),
        (error(403, "Forbidden"), "permission"),
        (error(413, "PayloadTooLarge"), "other"),
        (error(501, "MethodNotImplemented"), "other"),
        (reply(401, "<html>"), "credentials"),
        (reply(403, "<html>"), "permission"),
        (reply(422, [1]), "other"),
    ],
)
def test_a_refusal_is_told_apart(script: Script, bluesky: Bluesky, answer, kind):
    script.play(answer)

    with pytest.raises(Refused) as caught:
        bluesky.publish(POST)

    assert (caught.value.kind, len(script.asked)) == (kind, 1)
    assert caught.value.code == int(answer[9:12])


def test_a_picture_that_was_lost_before_the_post_is_sent_again_later(script: Script, bluesky: Bluesky):
    script.play(error(400, "BlobNotFound", "Could not find blob: bafk"))

    with pytest.raises(TryLater) as caught:
        bluesky.publish(POST)

    assert str(caught.value) == (
        "Bluesky has lost the picture before it was posted. It says: “Could not find blob: bafk”"
    )


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        ({"RateLimit_Reset": str(int(NOW.timestamp()) + 120)}, 121),
        ({"RateLimit_Reset": str(int(NOW.timestamp()) - 60)}, 300),
        ({"RateLimit_Reset": "soon"}, 300),
        ({"Retry_After": "40"}, 40),
        ({}, 300),
    ],
)
def test_a_limit_says_when_it_ends_by_bluesky_s_own_clock(script: Script, bluesky: Bluesky, headers, after):
    script.play(error(429, "RateLimitExceeded", Date=format_datetime(NOW, usegmt=True), **headers))

    with pytest.raises(TryLater) as caught:
        bluesky.publish(POST)

    assert (caught.value.kind, caught.value.after, len(script.asked)) == ("rate", after, 1)


@pytest.mark.parametrize(
    "answer",
    [
        {"cid": CID},
        {"uri": HERE},
        {"uri": HERE, "cid": CID[:20]},
        {"uri": f"at://{DID}/app.bsky.feed.post/3l6oveex3ii2l", "cid": CID},
        {"uri": HERE.replace(DID, "did:plc:another"), "cid": CID},
        {"uri": HERE, "cid": ["x"]},
    ],
)
def test_a_success_that_does_not_name_our_record_is_none(script: Script, bluesky: Bluesky, answer):
    script.play(reply(200, answer))

    with pytest.raises(Unknown):
        bluesky.publish(POST)


def test_an_internal_error_may_have_posted(script: Script, bluesky: Bluesky):
    script.play(error(500, "InternalServerError", "Internal Server Error"))

    with pytest.raises(Unknown):
        bluesky.publish(POST)


# ---- Sessions


def test_a_process_signs_in_once_for_all_its_posts(script: Script):
    SESSIONS.clear()
    script.play(SESSION, MADE)

    for _ in range(3):
        connect("bluesky", credentials=BLUESKY_KEYS, address=script.address, account=HANDLE).publish(POST)

    assert asked(script) == ["createSession", "putRecord", "putRecord", "putRecord"]
    assert script.asked[0].json == {"identifier": HANDLE, "password": BLUESKY_KEYS["app_password"]}
    assert "Authorization" not in script.asked[0].headers
    assert [one.headers["Authorization"] for one in script.asked[1:]] == ["Bearer access-2"] * 3


@pytest.mark.parametrize("name", ["ExpiredToken", "InvalidToken"])
def test_a_session_that_ended_is_renewed_and_the_post_sent(script: Script, bluesky: Bluesky, name):
    script.play(error(400, name), SESSION, MADE)

    assert bluesky.publish(POST).remote_id == HERE
    assert asked(script) == ["putRecord", "refreshSession", "putRecord"]
    assert [one.headers["Authorization"] for one in script.asked] == [
        f"Bearer {token}" for token in (*BLUESKY_TOKENS, "access-2")
    ]


def test_a_session_that_cannot_be_renewed_is_begun_anew(script: Script, bluesky: Bluesky):
    script.play(error(400, "ExpiredToken"), error(400, "ExpiredToken"), SESSION, MADE)

    assert bluesky.publish(POST).remote_id == HERE
    assert asked(script) == ["putRecord", "refreshSession", "createSession", "putRecord"]


def test_a_session_is_renewed_once_and_not_for_ever(script: Script, bluesky: Bluesky):
    script.play(error(400, "ExpiredToken"), SESSION, error(400, "ExpiredToken"))

    with pytest.raises(Refused) as caught:
        bluesky.publish(POST)

    assert (caught.value.kind, len(script.asked)) == ("credentials", 3)


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (error(401, "AuthenticationRequired"), "credentials", "does not accept the app password"),
        (error(401, "AuthFactorTokenRequired"), "credentials", "connect with an app password"),
        (error(401, "AccountTakedown"), "credentials", "taken the account down"),
        (reply(301, Location="http://127.0.0.1:9/"), "other", "has moved"),
    ],
)
def test_a_sign_in_that_is_refused_says_why(script: Script, bluesky: Bluesky, answer, kind, says):
    SESSIONS.clear()
    script.play(answer)

    with pytest.raises(Refused, match=says) as caught:
        bluesky.publish(POST)

    assert (caught.value.kind, asked(script)) == (kind, ["createSession"])


@pytest.mark.parametrize(
    "act", ["never answer", "close after reading", reply(500, "<html>"), reply(200, {"did": DID}), reply(200, "<html>")]
)
@pytest.mark.parametrize("before", [[], [error(400, "ExpiredToken")]])
def test_a_sign_in_without_an_answer_has_posted_nothing(script: Script, bluesky: Bluesky, before, act):
    if not before:
        SESSIONS.clear()
    script.play(*before, act)

    with pytest.raises(TryLater) as caught:
        bluesky.publish(POST)

    assert (caught.value.kind, len(script.asked)) == ("server", len(before) + 1)


def test_tokens_are_shown_nowhere(script: Script, bluesky: Bluesky):
    SESSIONS.clear()
    script.play(SESSION, error(400, "InvalidRequest", "access-2 refresh-2 " + BLUESKY_KEYS["app_password"]))

    with pytest.raises(Refused, match=r"“\[hidden\] \[hidden\] \[hidden\]”"):
        bluesky.publish(POST)

    assert [word for word in ("access-2", "refresh-2") if word in repr(SESSIONS) + repr(bluesky)] == []


def test_a_missing_password_is_named():
    with pytest.raises(Refused, match="app_password") as caught:
        connect("bluesky", credentials={}, address="https://bsky.social", account=HANDLE)

    assert caught.value.kind == "credentials"


def test_the_null_that_keeps_a_record_from_being_replaced_is_sent(script: Script, bluesky: Bluesky):
    script.play(MADE)

    bluesky.publish(POST)

    assert json.loads(script.asked[0].body)["swapRecord"] is None
