"""What a story of publishing is played on: the stand-in networks in a process of their own, the wire to them, accounts.

The clocks of both sides are simulated: looking again after an hour takes as long as looking.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import time_machine

from benchmarks import networks_wire
from benchmarks.networks_wire import Wire

ROOT = Path(__file__).resolve().parent.parent
#: Seconds to connect, and until the next byte: more than loopback needs on a busy machine, little enough to wait for.
IMPATIENT = (2.0, 1.0)


@dataclass(frozen=True)
class Room:
    """Where a network is played, and what its stand-in must be told and asked.

    `posting` and `reading` fit the first line of a request that posts, or that looks at the own timeline.
    `account(n)` are the n-th account's handle, credentials, and name in the network's log.
    """

    path: str
    log: str
    posting: str
    reading: str
    operations: tuple[str, ...]
    account: Callable[[int], tuple[str, dict[str, str], str]]


def _x(number: int) -> tuple[str, dict[str, str], str]:
    names = ("consumer_key", "consumer_secret", "access_token", "access_token_secret")
    return f"rooms_{number}", {name: f"{name}-{number}" for name in names}, f"rooms_{number}"


def _facebook(number: int) -> tuple[str, dict[str, str], str]:
    page = str(100_000 + number)
    secret = {"app_secret": f"secret-{number}"} if number % 2 else {}
    return f"rooms_{number}", {"page_id": page, "page_token": f"token-{number}", **secret}, page


def _mastodon(number: int) -> tuple[str, dict[str, str], str]:
    return f"rooms_{number}", {"access_token": f"token-of-{number}"}, f"rooms_{number}"


def _bluesky(number: int) -> tuple[str, dict[str, str], str]:
    handle = f"rooms-{number}.example"
    return handle, {"app_password": f"pass-word-{number}"}, handle


ROOMS = {
    "x": Room("/x", "/x/log.json", r"POST /x/2/tweets ", r"GET /x/2/users/", ("post",), _x),
    "facebook": Room(
        "/graph",
        "/graph/log.json",
        r"POST /graph/v\S+/(feed|photos) ",
        r"GET /graph/v",
        ("post", "photo"),
        _facebook,
    ),
    "mastodon": Room(
        "/mastodon",
        "/mastodon/log.json",
        r"POST /mastodon/api/v1/statuses ",
        r"GET /mastodon/api/v1/accounts/",
        ("post",),
        _mastodon,
    ),
    "bluesky": Room(
        "/bluesky",
        "/bluesky/log.json",
        r"POST /bluesky/xrpc/com.atproto.repo.putRecord ",
        r"GET /bluesky/xrpc/",
        ("post",),
        _bluesky,
    ),
}


@dataclass
class Stage:
    """A stand-in that listens, the wire to it, and the time on both sides."""

    address: str
    wire: Wire
    traveller: Any
    skew: float = 0.0
    accounts: int = 0
    session: requests.Session = field(default_factory=requests.Session)

    def control(self, what: str, **wish: Any) -> Any:
        answer = self.session.post(f"{self.address}/control/{what}", json=wish, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def forget(self) -> None:
        """What was played there before."""
        self.session.delete(f"{self.address}/control", timeout=10).raise_for_status()

    def log(self, room: Room, who: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.session.get(self.address + room.log, params={"who": who}, timeout=10).json()
        return [line for line in found if line["what"] == "post"]

    def begin(self, dice: random.Random) -> None:
        """Now, with both clocks right and nothing spoilt."""
        self.skew = 0.0
        self.mend(dice)
        self.go_to(_machine_time())

    def mend(self, dice: random.Random) -> None:
        """Spoil nothing any more."""
        self.wire.clear(dice)
        self.session.delete(f"{self.address}/control/faults", timeout=10).raise_for_status()

    def go_to(self, moment: float) -> None:
        """Both clocks; the network's is as wrong as it was set."""
        self.traveller.move_to(moment)
        self.control("clock", ahead=moment - _machine_time() + self.skew)

    def account(self, network: str, *, repeats: bool) -> tuple[str, dict[str, str], str]:
        """A new account: its handle, its credentials, and its name in the log."""
        self.accounts += 1
        handle, credentials, who = ROOMS[network].account(self.accounts)
        wish = {"network": network, "handle": handle, "credentials": credentials, "repeats": repeats}
        self.control("accounts", **wish)
        return handle, credentials, who


def _machine_time() -> float:
    return float(time_machine.escape_hatch.time.time())


@contextlib.contextmanager
def built(port: int) -> Iterator[Stage]:
    """Before a sandbox that listens there: the product's adapters find it at the end of the wire, and are impatient."""
    from django.conf import settings

    before = settings.NETWORK_URLS
    with networks_wire.strung(("127.0.0.1", port)) as wire, _impatience():
        address = f"http://127.0.0.1:{wire.port}"
        settings.NETWORK_URLS = before | {name: address + room.path for name, room in ROOMS.items()}
        try:
            with time_machine.travel(time.time(), tick=True) as traveller:
                stage = Stage(f"http://127.0.0.1:{port}", wire, traveller)
                stage.forget()
                yield stage
        finally:
            settings.NETWORK_URLS = before


@contextlib.contextmanager
def _impatience() -> Iterator[None]:
    """Each adapter says in its keyword `timeouts` how long it waits, unless it is told otherwise."""
    from publisher import networks

    usual = [networks.network_class(name).__init__.__kwdefaults__ for name in ROOMS]
    before = [dict(words) for words in usual]
    for words in usual:
        words["timeouts"] = IMPATIENT
    try:
        yield
    finally:
        for words, patient in zip(usual, before, strict=True):
            words.update(patient)


@contextlib.contextmanager
def sandbox(folder: Path) -> Iterator[int]:
    """The HTTP port of a sandbox of its own."""
    announced = folder / "sandbox.json"
    command = [sys.executable, "-m", "publisher.sandbox", "--data", str(folder / "sandbox")]
    command += ["--http", "127.0.0.1:0", "--smtp", "127.0.0.1:0", "--announce", str(announced)]
    with (folder / "sandbox.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, env={**os.environ, "PYTHONPATH": "."})
        try:
            deadline = time.monotonic() + 60
            while not announced.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"The sandbox did not start: {(folder / 'sandbox.log').read_text()}")
                time.sleep(0.02)
            yield int(json.loads(announced.read_text())["http"])
        finally:
            process.terminate()
            process.wait(10)
