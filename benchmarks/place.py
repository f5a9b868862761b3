"""The real thing in a folder of its own: clock, workers, message server, database, and the sink they send to."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import surroundings
from benchmarks.servers import OurSink, running
from workers.embedded import EmbeddedServer
from workers.processes import Child, Crew
from workers.up import clock_child, worker_child

say = partial(print, file=sys.stderr, flush=True)
SLUG = "all"
#: Seconds until what was deferred is tried again.
FIRST_RETRY = 300


class Stalled(Exception):
    """Nothing has gone on for too long; the text says what stands where."""


class Place:
    """What runs. The sink's log is read as it grows; an impatient operator resumes whatever was stopped."""

    def __init__(self, folder: Path, crew: Crew, database: str, settings: dict[str, str]) -> None:
        self.folder, self.crew = folder, crew
        given, self.cluster = surroundings.database(database, crew, folder)
        self.database = crew.children[-1] if self.cluster else None
        self.environment = surroundings.environment(folder, **settings, **given)
        self.message_server = EmbeddedServer(folder / "redis")
        place = self.message_server.place
        self.environment |= {"REDIS_URL": place.url, "CELERY_BROKER_URL": place.broker_url}
        self.taken, self.resumed, self.imbalances = 0, 0, 0
        self.began = time.monotonic()
        self.digest: Any = None
        self._read = 0
        self._looked_at = 0.0

    @contextlib.contextmanager
    def sending(self, members: int, slow: float, items: int = 1) -> Iterator[None]:
        """A digest is approved for so many members, and everything started that sends it."""
        with running(OurSink(self.folder / "sink.log", "--slow", str(slow))) as self.sink:
            self.environment["PUBLISHER_SMTP_URL"] = f"smtp://127.0.0.1:{self.sink.port}"
            surroundings.migrate(self.crew, self.environment)
            surroundings.enter(self.environment)
            from benchmarks import scene

            say(f"{members} members join")
            self.digest = scene.approved(scene.audience(SLUG, members), items)
            self.members = [scene.address(SLUG, number) for number in range(members)]
            self._start()
            try:
                yield
            finally:
                self.crew.stop()
                self.message_server.forget()

    def _start(self) -> None:
        server = self.message_server
        self.redis = Child("redis", server.command, self.environment, server.folder, server.answers, quiet=True)
        self.crew.start(self.redis)
        self.pool, self.clock = worker_child(self.environment), clock_child(self.environment)
        self.crew.start(self.pool, self.clock)
        self.began = time.monotonic()

    def wait_for(self, taken: int, patience: float = 120) -> None:
        """Until the sink has taken so many. Raises Stalled when it takes nothing for too long."""
        moved = time.monotonic()
        while self.count() < taken:
            before = self.taken
            time.sleep(0.02)
            if self.count() > before:
                moved = time.monotonic()
            elif time.monotonic() - moved > patience:
                raise Stalled(f"The sink has taken nothing for {patience:g} s: {self.look() or 'no database'}")
            self._look_now_and_then()

    def settle(self, patience: float = 120) -> None:
        """Until the digest is sent. Raises Stalled when its rows stay as they are for too long."""
        began = time.monotonic()
        self.sink.process.send_signal(signal.SIGUSR2)
        seen, moved = None, time.monotonic()
        while (found := self.look()) is None or found["state"] != "sent":
            if found and found != seen:
                seen, moved = found, time.monotonic()
            elif time.monotonic() - moved > patience + (FIRST_RETRY if found and "deferred" in found["counts"] else 0):
                raise Stalled(f"The digest is not sent, and nothing has changed for long: {found}")
            time.sleep(0.5)
        say(f"  {time.monotonic() - self.began:6.1f} s, sent: {time.monotonic() - began:.1f} s to settle")

    def count(self) -> int:
        """How many messages the sink has taken."""
        with self.sink.log.open("rb") as log:
            log.seek(self._read)
            lines = log.read()
        whole = lines[: lines.rfind(b"\n") + 1]
        self._read += len(whole)
        self.taken += whole.count(b" accepted ")
        return self.taken

    def look(self) -> dict[str, Any] | None:
        """How the digest stands, None where the database does not answer. What was stopped goes on."""
        from django.db import DatabaseError, close_old_connections, connection

        try:
            close_old_connections()
            return self._look()
        except DatabaseError:
            connection.close()
            return None

    def ledger(self) -> dict[str, str]:
        """The state of each address."""
        return dict(self.digest.deliveries.values_list("address", "state"))

    def said_of(self, address: str) -> str:
        """What the ledger says of one address."""
        row = self.digest.deliveries.filter(address=address).first()
        return f"{row.state}, {row.attempts} attempts, {row.phase}: {row.reply}" if row else "not in the ledger"

    def _look_now_and_then(self) -> None:
        if time.monotonic() - self._looked_at > 1:
            self._looked_at = time.monotonic()
            self.look()

    def _look(self) -> dict[str, Any]:
        from benchmarks import scene
        from publisher.lifecycle import Refusal
        from publisher.models import Digest

        # State and count first: rows are only ever counted against an audience that was frozen before.
        self.digest = digest = Digest.objects.select_related("publication").get(pk=self.digest.pk)
        counts = scene.counts(digest)
        if digest.frozen_count is not None and sum(counts.values()) != digest.frozen_count:
            self.imbalances += 1
            say(f"  the states sum to {sum(counts.values())}, and {digest.frozen_count} were frozen: {counts}")
        with contextlib.suppress(Refusal):
            self._go_on(digest)
        return {"state": digest.state, "counts": counts}

    def _go_on(self, digest: Any) -> None:
        """What a person does who sees that the mail server is there again: not wait for the rest to be over."""
        from benchmarks import scene
        from publisher import digests

        _, ben = scene.staff()
        resting = digest.resting_until is not None and digest.resting_until.timestamp() > time.time()
        if digest.state == "sending" and resting:
            digests.pause(digest, by=ben, why="the mail server is there again")
        if digest.state == "paused":
            say(f"  resumed{': ' + digest.attention if digest.attention else ' after a rest'}")
            self.resumed += 1
            digests.resume(digest, by=ben)


def end(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
