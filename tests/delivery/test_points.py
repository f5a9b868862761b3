"""Each named moment of a sending is the last one of a real process once. The server's own log says who was mailed."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from benchmarks.servers import OurSink, running
from benchmarks.surroundings import environment
from publisher import faults
from tests.workers.conftest import ROOT

CONNECTIONS = 2
MEMBERS = 20 * len(faults.SENDING)
#: Between two batches nothing is under way on any connection, so nobody is in doubt.
BETWEEN = {"claimed", "releasing", "ended"}


@contextmanager
def database_of_its_own() -> Iterator[dict[str, str]]:
    """SQLite's file lies in the data folder; PostgreSQL is the one that the other tests use."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        yield {}
        return
    name = f"points_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        yield {"DATABASE_URL": f"{url.rpartition('/')[0]}/{name}"}
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def mortal(place: Path, port: int) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Sends with this fault, and tells what is left of it."""
    with database_of_its_own() as database:
        ours = {
            "PUBLISHER_SMTP_URL": f"smtp://127.0.0.1:{port}",
            "PUBLISHER_CONNECTIONS": str(CONNECTIONS),
            "PUBLISHER_CLAIM_SIZE": "8",  # a few groups of each connection, and soon over
        }
        command = [sys.executable, "-m", "tests.delivery.mortal", str(MEMBERS)]
        with subprocess.Popen(
            command, env=environment(place, **ours, **database), cwd=ROOT, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:  # fmt: skip
            assert process.stdin
            assert process.stdout
            assert json.loads(process.stdout.readline()) == {"frozen": MEMBERS}

            def send(fault: str) -> dict[str, Any]:
                print(fault or "-", file=process.stdin, flush=True)
                told: dict[str, Any] = json.loads(process.stdout.readline())
                return told

            yield send
            process.stdin.close()


def accepted(log: Path) -> Counter[str]:
    """How often the server took a message for each address."""
    events = (line.split() for line in log.read_text().splitlines())
    return Counter(recipient for _, event, _, recipient, _ in events if event == "accepted")


@pytest.mark.django_db  # it has a database of its own, but belongs to the tests that are run on each kind
def test_a_death_at_each_named_point_mails_nobody_twice_and_forgets_nobody(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    doubts: dict[str, int] = {}
    known: set[str] = set()
    with running(OurSink(tmp_path / "log")) as sink, mortal(tmp_path, sink.port) as send:
        for point in faults.SENDING:
            told = send(f"{point}:2@{tmp_path / point}")
            assert (point, told["status"], told["holds"]) == (point, -signal.SIGKILL, 0)
            assert sum(told["counts"].values()) == MEMBERS
            doubts[point] = len(set(told["unknown"]) - known)
            known |= set(told["unknown"])
        rest = send("")

    mailed = accepted(tmp_path / "log")
    assert rest["status"] == 0
    assert rest["counts"] == {"sent": MEMBERS - len(known), "unknown": len(known)}
    assert [address for address, times in mailed.items() if times > 1] == []
    # Whoever is called sent was mailed; whoever was not is among the unknown.
    assert MEMBERS - len(known) == len(mailed.keys() - known)
    assert {point for point, count in doubts.items() if count > CONNECTIONS} == set()
    assert {point for point, count in doubts.items() if count} & BETWEEN == set()


def test_who_dies_at_a_point_tells_when_as_the_server_s_log_would(tmp_path: Path) -> None:
    """A file's own time is some milliseconds early: what happened in them would seem to be nobody's death."""
    living = "import time; from publisher import faults; print(time.time(), flush=True); faults.point('handed')"
    died = tmp_path / "died"
    done = subprocess.run(
        [sys.executable, "-c", living], env={"PUBLISHER_FAULT": f"handed:1@{died}"}, cwd=ROOT, text=True,
        stdout=subprocess.PIPE, check=False,
    )  # fmt: skip

    assert done.returncode == -signal.SIGKILL
    assert float(done.stdout) - 1e-6 <= float(died.read_text())
