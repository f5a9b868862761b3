"""The stand-in for a Bluesky server, by raw requests and by the client of the SDK, which nobody here wrote."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from atproto import Client, client_utils
from atproto import models as lexicon
from atproto_client.models.utils import get_or_create
from PIL import Image

from publisher.networks import bluesky as adapter
from publisher.networks.base import Outgoing, Picture
from publisher.sandbox import accounts, bluesky_errors, clock
from tests.sandbox.conftest import PNG, Sandbox

HANDLE, PASSWORD = "reading-rooms.bsky.social", "abcd-efgh-ijkl-mnop"
DID = accounts.did(HANDLE)
KEY = "3l6oveex3ii2l"
POST = "app.bsky.feed.post"
TEXT = "Água 🎉 https://example.org/water #EITI2016"
LINK = {
    "index": {"byteStart": 11, "byteEnd": 36},
    "features": [{"$type": "app.bsky.richtext.facet#link", "uri": "https://example.org/water"}],
}
TAG = {
    "index": {"byteStart": 37, "byteEnd": 46},
    "features": [{"$type": "app.bsky.richtext.facet#tag", "tag": "EITI2016"}],
}

Call = Callable[..., requests.Response]


@pytest.fixture
def call(sandbox: Sandbox) -> Call:
    """Ask the server: call("com.atproto.repo.putRecord", {…}) posts, without a body it asks; signed in, unless not."""
    register(sandbox)
    session = ask(sandbox, "com.atproto.server.createSession", {"identifier": HANDLE, "password": PASSWORD}).json()

    def signed(name: str, body: Any = None, token: str | None = session["accessJwt"], **query: Any) -> Any:
        return ask(sandbox, name, body, token, **query)

    return signed


def register(sandbox: Sandbox, **credentials: str) -> None:
    wish = {"network": "bluesky", "handle": HANDLE, "name": "Reading Rooms"}
    accounts.add(sandbox.store, wish | {"credentials": {"app_password": PASSWORD, **credentials}})


def ask(sandbox: Sandbox, name: str, body: Any = None, token: str | None = None, **query: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    sent = {"data": body} if isinstance(body, bytes) else {"json": body}
    method = "GET" if body is None else "POST"
    return requests.request(
        method, f"{sandbox.url}/bluesky/xrpc/{name}", params=query, headers=headers, timeout=5, **sent
    )


def post(**changed: Any) -> dict[str, Any]:
    record = {"$type": POST, "text": TEXT, "createdAt": "2026-11-22T10:00:00.000Z", "langs": ["en"]}
    return {"repo": DID, "collection": POST, "rkey": KEY, "record": record | {"facets": [LINK, TAG]} | changed}


def said(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("error")


def texts(sandbox: Sandbox) -> list[str]:
    return [line["text"] for line in sandbox.json("/bluesky/log.json") if line["what"] == "post"]


def test_a_record_stands_under_its_key(sandbox: Sandbox, call: Call) -> None:
    made = call("com.atproto.repo.putRecord", post() | {"swapRecord": None}).json()

    there = call("com.atproto.repo.getRecord", token=None, repo=HANDLE, collection=POST, rkey=KEY).json()
    assert made["uri"] == there["uri"] == f"at://{DID}/{POST}/{KEY}"
    assert (there["cid"], there["value"]) == (made["cid"], post()["record"])
    (shown,) = sandbox.json("/bluesky/posts.json")
    assert (shown["id"], shown["text"], shown["handle"]) == (made["uri"], TEXT, HANDLE)


def test_a_second_record_under_a_key_is_refused_in_three_ways(sandbox: Sandbox, call: Call) -> None:
    made = call("com.atproto.repo.putRecord", post()).json()
    another = post(text="Another", facets=[])

    again = call("com.atproto.repo.putRecord", post() | {"swapRecord": None})
    swapped = call("com.atproto.repo.putRecord", another | {"swapRecord": None})
    created = call("com.atproto.repo.createRecord", another)

    assert (again.status_code, again.json()) == (
        200,
        {"uri": made["uri"], "cid": made["cid"], "validationStatus": "valid"},
    )
    assert (said(swapped), said(created)) == ((400, "InvalidSwap"), (500, "InternalServerError"))
    assert swapped.json()["message"] == f"Record was at {made['cid']}"
    assert texts(sandbox) == [TEXT]


def test_without_the_null_a_record_is_replaced(sandbox: Sandbox, call: Call) -> None:
    call("com.atproto.repo.putRecord", post())
    call("com.atproto.repo.putRecord", post(text="Another", facets=[]))

    assert [line["what"] for line in sandbox.json("/bluesky/log.json")] == ["session", "post", "update"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"text": "a" * 301, "facets": []}, "must not be longer than 300 graphemes"),
        ({"text": "👨‍👩‍👧‍👦" * 121, "facets": []}, "must not be longer than 3000 characters"),
        ({"text": None}, 'must have the property "text"'),
        ({"$type": "app.bsky.feed.like"}, "Invalid $type"),
        ({"createdAt": "2026-11-22T10:00:00"}, "valid atproto datetime"),
        ({"langs": ["en", "de", "fr", "es"]}, "more than 3 elements"),
        ({"langs": ["English!"]}, "BCP 47"),
        ({"facets": [LINK | {"index": {"byteStart": 10, "byteEnd": 36}}]}, "are not the link"),
        ({"facets": [LINK | {"index": {"byteStart": 1, "byteEnd": 3}}]}, "whole characters"),
        ({"facets": [LINK | {"index": {"byteStart": 40, "byteEnd": 80}}]}, "must stand in the text"),
        ({"facets": [TAG, LINK]}, "one behind the other"),
        ({"facets": [TAG | {"index": {"byteStart": 38, "byteEnd": 46}}]}, "are not the tag"),
        ({"embed": {"$type": "app.bsky.embed.external", "external": {"uri": "https://a.org", "title": ""}}}, "descr"),
        (
            {"embed": {"$type": "app.bsky.embed.external", "external": {"uri": "a", "title": "", "description": ""}}},
            "a uri",
        ),
        ({"embed": {"$type": "app.bsky.embed.images", "images": []}}, "more than 4 elements"),
        ({"embed": {"$type": "app.bsky.embed.images", "images": [{"image": {}}]}}, 'the property "alt"'),
        ({"embed": {"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": {}}]}}, "a blob ref"),
        ({"reply": {}}, "does not support: reply"),
    ],
)
def test_the_lexicon_is_checked(sandbox: Sandbox, call: Call, changed: dict[str, Any], sentence: str) -> None:
    answer = call("com.atproto.repo.putRecord", post(**changed))

    assert said(answer) == (400, "InvalidRequest")
    assert sentence in answer.json()["message"]
    assert texts(sandbox) == []


@pytest.mark.parametrize(
    ("changed", "status", "name"),
    [
        ({"rkey": "not-a-tid"}, 400, "InvalidRequest"),
        ({"rkey": "zzzzzzzzzzzzz"}, 400, "InvalidRequest"),
        ({"repo": "did:plc:another"}, 401, "AuthenticationRequired"),
        ({"collection": "app.bsky.feed.like"}, 400, "InvalidRequest"),
        ({"swapRecord": bluesky_errors._RECORD}, 400, "InvalidSwap"),
        ({"mood": "merry"}, 400, "InvalidRequest"),
    ],
)
def test_what_names_the_record_is_checked(call: Call, changed: dict[str, Any], status: int, name: str) -> None:
    assert said(call("com.atproto.repo.putRecord", post() | changed)) == (status, name)


def test_a_picture_must_have_been_uploaded_as_what_it_is(sandbox: Sandbox, call: Call) -> None:
    blob = call("com.atproto.repo.uploadBlob", PNG).json()["blob"]

    def with_picture(**changed: Any) -> dict[str, Any]:
        images = [{"alt": "A dot", "image": blob | changed, "aspectRatio": {"width": 1, "height": 1}}]
        return post(embed={"$type": "app.bsky.embed.images", "images": images})

    lost = with_picture(ref={"$link": bluesky_errors._RECORD})
    assert said(call("com.atproto.repo.putRecord", lost)) == (400, "BlobNotFound")
    renamed = with_picture(mimeType="image/jpeg")
    assert said(call("com.atproto.repo.putRecord", renamed)) == (400, "InvalidMimeType")
    assert call("com.atproto.repo.putRecord", with_picture()).status_code == 200
    (media,) = sandbox.json("/bluesky/posts.json")[0]["media"]
    assert (media["alt_text"], sandbox.get(media["url"]).content) == ("A dot", PNG)


@pytest.mark.parametrize(
    ("content", "name"), [(PNG + b"." * 1_000_000, "BlobTooLarge"), (b"%PDF-1.7", "InvalidMimeType")]
)
def test_a_picture_is_measured_when_a_post_names_it(call: Call, content: bytes, name: str) -> None:
    blob = call("com.atproto.repo.uploadBlob", content).json()["blob"]
    images = [{"alt": "", "image": blob}]

    answer = call("com.atproto.repo.putRecord", post(embed={"$type": "app.bsky.embed.images", "images": images}))

    assert said(answer) == (400, name)


def test_a_token_opens_what_it_is_for_as_long_as_it_lives(sandbox: Sandbox, call: Call) -> None:
    asked = {"identifier": HANDLE, "password": PASSWORD}
    session = ask(sandbox, "com.atproto.server.createSession", asked).json()
    me = "com.atproto.server.getSession"

    assert said(call(me, token=None)) == (401, "AuthMissing")
    assert said(call(me, token=session["refreshJwt"])) == (400, "InvalidToken")
    assert said(call(me, token=session["accessJwt"][:-2] + "xx")) == (400, "InvalidToken")
    assert call(me, token=session["accessJwt"]).json()["handle"] == HANDLE
    clock.put(ahead=2 * 3600 + 1)
    assert said(call(me, token=session["accessJwt"])) == (400, "ExpiredToken")


def test_a_session_is_renewed_once(sandbox: Sandbox, call: Call) -> None:
    asked = {"identifier": HANDLE, "password": PASSWORD}
    first = ask(sandbox, "com.atproto.server.createSession", asked).json()
    second = call("com.atproto.server.refreshSession", b"", token=first["refreshJwt"])

    assert call("com.atproto.server.getSession", token=second.json()["accessJwt"]).status_code == 200
    assert said(call("com.atproto.server.refreshSession", b"", token=first["refreshJwt"])) == (400, "ExpiredToken")
    assert said(call("com.atproto.server.refreshSession", b"", token=first["accessJwt"])) == (400, "InvalidToken")


def test_signing_in_is_limited(sandbox: Sandbox, call: Call) -> None:
    wrong = {"identifier": HANDLE, "password": "wrong"}
    answers = [ask(sandbox, "com.atproto.server.createSession", wrong) for _ in range(30)]

    assert [said(one) for one in answers] == [(401, "AuthenticationRequired")] * 29 + [(429, "RateLimitExceeded")]
    assert (answers[-1].headers["RateLimit-Remaining"], answers[-1].headers["RateLimit-Policy"]) == ("0", "30;w=300")


@pytest.mark.parametrize(
    ("status", "answer"), [("deactivated", (401, "AccountDeactivated")), ("suspended", (403, "AccountSuspended"))]
)
def test_an_account_may_sign_in_and_not_post(sandbox: Sandbox, call: Call, status: str, answer: Any) -> None:
    register(sandbox, status=status)

    assert call("com.atproto.server.getSession").json()["status"] == status
    assert said(call("com.atproto.repo.putRecord", post())) == answer


def test_posts_are_listed_in_pages_and_gone_when_deleted(call: Call) -> None:
    keys = [f"3l6oveex3ii2{letter}" for letter in "abc"]
    for key in keys:
        call("com.atproto.repo.putRecord", post() | {"rkey": key})
    where = {"repo": DID, "collection": POST}

    first = call("com.atproto.repo.listRecords", **where, limit=2).json()
    second = call("com.atproto.repo.listRecords", **where, limit=2, cursor=first["cursor"]).json()
    gone = [call("com.atproto.repo.deleteRecord", {**where, "rkey": keys[0]}).status_code for _ in range(2)]

    assert [one["uri"][-13:] for one in first["records"] + second["records"]] == keys[::-1]
    assert gone == [200, 200]
    assert said(call("com.atproto.repo.getRecord", **where, rkey=keys[0])) == (400, "RecordNotFound")
    uris = [f"at://{DID}/{POST}/{key}" for key in keys]
    assert [one["uri"] for one in call("app.bsky.feed.getPosts", uris=uris).json()["posts"]] == uris[1:]


def test_what_is_not_played_says_so(call: Call) -> None:
    assert said(call("app.bsky.graph.getFollowers", actor=HANDLE)) == (501, "MethodNotImplemented")


def test_a_reader_sees_links_pictures_and_hashtags(sandbox: Sandbox, call: Call) -> None:
    call("com.atproto.repo.putRecord", post())

    shown = sandbox.get(f"/bluesky/@{HANDLE}").text

    assert ' rel="nofollow noopener noreferrer">https://example.org/water</a> #EITI2016' in shown
    assert "as a follower on Bluesky would see it" in shown


# ---- The SDK's client and models: an oracle that knows nothing of us


@pytest.fixture
def client(sandbox: Sandbox, call: Call) -> Iterator[Client]:
    found = Client(f"{sandbox.url}/bluesky")
    found.login(HANDLE, PASSWORD)
    yield found
    found.request.close()


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # how the SDK uploads
def test_the_sdk_s_client_posts_reads_and_deletes(sandbox: Sandbox, client: Client) -> None:
    text = client_utils.TextBuilder().text("Água 🎉 ").link("https://example.org", "https://example.org").text(" ")
    made = client.send_image(text.tag("#EITI2016", "EITI2016"), PNG, "A dot")

    (shown,) = client.get_posts([made.uri]).posts
    (listed,) = client.com.atproto.repo.list_records({"repo": DID, "collection": POST}).records
    assert shown.record.text == listed.value.text == "Água 🎉 https://example.org #EITI2016"
    assert client.delete_post(made.uri)
    assert client.get_posts([made.uri]).posts == []


def test_the_sdk_s_models_take_every_record_that_we_make(sandbox: Sandbox, client: Client) -> None:
    address, post_with_all = f"{sandbox.url}/bluesky", Outgoing(TEXT, "https://example.org/water", key="1")
    ours = adapter.Bluesky(credentials={"app_password": PASSWORD}, address=address, account=HANDLE)
    written = io.BytesIO()
    Image.new("RGB", (30, 20)).save(written, "JPEG")
    picture = Picture(written.getvalue(), "image/jpeg", "A black field")

    published = [
        ours.publish(post_with_all),
        ours.publish(Outgoing(TEXT, None, picture, key="2")),
        ours.publish(Outgoing("Nothing but words", None, key="3")),
    ]

    for one in published:
        found = requests.get(
            f"{address}/xrpc/com.atproto.repo.getRecord",
            params={"repo": DID, "collection": POST, "rkey": one.remote_id.rpartition("/")[2]},
            timeout=5,
        ).json()
        record = get_or_create(found["value"], lexicon.AppBskyFeedPost.Record, strict_string_format=True)
        assert isinstance(record, lexicon.AppBskyFeedPost.Record)
        assert abs(datetime.fromisoformat(record.created_at) - datetime.now(UTC)) < timedelta(minutes=1)
        kinds = [feature.py_type.partition("#")[2] for facet in record.facets or [] for feature in facet.features]
        assert kinds == (["link", "tag"] if "#" in record.text else [])


def test_the_sdk_drops_the_null_that_we_send() -> None:
    """Why its own putRecord would replace the record of a first attempt."""
    wish = lexicon.ComAtprotoRepoPutRecord.Data(repo=DID, collection=POST, rkey=KEY, record={}, swap_record=None)

    assert "swapRecord" not in wish.model_dump_json(exclude_none=True, by_alias=True)
