"""Workers that hand letters to a provider are killed. The oracle is the provider's own log, never our database."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.delivery.provider_server import KEY, Provider
from tests.workers import scenes
from tests.workers.conftest import linux_only, until
from tests.workers.test_killed import CONNECTIONS, kill_one_child, kill_the_pool, settle
from workers import up

MEMBERS = 400
KILLS = ((60, kill_the_pool), (160, kill_one_child), (260, kill_the_pool))


@pytest.fixture
def provider() -> Iterator[Provider]:
    """One that takes its time, so that a kill finds requests under way."""
    server = Provider(delay=0.05)
    yield server
    server.stop()


@pytest.fixture
def place(tmp_path: Path, provider: Provider, request: pytest.FixtureRequest) -> Iterator[up.Place]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PUBLISHER_", "DATABASE_URL"))}
    ours = {
        "PUBLISHER_CLOCK_TICK": "1",
        "PUBLISHER_LOOPBACK_ONLY": "1",
        "PUBLISHER_CLAIM_SIZE": "50",
        "PUBLISHER_CONNECTIONS": str(CONNECTIONS // 2),
        "PUBLISHER_MAIL_PROVIDER": request.param,
        "PUBLISHER_MAIL_PROVIDER_KEY": KEY,
        "PUBLISHER_MAIL_PROVIDER_URL": provider.url(request.param),
    }
    with up.running(data=tmp_path, web="127.0.0.1:0", environment=kept | ours) as place:
        yield place


@linux_only
@pytest.mark.parametrize("place", ["postmark", "resend"], indirect=True)
def test_kills_lose_nobody_and_mail_nobody_twice(place: up.Place, provider: Provider) -> None:
    assert place.environment["PUBLISHER_SANDBOXED"] == "x,facebook,mastodon,bluesky"
    made = scenes.play(place.environment, "approve_for", MEMBERS)
    for reached, kill in KILLS:
        until(lambda reached=reached: provider.mailed().total() >= reached, within=120)
        kill(place)
    found = settle(place, made["digest"])

    wanted = {f"member{n:03}@members.example" for n in range(MEMBERS)}
    mailed = provider.mailed()
    assert [address for address, times in mailed.items() if times > 1] == []
    assert wanted - set(mailed) <= set(found["unknown"])
    assert found["counts"]["sent"] + found["counts"]["unknown"] == found["frozen"] == MEMBERS
    assert 0 < found["counts"]["unknown"] <= len(KILLS) * CONNECTIONS

    if place.environment["PUBLISHER_MAIL_PROVIDER"] == "resend":
        # What a person then sends again has the key of the first attempt: it makes no second letter.
        assert scenes.play(place.environment, "send_again", made["digest"]) == {"rows": found["counts"]["unknown"]}
        assert settle(place, made["digest"])["counts"]["sent"] == MEMBERS
        assert provider.mailed() == Counter(wanted)
