"""The `publisher` command, typed in: in this process against the test's database, or as a process of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from publisher.cli import answers, tree
from tests import canaries

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Answer:
    status: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.status == 0, self.err
        return json.loads(self.out)


Command = Callable[..., Answer]


@pytest.fixture
def publisher(db: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """publisher("items", "list", typed="what is typed in")."""
    app = typer.Typer(name="publisher", pretty_exceptions_enable=False, no_args_is_help=True)
    tree.grow(app)
    monkeypatch.setenv("COLUMNS", "300")
    for console in (answers.out, answers.err):
        # By itself it keeps the COLUMNS that stood in the environment when it was made.
        monkeypatch.setattr(console, "width", 300)
    monkeypatch.delenv("PUBLISHER_PERSON", raising=False)

    def run(*words: Any, typed: str = "") -> Answer:
        monkeypatch.setattr(sys, "argv", ["publisher", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        capsys.readouterr()
        status = 0
        try:
            answers.plainly(app)
        except SystemExit as ended:
            status = int(ended.code or 0)
        said = capsys.readouterr()
        canaries.look(f"publisher {words}", said.out + said.err)
        return Answer(status, said.out, said.err)

    return run


@pytest.fixture
def elsewhere(tmp_path: Path) -> Command:
    """The command as a newcomer has it: a process of its own, another folder, and nothing set up."""
    data = tmp_path / "data"
    ours = ("PUBLISHER", "DATABASE_URL", "REDIS_URL", "CELERY", "DJANGO", "SECRET_KEY")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}

    def run(*words: Any, **environment: str) -> Answer:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "publisher", *map(str, words)],
            env={**kept, "PYTHONPATH": str(ROOT), "PUBLISHER_DATA": str(data), "COLUMNS": "300", **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    return run
