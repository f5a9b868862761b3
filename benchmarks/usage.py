"""What a process costs, as Linux tells it: its time, its memory, its children."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")
TICK = os.sysconf("SC_CLK_TCK")
MIB = 1024


def seconds(pids: Iterable[int]) -> float:
    """User and system time of these processes and of what they have reaped."""
    return sum(sum(map(int, stat[11:15])) for pid in pids if (stat := _stat(pid))) / TICK


def resident(pid: int) -> float:
    """MiB in memory now."""
    return _status(pid, "VmRSS")


def peak(pid: int) -> float:
    """The most MiB in memory since `forget_peak`."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    PROC.joinpath(str(pid), "clear_refs").write_text("5")


def children(parent: int) -> list[int]:
    numbers = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    return [pid for pid in numbers if (stat := _stat(pid)) and int(stat[1]) == parent]


def _status(pid: int, name: str) -> float:
    lines = PROC.joinpath(str(pid), "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / MIB


def _stat(pid: int) -> list[str] | None:
    """The fields behind the program's name, which may hold blanks itself: state, parent, group, …"""
    with contextlib.suppress(OSError):
        return PROC.joinpath(str(pid), "stat").read_text().rpartition(")")[2].split()
    return None
