"""Each named moment of posting is the last one of a real process once. The networks' own logs say what was posted."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from benchmarks.surroundings import environment
from publisher import faults
from publisher.sandbox import accounts
from tests.delivery.test_points import database_of_its_own
from tests.workers.conftest import ROOT

ACCOUNTS: dict[str, tuple[str, dict[str, str]]] = {
    "x": (
        "rooms",
        {
            name: f"of-rooms-{name}"
            for name in ("consumer_key", "consumer_secret", "access_token", "access_token_secret")
        },
    ),
    "facebook": ("Rooms", {"page_id": "7007", "page_token": "of-rooms-page", "version": "v24.0"}),
    "mastodon": ("@rooms@rooms.example", {"access_token": "of-rooms-mastodon"}),
    "bluesky": ("rooms.example", {"app_password": "of-rooms-bluesky"}),
}
#: Where the sandbox plays them, and which setting says so.
PLAYED = {
    "x": ("x", "X_API"),
    "facebook": ("graph", "GRAPH_API"),
    "mastodon": ("mastodon",) * 2,
    "bluesky": ("bluesky",) * 2,
}
#: More requests than one post makes on any of them.
MANY = 9


@pytest.fixture
def mortal(sandbox: Any, tmp_path: Path) -> Iterator[Callable[[str, str], dict[str, Any]]]:
    """mortal("x", "asking:2"): a new post in a process that dies there, and what became of it after a restart."""
    for network, (handle, credentials) in ACCOUNTS.items():
        named = credentials.get("page_id") or handle
        accounts.add(sandbox.store, {"network": network, "handle": named, "credentials": credentials})
    (tmp_path / "data").mkdir()
    here = {f"PUBLISHER_{name.upper()}_URL": f"{sandbox.url}/{path}" for path, name in PLAYED.values()}
    command = [sys.executable, "-m", "tests.posting_mortal", json.dumps(ACCOUNTS)]
    with database_of_its_own() as database, subprocess.Popen(
        command, env=environment(tmp_path, **here, **database), cwd=ROOT, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        assert json.loads(process.stdout.readline()) == {"channels": len(ACCOUNTS)}

        def post(network: str, fault: str) -> dict[str, Any]:
            print(json.dumps({"network": network, "fault": fault}), file=process.stdin, flush=True)
            told: dict[str, Any] = json.loads(process.stdout.readline())
            shown = sandbox.json(f"/{PLAYED[network][0]}/posts.json")
            return {**told, "posted": sum(told["title"] in entry["text"] for entry in shown)}

        yield post
        process.stdin.close()


@pytest.mark.django_db  # it has a database of its own, but belongs to the tests that are run on each kind
def test_a_death_at_each_named_point_posts_nothing_twice_and_leaves_nothing_stuck(sandbox, mortal):
    # What differs by the database differs by no network.
    for network in ("x",) if connection.vendor == "postgresql" else ACCOUNTS:
        deaths = {point: list(dying(sandbox, mortal, network, point)) for point in faults.POSTING}
        assert [(told["left"], told["posted"]) for told in deaths["meaning"]] == [("approved", 1)]
        assert [(told["left"], told["posted"]) for told in deaths["meant"]] == [("publishing", 0)]
        # The last request is the post itself.
        assert (deaths["asking"][-1]["posted"], deaths["answering"][-1]["posted"]) == (0, 1)
        assert [(told["left"], told["posted"]) for told in deaths["written"]] == [("published", 1)]
        assert {told["left"] for told in deaths["looking"] + deaths["seen"]} == {"unknown"}
        assert all(deaths[point] for point in faults.POSTING)


def dying(sandbox: Any, mortal: Callable[[str, str], dict[str, Any]], network: str, point: str) -> Iterator[Any]:
    """At the first, the second, … time that a post passes this point: what became of each, as long as it dies."""
    for number in range(1, MANY):
        if point in ("looking", "seen"):
            sandbox.fault(network, "close_after_commit", "post", times=1)
        told = mortal(network, f"{point}:{number}")
        # Whatever is there is known to be there, and what is not is asked about: neither twice nor lost.
        assert (told["posted"], told["state"], told["asked"]) in ((1, "published", False), (0, "unknown", True))
        if told["status"] == 0:
            return
        assert told["status"] == -signal.SIGKILL
        yield told
