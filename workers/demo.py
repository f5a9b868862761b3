"""`publisher demo`: everything started in a data folder of its own, and the whole way played through it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from workers import up
from workers.embedded import NoServer
from workers.processes import GaveUp, StartFailed, to_stream
from workers.traces import Occupied, end_orphans, occupied

#: What would lead the demo to somebody's real data. Mail server and networks may be named: on this machine.
NOT_OURS = (
    "PUBLISHER_SANDBOX_URL",
    "PUBLISHER_SANDBOXED",
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "PUBLISHER_BASE_URL",
    "PUBLISHER_HOSTS",
)
PATIENCE = 120  # seconds for everything to arrive; it takes about five

console = Console()


def main() -> int:
    options = _arguments().parse_args()
    try:
        return _play(options)
    except KeyboardInterrupt:
        console.print("The demo has stopped.")
        return 0
    except (Occupied, NoServer, up.CannotListen, StartFailed, GaveUp) as problem:
        Console(stderr=True).print(str(problem), style="red", highlight=False, soft_wrap=True)
        return 1


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="publisher demo", description="The whole way on sample news.")
    parser.add_argument("--no-serve", action="store_true", help="end when everything has arrived (or not)")
    parser.add_argument("--web", metavar="HOST:PORT", help="where the pages are")
    return parser


def _play(options: argparse.Namespace) -> int:
    data = Path(os.environ.get("PUBLISHER_DATA") or up.ROOT / "var").resolve() / "demo"
    _start_afresh(data)
    with ExitStack() as stack:
        log = stack.enter_context((data / "demo.log").open("w"))
        place = stack.enter_context(_running(options, data, log))
        os.environ.update(place.environment)
        good = _tell(place)
        if options.no_serve:
            return 0 if good else 1
        _invite(place)
        place.wait()
    return 0


@contextmanager
def _running(options: argparse.Namespace, data: Path, log: TextIO) -> Iterator[up.Place]:
    """Everything started; what the processes say goes to the demo's log file."""
    with ExitStack() as stack:
        with console.status("Starting …") as status:

            def say(sentence: str) -> None:
                status.update(f"{sentence} …")
                if not console.is_terminal:
                    console.print(f"  {sentence} …", soft_wrap=True)

            running = up.running(data=data, web=options.web, environment=_environment(), echo=to_stream(log), say=say)
            place = stack.enter_context(running)
        yield place


def _environment() -> Mapping[str, str]:
    """The caller's, without what leads to real data or away from this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PUBLISHER_KEYS_", *NOT_OURS))}
    # A tick a second: who watches should not wait for the clock.
    if not (kept.get("PUBLISHER_SMTP_URL") or kept.get("PUBLISHER_MAIL_PROVIDER")):
        kept.setdefault("PUBLISHER_BOUNCE_ADDRESS", "bounces@reading-rooms.example")
    return kept | {"PUBLISHER_LOOPBACK_ONLY": "1", "PUBLISHER_CLOCK_TICK": "1", "PUBLISHER_LOG_FORMAT": "json"}


def _start_afresh(data: Path) -> None:
    """Each demo starts from nothing; what a killed one left running is ended first."""
    with occupied(data):
        end_orphans(data / "run")
        for left in data.iterdir():
            if left.name != "publisher.lock":
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _tell(place: up.Place) -> bool:
    import django

    django.setup()
    from publisher.demo import report, story

    if place.sandbox_url:
        story.register_accounts(place.sandbox_url)
        story.let_one_come_back(place.sandbox_url)
    told = story.tell(lambda sentence: console.print(f"  {sentence}", highlight=False, soft_wrap=True))
    _watch(lambda: report.settled(told))
    story.read_what_came_back()
    found = report.lines(told, place.sandbox_url)
    _print_table(found)
    good = all(line.good for line in found)
    if not good:
        console.print(f"Not everything arrived. What the processes said: {place.data / 'demo.log'}", style="red")
    return good


def _watch(progress_of: Callable[[], tuple[int, int]]) -> None:
    """Show how many deliveries and posts have their outcome, until all have or patience ends."""
    deadline = time.monotonic() + PATIENCE
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("Letters and posts", total=None)
        while time.monotonic() < deadline:
            done, expected = progress_of()
            progress.update(task, completed=done, total=expected)
            if done >= expected:
                return
            time.sleep(0.1)


def _print_table(found: list[Any]) -> None:
    table = Table("What", "Where", title="What arrived where", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("Expected", justify="right")
    table.add_column("Arrived", justify="right")
    table.add_column("")
    for line in found:
        mark = "[green]all[/]" if line.good else "[red]not all[/]"
        table.add_row(line.what, line.where, str(line.expected), str(line.arrived), mark)
    console.print(table)


def _invite(place: up.Place) -> None:
    from publisher.demo import cast, story

    waiting = story.leave_something_to_do()
    lines = [
        f"Staff pages: {place.web_url}/staff/items/",
        f"  sign in as anne (writes) or ben (approves), password {cast.PASSWORD}",
        f"{waiting.label} waits for Ben: {place.web_url}/staff/digests/{waiting.pk}/proof/",
        f"What members and visitors see: {place.web_url}/",
    ]
    if place.sandbox_url:
        lines.append(f"What members and followers received: {place.sandbox_url}/")
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
    console.print("Ctrl-C stops the demo.", style="dim")


if __name__ == "__main__":
    sys.exit(main())
