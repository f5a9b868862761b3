"""What the image holds, run as Compose runs it: its commands, its environment, its health checks; no Docker.

The names of other containers become loopback and free ports; that is all that differs.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
import requests

from tests import databases
from tests.production import files
from workers.embedded import find_program

PATIENCE = 60  # seconds; two busy cores need a tenth of it


@dataclass(frozen=True)
class Machine:
    """A folder with the image's files in it, and what the containers would find in their environment."""

    app: Path
    answers: dict[str, str]  # .env
    environment: Mapping[str, str]
    moved: Mapping[str, str]  # what is elsewhere here: as Compose has it → as it is

    def command(self, words: list[str] | str) -> list[str]:
        words = words if isinstance(words, list) else json.loads(words)
        return [here(files.substituted(word, self.answers), self.moved) for word in words]

    def run(self, command: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.app, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, **more
        )

    @contextlib.contextmanager
    def running(self, name: str, command: list[str]) -> Iterator[None]:
        """Run it for the length of the block; it has to end by itself, and well, when it is asked to."""
        log = self.app.parent / f"{name}.log"
        with log.open("w") as out:
            process = subprocess.Popen(command, cwd=self.app, env=self.environment, stdout=out, stderr=out)
        try:
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0, log.read_text()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    app, data, programs = tmp_path / "app", tmp_path / "data", tmp_path / "programs"
    for folder in (app, data, programs):
        folder.mkdir()
    for name in files.copied():
        place = files.ROOT / name
        if place.is_dir():
            shutil.copytree(place, app / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(place, app)
    (programs / "redis-server").symlink_to(find_program().path)
    web, broker = free_port(), free_port()
    moved = {
        "@redis:6379": f"@127.0.0.1:{broker}",
        "127.0.0.1:8000": f"127.0.0.1:{web}",
        "0.0.0.0:8000": f"127.0.0.1:{web}",
        "dir /data": f"dir {data}\nbind 127.0.0.1\nport {broker}",
        "/data": str(data),
        "/app": str(app),
        "/tmp/build": str(tmp_path / "build"),
        "/venv/bin": f"{programs}:{files.BESIDE_PYTHON}",
        "$PATH": os.defpath,
    }
    with databases.postgres() as url:
        answers = files.filled_in()
        given = files.services()["web"]["environment"]
        environment = files.image_environment() | {k: files.substituted(v, answers) for k, v in given.items()}
        environment["REDISCLI_AUTH"] = answers["REDIS_PASSWORD"]
        environment = {name: here(value, moved) for name, value in environment.items()} | {"DATABASE_URL": url}
        yield Machine(app, answers, environment, moved)


def test_the_image_runs_as_compose_says_and_writes_nothing_into_itself(machine: Machine) -> None:
    services = files.services()
    done = machine.run(["sh", "-c", here(files.made(), machine.moved)])
    assert done.returncode == 0, done.stdout + done.stderr
    built = everything_in(machine.app)

    with machine.running("redis", machine.command(services["redis"]["command"])):
        until(lambda: answers(machine))
        assert refuses_without_password(machine)
        done = machine.run(machine.command(services["migrate"]["command"]))
        assert done.returncode == 0, done.stdout + done.stderr
        with (
            machine.running("web", machine.command(files.instruction("CMD"))),
            machine.running("worker", machine.command(services["worker"]["command"])),
            machine.running("clock", machine.command(services["clock"]["command"])),
        ):
            until(lambda: healthy(machine, files.instruction("HEALTHCHECK").partition("CMD ")[2]))
            for name in ("worker", "clock"):
                until(lambda name=name: healthy(machine, services[name]["healthcheck"]["test"][1:]))
            assert pages(machine) == {
                "/readyz": 200,
                "/staff/sign-in/": 200,
                "/static/publisher/publisher.css": 200,
                "/staff/sign-in/ by http": 301,
            }

    assert everything_in(machine.app) - built == set()


def here(text: str, moved: Mapping[str, str]) -> str:
    return re.sub("|".join(map(re.escape, moved)), lambda found: moved[found[0]], text)


def healthy(machine: Machine, check: list[str] | str) -> bool:
    return machine.run(machine.command(check)).returncode == 0


def pages(machine: Machine) -> dict[str, int]:
    """What the pages answer behind a proxy that speaks https, and without one."""
    base = f"http://{machine.moved['127.0.0.1:8000']}"
    by_https = {"X-Forwarded-Proto": "https", "Host": files.ADDRESS.removeprefix("https://")}
    asked = ("/readyz", "/staff/sign-in/", "/static/publisher/publisher.css")
    found = {path: requests.get(base + path, headers=by_https, timeout=10).status_code for path in asked}
    bare = requests.get(f"{base}/staff/sign-in/", timeout=10, allow_redirects=False)
    return found | {"/staff/sign-in/ by http": bare.status_code}


def answers(machine: Machine) -> bool:
    try:
        with redis.Redis.from_url(machine.environment["REDIS_URL"]) as server:
            return bool(server.ping() and server.config_get("appendonly")["appendonly"] == "yes")
    except redis.ConnectionError:
        return False


def refuses_without_password(machine: Machine) -> bool:
    with redis.Redis(port=int(machine.moved["@redis:6379"].rpartition(":")[2])) as server:
        with pytest.raises(redis.AuthenticationError):
            server.ping()
    return True


def everything_in(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
