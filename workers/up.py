"""Everything in one terminal: `python -m workers.up`, which is `publisher up`.

In this order: the data folder and its lock, the embedded server unless REDIS_URL is set, the database's
tables, stand-ins for what is not connected yet, then web, workers and clock.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import multiprocessing
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from workers.embedded import EmbeddedServer, NoServer
from workers.processes import Child, Crew, Echo, GaveUp, StartFailed, to_nowhere, to_stream
from workers.traces import Occupied, end_orphans, occupied

ROOT = Path(__file__).resolve().parent.parent
# -P: what runs is this checkout, whatever folders stand where the command was typed.
PYTHON = (sys.executable, "-P", "-m")
QUEUES = "delivery,social,intake,default"
FIRST_PORT, LAST_PORT = 8000, 8099

# What the sandbox stands in for: its name, and its address there.
STANDS_IN = {
    "PUBLISHER_SMTP_URL": ("mail", "smtp://127.0.0.1:{smtp}"),
    "PUBLISHER_X_API_URL": ("x", "http://127.0.0.1:{http}/x"),
    "PUBLISHER_GRAPH_API_URL": ("facebook", "http://127.0.0.1:{http}/graph"),
    "PUBLISHER_MASTODON_URL": ("mastodon", "http://127.0.0.1:{http}/mastodon"),
    "PUBLISHER_BLUESKY_URL": ("bluesky", "http://127.0.0.1:{http}/bluesky"),
}
#: Where letters come back to in the sandbox, for whoever named an address for that and no mailbox.
RETURNS = "imap://bounces:sandbox@127.0.0.1:{imap}/INBOX"
#: What is set in the place of an address: then nothing stands in for it.
INSTEAD = {"PUBLISHER_SMTP_URL": "PUBLISHER_MAIL_PROVIDER"}

Say = Callable[[str], None]


class CannotListen(Exception):
    """The address for the pages cannot be used; the text says why."""


@dataclass(frozen=True)
class Place:
    """A Publisher that runs, and where to find it. `environment` is what its processes were given."""

    data: Path
    web_url: str
    sandbox_url: str | None
    environment: Mapping[str, str]
    crew: Crew

    def wait(self) -> None:
        """Until interrupted. Raises GaveUp when a process cannot be kept running."""
        self.crew.wait()

    def stop(self) -> None:
        self.crew.stop()


@contextlib.contextmanager
def running(
    *,
    data: Path | str | None = None,
    web: str | None = None,
    sandbox: bool = True,
    environment: Mapping[str, str] | None = None,
    echo: Echo = to_nowhere,
    say: Say = lambda sentence: None,
) -> Iterator[Place]:
    """Start everything, give the place when its pages answer, and stop everything at the end of the block.

    `web` is HOST:PORT; without it the first free port from 8000 on is taken. `echo` gets each line of the
    children, `say` a sentence for each step. An environment variable of the caller is never overruled.
    Raises Occupied, NoServer, CannotListen or StartFailed, each with a sentence for people.
    """
    given = dict(os.environ if environment is None else environment)
    folder = Path(data or given.get("PUBLISHER_DATA") or ROOT / "var").resolve()
    with occupied(folder) as note, _listening(web) as listener:
        for name in end_orphans(folder / "run"):
            say(f"Ended {name}, which a killed start had left running")
        with Crew(folder / "run", run=secrets.token_hex(8), echo=echo) as crew:
            given |= _surroundings(given, folder, url_of(listener))
            with _message_server(crew, folder, given, say):
                say("Preparing the database")
                crew.run(Child("migrate", [*PYTHON, "django", "migrate", "--no-input"], given, ROOT, quiet=True))
                if sandbox:
                    _start_sandbox(crew, folder, given, say)
                say("Starting web, workers and clock")
                crew.start(web_child(listener, given), worker_child(given), clock_child(given))
                note(url_of(listener))
                yield Place(folder, url_of(listener), given.get("PUBLISHER_SANDBOX_URL"), given, crew)


def _surroundings(given: Mapping[str, str], folder: Path, web_url: str) -> dict[str, str]:
    """What every child must know; what the caller has set stays."""
    path = os.pathsep.join(filter(None, [str(ROOT), given.get("PYTHONPATH")]))
    defaults = {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PUBLISHER_BASE_URL": web_url,
        "PUBLISHER_WEB_WORKERS": "1",
    }
    unset = {name: value for name, value in defaults.items() if not given.get(name)}
    return {"PUBLISHER_DATA": str(folder), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **unset}


@contextlib.contextmanager
def _message_server(crew: Crew, folder: Path, given: dict[str, str], say: Say) -> Iterator[None]:
    """Start the embedded server, unless the environment names another, and note its address in `given`."""
    if given.get("REDIS_URL"):
        yield
        return
    server = EmbeddedServer(folder / "redis")
    child = Child("redis", server.command, given, server.folder, server.answers, quiet=True)
    try:
        say("Starting the message server")
        _start_message_server(crew, child, server, say)
        # The first form is for redis-py, the second for Celery, which looks for it before its own setting.
        given |= {"REDIS_URL": server.place.url, "CELERY_BROKER_URL": server.place.broker_url}
        yield
    finally:
        crew.stop()
        server.forget()


def _start_message_server(crew: Crew, child: Child, server: EmbeddedServer, say: Say) -> None:
    try:
        crew.start(child)
    except StartFailed:
        aside = server.set_data_aside()
        if not aside:
            raise
        say(f"The message server could not read its data, and starts empty; they are kept in {aside}")
        crew.drop(child)
        crew.start(child)


def _start_sandbox(crew: Crew, folder: Path, given: dict[str, str], say: Say) -> None:
    """Start the stand-ins for those addresses that the environment does not set."""
    missing = [name for name in STANDS_IN if not given.get(name) and not given.get(INSTEAD.get(name, ""))]
    if not missing:
        return
    say("Starting the sandbox: mail and posts stay on this machine until an account is connected")
    announced = folder / "run" / "sandbox.json"
    announced.unlink(missing_ok=True)
    child = Child("sandbox", _sandbox_command(folder, announced), given, ROOT, announced.exists)
    crew.start(child)
    ports = json.loads(announced.read_text())
    # After a crash it must be where the others look for it.
    child.command = _sandbox_command(folder, announced, **ports)
    given |= {name: STANDS_IN[name][1].format(**ports) for name in missing}
    if "PUBLISHER_SMTP_URL" in missing and given.get("PUBLISHER_BOUNCE_ADDRESS"):
        given.setdefault("PUBLISHER_BOUNCE_IMAP_URL", RETURNS.format(**ports))
    given["PUBLISHER_SANDBOXED"] = ",".join(STANDS_IN[name][0] for name in missing)
    given["PUBLISHER_SANDBOX_URL"] = f"http://127.0.0.1:{ports['http']}"


def _sandbox_command(folder: Path, announced: Path, http: int = 0, smtp: int = 0, imap: int = 0) -> list[str]:
    return [
        *(*PYTHON, "publisher.sandbox", "--data", str(folder / "sandbox"), "--announce", str(announced)),
        *("--http", f"127.0.0.1:{http}", "--smtp", f"127.0.0.1:{smtp}", "--imap", f"127.0.0.1:{imap}"),
    ]


def web_child(listener: socket.socket, environment: Mapping[str, str]) -> Child:
    """gunicorn on a socket that we hold: a restart refuses no connection, and nobody takes the port."""
    fd = listener.fileno()
    command = [
        *(*PYTHON, "gunicorn", "config.wsgi", "--config", str(ROOT / "config" / "gunicorn.py")),
        # Its control socket lies in HOME, which need not be there.
        *("--bind", f"fd://{fd}", "--no-control-socket"),
    ]
    return Child("web", command, environment, ROOT, partial(answers, url_of(listener)), keep_open=[fd])


def worker_child(environment: Mapping[str, str]) -> Child:
    command = [
        *(*PYTHON, "celery", "--quiet", "-A", "config.celery", "worker", "--queues", QUEUES, "--loglevel", "INFO"),
        *("--pool", worker_pool(), "--concurrency", "2", "--hostname", f"publisher-{os.getpid()}@%h"),
        # There is nobody to mingle with; each would cost a second at the start.
        *("--without-mingle", "--without-gossip"),
    ]
    return Child("workers", command, environment, ROOT)


def worker_pool() -> str:
    """Processes; threads where this user may make no semaphore, as in a container with a bare /dev/shm."""
    try:
        multiprocessing.get_context("fork").Lock()
    except (OSError, ImportError):
        return "threads"
    return "prefork"


def clock_child(environment: Mapping[str, str]) -> Child:
    return Child("clock", [*PYTHON, "workers.clock"], environment, ROOT)


def answers(web_url: str) -> bool:
    """Whether /readyz is content. Redirects are not followed: the public address may be another machine's."""
    connection = http.client.HTTPConnection(web_url.removeprefix("http://"), timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def _listening(web: str | None) -> Iterator[socket.socket]:
    with _listener(web) as listener:
        listener.listen(128)
        yield listener


def _listener(web: str | None) -> socket.socket:
    if web:
        return _bound(*host_and_port(web))
    for port in range(FIRST_PORT, LAST_PORT):
        with contextlib.suppress(CannotListen):
            return _bound("127.0.0.1", port)
    return _bound("127.0.0.1", LAST_PORT)


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as problem:
        raise CannotListen(
            f"Cannot serve pages at {host}:{port}: {_why(problem)}. Choose another with --web HOST:PORT."
        ) from None


def _why(problem: OSError) -> str:
    return os.strerror(problem.errno) if problem.errno and problem.errno > 0 else str(problem)


def host_and_port(text: str) -> tuple[str, int]:
    """127.0.0.1:8000, [::1]:8000, or a port alone."""
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise CannotListen(f"“{text}” is not HOST:PORT, as in 127.0.0.1:8000.")
    return host.strip("[]") or "127.0.0.1", int(port)


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 where all are listened to, this one answers
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="publisher up", description="Run everything in this terminal.")
    parser.add_argument("--data", type=Path, help="the data folder (default: PUBLISHER_DATA, else var)")
    parser.add_argument("--web", metavar="HOST:PORT", help="where the pages are (default: 127.0.0.1:8000 or next free)")
    parser.add_argument("--no-sandbox", action="store_true", help="no stand-ins for what is not connected")
    parser.add_argument("--announce", type=Path, metavar="FILE", help="write the addresses there as JSON when ready")
    return parser


def main() -> int:
    options = arguments().parse_args()
    if sys.stdout.isatty():
        os.environ.setdefault("PUBLISHER_LOG_FORMAT", "console")
    try:
        return _serve(options)
    except KeyboardInterrupt:
        print("Publisher has stopped.", flush=True)
        return 0
    except (Occupied, NoServer, CannotListen, StartFailed, GaveUp) as problem:
        print(problem, file=sys.stderr, flush=True)
        return 1


def _serve(options: argparse.Namespace) -> int:
    say = partial(print, flush=True)
    with running(
        data=options.data, web=options.web, sandbox=not options.no_sandbox, echo=to_stream(sys.stdout), say=say
    ) as place:
        if options.announce:
            announce(options.announce, place)
        say(f"Publisher runs at {place.web_url} (Ctrl-C stops it)")
        if place.sandbox_url:
            say(f"What it sends stays in the sandbox, at {place.sandbox_url}")
        place.wait()
    return 0


def announce(file: Path, place: Place) -> None:
    """Whole or not at all: somebody waits for it to appear."""
    written = file.with_name(f"{file.name}.new")
    written.write_text(json.dumps({"web": place.web_url, "sandbox": place.sandbox_url, "data": str(place.data)}))
    written.replace(file)


if __name__ == "__main__":
    sys.exit(main())
