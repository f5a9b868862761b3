"""What can be done to a place that runs: one function for each thing that dies, stops or is cut."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import redis

from benchmarks import usage
from benchmarks.place import Place, Stalled, end
from benchmarks.verdict import MARGIN, Kill
from workers import traces
from workers.processes import Child

#: The byte of SQLite's -shm file that a writer locks, in WAL mode.
WRITE_LOCK = "120"

Deed = Callable[[Place, random.Random], Kill]


def worker(place: Place, dice: random.Random) -> Kill:
    """The pool's leader. The crew ends its children with it: until then they open connections and send."""
    pid = leader(place.pool)
    kill = _ended("the worker", pid)
    while traces.members(pid) and time.time() < kill.began + MARGIN:
        time.sleep(0.01)
    kill.ended = time.time()
    return kill


def child(place: Place, dice: random.Random) -> Kill:
    return _ended("a child of the pool", dice.choice(pool_of(place)))


def clock(place: Place, dice: random.Random) -> Kill:
    return _ended("the clock", leader(place.clock))


def database(place: Place, dice: random.Random) -> Kill:
    """The server with all its backends, or its immediate stop; with SQLite whoever is just writing."""
    if place.cluster is None or place.database is None:
        writer = _writer(Path(place.environment["PUBLISHER_DATA"]) / "publisher.sqlite3-shm")
        return _ended("whoever wrote to the database", writer or dice.choice(pool_of(place)))
    pid = leader(place.database)
    if dice.random() < 0.5:
        end(pid, signal.SIGQUIT)
        return _noted("the database stopped at once")
    place.cluster.kill(pid)
    return _noted("the database")


def message_server(place: Place, dice: random.Random) -> Kill:
    return _ended("the message server", leader(place.redis))


def messages(place: Place, dice: random.Random) -> Kill:
    """FLUSHALL: the server lives, and has forgotten everything."""
    url = place.message_server.place.url
    with contextlib.suppress(redis.RedisError), redis.Redis.from_url(url) as client:
        client.flushall()
    return _noted("all messages")


def connections(place: Place, dice: random.Random) -> Kill:
    place.sink.process.send_signal(signal.SIGUSR1)
    return _noted("all connections of the sink")


def freeze(place: Place, dice: random.Random) -> Kill:
    """Stop a child of the pool; it wakes when its lease is long over."""
    pid = dice.choice(pool_of(place))
    born, until = traces.born(pid), float(place.environment["PUBLISHER_CLAIM_LEASE"]) + dice.uniform(0.5, 2.5)
    end(pid, signal.SIGSTOP)
    kill = _noted(f"a child of the pool, frozen for {until:.1f} s ({pid})")
    kill.ended = kill.began + until

    def wake() -> None:
        if traces.born(pid) == born:
            end(pid, signal.SIGCONT)

    waker = threading.Timer(until, wake)
    waker.daemon = True
    waker.start()
    return kill


#: How often each is chosen.
DEEDS: dict[Deed, int] = {
    worker: 3,
    child: 5,
    clock: 1,
    database: 3,
    message_server: 1,
    messages: 1,
    connections: 2,
    freeze: 2,
}


def at_random(place: Place, dice: random.Random) -> Kill:
    deed = dice.choices(list(DEEDS), weights=list(DEEDS.values()))[0]
    return deed(place, dice)


def leader(of: Child, patience: float = 30) -> int:
    """Its process, once it is there again."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if (process := of.process) and process.poll() is None:
            return process.pid
        time.sleep(0.01)
    raise Stalled(f"{of.name} does not come back.{of.last_words()}")


def pool_of(place: Place, patience: float = 30) -> list[int]:
    """The processes that send, once there are any."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if found := usage.children(leader(place.pool)):
            return sorted(found)
        time.sleep(0.02)
    raise Stalled(f"The pool has no processes.{place.pool.last_words()}")


def _writer(shm: Path, patience: float = 2) -> int | None:
    """Who holds SQLite's write lock, as soon as somebody does who is not ourselves."""
    inode = str(shm.stat().st_ino)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = [int(pid) for pid in _write_locks(inode) if int(pid) not in (os.getpid(), -1)]
        if found:
            return found[0]
    return None


def _write_locks(inode: str) -> Iterator[str]:
    for line in Path("/proc/locks").read_text().splitlines():
        kind, pid, file, first = line.replace("-> ", "").split()[3:7]
        if kind == "WRITE" and file.endswith(f":{inode}") and first == WRITE_LOCK:
            yield pid


def _ended(what: str, pid: int) -> Kill:
    """Noted when it is done: what it did until its last moment was before."""
    end(pid)
    return _noted(f"{what} ({pid})")


def _noted(what: str) -> Kill:
    return Kill(what, time.time())
