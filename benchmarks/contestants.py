"""Who sends: Postfix's smtp-source, the engine in one or more processes, and the engine behind Celery."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks import usage
from benchmarks.servers import program
from workers.embedded import EmbeddedServer
from workers.processes import Child, Crew
from workers.up import PYTHON, ROOT, worker_child


@dataclass(frozen=True)
class Sent:
    """One sending phase: seconds, processor seconds of all senders, MiB of the largest above its idle self."""

    seconds: float
    spent: float
    growth: float


class Contestant(Protocol):
    def send(self, digest: int) -> Sent: ...

    def stop(self) -> None: ...


def smtp_source(port: int, sessions: int, messages: int, letter: Path) -> float:
    """How many seconds it takes. The same message each time, over connections that are used again."""
    command = [program("smtp-source"), "-d", "-s", str(sessions), "-m", str(messages), "-F", str(letter)]
    addresses = ["-f", "update@reading-rooms.example", "-t", "member@members.example"]
    began = time.monotonic()
    subprocess.run([*command, *addresses, f"127.0.0.1:{port}"], check=True)
    return time.monotonic() - began


class Engine:
    """So many processes that send one digest together."""

    def __init__(self, environment: Mapping[str, str], log: Path, processes: int = 1) -> None:
        self._log = log.open("a")
        self.processes = [self._start(environment) for _ in range(processes)]
        self.idle = [self._hear(process)["idle"] for process in self.processes]

    def send(self, digest: int) -> Sent:
        for process in self.processes:
            assert process.stdin
            print(digest, file=process.stdin, flush=True)
        told = [self._hear(process) for process in self.processes]
        seconds = max(each["ended"] for each in told) - min(each["began"] for each in told)
        growth = max(each["peak"] - idle for each, idle in zip(told, self.idle, strict=True))
        return Sent(seconds, sum(each["spent"] for each in told), growth)

    def stop(self) -> None:
        for process in self.processes:
            process.communicate()
        self._log.close()

    def _start(self, environment: Mapping[str, str]) -> subprocess.Popen[str]:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._log}
        return subprocess.Popen([*PYTHON, "benchmarks.sender"], env=environment, cwd=ROOT, text=True, **pipes)

    def _hear(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout
        if not (line := process.stdout.readline()):
            raise SystemExit(f"A sender ended. Its last words:\n{Path(self._log.name).read_text()[-3000:]}")
        heard: dict[str, Any] = json.loads(line)
        return heard


class Workers:
    """The pool that `publisher up` starts, and the message server; each batch is a task."""

    def __init__(self, environment: Mapping[str, str], crew: Crew, place: Path, at_once: int) -> None:
        self.crew, self.at_once = crew, at_once
        self.server = EmbeddedServer(place / "redis")
        self.environment = dict(environment)
        names = {"REDIS_URL": self.server.place.url, "CELERY_BROKER_URL": self.server.place.broker_url}
        self.environment |= names
        redis = Child("redis", self.server.command, self.environment, self.server.folder, self.server.answers)
        self.pool = worker_child(self.environment)
        crew.start(redis, self.pool)
        self.app = self._await()
        self.pids = self._pids()
        self.idle = {pid: usage.resident(pid) for pid in self.pids}

    def send(self, digest: int) -> Sent:
        from publisher.models import Digest

        spent = usage.seconds(self.pids)
        for pid in self.pids:
            usage.forget_peak(pid)
        began = time.monotonic()
        for _ in range(self.at_once):
            self.app.send_task("workers.delivery.send", args=[digest], queue="delivery")
        while Digest.objects.filter(pk=digest, state=Digest.State.SENDING).exists():
            time.sleep(0.005)
        seconds = time.monotonic() - began
        growth = max(usage.peak(pid) - self.idle[pid] for pid in self.pids)
        return Sent(seconds, usage.seconds(self.pids) - spent, growth)

    def stop(self) -> None:
        self.app.close()
        for child in reversed(self.crew.children[-2:]):
            self.crew.drop(child)
        self.server.forget()

    def _await(self) -> Any:
        from celery import Celery

        app = Celery("benchmark", broker=self.server.place.broker_url)
        deadline = time.monotonic() + 60
        while not app.control.ping(timeout=0.5):
            if time.monotonic() > deadline:
                raise SystemExit(f"The workers do not answer.{self.pool.last_words()}")
        return app

    def _pids(self) -> list[int]:
        assert self.pool.process
        leader = self.pool.process.pid
        return [leader, *usage.children(leader)]
