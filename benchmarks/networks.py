"""What becomes of posts whatever a network does: `python benchmarks/networks.py --seeds 25`.

Every behaviour of every network the sandbox plays, with every seed, through the product's own verbs, the adapters and
their SDKs; the networks' own logs tell what was posted. Exit code 1 where anything was posted twice, lost or stuck.
See benchmarks/README.md for what each figure means.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import surroundings
from benchmarks.place import say

#: So many of what is wrong are told in full.
MOST_TOLD = 30
WRONG = ("twice", "lost", "stuck")
SUMMED = ("seeds", "posts_wanted", *WRONG, "unknown", "readable", "recognised", "unreadable", "again")


@dataclass
class Count:
    """What the stories of one network came to."""

    network: str
    behaviours: int
    seeds: int
    posts_wanted: int = 0
    twice: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    #: Posts that were made without our being told, where the timeline could be read: how many, and how many were
    #: recognised there; and where it could not be read: how many, and how many were posted again.
    readable: int = 0
    recognised: int = 0
    unreadable: int = 0
    again: int = 0

    def figures(self) -> dict[str, Any]:
        figures = {name: getattr(self, name) for name in ("network", "behaviours", "seeds", "posts_wanted")}
        return figures | {name: len(getattr(self, name)) for name in (*WRONG, "unknown")}

    @property
    def wrong(self) -> list[str]:
        return [f"{name}: {each}" for name in WRONG for each in getattr(self, name)]

    @property
    def violated(self) -> bool:
        return bool(self.wrong) or self.recognised < self.readable or bool(self.again)


def play(stage: Any, network: str, seeds: list[int]) -> Count:
    """Every behaviour of a network with each of these seeds."""
    from benchmarks.networks_own import behaviours_of

    behaviours = behaviours_of(network)
    count = Count(network, len(behaviours), len(seeds))
    for behaviour in behaviours:
        for seed in seeds:
            add(count, stage, behaviour, seed)
    return count


def add(count: Count, stage: Any, behaviour: Any, seed: int, *, alone: bool = False) -> None:
    """Play one story, and count it. Alone: of one post, without others beside it."""
    from benchmarks.networks_story import Story

    story = Story(stage, count.network, behaviour, seed, alone)
    verdict = story.play()
    count.posts_wanted += verdict.wanted
    for name in (*WRONG, "unknown"):
        getattr(count, name).extend(getattr(verdict, name))
    if behaviour.doubt and behaviour.end == "published":
        count.readable += 1
        count.recognised += not (verdict.unknown or verdict.twice or verdict.lost)
    elif behaviour.doubt:
        count.unreadable += 1
        count.again += bool(verdict.twice)


def main() -> int:
    options = _arguments().parse_args()
    seeds = [options.seed] if options.seed is not None else list(range(options.seeds))
    names = [options.network] if options.network else played()
    parts = max(1, min(len(seeds), -(-options.jobs // len(names))))
    with ProcessPoolExecutor(options.jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        tasks = [
            (name, pool.submit(in_a_place_of_its_own, name, seeds[part::parts], options.database))
            for name in names
            for part in range(parts)
        ]
        counts = [summed([task.result() for owner, task in tasks if owner == name]) for name in names]
    return _report(counts, options.json)


def played() -> list[str]:
    from benchmarks.networks_stage import ROOMS

    return list(ROOMS)


def in_a_place_of_its_own(network: str, seeds: list[int], database: str) -> Count:
    """All stories of a network with these seeds, with a database, stand-ins and a process of their own."""
    began = time.monotonic()
    with surroundings.folder() as folder, surroundings.crew(folder) as crew:
        given, _ = surroundings.database(database, crew, folder)
        environment = surroundings.environment(folder, **given)
        surroundings.migrate(crew, environment)
        surroundings.enter(environment)
        from benchmarks import networks_stage

        with networks_stage.sandbox(folder) as port, networks_stage.built(port) as stage:
            count = play(stage, network, seeds)
    say(f"{network}: {count.behaviours * count.seeds} stories in {time.monotonic() - began:.0f} s")
    return count


def summed(counts: list[Count]) -> Count:
    """The parts of one network, which differ in their seeds."""
    whole, *others = counts
    for other in others:
        for name in SUMMED:
            setattr(whole, name, getattr(whole, name) + getattr(other, name))
    return whole


def _report(counts: list[Count], as_json: bool) -> int:
    if as_json:
        print(json.dumps([count.figures() for count in counts]))
    else:
        for count in counts:
            print("  ".join(f"{name} {value}" for name, value in count.figures().items()))
    for count in counts:
        say(f"{count.network}: answers lost after the commit: {count.recognised} of {count.readable} recognised where")
        say(f"  the timeline can be read; {count.again} of {count.unreadable} posted again where it cannot")
        for each in count.wrong[:MOST_TOLD]:
            say(f"  {each}")
    return 1 if any(count.violated for count in counts) else 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.networks", description="Posts, whatever a network does.")
    parser.add_argument("--network", help="one of the networks that the sandbox plays; default: all")
    parser.add_argument("--seeds", type=int, default=25, metavar="N", help="seeds 0 to N-1 for each behaviour")
    parser.add_argument("--seed", type=int, metavar="S", help="this seed alone")
    parser.add_argument("--database", choices=["embedded", "postgres"], default="embedded")
    # Half of a story is waiting: for time-outs, and for the stand-in's process.
    usual = 2 * (os.cpu_count() or 1)
    parser.add_argument("--jobs", type=int, default=usual, help="how many processes play at once")
    parser.add_argument("--json", action="store_true", help="the figures as JSON on standard output")
    return parser


if __name__ == "__main__":
    sys.exit(main())
