"""Django's own list of what a public site must not forget, for the settings that a public address brings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.production import files


def check(data: Path, address: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "publisher", "manage", "check", "--deploy", "--fail-level", "WARNING"]
    settings = {"PUBLISHER_DATA": str(data), "PUBLISHER_BASE_URL": address, "PUBLISHER_BEHIND_PROXY": "1"}
    environment = {"PATH": os.defpath, "PYTHONPATH": str(files.ROOT), **settings}
    return subprocess.run(command, cwd=files.ROOT, env=environment, capture_output=True, text=True)


def test_with_a_public_address_nothing_is_left_open(tmp_path: Path) -> None:
    done = check(tmp_path, files.ADDRESS)

    assert (done.returncode, done.stdout) == (0, "System check identified no issues (0 silenced).\n"), done.stderr


def test_the_check_would_say_what_is_open(tmp_path: Path) -> None:
    done = check(tmp_path, "http://news.reading-rooms.example")

    assert done.returncode == 1
    assert "SECURE_HSTS_SECONDS" in done.stderr
