"""Who holds a lease: a process, named so that any other process can tell whether it still lives."""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PID_SPACE = Path("/proc/self/ns/pid")


def me() -> str:
    """place/pid/start: a pid alone comes back after a while, with its start time it does not."""
    return f"{_here()}/{os.getpid()}/{_started(os.getpid())}"


def alive(holder: str) -> bool | None:
    """Whether the process lives; None where that cannot be known from here: another machine."""
    here, pid, started = holder.rsplit("/", 2)
    if here != _here():
        return None
    return _started(int(pid)) == started


@cache
def boot_id() -> str:
    """Changes whenever this machine starts; "" where that cannot be known."""
    if _BOOT_ID.exists():
        return _BOOT_ID.read_text().strip()
    with suppress(OSError):  # macOS
        asked = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return ""


@cache
def _here() -> str:
    """Where our pids mean something: this host, since its last boot, in this container."""
    boot = boot_id() or "-"
    space = str(_PID_SPACE.stat().st_ino) if _PID_SPACE.exists() else "-"
    return f"{socket.gethostname()[:60]}:{boot[:8]}:{space}"


def _started(pid: int) -> str:
    """The start time of a living process; "" for none. Zombies count as dead: they will never answer."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _started_elsewhere(pid)
    return "" if fields[0] == "Z" else fields[19]


def _started_elsewhere(pid: int) -> str:
    """Where there is no /proc (macOS): alive or not is all that can be said cheaply."""
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return "alive"
