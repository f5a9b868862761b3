"""Members leave while a digest is being sent: `python benchmarks/leaving.py --json`.

The real thing runs in a folder of its own: gunicorn, clock, workers, database, message server, and the sink they send
to. While the sink takes the letters of a sending, members press the button of their mail programs (RFC 8058): a POST
in one of the two encodings, with cookies or without. Nobody may get a letter whose POST was answered before their row
was claimed.

The oracle is the sink's own log, held against the time of each answer, and against the time of each claim, which a
trigger in the database writes down: no line of ours is asked. PostgreSQL's is the time at which the claim's transaction
began; what commits after that is not seen by it.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import random
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import surroundings
from benchmarks.place import SLUG, Place, say
from workers.up import url_of, web_child

FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data; boundary=one-click"
BODIES = {
    FORM: b"List-Unsubscribe=One-Click",
    MULTIPART: (
        b'--one-click\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--one-click--\r\n'
    ),
}
COOKIES = ("", "sessionid=of-somebody-else; csrftoken=of-nobody")
#: Each encoding with cookies and without, in turn.
KINDS = tuple(itertools.product(BODIES, COOKIES))
#: Mail programs that post at the same time.
AT_ONCE = 8
#: Members leave over so much of the time that the sending should take.
OVER = 0.8

_TRIGGERS = {
    "sqlite": (
        "CREATE TABLE benchmark_claim (address text NOT NULL, at real NOT NULL)",
        """CREATE TRIGGER benchmark_claim AFTER UPDATE OF state ON publisher_delivery WHEN NEW.state = 'claimed' BEGIN
           INSERT INTO benchmark_claim VALUES (NEW.address, (julianday('now') - 2440587.5) * 86400.0); END""",
    ),
    "postgresql": (
        "CREATE TABLE benchmark_claim (address text NOT NULL, at double precision NOT NULL)",
        """CREATE FUNCTION benchmark_claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           INSERT INTO benchmark_claim VALUES (NEW.address, extract(epoch FROM now())); RETURN NULL; END $$""",
        """CREATE TRIGGER benchmark_claim AFTER UPDATE OF state ON publisher_delivery FOR EACH ROW
           WHEN (NEW.state = 'claimed') EXECUTE FUNCTION benchmark_claim()""",
    ),
}


@dataclass(frozen=True)
class Left:
    """One POST: whose, when the answer had been read, what it was, and how long it took."""

    address: str
    answered_at: float
    status: int
    redirects: bool
    cookies: bool
    length: int
    seconds: float


class Town(Place):
    """The place, with its pages, and with a witness of each claim."""

    def _start(self) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            for statement in _TRIGGERS[connection.vendor]:
                cursor.execute(statement)
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.web = url_of(listener).removeprefix("http://")
        self.crew.start(web_child(listener, self.environment))
        super()._start()

    def claims(self) -> list[tuple[str, float]]:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT address, at FROM benchmark_claim")
            return list(cursor.fetchall())


def post(web: str, path: str, address: str, kind: tuple[str, str]) -> Left:
    """As a mail provider does it: a connection of its own, no redirect followed."""
    encoding, cookie = kind
    headers = {"Content-Type": encoding, **({"Cookie": cookie} if cookie else {})}
    began = time.monotonic()
    line = http.client.HTTPConnection(web, timeout=30)
    try:
        line.request("POST", path, BODIES[encoding], headers)
        answer = line.getresponse()
        length = len(answer.read())
    finally:
        line.close()
    seconds = time.monotonic() - began
    redirects = 300 <= answer.status < 400 or answer.getheader("Location") is not None
    cookies = answer.getheader("Set-Cookie") is not None
    return Left(address, time.time(), answer.status, redirects, cookies, length, seconds)


def leave_meanwhile(town: Town, leavers: Sequence[tuple[str, str]], seconds: float) -> list[Left]:
    """All of them, spread evenly over so many seconds."""
    waiting, left, lock = enumerate(zip(leavers, itertools.cycle(KINDS), strict=False)), list[Left](), threading.Lock()
    began = time.monotonic()

    def program() -> None:
        while True:
            with lock:
                if (following := next(waiting, None)) is None:
                    return
            number, ((address, path), kind) = following
            time.sleep(max(0.0, began + seconds * number / len(leavers) - time.monotonic()))
            left.append(post(town.web, path, address, kind))

    programs = [threading.Thread(target=program) for _ in range(AT_ONCE)]
    for each in programs:
        each.start()
    for each in programs:
        each.join()
    return left


def accepted(log: Iterable[str]) -> Iterator[tuple[str, float]]:
    """Whom the sink took a letter for, and when."""
    for line in log:
        at, event, _, recipient, *_ = line.split()
        if event == "accepted":
            yield recipient, float(at)


def verdict(
    left: Sequence[Left], claims: Iterable[tuple[str, float]], taken: Iterable[tuple[str, float]]
) -> dict[str, Any]:
    """What the oracle says. A row may be claimed more than once: what counts is the last claim before its letter."""
    claimed: dict[str, list[float]] = {}
    for address, at in claims:
        claimed.setdefault(address, []).append(at)
    answered = {each.address: each.answered_at for each in left}
    after, spared, late = 0, set(answered), 0.0
    for address, at in taken:
        if address in answered:
            spared.discard(address)
            claim = max((each for each in claimed.get(address, []) if each <= at), default=at)
            after += claim > answered[address]
            late = max(late, at - answered[address])
    times = sorted(each.seconds * 1000 for each in left)
    return {
        "left": len(left),
        "not_2xx": sum(not 200 <= each.status < 300 for each in left),
        "redirects": sum(each.redirects for each in left),
        "cookies_set": sum(each.cookies for each in left),
        "longest_body": max((each.length for each in left), default=0),
        "mailed_after_answer": after,
        "spared": len(spared),
        "latest_after_answer_s": round(late, 2),
        "p50_ms": round(_share(times, 0.50), 1),
        "p95_ms": round(_share(times, 0.95), 1),
        "p99_ms": round(_share(times, 0.99), 1),
    }


def _share(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def measure(members: int, leaving: int, slow: float, database: str, seed: int) -> Mapping[str, Any]:
    with surroundings.folder() as folder, surroundings.crew(folder) as crew:
        town = Town(folder, crew, database, {"PUBLISHER_LOG_LEVEL": "WARNING"})
        with town.sending(members, slow):
            leavers = _chosen(town, leaving, seed)
            town.wait_for(1)
            began = time.monotonic()
            left = leave_meanwhile(town, leavers, OVER * members * slow / 16)
            during = town.count()
            say(f"{len(left)} have left within {time.monotonic() - began:.1f} s, {during} letters were taken by then")
            town.settle()
            log = (folder / "sink.log").read_text().splitlines()
            told = verdict(left, town.claims(), accepted(log))
            states = sorted(town.ledger().values())
    counts = {state: states.count(state) for state in sorted(set(states))}
    return {"database": database, "members": members, **told, "taken_meanwhile": during, "states": counts}


def _chosen(town: Town, leaving: int, seed: int) -> list[tuple[str, str]]:
    """Who leaves, each with the path of the way out in their letter."""
    from publisher import links
    from publisher.models import Member, Publication

    url = links.leaver(Publication.objects.get(slug=SLUG).pk)
    rows = list(Member.objects.values_list("email", "pk").order_by("pk"))
    chosen = random.Random(seed).sample(rows, leaving)
    return [(email, "/" + url(pk).split("/", 3)[3]) for email, pk in chosen]


def main() -> None:
    options = _arguments().parse_args()
    told = measure(options.members, options.leaving, options.slow, options.database, options.seed)
    told = {**told, "load": round(os.getloadavg()[0], 2)}
    if options.json:
        print(json.dumps(told, indent=2))
    else:
        print("  ".join(f"{name}: {value}" for name, value in told.items()))
    if told["not_2xx"] or told["redirects"] or told["mailed_after_answer"] or told["left"] != options.leaving:
        raise SystemExit(1)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--members", type=int, default=5000)
    parser.add_argument("--leaving", type=int, default=1000)
    parser.add_argument("--slow", type=float, default=0.05, help="seconds that the sink takes for each letter")
    parser.add_argument("--database", choices=["embedded", "postgres"], default="embedded")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of who leaves")
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    main()
