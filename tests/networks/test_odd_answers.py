"""Answers that no documentation has: words that no database takes, waits without end, addresses nobody may follow."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from publisher.networks.base import CannotLook, Failure, Outgoing, TryLater
from publisher.networks.facebook import Facebook
from tests.networks.conftest import Script, reply

POST = Outgoing("Clean water at last", None, key="0" * 32)
ODD = "no \x00 \ud800 \x1b[31m \x85 way"
MONTH = 32 * 24 * 60 * 60


@pytest.fixture
def in_lima(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose own clock is five hours behind."""
    monkeypatch.setenv("TZ", "America/Lima")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def said(problem: Failure) -> None:
    """A sentence that goes into any database, and onto any terminal."""
    assert "no" in problem.reason
    assert "way" in problem.reason
    assert problem.reason.isprintable()
    assert problem.reason.encode()


def test_what_a_network_says_can_be_written_down(script: Script, network: Any):
    """PostgreSQL takes no NUL and nothing takes half a surrogate: a post once stayed "being posted" over them."""
    error = {"message": ODD, "code": 100}
    told = {"x": {"detail": ODD}, "facebook": {"error": error}, "mastodon": {"error": ODD}, "bluesky": {"message": ODD}}
    script.play(reply(400, told[network.name]))
    with pytest.raises(Failure) as refused:
        network.publish(POST)
    said(refused.value)
    with pytest.raises(CannotLook) as unseen:
        network.find(POST, since=datetime(2026, 11, 22, tzinfo=UTC))
    said(unseen.value)


def test_no_wait_is_longer_than_a_month(script: Script, network: Any):
    script.play(reply(429, {"error": {"code": 4}}, Retry_After="9" * 15))
    with pytest.raises(TryLater) as later:
        network.publish(POST)
    assert 0 < later.value.after <= MONTH


def test_a_page_rests_for_a_month_at_most(script: Script, facebook: Facebook):
    usage = f'{{"call_count": 99, "estimated_time_to_regain_access": {"9" * 15}}}'
    script.play(reply(200, {"id": "1001_1"}, X_App_Usage=usage))
    assert facebook.publish(POST).rest == MONTH


@pytest.mark.parametrize(
    "date",
    [
        "",
        "yesterday",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Sun, 22 Nov 99999999999999999999 10:00:00 GMT",
        f"Sun, 22 Nov 2026 10:00:00 +{'9' * 20}",
        "Sun, 22 Nov 2026 0:0:999999999999 GMT",
        "Sun, 22 Nov 2026 10:00:00 +9999",
        "Sun, 31 Nov 2026 10:00:00 GMT",
    ],
)
def test_a_post_that_stands_is_published_whatever_day_the_server_says_it_is(
    script: Script, facebook: Facebook, date: str
):
    """The request has left, and the answer is good: an error over its date would make it look as if it had not."""
    script.play(reply(200, {"id": "1001_1"}, Date=date))
    published = facebook.publish(POST)
    assert (published.remote_id, published.at) == ("1001_1", None)


def test_a_day_without_a_zone_is_in_greenwich(script: Script, facebook: Facebook, in_lima: None):
    script.play(reply(200, {"id": "1001_1"}, Date="Sun, 22 Nov 2026 10:00:00 -0000"))
    assert facebook.publish(POST).at == datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://x.example/\x00", 7, f"https://x.example/{'x' * 2000}"])
def test_what_is_no_address_of_a_post_is_not_shown_as_one(script: Script, facebook: Facebook, url: Any):
    post = {"id": "1001_1", "message": POST.text, "created_time": "2026-11-23T00:00:00+0000", "permalink_url": url}
    script.play(reply(200, {"id": "1001"}), reply(200, {"data": [post]}))
    found = facebook.find(POST, since=datetime(2026, 11, 22, tzinfo=UTC))
    assert found is not None
    assert found.url == f"{script.address}/facebook/1001#1001_1"
