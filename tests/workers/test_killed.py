"""Workers are killed in the middle of a sending. The oracle is the catcher's own log, never our database."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.workers import scenes
from tests.workers.conftest import linux_only, until
from workers import traces, up

CONNECTIONS = 6  # of the two processes of the pool together


@pytest.fixture
def place(tmp_path: Path) -> Iterator[up.Place]:
    """Everything running in a data folder of its own, with a quick clock."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PUBLISHER_", "DATABASE_URL"))}
    ours = {"PUBLISHER_CLOCK_TICK": "1", "PUBLISHER_LOOPBACK_ONLY": "1", "PUBLISHER_CLAIM_SIZE": "50"}
    ours["PUBLISHER_CONNECTIONS"] = str(CONNECTIONS // 2)
    with up.running(data=tmp_path, web="127.0.0.1:0", environment=kept | ours) as place:
        yield place


def accepted(place: up.Place) -> Counter[str]:
    """How often the catcher took a mail for each address."""
    log = requests.get(f"{place.sandbox_url}/mail/log.json", timeout=10).json()
    return Counter(address for entry in log for address in entry["rcpt_to"])


def settle(place: up.Place, digest: int) -> dict[str, Any]:
    """The counts once the digest is sent; in every sample before they sum to the frozen audience."""

    def sent() -> dict[str, Any] | None:
        found = scenes.play(place.environment, "counts", digest)
        assert found["frozen"] is None or sum(found["counts"].values()) == found["frozen"]
        return found if found["state"] == "sent" else None

    return until(sent, within=180)


def children_of(place: up.Place) -> list[int]:
    """The processes of the pool that send, without the one that leads them."""
    (workers,) = [child for child in place.crew.children if child.name == "workers"]
    assert workers.process is not None
    return [pid for pid in traces.members(workers.process.pid) if pid != workers.process.pid]


def kill_the_pool(place: up.Place) -> None:
    (workers,) = [child for child in place.crew.children if child.name == "workers"]
    assert workers.process is not None
    os.killpg(workers.process.pid, signal.SIGKILL)


def kill_one_child(place: up.Place) -> None:
    for pid in children_of(place)[:1]:
        os.kill(pid, signal.SIGKILL)


def kill_the_clock(place: up.Place) -> None:
    (clock,) = [child for child in place.crew.children if child.name == "clock"]
    assert clock.process is not None
    clock.process.kill()


@linux_only
def test_kills_in_the_middle_of_a_sending_lose_nobody_and_mail_nobody_twice(place: up.Place) -> None:
    made = scenes.play(place.environment, "approve_for", 2000)
    kills = [(300, kill_the_pool), (700, kill_one_child), (1000, kill_the_clock), (1400, kill_the_pool)]
    for reached, kill in kills:
        until(lambda reached=reached: len(accepted(place)) >= reached, within=120)
        kill(place)
    found = settle(place, made["digest"])

    mailed = accepted(place)
    wanted = {f"member{n:03}@members.example" for n in range(2000)}
    assert set(mailed) <= wanted
    assert [address for address, times in mailed.items() if times > 1] == []
    assert wanted - set(mailed) <= set(found["unknown"])
    assert found["counts"]["sent"] + found["counts"]["unknown"] == found["frozen"] == 2000
    assert found["counts"]["unknown"] <= len(kills) * CONNECTIONS
