"""The process as the demo starts it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "publisher.sandbox", "--data", str(tmp_path / "data")]
    command += ["--http", "127.0.0.1:0", "--smtp", "127.0.0.1:0", "--announce", str(tmp_path / "ports.json")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as started:
        yield started
        started.kill()


def _listening(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


def test_it_announces_its_ports_serves_and_stops_on_sigterm(process: subprocess.Popen[str], tmp_path: Path) -> None:
    assert "listening" in _listening(process)
    port = json.loads((tmp_path / "ports.json").read_text())["http"]
    secret = "token-that-stays-secret"
    assert requests.get(f"http://127.0.0.1:{port}/graph/v24.0/me?access_token={secret}", timeout=5).status_code == 401
    process.send_signal(signal.SIGTERM)
    _, logged = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "GET /graph/v24.0/me 401" in logged
    assert secret not in logged
    assert logged.rstrip().endswith("stopped")


def test_a_body_that_is_too_large_is_not_read(process: subprocess.Popen[str], tmp_path: Path) -> None:
    _listening(process)
    port = json.loads((tmp_path / "ports.json").read_text())["http"]
    answer = requests.post(
        f"http://127.0.0.1:{port}/control/accounts",
        data=b" " * (8 * 2**20 + 1),
        headers={"Content-Type": "application/json"},
        timeout=10,
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("address", ["8080", "127.0.0.1:", "127.0.0.1:http"])
def test_an_address_that_is_none_is_refused(address: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "publisher.sandbox", "--data", str(tmp_path), "--smtp", "127.0.0.1:0"]
    done = subprocess.run([*command, "--http", address], cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert f"'{address}' is not HOST:PORT" in done.stderr
