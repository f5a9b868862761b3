"""What happens to a sending when everything around it dies: `python benchmarks/faults.py --seed 1`.

Workers, clock, database and message server are killed at moments that the seed chooses; the sink's own log tells
who was mailed. See benchmarks/README.md for the other modes and for what each figure means. Exit code 1 where
anybody was lost or mailed twice, or a doubt is not explained.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import kills, surroundings, verdict
from benchmarks.place import Place, Stalled, say
from benchmarks.verdict import Kill, Verdict

POOL = 2  # processes that send
#: Seconds within which a sending must go on after everything was forgotten.
WITHIN = 60
#: Points that each message passes: a worker dies there at one of the first so many. At the others at the first.
OF_A_MESSAGE = {"announced", "invited", "intended", "half", "handed", "replied", "noted"}
PASSES = 40
#: Seconds that a point needs: a worker ends its batch, another starts, and passes the point.
A_POINT = 5


class Run:
    """One sending, what was done to it, and what came of it."""

    def __init__(self, options: argparse.Namespace, place: Place, slow: float) -> None:
        self.options, self.place, self.slow = options, place, slow
        self.dice = random.Random(options.seed)
        self.kills: list[Kill] = []
        self.complaints: list[str] = []

    def strike(self, deed: kills.Deed) -> Kill:
        kill = deed(self.place, self.dice)
        self.note(kill)
        return kill

    def note(self, kill: Kill) -> None:
        self.kills.append(kill)
        since = time.monotonic() - self.place.began
        say(f"  {since:6.1f} s, {self.place.taken:6} taken, {len(self.kills):3}: {kill.what}")

    def at_random_moments(self, number: int, deed: kills.Deed) -> None:
        """Spread over the sending by how much of it is done, so that none comes after its end."""
        members = self.options.members
        for mark in sorted(self.dice.sample(range(members // 100, members * 95 // 100), number)):
            self.place.wait_for(mark)
            time.sleep(self.dice.uniform(0, self.slow))
            self.strike(deed)

    def at_points(self) -> None:
        from publisher import faults

        self.place.wait_for(1)
        for point in faults.SENDING:
            times = self.dice.randint(2, PASSES) if point in OF_A_MESSAGE else 1
            if not self._at_point(point, times):
                self.complaints.append(f"no worker has passed the point {point}")
        self._restart({})

    def freezes(self, number: int) -> None:
        for _ in range(number):
            self.place.wait_for(self.place.count() + 10)
            kill = self.strike(kills.freeze)
            time.sleep(max(0, kill.ended - time.time()) + self.dice.uniform(0, 1))

    def flushes(self, number: int) -> None:
        members = self.options.members
        for mark in sorted(self.dice.sample(range(members // 100, members * 95 // 100), number)):
            self.place.wait_for(mark)
            self.strike(kills.messages)
            self.place.wait_for(self.place.count() + 1, WITHIN)

    def judge(self) -> Verdict:
        entries = verdict.read(self.place.sink.log)
        for kill in self.kills:
            kill.connections = verdict.most_connections(entries, kill.began - verdict.JUST_BEFORE, kill.over)
        ledger = self.place.ledger()
        found = verdict.judge(entries, ledger, self.place.members, self.kills, self.slow)
        found.wrong += self.complaints
        if self.place.imbalances:
            found.wrong.append(f"the states did not sum to the frozen audience, {self.place.imbalances} times")
        return found

    def _at_point(self, point: str, times: int) -> bool:
        died = self.place.folder / f"{point}-{times}"
        self._restart({"PUBLISHER_FAULT": f"{point}:{times}@{died}"})
        deadline = time.monotonic() + 30
        while not (at := _told(died)) and time.monotonic() < deadline and self.place.count() < self.options.members:
            time.sleep(0.02)
        if at:
            self.note(Kill(f"a worker at “{point}”, passed {times} times", at))
        return bool(at)

    def _restart(self, more: dict[str, str]) -> None:
        pool = self.place.pool
        pool.environment = self.place.environment | more
        pid = kills.leader(pool)
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 15
        while pool.process and pool.process.pid == pid and time.monotonic() < deadline:
            time.sleep(0.02)
        if pool.process and pool.process.pid == pid:
            self.strike(kills.worker)


def main() -> int:
    options = _arguments().parse_args()
    how, seconds = _mode(options)
    slow = options.slow or max(0.005, round(options.connections * seconds / options.members, 4))
    say(f"seed {options.seed}, {options.database}, each reply after {slow * 1000:g} ms")
    with surroundings.folder() as folder, surroundings.crew(folder) as crew:
        place = Place(folder, crew, options.database, _settings(options))
        run = Run(options, place, slow)
        with place.sending(options.members, slow):
            try:
                how(run)
                place.settle()
            except Stalled as stalled:
                run.complaints.append(str(stalled))
            found = run.judge()
            for each in (found.lost + found.unexplained)[:20]:
                say(f"  {each}: {place.said_of(each)}")
            _keep(options, folder)
    return _report(run, found)


def _told(died: Path) -> float:
    """When the process died that left this file; 0 as long as none has."""
    with contextlib.suppress(FileNotFoundError):
        if (line := died.read_text()).endswith("\n"):
            return float(line)
    return 0.0


def _mode(options: argparse.Namespace) -> tuple[Callable[[Run], None], float]:
    """What is done, and for how many seconds the sink should make the sending last for it."""
    if options.points:
        return Run.at_points, 16 * A_POINT
    if options.freezes:
        return lambda run: run.freezes(options.freezes), options.freezes * (options.lease + 3)
    if options.flushes:
        return lambda run: run.flushes(options.flushes), options.flushes * 2
    return lambda run: run.at_random_moments(options.kills, kills.at_random), options.kills * 1.5


def _settings(options: argparse.Namespace) -> dict[str, str]:
    return {
        "PUBLISHER_CLOCK_TICK": "1",
        # Small batches and short turns where workers are asked to end theirs.
        "PUBLISHER_CLAIM_SIZE": "100" if options.points else "500",
        "PUBLISHER_TURN": "3" if options.points else "20",
        "PUBLISHER_CLAIM_LEASE": str(options.lease),
        "PUBLISHER_CONNECTIONS": str(max(1, options.connections // POOL)),
        "PUBLISHER_LOG_LEVEL": "INFO",
    }


def _keep(options: argparse.Namespace, folder: Path) -> None:
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        for name in ("sink.log", "said.log"):
            (options.keep / name).write_bytes((folder / name).read_bytes())


def _report(run: Run, found: Verdict) -> int:
    figures = _figures(run, found)
    if run.options.json:
        print(json.dumps(figures))
    for name, value in figures.items():
        say(f"  {name:<12} {value}")
    for fate, times in found.fates.most_common():
        say(f"  unknown: {times} {fate}")
    if run.place.resumed:
        say(f"  resumed {run.place.resumed} times by the operator")
    for what in ("twice", "wrong"):
        for each in getattr(found, what)[:20]:
            say(f"  {what}: {each}")
    return 1 if found.violated else 0


def _figures(run: Run, found: Verdict) -> dict[str, Any]:
    return {
        "members": run.options.members,
        "kills": len(run.kills),
        "connections": max((kill.connections for kill in run.kills), default=0),
        "seed": run.options.seed,
        "database": run.options.database,
        "lost": len(found.lost),
        "twice": len(found.twice),
        "unknown": len(found.unknown),
        "unexplained": len(found.unexplained),
    }


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.faults", description="A sending while everything around it dies.")
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--database", choices=["embedded", "postgres"], default="embedded")
    parser.add_argument("--connections", type=int, default=20, help="how many may be open, of all workers together")
    parser.add_argument("--slow", type=float, default=0, help="seconds before each reply; default: fits the kills")
    parser.add_argument("--lease", type=int, default=5, help="seconds for which a worker's rows are its own")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="copy there what the sink and the processes said")
    parser.add_argument("--json", action="store_true", help="the figures as JSON on standard output")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--points", action="store_true", help="kill a worker once at each named point instead")
    mode.add_argument("--freezes", type=int, help="stop a worker past its lease and resume it, so often, instead")
    mode.add_argument("--flushes", type=int, help="FLUSHALL so often, instead")
    return parser


if __name__ == "__main__":
    sys.exit(main())
