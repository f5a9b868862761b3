"""The contracts of .importlinter hold, and each of them breaks when it is broken."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINTER = Path(sys.executable).with_name("lint-imports")

#: contract → where an import is planted that it forbids, and which.
FORBIDDEN = {
    "plan": ("publisher/delivery/sending.py", "from publisher import digests"),
    "no-cycles": ("publisher/lifecycle.py", "from publisher import posts"),
    "upwards": ("publisher/cli/service.py", "def plant() -> None:\n    from workers import up"),
    "settings": ("config/celery.py", "from workers import delivery"),
    "pure": ("publisher/networks/http.py", "from django.conf import settings"),
    "sandbox-alone": ("publisher/sandbox/store.py", "from publisher import merge"),
    "sandbox-unseen": ("publisher/demo/report.py", "from publisher.sandbox import store"),
    "tweepy": ("publisher/posts.py", "import tweepy"),
    "facebook": ("publisher/networks/http.py", "from facebook import GraphAPI"),
    "mastodon": ("publisher/networks/base.py", "import mastodon"),
    "anymail": ("publisher/notices.py", "import anymail"),
    "atproto": ("publisher/networks/timeline.py", "from atproto_core.uri import AtUri"),
    "atproto-client": ("publisher/networks/bluesky.py", "from atproto import Client"),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The tree, to plant in."""
    for package in ("publisher", "workers", "config"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def test_every_arrow_points_the_way_of_the_plan() -> None:
    assert broken(ROOT) == set()


def test_each_contract_breaks_when_it_is_broken(copy: Path) -> None:
    """A contract that names nothing holds for ever: each gets one import that it must refuse."""
    for file, line in FORBIDDEN.values():
        with (copy / file).open("a") as source:
            source.write(f"\n\n{line}\n")

    assert broken(copy) == set(contracts()) == set(FORBIDDEN)


def test_a_new_module_has_to_be_given_its_place(copy: Path) -> None:
    (copy / "publisher" / "newcomer.py").write_text("")

    assert broken(copy) == {"plan"}


def broken(root: Path) -> set[str]:
    """The contracts that do not hold in this tree."""
    done = subprocess.run(
        [LINTER, "--no-cache"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "COLUMNS": "400", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )
    judged = dict(re.findall(r"^(.+) (KEPT|BROKEN)(?: \(.+\))?$", done.stdout, re.MULTILINE))
    names = contracts()
    found = {key for key, name in names.items() if judged.get(name, "not judged") != "KEPT"}
    assert bool(found) == bool(done.returncode), done.stdout + done.stderr
    return found


def contracts() -> dict[str, str]:
    """Their names, by the key that stands in the file."""
    file = configparser.ConfigParser()
    file.read(ROOT / ".importlinter")
    sections = (section.rpartition(":")[2] for section in file.sections() if ":contract:" in section)
    return {key: file[f"importlinter:contract:{key}"]["name"] for key in sections}
