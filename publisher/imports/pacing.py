"""How a database likes its chunks: so large, on so many connections at once, with so much rest between two."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from django.db import connection

from .staging import Counted, Terms, bring

Bring = Callable[[list[str]], Counted]


@dataclass(frozen=True)
class Manner:
    rows: int  # of the largest chunk
    held: float  # seconds that a transaction may take: so long others may wait for it
    lanes: int = 1  # connections that take in one chunk, each its own part of it
    rest: float = 0.0  # seconds from one transaction to the next


MANNERS = {
    "postgresql": Manner(rows=40_000, held=1.0, lanes=4),
    # A writer that waits for SQLite looks again every tenth of a second, and must not find us there each time.
    "sqlite": Manner(rows=10_000, held=0.3, rest=0.1),
}
FEWEST = 500
#: What SQLite is set to meanwhile. A cache of 64 MB, for the addresses of a list come from everywhere in their index;
#: and its log is written back between two transactions, where nobody waits for it.
_MEANWHILE = {"cache_size": -64_000, "wal_autocheckpoint": 0}


class Pace:
    """How many rows the next chunk has, and when it may begin."""

    def __init__(self, manner: Manner) -> None:
        self.manner, self.rows, self._ended = manner, manner.rows // 4, 0.0

    def __enter__(self) -> None:
        if self.manner.rest and self._ended:
            _checkpoint()
            time.sleep(max(0.0, self._ended + self.manner.rest - time.monotonic()))
        self._began = time.monotonic()

    def __exit__(self, *problem: object) -> None:
        self._ended = time.monotonic()
        took = self._ended - self._began
        if took > self.manner.held:
            self.rows = max(self.rows // 2, FEWEST)
        elif took < self.manner.held / 2:
            self.rows = min(self.rows * 2, self.manner.rows)


@contextmanager
def lanes(manner: Manner, terms: Terms) -> Iterator[Bring]:
    """What takes a chunk in: several connections at once, or this one alone."""
    if manner.lanes > 1:
        with ExitStack() as ended:
            each = [ended.enter_context(ThreadPoolExecutor(1)) for _ in range(manner.lanes)]
            for lane in each:
                ended.callback(lane.submit, _hang_up)
            yield partial(_side_by_side, each, terms)
    elif manner.rest:
        with _writing_much():
            yield partial(bring, terms=terms)
    else:
        yield partial(bring, terms=terms)


def _side_by_side(each: list[ThreadPoolExecutor], terms: Terms, people: list[str]) -> Counted:
    # Neighbours together: each connection then works in its own part of the index of addresses.
    people, size = sorted(people), -(-len(people) // len(each)) or 1
    starts = range(0, len(people), size)
    done = [lane.submit(bring, people[at : at + size], terms) for lane, at in zip(each, starts, strict=False)]
    counted = [part.result() for part in done]
    return Counted(*(sum(getattr(c, name) for c in counted) for name in ("added", "known", "refused")))


def _hang_up() -> None:
    connection.close()  # the one of the thread that this runs in


@contextmanager
def _writing_much() -> Iterator[None]:
    with connection.cursor() as cursor:
        before = {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in _MEANWHILE}
        _set(before | _MEANWHILE)
        try:
            yield
        finally:
            _checkpoint()
            _set(before)


def _set(pragmas: dict[str, int]) -> None:
    with connection.cursor() as cursor:
        for name, value in pragmas.items():
            cursor.execute(f"PRAGMA {name} = {value}")


def _checkpoint() -> None:
    """Others may write meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
