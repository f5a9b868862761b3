"""The short tier of the faults: everything around a sending of 5,000 letters is killed twenty times.

On the database of this run of the tests, and on PostgreSQL fewer: its restarts take long. The long tiers are in
benchmarks/README.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.workers.conftest import ROOT, linux_only

DATABASE = "postgres" if os.environ.get("PUBLISHER_TEST_DATABASE") == "postgres" else "embedded"
MEMBERS, KILLS, SEED = (5000, 20, 1) if DATABASE == "embedded" else (2500, 10, 1)


@linux_only
@pytest.mark.django_db  # it has a database of its own, but belongs to the tests that are run on each kind
def test_nobody_is_lost_or_mailed_twice_whatever_dies() -> None:
    wanted = {"members": MEMBERS, "kills": KILLS, "seed": SEED, "database": DATABASE}
    options = [word for name, value in wanted.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-P", str(ROOT / "benchmarks" / "faults.py"), *options, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["unknown"] <= found["connections"] * KILLS
    assert {name: found[name] for name in (*wanted, "lost", "twice", "unexplained")} == {
        **wanted,
        "lost": 0,
        "twice": 0,
        "unexplained": 0,
    }
