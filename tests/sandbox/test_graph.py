"""The Graph API in the sandbox, asked by plain HTTP and by the real facebook-sdk."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
import requests

from publisher.sandbox import accounts
from tests.sandbox.conftest import PAGE, PNG, Sandbox

GONE = (
    "Unsupported request. Object does not exist, cannot be loaded due to missing permissions, or does not support "
    "this operation. Please read the Graph API documentation at https://developers.facebook.com/docs/graph-api"
)


def error(code: int, message: str, kind: str = "OAuthException", **more: Any) -> dict[str, Any]:
    usual = {"message": message, "type": kind, "code": code, "is_transient": False, "fbtrace_id": "AsandboxTRACE"}
    return {"error": usual | more}


def test_a_post_is_kept_logged_and_readable(sandbox: Sandbox, page: Any) -> None:
    answer = page("POST", "1001/feed", message="Rivers reborn", link="https://example.org/rivers")
    number = answer.json()["id"]
    assert (answer.status_code, answer.json()) == (200, {"id": number})
    assert number.startswith("1001_")
    sandbox.store.run("UPDATE graph_posts SET created_at = '2025-03-31T09:00:00.000Z'")
    fields = "id,message,permalink_url,created_time,attachments{media_type,url}"
    read = page("GET", "1001/published_posts", fields=fields)
    share = {
        "type": "share",
        "media_type": "link",
        "unshimmed_url": "https://example.org/rivers",
        "url": "https://example.org/rivers",
    }
    bare = number.partition("_")[2]
    assert read.json() == {
        "data": [
            {
                "id": number,
                "message": "Rivers reborn",
                "permalink_url": f"{sandbox.url}/facebook/1001#{number}",
                "created_time": "2025-03-31T09:00:00+0000",
                "attachments": {"data": [share]},
            }
        ],
        "paging": {"cursors": {"before": bare, "after": bare}},
    }
    [line] = sandbox.json("/graph/log.json")
    assert {key: line[key] for key in ("who", "what", "id", "text", "link", "published")} == {
        "who": "1001",
        "what": "post",
        "id": number,
        "text": "Rivers reborn",
        "link": "https://example.org/rivers",
        "published": True,
    }


def test_every_answer_says_how_much_is_used_and_which_version_answered(page: Any) -> None:
    headers = page("GET", "me", version="v25.0").headers
    share = {"call_count": 0, "total_cputime": 0, "total_time": 0}
    assert json.loads(headers["X-App-Usage"]) == share
    assert json.loads(headers["X-Business-Use-Case-Usage"]) == {
        "1001": [{"type": "pages", **share, "estimated_time_to_regain_access": 0}]
    }
    assert headers["facebook-api-version"] == "v25.0"


def test_the_call_after_the_hours_allowance_is_throttled(sandbox: Sandbox, page: Any) -> None:
    page("GET", "me")
    sandbox.store.run("UPDATE rates SET used = 4800")
    answer = page("POST", "1001/feed", message="One more")
    assert (answer.status_code, answer.json()) == (
        403,
        error(32, "(#32) Page request limit reached", is_transient=True),
    )


def test_the_page_itself_can_be_read(sandbox: Sandbox, page: Any) -> None:
    assert page("GET", "me").json() == {"id": "1001", "name": "Update"}
    assert page("GET", "1001", fields="name,link").json() == {
        "id": "1001",
        "name": "Update",
        "link": f"{sandbox.url}/facebook/1001",
    }


def test_the_same_message_within_a_day_is_refused(sandbox: Sandbox, page: Any) -> None:
    page("POST", "1001/feed", message="Rivers reborn")
    again = page("POST", "1001/feed", message="Rivers reborn", link="https://example.org/other")
    assert (again.status_code, again.json()) == (
        400,
        error(
            506,
            "Duplicate status message",
            error_subcode=1455006,
            error_user_title="Duplicate Status Update",
            error_user_msg="This status update is identical to the last one you posted. Try posting something "
            "different, or delete your previous update.",
        ),
    )
    sandbox.store.run("UPDATE graph_posts SET created_at = '2026-01-01T00:00:00.000Z'")
    assert page("POST", "1001/feed", message="Rivers reborn").status_code == 200


def test_a_photo_is_posted_with_its_alt_text(sandbox: Sandbox, page: Any) -> None:
    answer = page(
        "POST", "1001/photos", caption="A dam", alt_text_custom="A dam at dawn", files={"source": ("dam.png", PNG)}
    )
    photo, post = answer.json()["id"], answer.json()["post_id"]
    assert post.startswith("1001_")
    assert sandbox.json("/graph/posts.json")[0]["photos"] == [
        {"id": photo, "url": f"/graph/photo/{photo}", "alt_text": "A dam at dawn", "media_type": "image/png"}
    ]
    assert sandbox.get(f"/graph/photo/{photo}").content == PNG
    [found] = page("GET", "1001/feed", fields="message,attachments").json()["data"]
    assert (found["id"], found["message"]) == (post, "A dam")
    assert [one["target"] for one in found["attachments"]["data"]] == [{"id": photo}]


def test_an_unpublished_photo_is_attached_once(page: Any) -> None:
    photo = page("POST", "1001/photos", published="false", files={"source": ("dam.png", PNG)}).json()
    assert list(photo) == ["id"]
    attached = json.dumps([{"media_fbid": photo["id"]}])
    assert page("POST", "1001/feed", message="Look", attached_media=attached).status_code == 200
    again = page("POST", "1001/feed", message="Look again", attached_media=attached)
    message = f"(#100) Not an unpublished photo of this Page: {photo['id']}"
    assert (again.status_code, again.json()) == (400, error(100, message))


def test_attached_media_may_come_as_numbered_fields(page: Any) -> None:
    photo = page("POST", "1001/photos", published="false", files={"source": ("dam.png", PNG)}).json()["id"]
    fields = {"message": "Look", "attached_media[0]": json.dumps({"media_fbid": photo})}
    assert page("POST", "1001/feed", **fields).status_code == 200


def test_a_photo_by_address_is_noted_and_not_fetched(sandbox: Sandbox, page: Any) -> None:
    page("POST", "1001/photos", url="https://example.org/dam.jpg", caption="A dam")
    assert [photo["url"] for photo in sandbox.json("/graph/posts.json")[0]["photos"]] == ["https://example.org/dam.jpg"]


def test_a_refused_photo_leaves_nothing(sandbox: Sandbox, page: Any) -> None:
    page("POST", "1001/feed", message="Twice")
    answer = page("POST", "1001/photos", caption="Twice", files={"source": ("dam.png", PNG)})
    assert answer.json()["error"]["code"] == 506
    assert [line["what"] for line in sandbox.json("/graph/log.json")] == ["post"]


@pytest.mark.parametrize(
    ("fields", "message", "subcode"),
    [
        ({}, "Missing message or attachment", 1349125),
        ({"message": "a", "scheduled": "1"}, "(#100) Unknown parameter: scheduled", None),
        ({"link": "javascript:alert(1)"}, "(#100) link URL is not properly formatted", None),
        ({"message": "a", "attached_media": "7"}, "(#100) attached_media must be an array of media_fbid", None),
        ({"message": "a" * 63207}, "(#100) The message is too long", None),
    ],
)
def test_a_wrong_post_is_refused(
    sandbox: Sandbox, page: Any, fields: dict[str, str], message: str, subcode: int | None
) -> None:
    more = {"error_subcode": subcode} if subcode else {}
    answer = page("POST", "1001/feed", **fields)
    assert (answer.status_code, answer.json()) == (400, error(100, message, **more))
    assert sandbox.json("/graph/log.json") == []


def test_what_is_no_photo_is_refused(page: Any) -> None:
    answer = page("POST", "1001/photos", files={"source": ("a.png", b"<svg/>")})
    assert (answer.status_code, answer.json()["error"]["error_subcode"]) == (400, 1366046)
    assert page("POST", "1001/photos").json() == error(324, "(#324) Requires upload file")


def test_no_token_and_a_wrong_token_are_nobody(sandbox: Sandbox, page: Any) -> None:
    wrong = page("POST", "1001/feed", access_token="guessed", message="Let me in")
    assert (wrong.status_code, wrong.json()) == (
        401,
        error(190, "Invalid OAuth access token - Cannot parse access token"),
    )
    none = sandbox.get("/graph/v24.0/me")
    assert (none.status_code, none.json()) == (
        400,
        error(104, "An access token is required to request this resource."),
    )
    assert sandbox.json("/graph/log.json") == []


def test_an_expired_token_says_so(sandbox: Sandbox, page: Any) -> None:
    _register(sandbox, {**PAGE, "expires_at": "1"})
    answer = page("GET", "me")
    assert (answer.status_code, answer.json()) == (
        401,
        error(190, "Error validating access token: Session has expired.", error_subcode=463),
    )


def test_a_token_acts_on_its_own_page_alone(sandbox: Sandbox, page: Any) -> None:
    _register(sandbox, {"page_id": "2002", "page_token": "another token"})
    foreign, unknown = page("POST", "2002/feed", message="Mine?"), page("POST", "3003/feed", message="Mine?")
    assert (foreign.status_code, foreign.json()) == (403, error(200, "(#200) Permissions error"))
    assert (unknown.status_code, unknown.json()) == (
        400,
        error(100, GONE, "GraphMethodException", error_subcode=33),
    )


def test_with_an_app_secret_every_call_must_prove_it(sandbox: Sandbox, page: Any) -> None:
    _register(sandbox, {**PAGE, "app_secret": "s3cret"})
    right = hmac.new(b"s3cret", PAGE["page_token"].encode(), hashlib.sha256).hexdigest()
    missing, wrong = page("GET", "me"), page("GET", "me", appsecret_proof="0" * 64)
    kind = "GraphMethodException"
    assert missing.json() == error(100, "API calls from the server require an appsecret_proof argument", kind)
    assert wrong.json() == error(100, "Invalid appsecret_proof provided in the API argument", kind)
    assert page("GET", "me", appsecret_proof=right).status_code == 200


@pytest.mark.parametrize(
    ("version", "status", "code"),
    [("v21.0", 200, None), ("v26.0", 200, None), ("v20.0", 400, 2635), ("v3.1", 400, 2635), ("v99.0", 400, 2500)],
)
def test_only_living_versions_answer(page: Any, version: str, status: int, code: int | None) -> None:
    answer = page("GET", "me", version=version)
    assert (answer.status_code, answer.json().get("error", {}).get("code")) == (status, code)


def test_an_unknown_field_is_refused(page: Any) -> None:
    answer = page("GET", "1001/feed", fields="id,story_text")
    assert answer.json() == error(100, "(#100) Tried accessing nonexisting field (story_text) on node type (PagePost)")


def test_the_timeline_is_newest_first_in_pages_and_without_the_unpublished(page: Any) -> None:
    for number in range(3):
        page("POST", "1001/feed", message=f"Item {number}")
    page("POST", "1001/feed", message="Not yet", published="false")
    first = page("GET", "1001/feed", limit="2").json()
    second = page("GET", "1001/feed", limit="2", after=first["paging"]["cursors"]["after"]).json()
    assert [post["message"] for post in first["data"] + second["data"]] == ["Item 2", "Item 1", "Item 0"]
    assert sorted(first["data"][0]) == ["created_time", "id", "message"]


def test_the_timeline_can_begin_at_a_moment(sandbox: Sandbox, page: Any) -> None:
    for message in ("Old", "New"):
        page("POST", "1001/feed", message=message)
    sandbox.store.run("UPDATE graph_posts SET created_at = '2025-03-31T09:00:00.000Z' WHERE message = 'Old'")
    for since in ("1743413400", "2025-03-31T09:30:00+00:00"):
        found = page("GET", "1001/published_posts", since=since).json()
        assert [post["message"] for post in found["data"]] == ["New"]


def test_a_token_can_be_looked_at(sandbox: Sandbox, page: Any) -> None:
    good = page("GET", "debug_token", input_token=PAGE["page_token"]).json()["data"]
    assert {key: good[key] for key in ("is_valid", "type", "profile_id", "expires_at")} == {
        "is_valid": True,
        "type": "PAGE",
        "profile_id": "1001",
        "expires_at": 0,
    }
    bad = page("GET", "debug_token", input_token="guessed").json()["data"]
    assert bad == {
        "error": {"code": 190, "message": "Invalid OAuth access token - Cannot parse access token"},
        "is_valid": False,
        "scopes": [],
    }


def test_a_deleted_post_is_gone_and_stays_in_the_log(sandbox: Sandbox, page: Any) -> None:
    number = page("POST", "1001/feed", message="A mistake").json()["id"]
    assert page("GET", number, fields="message").json() == {"message": "A mistake", "id": number}
    assert page("DELETE", number).json() == {"success": True}
    assert page("GET", "1001/feed").json() == {"data": []}
    assert page("GET", number).json() == error(100, GONE, "GraphMethodException", error_subcode=33)
    assert [line["what"] for line in sandbox.json("/graph/log.json")] == ["post", "delete"]


def test_an_unknown_path_says_so(sandbox: Sandbox) -> None:
    answer = requests.post(f"{sandbox.url}/graph/v24.0/1001/likes", timeout=5)
    assert answer.json() == error(2500, "Unknown path components: /v24.0/1001/likes")


# facebook-sdk 3.1.0 has an invalid escape, which Python names when it compiles it for the first time.
@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_the_facebook_sdk_can_post_and_read(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    facebook = pytest.importorskip("facebook")
    monkeypatch.setattr(facebook, "FACEBOOK_GRAPH_URL", f"{sandbox.url}/graph/")
    with requests.Session() as session:
        sdk = facebook.GraphAPI(PAGE["page_token"], session=session, timeout=5)
        sdk.version = "v24.0"
        number = sdk.put_object("1001", "feed", message="Rivers reborn")["id"]
        assert sdk.get_object(number)["message"] == "Rivers reborn"
        with pytest.raises(facebook.GraphAPIError) as caught:
            sdk.put_object("1001", "feed", message="Rivers reborn")
    assert caught.value.code == 506


def _register(sandbox: Sandbox, credentials: dict[str, str]) -> None:
    accounts.add(
        sandbox.store, {"network": "facebook", "handle": "update", "name": "Update", "credentials": credentials}
    )
