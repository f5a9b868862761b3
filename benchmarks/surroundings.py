"""Where a benchmark runs: a folder of its own on a real disk, a database, and nothing of the caller's settings."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.postgres import Cluster
from workers.processes import Child, Crew, Patience, to_stream
from workers.up import PYTHON, ROOT

#: Whatever is killed is started again at once, however often.
TIRELESS = Patience(first=0.05, most=0.05, healthy=0, crashes=1000, grace=20, reserve=1)
OURS = ("PUBLISHER_", "DATABASE_URL", "REDIS_URL", "CELERY_", "SECRET_KEY")


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Not in /tmp, which may be memory: there nothing is durable, and durability is what costs."""
    made = Path(tempfile.mkdtemp(prefix="publisher-benchmark-", dir="/var/tmp"))
    made.chmod(0o755)  # PostgreSQL runs as somebody else
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def crew(place: Path) -> Iterator[Crew]:
    """What its children say is written to `said.log`."""
    with (place / "said.log").open("w") as said:
        with Crew(place / "run", run=secrets.token_hex(8), echo=to_stream(said), patience=TIRELESS) as crew:
            yield crew


def environment(place: Path, **more: str) -> dict[str, str]:
    """The caller's, without any setting of Publisher's, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    ours = {
        "PUBLISHER_DATA": str(place / "data"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "PUBLISHER_LOOPBACK_ONLY": "1",
        "PUBLISHER_LOG_LEVEL": "WARNING",
        "PUBLISHER_LOG_FORMAT": "json",
    }
    return {**kept, **ours, **more}


def database(kind: str, crew: Crew, place: Path) -> tuple[dict[str, str], Cluster | None]:
    """Start it. What the environment says of it, and the server, if it has one."""
    if kind == "embedded":
        return {}, None
    cluster = Cluster(place / "postgres")
    crew.start(cluster.child())
    return {"DATABASE_URL": cluster.url}, cluster


def migrate(crew: Crew, environment: Mapping[str, str]) -> None:
    crew.run(Child("migrate", [*PYTHON, "django", "migrate", "--no-input"], environment, ROOT, quiet=True))


def enter(environment: Mapping[str, str]) -> None:
    """Make this process one of the place: its Django looks at the place's database, its messages go nowhere."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]
    os.environ.update({name: value for name, value in environment.items() if not name.startswith(("REDIS", "CELERY"))})
    os.environ["PUBLISHER_LOG_LEVEL"] = "ERROR"  # that its messages go nowhere is nothing to be warned of
    import django

    django.setup()
    from config import celery

    celery.app.set_current()
