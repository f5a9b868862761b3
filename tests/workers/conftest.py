"""Real processes: small Python programs as children, and whole supervisors that are interrupted or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from workers import traces
from workers.processes import Child, Crew, Patience

ROOT = Path(__file__).resolve().parent.parent.parent
IMPATIENT = Patience(first=0.02, most=0.1, crashes=3, grace=20, reserve=0.1)

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc and tells of a parent's death")


def until(condition: Callable[[], Any], within: float = 20) -> Any:
    """What the condition gives as soon as it is true. Fails where it does not become so."""
    deadline = time.monotonic() + within
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return result


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def program(name: str, code: str, **more: Any) -> Child:
    """A child that runs a few lines of Python."""
    return Child(name, [sys.executable, "-c", code], **more)


#: Runs until it is asked to stop; says into a file when it began and when it was asked.
DILIGENT = """
import os, signal, sys
def say(what):
    with open({log!r}, "a") as log:
        log.write(what + "\\n")
def stop(*_):
    say("{name} stops")
    sys.exit()
signal.signal(signal.SIGTERM, stop)
say("{name} starts")
while True:
    signal.pause()
"""

#: The same, but it does not stop when asked.
STUBBORN = DILIGENT.replace("    sys.exit()\n", "")


def pid_of(folder: Path, name: str) -> int:
    import json

    return int(json.loads((folder / f"{name}.pid").read_text())["pid"])


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    with Crew(tmp_path / "run", run="this-run", patience=IMPATIENT) as crew:
        yield crew


@pytest.fixture
def process() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """process(COMMAND, …): a process of its own group, which is ended after the test with all of the group."""
    started: list[subprocess.Popen[str]] = []

    def start(*command: str | Path, **more: Any) -> subprocess.Popen[str]:
        given = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "process_group": 0, **more}
        started.append(subprocess.Popen([str(part) for part in command], **given))
        return started[-1]

    yield start
    for left in started:
        if left.poll() is None or traces.members(left.pid):
            os.killpg(left.pid, signal.SIGKILL)
        left.wait()
        if left.stdout:
            left.stdout.close()
