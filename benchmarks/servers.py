"""What takes the mail: Postfix's smtp-sink, or our own sink. Both tell how many messages they have taken."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from workers.up import PYTHON, ROOT

WHERE = "/usr/sbin:/usr/local/sbin:/sbin"


class Server(Protocol):
    port: int

    def taken(self) -> int: ...


class SmtpSink:
    """Postfix's, with its running counter in a file."""

    def __init__(self, place: Path) -> None:
        self.port = free_port()
        self.counter = place / f"smtp-sink-{self.port}"
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [program("smtp-sink"), *user, "-c", "-m", "1000", f"127.0.0.1:{self.port}", "1000"]
        with self.counter.open("w") as counter:
            self.process = subprocess.Popen(command, stdout=counter)
        wait_for(self.port, self.process)

    def taken(self) -> int:
        with self.counter.open("rb") as counter:
            counter.seek(max(0, self.counter.stat().st_size - 200))
            found = re.findall(rb"mesg=(\d+)\r", counter.read())
        return int(found[-1]) if found else 0

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


class OurSink:
    """`benchmarks.sink` as a process."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self.log, self._arguments = log, arguments
        self.port = 0
        self.start()

    def start(self) -> None:
        """At the port where it was before, if it was."""
        command = [*PYTHON, "benchmarks.sink", "--log", str(self.log), "--port", str(self.port), *self._arguments]
        known = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=known, text=True)
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())

    def taken(self) -> int:
        with self.log.open("rb") as log:
            return sum(b" accepted " in line for line in log)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


Started = TypeVar("Started", SmtpSink, OurSink)


@contextlib.contextmanager
def running(server: Started) -> Iterator[Started]:
    try:
        yield server
    finally:
        server.stop()


def program(name: str) -> str:
    """Where Postfix's test programs are; they come with its package."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{WHERE}")
    if not found:
        raise SystemExit(f"{name} is not installed. It comes with Postfix: apt-get install postfix")
    return found


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise SystemExit(f"{process.args!r} does not listen.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
