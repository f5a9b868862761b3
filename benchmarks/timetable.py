"""A day of posts over many channels, through a change of the clocks: `python -m benchmarks.timetable --json`.

Whether each goes out once, in its weekly time, out of quiet hours, at its distance and within the network's limits,
though two clocks tick; and how long a tick takes when all are due. Exit code 1 where anything is wrong. See
benchmarks/README.md for what each figure means.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import surroundings
from benchmarks.place import say

#: Noon (UTC) before the night in which clocks change.
CHANGES = {
    "London, spring": datetime(2027, 3, 27, 12, tzinfo=UTC),
    "London, autumn": datetime(2027, 10, 30, 12, tzinfo=UTC),
    "New York, spring": datetime(2027, 3, 13, 12, tzinfo=UTC),
    "New York, autumn": datetime(2027, 11, 6, 12, tzinfo=UTC),
}
#: So many of what is wrong are told in full.
MOST_TOLD = 20
AtOnce = Callable[..., object]


def played(change: str, posts: int, channels: int, at_once: AtOnce) -> tuple[dict[str, Any], list[str]]:
    """One day: its figures, and what is wrong, in sentences. The database has to be empty."""
    from benchmarks import timetable_day, timetable_oracle

    began = time.monotonic()
    with timetable_day.staged() as world:
        day = timetable_day.set_up(world, CHANGES[change], posts, channels)
        speed = timetable_day.tick_with_all_due(day)
        timetable_day.live(day, at_once)
        found = timetable_oracle.judged(day)
    told = {"ticks": day.ticks, "doubled": day.doubled, "refused": world.refused, "failed": len(world.failed)}
    seconds = round(time.monotonic() - began)
    return {"change": change, "channels": channels, **found.figures(), **told, **speed, "seconds": seconds}, found.wrong


def in_turn(*works: Callable[[], object]) -> None:
    for work in works:
        work()


@contextmanager
def two_threads() -> Iterator[AtOnce]:
    """Each with a connection of its own: two clocks that tick at the same moment, two workers."""
    both = Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        yield lambda *works: list(threads.map(lambda work: work(), works))
        list(threads.map(lambda _: _part(both), range(2)))


def _part(both: Barrier) -> None:
    """Each thread closes its own connection: neither does it for the other."""
    from django.db import connection

    both.wait()
    connection.close()


def in_a_place_of_its_own(change: str, posts: int, channels: int, database: str) -> tuple[dict[str, Any], list[str]]:
    with surroundings.folder() as folder, surroundings.crew(folder) as crew:
        given, _ = surroundings.database(database, crew, folder)
        environment = surroundings.environment(folder, **given)
        surroundings.migrate(crew, environment)
        surroundings.enter(environment)
        with two_threads() as at_once:
            return played(change, posts, channels, at_once)


def main() -> int:
    options = _arguments().parse_args()
    changes = [options.change] if options.change else list(CHANGES)
    told, wrong = [], []
    # One process for each: a process looks at one database.
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn"), max_tasks_per_child=1) as processes:
        rest = (options.posts, options.channels, options.database)
        days = {change: processes.submit(in_a_place_of_its_own, change, *rest) for change in changes}
        for change, day in days.items():
            figures, said = day.result()
            told.append(figures)
            wrong += [f"{change}: {each}" for each in said]
            say(f"{change}: {figures['posts']} posts in {figures['seconds']} s")
    _report(told, wrong, options.json)
    return 1 if wrong else 0


def _report(told: list[dict[str, Any]], wrong: list[str], as_json: bool) -> None:
    if as_json:
        print(json.dumps(told))
    else:
        for figures in told:
            print("  ".join(f"{name} {value}" for name, value in figures.items()))
    for each in wrong[:MOST_TOLD]:
        say(f"  {each}")


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.timetable", description="A day of posts over many channels.")
    parser.add_argument("--posts", type=int, default=10_000)
    parser.add_argument("--channels", type=int, default=200)
    parser.add_argument("--change", choices=list(CHANGES), help="one change of the clocks; default: all")
    parser.add_argument("--database", choices=["embedded", "postgres"], default="embedded")
    parser.add_argument("--jobs", type=int, default=1, help="how many days are played at once")
    parser.add_argument("--json", action="store_true", help="the figures as JSON on standard output")
    return parser


if __name__ == "__main__":
    sys.exit(main())
