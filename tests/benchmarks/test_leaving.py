"""The short tier of leaving: the counts of a small sending, and that the oracle would have seen what it looks for."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from benchmarks.leaving import Left, accepted, verdict
from tests.workers.conftest import ROOT, linux_only

DATABASE = "postgres" if os.environ.get("PUBLISHER_TEST_DATABASE") == "postgres" else "embedded"


def left(address: str, at: float, status: int = 200, *, redirects: bool = False) -> Left:
    return Left(address, at, status, redirects, cookies=False, length=52, seconds=0.01)


def test_the_oracle_sees_a_letter_whose_claim_came_after_the_answer() -> None:
    posts = [left("early", 10.0), left("claimed", 10.0), left("spared", 10.0), left("again", 10.0)]
    claims = [("early", 11.0), ("claimed", 9.0), ("again", 9.0), ("again", 10.5)]
    taken = accepted(
        ["9.5 opened 1 - -", "12.0 accepted 1 early <a>", "12.5 accepted 1 claimed <b>", "13 accepted 1 again <c>"]
    )

    told = verdict(posts, claims, taken)

    assert (told["mailed_after_answer"], told["spared"], told["latest_after_answer_s"]) == (2, 1, 3.0)


def test_the_oracle_counts_what_is_no_plain_answer() -> None:
    told = verdict([left("a", 1, 303, redirects=True), left("b", 1, 500), left("c", 1, 204)], [], [])

    assert (told["left"], told["not_2xx"], told["redirects"]) == (3, 2, 1)


@linux_only
@pytest.mark.django_db  # it has a database of its own, but belongs to the tests that are run on each kind
def test_who_leaves_during_a_sending_is_answered_and_spared() -> None:
    options = ["--members", "300", "--leaving", "60", "--slow", "0.02", "--database", DATABASE]
    command = [sys.executable, "-P", str(ROOT / "benchmarks" / "leaving.py"), *options, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    wanted = {"left": 60, "not_2xx": 0, "redirects": 0, "cookies_set": 0, "mailed_after_answer": 0}
    assert {name: found[name] for name in wanted} == wanted
    assert sum(found["states"].values()) == 300
