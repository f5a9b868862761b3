"""Answers that no documentation has: words that no database takes, waits without end, addresses nobody may follow."""

from datetime import UTC, datetime
from typing import Any

import pytest

from publisher.networks.base import CannotLook, Failure, Outgoing, TryLater
from publisher.networks.facebook import Facebook
from tests.networks.conftest import Script, reply

POST = Outgoing("Clean water at last", None, key="0" * 32)
ODD = "no \x00 \ud800 \x1b[31m \x85 way"
MONTH = 32 * 24 * 60 * 60


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


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://x.example/\x00", 7, f"https://x.example/{'x' * 2000}"])
def test_what_is_no_address_of_a_post_is_not_shown_as_one(script: Script, facebook: Facebook, url: Any):
    post = {"id": "1001_1", "message": POST.text, "created_time": "2026-11-23T00:00:00+0000", "permalink_url": url}
    script.play(reply(200, {"id": "1001"}), reply(200, {"data": [post]}))
    found = facebook.find(POST, since=datetime(2026, 11, 22, tzinfo=UTC))
    assert found is not None
    assert found.url == f"{script.address}/facebook/1001#1001_1"
