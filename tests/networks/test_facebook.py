"""What we send to the Graph API, what its answers mean, and how a post is looked for."""

import hashlib
import hmac
import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path
from urllib.parse import parse_qs

import pytest

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
from publisher.networks.facebook import VERSIONS, Facebook, version_problem
from tests.networks.conftest import FACEBOOK_KEYS, Asked, Script, reply

ROOT = Path(__file__).resolve().parents[2]

LINK = "https://example.org/water"
POST = Outgoing("Clean water at last", LINK)
PICTURE = Picture(b"\x89PNG\r\n\x1a\n...", "image/png", "Children at a well")
CREATED = reply(200, {"id": "1001_9"}, Date="Sun, 22 Nov 2026 10:00:00 GMT")
PAGE = reply(200, {"id": "1001", "name": "Peru Support Group"})

TOKEN = FACEBOOK_KEYS["page_token"]
PROOF = hmac.new(FACEBOOK_KEYS["app_secret"].encode(), TOKEN.encode(), hashlib.sha256).hexdigest()
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def error(code: int, subcode: int | None = None, status: int = 400, message: str = "…", **more: object) -> bytes:
    headers = {name: str(more.pop(name)) for name in list(more) if name.startswith(("X_", "Retry"))}
    found = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A1"} | more
    return reply(status, {"error": found | ({"error_subcode": subcode} if subcode else {})}, **headers)


def test_a_link_post_is_published_with_its_id(script: Script, facebook: Facebook):
    script.play(CREATED)

    published = facebook.publish(POST)

    (asked,) = script.asked
    assert published == Published("1001_9", script.address + "/facebook/1001#1001_9", NOW)
    assert (asked.method, asked.target) == ("POST", "/v24.0/1001/feed")
    assert parse_qs(asked.body.decode()) == {
        "message": ["Clean water at last"],
        "link": [LINK],
        "appsecret_proof": [PROOF],
        "access_token": [TOKEN],
    }


def test_without_an_app_secret_there_is_no_proof_and_without_a_link_no_link(script: Script):
    keys = {"page_id": "1001", "page_token": TOKEN}
    script.play(CREATED)

    connect("facebook", credentials=keys, address=script.address + "/graph/", account="PSG").publish(
        Outgoing("Words", None)
    )

    (asked,) = script.asked
    assert asked.target == "/graph/v24.0/1001/feed"
    assert parse_qs(asked.body.decode()) == {"message": ["Words"], "access_token": [TOKEN]}


def test_a_picture_is_posted_with_its_description_and_the_link_in_the_text(script: Script, facebook: Facebook):
    script.play(reply(200, {"id": "555", "post_id": "1001_9"}))

    published = facebook.publish(Outgoing(POST.text, LINK, PICTURE))

    (asked,) = script.asked
    assert published.remote_id == "1001_9"
    assert asked.target == "/v24.0/1001/photos"
    assert parts_of(asked) == {
        "message": f"Clean water at last\n\n{LINK}".encode(),
        "alt_text_custom": b"Children at a well",
        "source": PICTURE.content,
        "appsecret_proof": PROOF.encode(),
        "access_token": TOKEN.encode(),
    }


def parts_of(asked: Asked) -> dict[str, bytes]:
    """The fields of a multipart/form-data body."""
    whole = b"Content-Type: " + asked.headers["Content-Type"].encode() + b"\r\n\r\n" + asked.body
    parts = message_from_bytes(whole, policy=HTTP).get_payload()
    return {part.get_param("name", header="Content-Disposition"): part.get_payload(decode=True) for part in parts}


def test_a_link_that_is_in_the_text_is_not_put_there_again(script: Script, facebook: Facebook):
    script.play(CREATED)

    facebook.publish(Outgoing(f"Water\n{LINK}", LINK, PICTURE))

    assert script.asked[0].body.count(LINK.encode()) == 1


@pytest.mark.parametrize(
    "picture", [Picture(b"..", "image/tiff", "a"), Picture(b"." * (4 * 2**20 + 1), "image/png", "a")]
)
def test_a_picture_that_facebook_would_refuse_is_not_sent(script: Script, facebook: Facebook, picture):
    with pytest.raises(Refused, match="Facebook takes"):
        facebook.publish(Outgoing("Words", None, picture))

    assert script.asked == []


def test_a_text_that_is_too_long_is_not_sent(script: Script, facebook: Facebook):
    with pytest.raises(Refused) as caught:
        facebook.publish(Outgoing("a" * 63207, None))

    assert (caught.value.kind, script.asked) == ("text", [])


@pytest.mark.parametrize("keys", [{"page_id": "1"}, {"page_token": "t"}])
def test_missing_keys_are_refused(keys):
    with pytest.raises(Refused) as caught:
        connect("facebook", credentials=keys, address="https://graph.facebook.com", account="")

    assert caught.value.kind == "credentials"


@pytest.mark.parametrize("version", ["24.0", "v24", "latest", "v24.0/me"])
def test_a_version_that_is_none_is_refused(version):
    with pytest.raises(Refused, match="not a Graph version"):
        connect(
            "facebook",
            credentials=FACEBOOK_KEYS | {"version": version},
            address="https://graph.facebook.com",
            account="",
        )


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(10), "permission"),
        (error(100), "other"),
        (error(100, 33), "permission"),
        (error(102, status=401), "credentials"),
        (error(104), "credentials"),
        *[(error(190, subcode, 401), "credentials") for subcode in (None, 458, 459, 460, 463, 464, 467, 492, 1)],
        *[(error(code, status=403), "permission") for code in (200, 220, 299)],
        (error(368), "permission"),
        (error(368, message="You've already posted this."), "duplicate"),
        (error(368, 1404102), "text"),
        (error(368, 1404112), "permission"),
        (error(1404102), "text"),
        (error(4854002), "credentials"),
        (error(506, 1455006), "duplicate"),
        (error(2635), "other"),
        (error(9999), "other"),
        # The code says more than the status: a definite no is one in a 500 too.
        (error(190, 463, status=500), "credentials"),
        (error(506, status=200), "duplicate"),
    ],
)
def test_a_refusal_is_told_apart(script: Script, facebook: Facebook, answer, kind):
    script.play(answer)

    with pytest.raises(Refused) as caught:
        facebook.publish(POST)

    assert (caught.value.kind, len(script.asked)) == (kind, 1)
    assert caught.value.code == json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"]


@pytest.mark.parametrize(
    "answer",
    [
        error(1, status=500),
        error(2, status=500),
        error(2, status=503, is_transient=True),
        error(1, 99, status=400),
        error(9999, status=500),
        error(9999, is_transient=True),
        error(9999, status=200),
        reply(500, {"error": {}}),
        reply(200, {"id": "1001_9", "error": {"message": "?"}}),
        reply(200, b"...", Content_Type="image/png"),
        reply(200, b"access_token=1&expires=2", Content_Type="text/plain"),
    ],
)
def test_a_fault_of_theirs_may_have_posted(script: Script, facebook: Facebook, answer):
    script.play(answer)

    with pytest.raises(Unknown):
        facebook.publish(POST)

    assert len(script.asked) == 1


def usage(*minutes: int) -> str:
    return json.dumps({"1001": [{"type": "pages", "estimated_time_to_regain_access": wait} for wait in minutes]})


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        *[(error(code), 3600) for code in (4, 17, 32, 341, 613, 80001, 1390008)],
        (error(368, 1390008), 3600),
        (error(4, X_Business_Use_Case_Usage=usage(3, 12)), 720),
        (error(32, X_Business_Use_Case_Usage=usage(0)), 3600),
        (error(32, X_Business_Use_Case_Usage="{"), 3600),
        (error(32, X_Business_Use_Case_Usage="[]"), 3600),
        (error(4, X_App_Usage='{"call_count": 100}'), 3600),
        (error(4, Retry_After="40"), 40),
        (reply(429, "<html>", Retry_After="40"), 40),
    ],
)
def test_a_limit_says_when_it_ends(script: Script, facebook: Facebook, answer, after):
    script.play(answer)

    with pytest.raises(TryLater) as caught:
        facebook.publish(POST)

    assert (caught.value.kind, caught.value.after, len(script.asked)) == ("rate", after, 1)


def standing(number: str, message: str, at: str = "2026-11-22T10:00:05+0000", **more: object) -> dict[str, object]:
    return {"id": f"1001_{number}", "message": message, "created_time": at} | more


def attached(url: str) -> dict[str, object]:
    return {"data": [{"url": url}]}


def posts(*found: dict[str, object], after: str | None = None) -> bytes:
    paging = {"cursors": {"before": "b", "after": after}, "next": "https://…"} if after else {}
    return reply(200, {"data": list(found), "paging": paging})


SHIMMED = "https://l.facebook.com/l.php?u=https%3A%2F%2Fexample.org%2Fwater%3F&h=AT0"


def test_a_post_is_found_by_its_text_and_the_link_beside_it(script: Script, facebook: Facebook):
    other = standing("8", POST.text, attachments=attached("https://example.org/other"))
    ours = standing("9", POST.text, permalink_url="https://f.example/9", attachments=attached(LINK))
    script.play(PAGE, posts(other, ours))

    found = facebook.find(POST, since=NOW)

    assert found == Published("1001_9", "https://f.example/9", NOW + timedelta(seconds=5))
    assert [asked.path for asked in script.asked] == ["/v24.0/1001", "/v24.0/1001/published_posts"]


@pytest.mark.parametrize(
    "more", [{}, {"attachments": attached(SHIMMED.replace("%3F", ""))}, {"attachments": {"data": [{}]}}]
)
def test_a_post_is_found_as_facebook_shows_it(script: Script, facebook: Facebook, more):
    script.play(PAGE, posts(standing("8", "Another"), standing("9", POST.text, **more)))

    found = facebook.find(POST, since=NOW)

    assert found is not None
    assert found.remote_id == "1001_9"


def test_a_picture_is_found_by_the_text_it_was_sent_with(script: Script, facebook: Facebook):
    shown = standing("9", f"{POST.text}\n\n{LINK}", attachments=attached("https://www.facebook.com/photo/9"))
    script.play(PAGE, posts(shown))

    assert facebook.find(Outgoing(POST.text, LINK, PICTURE), since=NOW) is not None


@pytest.mark.parametrize(
    "shown",
    [
        standing("9", POST.text, "2026-11-22T09:59:58+0000"),
        standing("8", POST.text, attachments=attached("https://example.org/other")),
        standing("7", POST.text),
        standing("6", "Clean water at last, says the mayor of the second village"),
        {"id": "1001_5", "created_time": "2026-11-22T10:00:05+0000"},
    ],
)
def test_what_is_older_or_other_is_not_found(script: Script, facebook: Facebook, shown):
    script.play(PAGE, posts(shown))

    assert facebook.find(POST, since=NOW, known={"1001_7"}) is None


def test_almost_the_same_post_is_for_a_person_to_judge(script: Script, facebook: Facebook):
    script.play(PAGE, posts(standing("9", POST.text + "!", attachments=attached(LINK))))

    with pytest.raises(CannotLook, match="almost the same"):
        facebook.find(POST, since=NOW)


def test_all_pages_are_read_down_to_an_older_one(script: Script, facebook: Facebook):
    other, old = standing("11", "Another"), standing("3", "Old", "2026-11-20T10:00:00+0000")
    script.play(PAGE, posts(other, after="p2"), posts(old, after="p3"), posts(standing("9", POST.text)))

    assert facebook.find(POST, since=NOW) is None
    assert ["after=p2" in asked.target for asked in script.asked] == [False, False, True]


@pytest.mark.parametrize("answer", [reply(200, {"data": {}, "x": 1}), reply(200, {"data": [{"id": "9"}]}), error(190)])
def test_a_page_that_makes_no_sense_is_not_evidence(script: Script, facebook: Facebook, answer):
    script.play(PAGE, answer)

    with pytest.raises(CannotLook):
        facebook.find(POST, since=NOW)


def test_a_check_names_the_page(script: Script, facebook: Facebook):
    script.play(PAGE)

    found = facebook.check(today=date(2026, 11, 22))

    ends = datetime(2028, 2, 18, tzinfo=UTC)
    assert found == Account("Peru Support Group", script.address + "/facebook/1001", expires_at=ends)


def test_a_check_says_what_is_wrong(script: Script, facebook: Facebook):
    script.play(error(190, 463, 401, "Session has expired."))

    assert facebook.check().problem == (
        "The page's token has expired: connect the page again. It says: “Session has expired.”"
    )


def test_a_check_tells_a_person_s_token_that_sees_the_page_from_the_page_s_own(script: Script, facebook: Facebook):
    script.play(PAGE, reply(200, {"id": "77"}))

    problem = str(facebook.check().problem)

    assert problem.startswith("This is not the page's own token")
    assert [asked.target.partition("?")[0] for asked in script.asked] == ["/v24.0/1001", "/v24.0/me"]


def test_a_check_warns_before_the_version_ends(script: Script, facebook: Facebook):
    script.play(PAGE)

    problem = facebook.check(today=date(2028, 1, 1)).problem

    assert problem == "Graph v24.0 ends on 18 February 2028: set a newer version."


@pytest.mark.parametrize(
    ("version", "today", "says"),
    [
        ("v3.1", date(2026, 11, 22), "has ended"),
        ("v20.0", date(2026, 11, 22), "has ended"),
        ("v21.0", date(2026, 11, 21), None),
        ("v21.0", date(2026, 11, 22), "ends on 21 January 2027"),
        ("v21.0", date(2027, 1, 21), "has ended on 21 January 2027"),
        ("v24.0", date(2026, 11, 22), None),
        ("v26.0", date(2030, 1, 1), None),
        ("v31.0", date(2026, 11, 22), None),
    ],
)
def test_a_version_lives_until_its_day(version, today, says):
    problem = version_problem(version, today=today)

    assert (says in str(problem)) if says else problem is None


def test_the_versions_end_in_their_order():
    ends = [end for end in VERSIONS.values() if end]

    assert ends == sorted(ends)


def test_the_sdk_is_imported_without_a_warning(tmp_path):
    """Compiled anew, which is when its invalid escape is found."""
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", "import publisher.networks.facebook"]

    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
