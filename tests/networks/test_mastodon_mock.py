"""The adapter for Mastodon against a server that others have written: mastodon-mock."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from publisher.networks import connect, http
from publisher.networks.base import Account, Figures, Network, Outgoing, Picture, Refused
from tests.sandbox.conftest import PNG

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mastodon_mock") is None,
    reason="mastodon-mock is not installed: it comes with the test extra",
)

SERVE = """
import sys
from mastodon_mock.config import DatabaseConfig, MastodonMockConfig
from mastodon_mock.testing import MockServer
with MockServer(config=MastodonMockConfig(database=DatabaseConfig(path=":memory:"))) as server:
    print(server.base_url, flush=True)
    sys.stdin.read()
"""
LINK = "https://example.org/water?a=1&copy=2"
TEXT = f"“Sí,” & 3 < 4: #water 👩‍👩‍👧\n\nCafe\u0301 in the hills.\n\n{LINK}"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """It runs until its standard input ends."""
    command = [sys.executable, "-c", SERVE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = process.stdout.readline().strip()
        assert found.startswith("http"), "mastodon-mock did not start"
        yield found
        process.communicate()


@pytest.fixture
def mastodon(address: str) -> Network:
    return connected(address)


def connected(address: str, token: str = "mock_token") -> Network:
    return connect("mastodon", credentials={"access_token": token}, address=address, account="@testuser@mock.example")


def outgoing(key: str, text: str = TEXT, picture: Picture | None = None) -> Outgoing:
    return Outgoing(text, LINK, picture, key=key)


def a_minute_ago() -> datetime:
    return datetime.now(UTC) - timedelta(minutes=1)


def test_a_post_is_made_and_found_by_its_text(mastodon: Network) -> None:
    published = mastodon.publish(outgoing("found"))

    found = mastodon.find(outgoing("found"), since=a_minute_ago())

    assert found is not None
    assert (found.remote_id, found.url) == (published.remote_id, published.url)
    assert mastodon.find(outgoing("found", text=f"Something else {LINK}"), since=a_minute_ago()) is None


def test_a_second_request_with_the_same_key_gives_the_same_post(mastodon: Network) -> None:
    first, again, other = (mastodon.publish(outgoing(key)) for key in ("twice", "twice", "once"))

    assert first.remote_id == again.remote_id != other.remote_id


def test_a_picture_stands_there_with_its_description(address: str, mastodon: Network) -> None:
    published = mastodon.publish(outgoing("picture", picture=Picture(PNG, "image/png", "A dam")))

    status = requests.get(f"{address}/api/v1/statuses/{published.remote_id}", timeout=5).json()
    assert [media["description"] for media in status["media_attachments"]] == ["A dam"]


def test_figures_are_read_and_a_post_is_taken_off(mastodon: Network) -> None:
    published = mastodon.publish(outgoing("taken off"))
    assert mastodon.figures([published.remote_id]) == {published.remote_id: Figures(likes=0, reposts=0, comments=0)}

    mastodon.remove(published.remote_id)
    mastodon.remove(published.remote_id)

    assert mastodon.figures([published.remote_id]) == {}


def test_every_request_of_the_adapter_is_one_that_it_answers(mastodon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publisher.networks.mastodon.PAGE", 1)
    mastodon._patience, answered, request = (0,), {}, http.Session.request

    def noted(self: http.Session, method: str, url: str, **more: Any) -> requests.Response:
        response = request(self, method, url, **more)
        answered[f"{method} {re.sub('/[0-9]+', '/…', urlsplit(url).path)}"] = response
        return response

    monkeypatch.setattr(http.Session, "request", noted)
    picture = Picture(PNG, "image/png", "A dam")
    older, newer = (mastodon.publish(outgoing(name, f"{name} {LINK}", picture)) for name in ("older", "newer"))
    # It prepares a picture at once; a server of others may need a moment, and is asked.
    mastodon._wait_for(answered["POST /api/v2/media"].json()["id"])
    found = mastodon.find(outgoing("older", f"older {LINK}"), since=a_minute_ago())
    mastodon.figures([older.remote_id, newer.remote_id])
    mastodon.check()
    mastodon.remove(newer.remote_id)

    assert found.remote_id == older.remote_id
    # Of itself it says what an app may do to apps alone, and Mastodon to whoever the app speaks for.
    assert answered.pop("GET /api/v1/apps/verify_credentials").status_code == 401
    assert {asked: response.status_code for asked, response in answered.items()} == dict.fromkeys(
        [
            "POST /api/v2/media",
            "POST /api/v1/statuses",
            "GET /api/v1/media/…",
            "GET /api/v1/accounts/verify_credentials",
            "GET /api/v1/accounts/…/statuses",
            "GET /api/v1/statuses",
            "GET /api/v2/instance/",
            "DELETE /api/v1/statuses/…",
        ],
        200,
    )


def test_a_check_names_the_account(mastodon: Network) -> None:
    account = mastodon.check()

    assert account == Account("@testuser@mock.example (Test User)", account.url)


def test_what_it_refuses_is_refused(address: str, mastodon: Network) -> None:
    with pytest.raises(Refused) as unknown:
        connected(address, "another token").publish(outgoing("refused"))
    with pytest.raises(Refused) as blank:
        mastodon.publish(outgoing("blank", text=" "))

    assert (unknown.value.kind, blank.value.kind) == ("credentials", "text")
