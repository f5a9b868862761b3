"""Whole data folders with processes of their own: copied, put back, begun at once. The catcher's log decides."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from publisher import epoch
from tests.workers.conftest import ROOT

HEADER = "import django, json; django.setup(); from publisher import epoch, notices; from publisher.models import *\n"
BEGIN = "epoch.begin()"
#: What a tick and a worker do with what waits.
SEND = "[notices.send(each) for each in notices.due()]; epoch.begin(); epoch.advance() if not epoch.doubt() else None"
SHOW = "row = Epoch.objects.get(); print(json.dumps([str(row.installation), row.counter, epoch.doubt()]))"
WRITE = """
Notice.objects.create(kind="confirm", subject="s", html="<p>h</p>", text="t", state="queued",
    sender_email="update@reading-rooms.example", address={address!r})
"""
CONFIRM = """
ben = Person.objects.create(username="ben", may_approve=True)
epoch.confirm(by=ben, why="compared with the log")
"""

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: Any) -> Path:
    """A database that was set up, and in which nothing has begun."""
    folder = Path(tmp_path_factory.mktemp("empty"))
    subprocess.run(
        [sys.executable, "-P", "-m", "publisher", "migrate"], env=surroundings(folder), check=True, capture_output=True
    )
    return folder


@pytest.fixture
def place(empty: Path, tmp_path: Path) -> Path:
    place = tmp_path / "place"
    place.mkdir()
    for left in empty.glob("publisher.sqlite3*"):
        shutil.copy(left, place)
    return place


@pytest.fixture
def run(sandbox: Any) -> Run:
    """run(place, CODE, …): a process at this place, whose letters the catcher takes; what it printed as JSON."""

    def run(place: Path, *code: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-P", "-c", HEADER + "\n".join(code)],
            env=surroundings(place, sandbox),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1]) if done.stdout else None

    return run


def surroundings(place: Path, sandbox: Any = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PUBLISHER_", "DATABASE_URL"))}
    mail = {"PUBLISHER_SMTP_URL": f"smtp://127.0.0.1:{sandbox.smtp}"} if sandbox else {}
    ours = {"PUBLISHER_DATA": str(place), "DJANGO_SETTINGS_MODULE": "config.settings", "PYTHONPATH": str(ROOT)}
    return {**kept, **ours, **mail, "PUBLISHER_LOOPBACK_ONLY": "1"}


def arrived(sandbox: Any) -> list[str]:
    return [address for entry in sandbox.json("/mail/log.json") for address in entry["rcpt_to"]]


def saved(place: Path, backup: Path) -> Path:
    with closing(sqlite3.connect(place / "publisher.sqlite3")) as database, closing(sqlite3.connect(backup)) as copy:
        database.backup(copy)
    return backup


def put_back(backup: Path, place: Path) -> None:
    for left in place.glob("publisher.sqlite3*"):
        left.unlink()
    shutil.copy(backup, place / "publisher.sqlite3")


def test_a_start_that_died_while_it_made_its_keys_leaves_nothing_that_blocks_the_next(tmp_path):
    dying = "import secrets, os; secrets.token_urlsafe = lambda size: os._exit(9); import config.settings"
    command = [sys.executable, "-P", "-c"]
    assert subprocess.run([*command, dying], env=surroundings(tmp_path)).returncode == 9

    shown = "from config import settings; print(len(settings.SECRET_KEY), settings.SECRET_KEY_FALLBACKS)"
    said = [
        subprocess.run([*command, each], env=surroundings(tmp_path), capture_output=True, text=True).stdout
        for each in (shown, shown, "from config import settings; print(settings.SECRET_KEY)")
    ]
    assert said[:2] == ["64 []\n"] * 2
    assert (tmp_path / "keys" / "django").read_text() == said[2].strip()
    kept = {each.name: each.stat().st_mode & 0o777 for each in (tmp_path / "keys").iterdir()}
    assert kept == dict.fromkeys(["django", "links", "suppression", "tokens"], 0o600)


def test_processes_that_begin_at_once_make_one_epoch(place):
    """They wait until the last of them is there; each counts one."""
    waiting = (
        HEADER + "import sys; print('ready', flush=True); sys.stdin.readline(); epoch.advance(); print(epoch.doubt())"
    )
    command = [sys.executable, "-P", "-c", waiting]
    started = [
        subprocess.Popen(command, env=surroundings(place), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    for process in started:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0] for process in started]
    assert said == ["None\n"] * 6
    with closing(sqlite3.connect(place / "publisher.sqlite3")) as database:
        ((installation, counter),) = database.execute("SELECT installation, counter FROM publisher_epoch").fetchall()
    seen = json.loads((place / "epoch").read_text())
    assert (seen["installation"].replace("-", ""), seen["counter"], counter) == (installation, 6, 6)
    assert sorted(each.name for each in place.iterdir() if each.name.startswith(".epoch")) == []


def test_a_copied_folder_sends_nothing_until_it_is_confirmed_and_the_first_goes_on(place, run, sandbox, tmp_path):
    run(place, BEGIN, SEND, WRITE.format(address="rosa@members.example"))
    copy = shutil.copytree(place, tmp_path / "copy")
    assert run(copy, SEND, SHOW)[2] == epoch.COPIED
    assert arrived(sandbox) == []
    first, counter, nothing = run(place, SEND, SHOW)
    assert (arrived(sandbox), counter, nothing) == (["rosa@members.example"], 2, None)
    run(copy, CONFIRM)
    second, counter, nothing = run(
        copy, WRITE.format(address="hugo@members.example"), "Notice.objects.first().delete()", SEND, SHOW
    )
    assert (second != first, counter, nothing) == (True, 3, None)
    assert arrived(sandbox) == ["rosa@members.example", "hugo@members.example"]
    assert run(place, SHOW) == [first, 2, None]


def test_an_older_database_beside_the_file_sends_nothing_again(place, run, sandbox, tmp_path):
    run(place, BEGIN, SEND, WRITE.format(address="rosa@members.example"))
    backup = saved(place, tmp_path / "backup.sqlite3")
    run(place, SEND)
    assert arrived(sandbox) == ["rosa@members.example"]
    put_back(backup, place)
    assert run(place, SEND, SHOW)[2] == epoch.RESTORED
    assert arrived(sandbox) == ["rosa@members.example"]


def test_a_backup_on_a_new_machine_sends_nothing_again(place, run, sandbox, tmp_path):
    run(place, BEGIN, SEND, WRITE.format(address="rosa@members.example"))
    backup = saved(place, tmp_path / "backup.sqlite3")
    run(place, SEND)
    (tmp_path / "new").mkdir()
    put_back(backup, tmp_path / "new")
    assert run(tmp_path / "new", SEND, SHOW)[2] == epoch.NEW_HERE
    assert arrived(sandbox) == ["rosa@members.example"]


def test_the_command_shows_and_confirms(place, run, sandbox, tmp_path):
    run(place, BEGIN, SEND, "Person.objects.create(username='ben', may_approve=True)")
    copy = shutil.copytree(place, tmp_path / "copy")

    def command(*words: str) -> Any:
        return subprocess.run(
            [sys.executable, "-P", "-m", "publisher", *words],
            env=surroundings(copy, sandbox),
            capture_output=True,
            text=True,
            check=False,
        )

    shown = json.loads(command("epoch", "show", "--json").stdout)
    assert (shown["doubt"], shown["confirmable"], shown["counter"], shown["waiting"]) == (epoch.COPIED, True, 1, [])
    assert shown["seen_here"].endswith(", 1, in a copy of the file")
    (checked,) = [each for each in json.loads(command("check", "--json").stdout) if each["check"] == "Epoch"]
    assert (checked["ok"], checked["says"]) == (False, epoch.COPIED)
    refused = command("epoch", "confirm", "--by", "ben")
    assert (refused.returncode, refused.stderr) == (1, "Say what you compared: it stands in the history.\n")
    confirmed = json.loads(command("epoch", "confirm", "--by", "ben", "--why", "compared", "--json").stdout)
    assert (confirmed["doubt"], confirmed["counter"]) == (None, 2)
    assert confirmed["installation"] != shown["installation"]
    assert command("epoch", "show").stdout.startswith("Nothing stands in the way of sending.")
