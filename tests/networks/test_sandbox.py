"""The adapters and the stand-in networks, over real HTTP: what is posted, what is found again."""

import json
import subprocess
import sys
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from publisher.networks import connect
from publisher.networks.base import CannotLook, Network, Outgoing, Picture, Refused, TryLater, Unknown
from publisher.networks.text import render
from tests.networks.conftest import BLUESKY_KEYS, FACEBOOK_KEYS, IMPATIENT, MASTODON_KEYS, X_KEYS

ROOT = Path(__file__).resolve().parents[2]

LINK = "https://example.org/water?a=1&copy=2"
LABEL = "Update 120. 31 March 2007"
ACCOUNTS = {
    "x": ("psg", X_KEYS),
    "facebook": ("PSG", FACEBOOK_KEYS),
    "mastodon": ("@psg@mastodon.example", MASTODON_KEYS),
    "bluesky": ("@psg.bsky.social", BLUESKY_KEYS),
}
ROOMS = {"x": "/x", "facebook": "/graph", "mastodon": "/mastodon", "bluesky": "/bluesky"}


class Sandbox:
    def __init__(self, address: str) -> None:
        self.address = address

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.address + path, timeout=10) as answer:
            return json.load(answer)

    def post(self, path: str, **body: Any) -> None:
        request = urllib.request.Request(
            self.address + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=10).close()

    def forget(self) -> None:
        request = urllib.request.Request(self.address + "/control", method="DELETE")
        urllib.request.urlopen(request, timeout=10).close()

    def shown(self, network: str) -> list[str]:
        """The texts that a follower can read, newest first."""
        return [post["text"] for post in self.get(f"{ROOMS[network]}/posts.json")]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("sandbox")
    announced = folder / "ports.json"
    command = [sys.executable, "-m", "publisher.sandbox", "--data", str(folder)]
    command += ["--http", "127.0.0.1:0", "--smtp", "127.0.0.1:0", "--announce", str(announced)]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stderr=log, cwd=ROOT) as process:
        for _ in range(600):
            if announced.exists():
                break
            with suppress(subprocess.TimeoutExpired):
                pytest.fail(f"The sandbox ended with {process.wait(0.05)}: {(folder / 'log').read_text()}")
        yield Sandbox(f"http://127.0.0.1:{json.loads(announced.read_text())['http']}")
        process.terminate()


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.forget()
    for network, (handle, keys) in ACCOUNTS.items():
        running.post("/control/accounts", network=network, handle=handle, name="Peru Support Group", credentials=keys)
    return running


@pytest.fixture(params=["x", "facebook", "mastodon", "bluesky"])
def network(request: pytest.FixtureRequest, sandbox: Sandbox) -> Network:
    return connected(sandbox, request.param)


def connected(sandbox: Sandbox, network: str) -> Network:
    account, keys = ACCOUNTS[network]
    adapter = connect(network, credentials=keys, address=sandbox.address + ROOMS[network], account=account)
    adapter._session.timeouts = (IMPATIENT[0] * 10, IMPATIENT[1])  # type: ignore[attr-defined]
    return adapter


def item(network: Network, title: str = "Clean water & a school", picture: Picture | None = None) -> Outgoing:
    teaser = "“Sí,” said Dr. Flores. " * 3
    text = render(
        "item", network.name, title=title, label=LABEL, teaser=teaser, link=LINK, with_picture=picture is not None
    )
    return Outgoing(text, LINK, picture)


def png() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    header = (1).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    pixels = zlib.compress(b"\x00\x8a\x1c\x1c")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


PICTURE = Picture(png(), "image/png", "A dark red square")


def a_minute_ago() -> datetime:
    return datetime.now(UTC) - timedelta(minutes=1)


def test_a_post_stands_on_the_timeline_as_it_was_written(network: Network, sandbox: Sandbox):
    outgoing = item(network)

    published = network.publish(outgoing)

    (post,) = sandbox.get(f"{ROOMS[network.name]}/posts.json")
    assert (post["id"], post["text"]) == (published.remote_id, outgoing.text)
    assert LINK in (post["text"] if network.link_in_text else post["link"])
    with urllib.request.urlopen(published.url, timeout=10) as page:
        assert page.status == 200


def test_a_picture_stands_there_with_its_description(network: Network, sandbox: Sandbox):
    outgoing = item(network, picture=PICTURE)

    network.publish(outgoing)

    (post,) = sandbox.get(f"{ROOMS[network.name]}/posts.json")
    pictures = post.get("media") or post.get("photos")
    assert post["text"] == outgoing.text
    assert [picture["alt_text"] for picture in pictures] == ["A dark red square"]


@pytest.mark.parametrize("network", ["x", "facebook"], indirect=True)
def test_the_same_text_twice_is_a_duplicate(network: Network, sandbox: Sandbox):
    network.publish(item(network))

    with pytest.raises(Refused) as caught:
        network.publish(item(network))

    assert (caught.value.kind, len(sandbox.shown(network.name))) == ("duplicate", 1)


@pytest.mark.parametrize("picture", [None, PICTURE])
@pytest.mark.parametrize(
    "behaviour",
    [
        "close_after_commit",
        "silent_after_commit",
        "html_success",
        "json_list",
        "truncated_json",
        "cut_body",
        "huge_body",
    ],
)
def test_a_post_that_arrived_without_an_answer_is_found(network: Network, sandbox: Sandbox, behaviour, picture):
    network.publish(item(network, "Another"))
    operation = "photo" if picture and network.name == "facebook" else "post"
    sandbox.post("/control/faults", network=network.name, operation=operation, behaviour=behaviour)
    outgoing = item(network, picture=picture)
    with pytest.raises(Unknown):
        network.publish(outgoing)

    found = network.find(outgoing, since=a_minute_ago())

    assert found is not None
    assert sandbox.shown(network.name) == [outgoing.text, item(network, "Another").text]
    assert found.remote_id == sandbox.get(f"{ROOMS[network.name]}/posts.json")[0]["id"]
    assert network.find(outgoing, since=a_minute_ago(), known={found.remote_id}) is None
    assert network.find(outgoing, since=datetime.now(UTC) + timedelta(minutes=1)) is None


@pytest.mark.parametrize("behaviour", ["close_before_reading", "silent", "html_503", "empty_object", "success_false"])
def test_a_post_that_did_not_arrive_is_not_found(network: Network, sandbox: Sandbox, behaviour):
    network.publish(item(network, "Another"))
    sandbox.post("/control/faults", network=network.name, operation="post", behaviour=behaviour)
    with pytest.raises(Unknown):
        network.publish(item(network))

    assert network.find(item(network), since=a_minute_ago()) is None
    assert sandbox.shown(network.name) == [item(network, "Another").text]


def test_a_timeline_that_cannot_be_read_says_so(network: Network, sandbox: Sandbox):
    network.publish(item(network))
    sandbox.post("/control/faults", network=network.name, operation="timeline", behaviour="unreadable")

    with pytest.raises(CannotLook):
        network.find(item(network), since=a_minute_ago())


OUTCOMES: dict[str, dict[str, tuple[type[Exception], str | None] | None]] = {
    "x": {
        "unauthorized": (Refused, "credentials"),
        "payment_required": (Refused, "money"),
        "duplicate": (Refused, "duplicate"),
        "forbidden": (Refused, "permission"),
        "suspended": (Refused, "credentials"),
        "client_forbidden": (Refused, "permission"),
        "rate_limited": (TryLater, "rate"),
        "rate_limited_88": (TryLater, "rate"),
        "rate_limited_reset_past": (TryLater, "rate"),
        "rate_limited_without_reset": (TryLater, "rate"),
        "usage_capped": (TryLater, "money"),
        "duplicate_187": (Refused, "duplicate"),
        **dict.fromkeys(("too_long", "too_long_186"), (Refused, "text")),
        "daily_limit_185": (TryLater, "rate"),
        "locked": (Refused, "credentials"),
        **dict.fromkeys(("read_only", "not_enrolled"), (Refused, "permission")),
        "spending_capped": (TryLater, "money"),
        "internal_error": (Unknown, None),
        "unreadable": (Unknown, None),
        "partial_errors": (Unknown, None),
    },
    "facebook": {
        **dict.fromkeys(("code_1", "code_2", "code_1_published", "code_2_published"), (Unknown, None)),
        **dict.fromkeys(("json_500_without_error", "unreadable"), (Unknown, None)),
        **dict.fromkeys((f"code_{code}" for code in (4, 17, 32, 341, 613, 1390008)), (TryLater, "rate")),
        **dict.fromkeys((f"code_190_{sub}" for sub in (458, 459, 460, 463, 464, 467, 492)), (Refused, "credentials")),
        **dict.fromkeys(("code_102", "code_104", "code_190", "code_4854002"), (Refused, "credentials")),
        **dict.fromkeys(("code_10", "code_100_33", "code_200", "code_368", "code_1404112"), (Refused, "permission")),
        **dict.fromkeys(("code_100", "code_2635"), (Refused, "other")),
        **dict.fromkeys(("code_368_1390008", "code_80001"), (TryLater, "rate")),
        "code_368_1404102": (Refused, "text"),
        "code_368_1404112": (Refused, "permission"),
        "code_368_4854002": (Refused, "credentials"),
        **dict.fromkeys(("code_506_1455006", "already_posted"), (Refused, "duplicate")),
        "code_1404102": (Refused, "text"),
    },
    "mastodon": {
        **dict.fromkeys(("internal_error", "unreadable", "remote_data", "race"), (Unknown, None)),
        **dict.fromkeys(("id_alone", "dropped"), (Unknown, None)),
        **dict.fromkeys(("unauthorized", "revoked", "expired", "no_user", "gone"), (Refused, "credentials")),
        **dict.fromkeys(("disabled", "unconfirmed", "pending"), (Refused, "credentials")),
        **dict.fromkeys(("outside_scopes", "not_allowed", "forbidden_page"), (Refused, "permission")),
        **dict.fromkeys(("blank", "too_long"), (Refused, "text")),
        **dict.fromkeys(("not_found", "too_long_in_german", "too_many_media", "media_gone"), (Refused, "other")),
        **dict.fromkeys(("no_media", "description", "media_type", "processing_failed"), (Refused, "other")),
        "too_large": (Refused, "other"),
        "duplicate_record": (Refused, "duplicate"),
        "not_ready": (TryLater, "server"),
        **dict.fromkeys(("rate_limited", "rate_limited_reset_past", "rate_limited_without_reset"), (TryLater, "rate")),
        # Of pictures alone: a post is taken as ever.
        **dict.fromkeys(("preparing", "preparing_forever", "preparing_failed"), None),
    },
    "bluesky": {
        # The session is renewed, and the post sent.
        **dict.fromkeys(("expired_token", "invalid_token"), None),
        **dict.fromkeys(("auth_missing", "wrong_password", "code_by_mail"), (Refused, "credentials")),
        **dict.fromkeys(("taken_down", "suspended", "deactivated"), (Refused, "credentials")),
        **dict.fromkeys(("invalid_request", "invalid_mime_type", "not_found"), (Refused, "other")),
        **dict.fromkeys(("blob_too_large", "payload_too_large", "not_implemented"), (Refused, "other")),
        "text_too_long": (Refused, "text"),
        "bad_scope": (Refused, "permission"),
        "invalid_swap": (Refused, "duplicate"),
        "blob_not_found": (TryLater, "server"),
        **dict.fromkeys(("rate_limited", "rate_limited_reset_past", "rate_limited_without_reset"), (TryLater, "rate")),
        **dict.fromkeys(("internal_error", "internal_error_published", "unreadable"), (Unknown, None)),
        **dict.fromkeys(("upstream_failure", "upstream_failure_published"), (Unknown, None)),
        **dict.fromkeys(("upstream_timeout", "upstream_timeout_published"), (Unknown, None)),
        **dict.fromkeys(("not_enough_resources", "not_enough_resources_published"), (Unknown, None)),
        **dict.fromkeys(("without_uri", "without_cid", "garbled_cid", "elsewhere"), (Unknown, None)),
    },
}


@pytest.mark.parametrize("name", list(OUTCOMES))
def test_every_failure_the_sandbox_knows_has_its_outcome(name: str, sandbox: Sandbox):
    network = connected(sandbox, name)
    known = sandbox.get("/control/faults")["behaviours"]
    own = set(known[name]) - (set(known["x"]) & set(known["facebook"]) - {"unreadable"})
    assert own == set(OUTCOMES[name])

    met: dict[str, Any] = {}
    for number, behaviour in enumerate(sorted(own)):
        sandbox.post("/control/faults", network=name, operation="post", behaviour=behaviour)
        met[behaviour] = outcome(lambda number=number: network.publish(item(network, f"Item {number}")))
    assert met == OUTCOMES[name]


def outcome(call: Callable[[], object]) -> tuple[type[Exception], str | None] | None:
    try:
        call()
    except (Refused, TryLater, Unknown) as failure:
        return type(failure), getattr(failure, "kind", None)
    return None


def test_a_check_names_the_account(network: Network):
    account = network.check()

    assert "Peru Support Group" in account.name
    assert account.problem is None


def test_foreign_keys_are_told(sandbox: Sandbox):
    keys = X_KEYS | {"consumer_secret": "another"}

    account = connect("x", credentials=keys, address=sandbox.address + "/x", account="psg").check()

    assert "connect the account again" in str(account.problem)


@pytest.mark.parametrize("name", ["x", "facebook"])
def test_a_post_is_counted_and_taken_off_and_stays_so(name: str, sandbox: Sandbox):
    network = connected(sandbox, name)
    published = network.publish(item(network))
    other = network.publish(item(network, "Another"))
    sandbox.post("/control/figures", network=name, id=published.remote_id, likes=3, reposts=1, comments=2, views=400)

    counted = network.figures([published.remote_id, other.remote_id])[published.remote_id]
    assert (counted.likes, counted.reposts, counted.comments) == (3, 1, 2)
    for _ in range(2):
        network.remove(published.remote_id)
    assert list(network.figures([published.remote_id, other.remote_id])) == [other.remote_id]
    gone = [post["id"] for post in sandbox.get(f"{ROOMS[name]}/posts.json") if post["deleted_at"]]
    assert gone == [published.remote_id]
