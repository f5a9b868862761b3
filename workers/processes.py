"""Child processes: started in order, watched, started again after a crash, stopped in reverse order.

No child outlives its parent for long: on Linux the kernel tells it of the parent's death; elsewhere, and for
its own children, the traces in the data folder let the next start end what is left.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from workers import traces

Echo = Callable[[str, str], None]  # (name of the child, line)
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TICK = 0.05

# Runs before the child's own program and keeps its number. Not a preexec_fn: that runs Python between fork
# and exec, which can deadlock in a process with threads. The parent may be gone before the kernel is asked.
LEASH = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""


class StartFailed(Exception):
    """A child ended, or was not ready in time; the text says which and repeats its last words."""


class GaveUp(Exception):
    """A child crashed again and again, and everything stops."""


@dataclass(frozen=True)
class Patience:
    """Seconds, but for `crashes`: how many in a row are borne. A child that ran `healthy` begins anew."""

    first: float = 0.5
    most: float = 15
    healthy: float = 60
    crashes: int = 5
    grace: float = 30
    reserve: float = 1.5  # of the grace, kept back for each child that is still to be stopped

    def pause(self, crashes: int) -> float:
        return min(self.first * 2 ** (crashes - 1), self.most)


@dataclass
class Child:
    name: str
    command: Sequence[str]
    environment: Mapping[str, str] | None = None
    folder: Path | None = None
    ready: Callable[[], bool] | None = None
    ready_within: float = 60
    keep_open: Sequence[int] = ()
    quiet: bool = False  # its lines are shown only when it fails

    process: subprocess.Popen[str] | None = field(default=None, init=False)
    reader: threading.Thread | None = field(default=None, init=False)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=12), init=False)
    watched: bool = field(default=False, init=False)
    crashes: int = field(default=0, init=False)
    started_at: float = field(default=0, init=False)
    due_at: float = field(default=0, init=False)

    def last_words(self) -> str:
        if self.reader:
            self.reader.join(1)
        return "".join(f"\n    {line}" for line in self.tail)


def to_stream(stream: TextIO) -> Echo:
    """Prefix each line with the child's name; lines of JSON pass as they are, for what collects logs."""
    lock = threading.Lock()

    def echo(name: str, line: str) -> None:
        # The terminal may be gone. The children must not stop because nobody reads them.
        with lock, contextlib.suppress(OSError, ValueError):
            print(line if line.startswith("{") else f"{name:<8} {line}", file=stream, flush=True)

    return echo


def to_nowhere(name: str, line: str) -> None:
    """The last lines are still kept, and shown when a child fails."""


class Crew:
    """The children of one start. Use it as a context manager: leaving it leaves no process behind.

    Start it from the main thread, so that Ctrl-C, SIGTERM and a closed terminal raise KeyboardInterrupt in
    the body; a second one while stopping kills at once. The thread that starts children must live as long
    as they do, since the kernel takes its end for the parent's.
    """

    def __init__(self, traces_in: Path, *, run: str, echo: Echo = to_nowhere, patience: Patience | None = None):
        self.children: list[Child] = []
        self.failure: str | None = None
        self._traces = traces_in
        self._run = run
        self._echo = echo
        self._patience = patience or Patience()
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._hurry = threading.Event()
        self._interrupted = self._sheltered = False
        self._former: dict[signal.Signals, object] = {}
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def __enter__(self) -> Crew:
        if threading.current_thread() is threading.main_thread():
            for number in INTERRUPTS:
                # Ignored means on purpose: nohup, or a job in the background of a script.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._former[number] = signal.signal(number, self._on_interrupt)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for number, handler in self._former.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what getsignal gives fits

    def start(self, *children: Child) -> None:
        """Start the children side by side and return when all are ready. Raises StartFailed."""
        for child in children:
            self.children.append(child)
            self._spawn(child)
        for child in children:
            self._await_ready(child)
            child.watched = True

    def run(self, child: Child) -> None:
        """Run a child to its end, as a step of the start. Raises StartFailed unless it succeeds."""
        self.children.append(child)
        process = self._spawn(child)
        while process.poll() is None:
            time.sleep(TICK)
        self._clear(child)
        self.children.remove(child)
        if process.returncode:
            raise StartFailed(f"{child.name} {_ending(process.returncode)}.{child.last_words()}")

    def drop(self, child: Child) -> None:
        """Forget a child that did not start."""
        with self._lock:
            self._end(child, time.monotonic() + self._patience.reserve)
            self.children.remove(child)

    def wait(self) -> None:
        """Wait for ever. Raises GaveUp when a child cannot be kept running."""
        self._over.wait()
        if self.failure:
            raise GaveUp(self.failure)

    def stop(self) -> None:
        """Stop in reverse order; what has not ended within the grace is killed, with all its children.

        A second call does nothing.
        """
        self._stopping.set()
        self._over.set()
        with self._lock:
            deadline = time.monotonic() + self._patience.grace
            for before, child in reversed(list(enumerate(self.children))):
                self._end(child, deadline - before * self._patience.reserve)
        self._stopped.set()
        if self._watcher.is_alive():
            self._watcher.join()

    def _spawn(self, child: Child) -> subprocess.Popen[str]:
        with self._lock, self._shelter():
            process = subprocess.Popen(
                leashed(child.command),
                cwd=child.folder,
                env={**(os.environ if child.environment is None else child.environment), traces.RUN: self._run},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                pass_fds=child.keep_open,
                start_new_session=True,
            )
            child.process, child.started_at = process, time.monotonic()
            traces.leave(self._traces, child.name, process.pid, self._run)
            child.reader = threading.Thread(target=self._read, args=(child, process), daemon=True)
            child.reader.start()
        return process

    def _read(self, child: Child, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                child.tail.append(line.rstrip())
                if not child.quiet:
                    self._echo(child.name, line.rstrip())

    def _await_ready(self, child: Child) -> None:
        deadline = time.monotonic() + child.ready_within
        while child.ready and not child.ready():
            if child.process is None or child.process.poll() is not None:
                code = child.process.returncode if child.process else 0
                raise StartFailed(f"{child.name} {_ending(code)} while starting.{child.last_words()}")
            if time.monotonic() > deadline:
                raise StartFailed(f"{child.name} was not ready in {child.ready_within:g} s.{child.last_words()}")
            time.sleep(TICK)

    def _watch(self) -> None:
        while not self._stopping.wait(TICK):
            for child in list(self.children):
                if child.watched:
                    self._look_after(child)
        # This thread has started children too, and its end would end them.
        self._stopped.wait()

    def _look_after(self, child: Child) -> None:
        with self._lock:
            if self._stopping.is_set():
                return
            if child.process and child.process.poll() is not None:
                self._mourn(child, child.process.returncode)
            elif child.process is None and time.monotonic() >= child.due_at:
                self._spawn(child)

    def _mourn(self, child: Child, code: int) -> None:
        lived = time.monotonic() - child.started_at
        self._clear(child)
        child.crashes = 1 if lived >= self._patience.healthy else child.crashes + 1
        if child.crashes >= self._patience.crashes:
            child.watched = False
            self.failure = f"{child.name} {_ending(code)}, {child.crashes} times in a row.{child.last_words()}"
            self._over.set()
            return
        pause = self._patience.pause(child.crashes)
        child.due_at = time.monotonic() + pause
        self._echo(child.name, f"{_ending(code)}; starting it again in {pause:g} s")

    def _end(self, child: Child, deadline: float) -> None:
        if not child.process:
            return
        # Only the child itself: a pool of workers must finish its tasks, and the child tells it so.
        child.process.terminate()
        while child.process.poll() is None and time.monotonic() < deadline and not self._hurry.is_set():
            time.sleep(TICK / 5)
        self._clear(child)

    def _clear(self, child: Child) -> None:
        """Kill what is left of a child's group and forget the child."""
        process, child.process = child.process, None
        assert process
        # A group keeps its number as long as it has a member, so this cannot hit a stranger that lives.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 1  # what is killed needs a moment to be gone
        while traces.members(process.pid) and time.monotonic() < deadline:
            time.sleep(TICK / 10)
        traces.remove(self._traces, child.name)

    @contextlib.contextmanager
    def _shelter(self) -> Iterator[None]:
        """No interrupt between the start of a child and our note of it: nobody would stop it then."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._sheltered = True
        try:
            yield
        finally:
            self._sheltered = False
        if self._interrupted and not self._stopping.is_set():
            raise KeyboardInterrupt

    def _on_interrupt(self, *_: object) -> None:
        first, self._interrupted = not self._interrupted, True
        if not first or self._stopping.is_set():
            self._hurry.set()
        elif not self._sheltered:
            raise KeyboardInterrupt


def leashed(command: Sequence[str]) -> list[str]:
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", LEASH, str(os.getpid()), *command]


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"
