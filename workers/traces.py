"""What a start leaves in the data folder, so that the next one can tell whether it still runs.

A number alone does not name a process, since numbers are used again. So each trace holds the moment at
which the process began too, and nothing is ended that does not fit both.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PROC = Path("/proc")
# The environment variable that all descendants of one start carry.
RUN = "PUBLISHER_RUN"


class Occupied(Exception):
    """Another start uses this data folder; the text names it."""


@contextlib.contextmanager
def occupied(folder: Path) -> Iterator[Callable[[str], None]]:
    """Hold the data folder, and give a function that notes the address under which this start is found.

    Raises Occupied with a sentence for people. The kernel gives the lock back when its holder is killed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(os.open(folder / "publisher.lock", os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Occupied(_holder(folder, file.read())) from None

        def note(address: str) -> None:
            file.seek(0)
            file.truncate()
            json.dump({"pid": os.getpid(), "address": address}, file)
            file.flush()

        note("")
        yield note
        file.truncate(0)


def _holder(folder: Path, noted: str) -> str:
    holder = json.loads(noted or "{}")
    pid = f" (pid {holder['pid']})" if holder.get("pid") else ""
    address = f" at {holder['address']}" if holder.get("address") else ""
    return f"Publisher is already running in {folder}{pid}{address}"


def born(pid: int) -> str | None:
    """When a process began, as this machine tells it; None of one that is gone or waits to be reaped."""
    if PROC.joinpath("self", "stat").exists():
        return _born_on_linux(pid)
    done = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True)
    state, _, began = done.stdout.strip().partition(" ")
    return began.strip() if began and not state.startswith("Z") else None


def _born_on_linux(pid: int) -> str | None:
    stat = _stat(pid)
    if not stat or stat[0] in "ZX":
        return None
    # The start is counted in ticks since the machine's start, so it says nothing without naming that.
    return f"{PROC.joinpath('sys/kernel/random/boot_id').read_text().strip()} {stat[19]}"


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the program's name, which may hold blanks and brackets itself."""
    try:
        return PROC.joinpath(str(pid), "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def leave(folder: Path, name: str, pid: int, run: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / f"{name}.new"
    written.write_text(json.dumps({"pid": pid, "born": born(pid), "run": run}))
    written.rename(folder / f"{name}.pid")


def remove(folder: Path, name: str) -> None:
    (folder / f"{name}.pid").unlink(missing_ok=True)


def end_orphans(folder: Path, patience: float = 10) -> list[str]:
    """End what a killed start left running, and name it. A process that is not ours is left alone.

    To be called under the lock of the data folder: then whatever still runs has no parent to report to.
    """
    ended = []
    for file in sorted(folder.glob("*.pid")):
        # A torn file names nobody.
        with contextlib.suppress(ValueError, KeyError, TypeError, OSError):
            trace = json.loads(file.read_text())
            if _end_group(int(trace["pid"]), trace["born"], trace["run"], patience):
                ended.append(file.stem)
        file.unlink(missing_ok=True)
    return ended


def _end_group(pid: int, born: str | None, run: str | None, patience: float) -> bool:
    """End the process and its children: politely first, since a server may have something to write."""
    if not (left := _group(pid, born, run)):
        return False
    _signal(left if pid not in left else [pid], signal.SIGTERM)
    deadline = time.monotonic() + patience
    while (left := _group(pid, born, run)) and time.monotonic() < deadline:
        time.sleep(0.02)
    _signal(left, signal.SIGKILL)
    return True


def _group(pid: int, began: str | None, run: str | None) -> list[int]:
    """What is left of a child and its own children, which are known by their group and their run."""
    leader = [pid] if began and born(pid) == began else []
    others = [other for other in members(pid) if other != pid and run and _run_of(other) == run]
    return leader + others


def members(group: int) -> list[int]:
    """The living processes of a process group; where there is no /proc, none but its leader is known."""
    if not PROC.joinpath("self", "stat").exists():
        return [group] if born(group) else []
    numbers = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    stats = ((number, _stat(number)) for number in numbers)
    return [number for number, stat in stats if stat and stat[0] not in "ZX" and int(stat[2]) == group]


def _run_of(pid: int) -> str | None:
    try:
        variables = PROC.joinpath(str(pid), "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    prefix = f"{RUN}=".encode()
    return next((v.removeprefix(prefix).decode() for v in variables if v.startswith(prefix)), None)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
