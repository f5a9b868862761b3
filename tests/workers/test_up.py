from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workers import traces, up
from workers.processes import Crew

from .conftest import ROOT, linux_only, pid_of, until

FOREIGN = {
    "PUBLISHER_SMTP_URL": "smtp://mail.example:25",
    "PUBLISHER_X_API_URL": "http://127.0.0.1:9/x",
    "PUBLISHER_GRAPH_API_URL": "http://127.0.0.1:9/graph",
    "PUBLISHER_MASTODON_URL": "http://127.0.0.1:9/mastodon",
    "PUBLISHER_BLUESKY_URL": "http://127.0.0.1:9/bluesky",
}


def surroundings(data: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PUBLISHER_DATA": str(data)}


def get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=20) as answer:
        return answer.read()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def those_of(data: Path) -> list[str]:
    """The processes that were told of this data folder, down to the last grandchild."""
    told = f"PUBLISHER_DATA={data}".encode()
    found = []
    for entry in traces.PROC.iterdir():
        try:
            if entry.name.isdigit() and told in (entry / "environ").read_bytes().split(b"\0"):
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


@pytest.fixture
def start(process, tmp_path: Path) -> Callable[[], tuple[subprocess.Popen[str], dict[str, str]]]:
    def start() -> tuple[subprocess.Popen[str], dict[str, str]]:
        announced = tmp_path / "announced.json"
        announced.unlink(missing_ok=True)
        with open(tmp_path / "output", "w") as output:
            command = (sys.executable, "-m", "workers.up", "--web", "127.0.0.1:0", "--announce", announced)
            running = process(*command, env=surroundings(tmp_path / "data"), stdout=output)
        until(lambda: announced.exists() or running.poll() is not None, within=60)
        assert announced.exists(), (tmp_path / "output").read_text()
        return running, json.loads(announced.read_text())

    return start


@linux_only
def test_everything_starts_serves_and_stops_without_a_trace(start, process, tmp_path: Path):
    running, places = start()
    data = tmp_path / "data"

    assert get(f"{places['web']}/healthz") == b"ok\n"
    checks = json.loads(get(f"{places['web']}/readyz"))["checks"]
    assert {name: checks[name]["ok"] for name in ("database", "migrations", "broker")} == {
        "database": True,
        "migrations": True,
        "broker": True,
    }
    assert get(places["sandbox"])
    clock_runs = until(lambda: json.loads(get(f"{places['web']}/readyz"))["checks"]["clock"]["ok"])
    assert clock_runs

    second = subprocess.run(
        [sys.executable, "-m", "workers.up"], env=surroundings(data), capture_output=True, text=True, timeout=60
    )
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr == f"Publisher is already running in {data} (pid {running.pid}) at {places['web']}\n"

    # The pages' address is held by the parent: whoever asks in the meantime waits, and is answered.
    os.kill(pid_of(data / "run", "web"), signal.SIGKILL)
    assert get(f"{places['web']}/healthz") == b"ok\n"

    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 0
    assert those_of(data) == []
    assert sorted(file.name for file in (data / "run").iterdir()) == ["sandbox.json"]


@linux_only
def test_a_killed_start_leaves_nothing_that_blocks_the_next(start, tmp_path: Path):
    killed, _ = start()
    killed.kill()
    killed.wait()

    running, places = start()

    assert get(f"{places['web']}/healthz") == b"ok\n"
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 0
    until(lambda: those_of(tmp_path / "data") == [])


def test_the_sandbox_stands_in_for_nothing_where_everything_is_connected(crew: Crew, tmp_path: Path):
    given = {**os.environ, **FOREIGN}

    up._start_sandbox(crew, tmp_path, given, say=print)

    assert crew.children == []
    assert given == {**os.environ, **FOREIGN}


def test_nothing_stands_in_for_mail_where_a_provider_takes_it(crew: Crew, tmp_path: Path):
    elsewhere = {name: address for name, address in FOREIGN.items() if name != "PUBLISHER_SMTP_URL"}
    given = {**os.environ, **elsewhere, "PUBLISHER_MAIL_PROVIDER": "resend"}

    up._start_sandbox(crew, tmp_path, given, say=print)

    assert crew.children == []
    assert given.get("PUBLISHER_SMTP_URL") is None


def test_the_sandbox_stands_in_for_what_is_missing_and_comes_back_where_it_was(crew: Crew, tmp_path: Path):
    given = surroundings(tmp_path) | {"PUBLISHER_SMTP_URL": "smtp://mail.example:25"}
    (tmp_path / "run").mkdir()

    up._start_sandbox(crew, tmp_path, given, say=lambda sentence: None)

    sandbox = given["PUBLISHER_SANDBOX_URL"]
    assert {name: given[name] for name in FOREIGN} == {
        "PUBLISHER_SMTP_URL": "smtp://mail.example:25",
        "PUBLISHER_X_API_URL": f"{sandbox}/x",
        "PUBLISHER_GRAPH_API_URL": f"{sandbox}/graph",
        "PUBLISHER_MASTODON_URL": f"{sandbox}/mastodon",
        "PUBLISHER_BLUESKY_URL": f"{sandbox}/bluesky",
    }
    crashed = pid_of(tmp_path / "run", "sandbox")
    os.kill(crashed, signal.SIGKILL)
    until(lambda: traces.born(crashed) is None)
    until(lambda: listens(int(sandbox.rpartition(":")[2])))


def test_the_next_free_port_is_taken_where_none_was_asked_for(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(up, "FIRST_PORT", port)
        monkeypatch.setattr(up, "LAST_PORT", port + 20)

        with up._listening(None) as listener:
            assert listener.getsockname()[0] == "127.0.0.1"
            assert port < listener.getsockname()[1] <= port + 20


def test_a_port_that_was_asked_for_and_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(up.CannotListen) as caught, up._listening(place):
            pass

    assert str(caught.value) == (
        f"Cannot serve pages at {place}: Address already in use. Choose another with --web HOST:PORT."
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1:8000", ("127.0.0.1", 8000)),
        ("[::1]:80", ("::1", 80)),
        (":8000", ("127.0.0.1", 8000)),
        ("8000", ("127.0.0.1", 8000)),
        ("0.0.0.0:8000", ("0.0.0.0", 8000)),
    ],
)
def test_an_address_for_the_pages_is_read(text: str, place: tuple[str, int]):
    assert up.host_and_port(text) == place


@pytest.mark.parametrize("text", ["localhost", "127.0.0.1:", "127.0.0.1:eight", "127.0.0.1:70000"])
def test_what_is_no_address_for_the_pages_is_refused(text: str):
    with pytest.raises(up.CannotListen, match=r"is not HOST:PORT, as in 127\.0\.0\.1:8000\.$"):
        up.host_and_port(text)


def test_where_everything_is_listened_to_the_address_is_one_that_answers():
    with socket.create_server(("0.0.0.0", 0)) as listener:
        assert up.url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_the_workers_are_threads_where_no_semaphore_may_be_made(monkeypatch):
    def refuse(self: object) -> None:
        raise PermissionError(13, "Permission denied")

    assert up.worker_pool() == "prefork"
    monkeypatch.setattr(multiprocessing.context.BaseContext, "Lock", refuse)
    assert up.worker_pool() == "threads"


def test_what_the_caller_has_set_is_not_overruled(tmp_path: Path):
    given = {"PUBLISHER_BASE_URL": "https://news.example", "PYTHONPATH": "/elsewhere"}

    told = given | up._surroundings(given, tmp_path, "http://127.0.0.1:8000")

    assert told["PUBLISHER_BASE_URL"] == "https://news.example"
    assert told["PYTHONPATH"] == f"{ROOT}{os.pathsep}/elsewhere"
    assert told["PUBLISHER_DATA"] == str(tmp_path)
