"""The file beside a database: what it says, and how it is told from its copies."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from publisher import witness
from publisher.witness import Unreadable, Witness
from tests.privileges import as_anybody

OURS = Witness("an-installation", 7)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Written here, in a folder that holds nothing else."""
    file = tmp_path / "place" / "epoch"
    file.parent.mkdir()
    witness.write(file, OURS.installation, OURS.counter)
    return file


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may grow: what a full disk does to a write."""
    ignored, (soft, hard) = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


def generations(folder: Path) -> bool:
    """Whether this file system tells a file from the next one that gets its number."""
    with (folder / "asked").open("w") as file:
        return bool(witness._generation(file.fileno()))


def test_it_says_what_was_written_last(file):
    assert witness.read(file) == OURS
    witness.write(file, "another", 8)
    assert witness.read(file) == Witness("another", 8)
    assert os.listdir(file.parent) == ["epoch"]


def test_where_there_is_none_nothing_is_said(tmp_path):
    assert witness.read(tmp_path / "epoch") is None


def test_a_folder_that_is_moved_or_given_to_somebody_stays_the_same(file, tmp_path):
    moved = file.parent.rename(tmp_path / "elsewhere") / "epoch"
    moved.chmod(0o640)
    os.chown(moved, os.getuid(), os.getgid())
    os.utime(moved)
    assert witness.read(moved) == OURS


@pytest.mark.parametrize("copy", [["cp", "-a"], ["cp", "-r"]])
def test_a_copy_of_the_folder_is_told(file, tmp_path, copy):
    subprocess.run([*copy, file.parent, tmp_path / "copy"], check=True)
    assert witness.read(tmp_path / "copy" / "epoch") == Witness("an-installation", 7, copied=True)
    assert witness.read(file) == OURS


def test_a_folder_that_is_unpacked_again_in_its_place_is_told(file, tmp_path):
    """The freed number is given to the next file: this fails on the number alone."""
    if not generations(tmp_path):
        pytest.skip("this file system has no generations")
    subprocess.run(["tar", "-C", tmp_path, "-cf", tmp_path / "backup.tar", "place"], check=True)
    number = file.stat().st_ino
    for _ in range(20):
        shutil.rmtree(file.parent)
        subprocess.run(["tar", "-C", tmp_path, "-xf", tmp_path / "backup.tar"], check=True)
        assert witness.read(file) == Witness("an-installation", 7, copied=True)
        if file.stat().st_ino == number:
            return
    pytest.skip("its number was not given again")


def test_an_older_one_that_is_copied_over_it_in_place_is_told(file, tmp_path):
    """Writing makes a new file, so the older one names another. Without generations two numbers may take turns."""
    if not generations(tmp_path):
        pytest.skip("this file system has no generations")
    shutil.copy2(file, tmp_path / "backup")
    for counter in range(8, 12):
        witness.write(file, "an-installation", counter)
        subprocess.run(["cp", "-a", tmp_path / "backup", file], check=True)
        assert witness.read(file) == Witness("an-installation", 7, copied=True)


@pytest.mark.parametrize("said", ["", "{", "[]", "null", '{"counter": 7}', '{"installation": "a", "counter": "x"}'])
def test_a_damaged_one_is_said(file, said):
    file.write_text(said)
    with pytest.raises(Unreadable, match="it is damaged"):
        witness.read(file)


def test_a_folder_in_its_place_is_said(tmp_path):
    (tmp_path / "epoch").mkdir()
    with pytest.raises(Unreadable, match="Is a directory"):
        witness.read(tmp_path / "epoch")
    with pytest.raises(OSError, match="Is a directory"):
        witness.write(tmp_path / "epoch", "an-installation", 8)
    assert os.listdir(tmp_path) == ["epoch"]


def test_on_a_full_disk_the_last_one_stays_whole(file):
    with full_disk(), pytest.raises(OSError, match="File too large"):
        witness.write(file, "an-installation", 8)
    assert witness.read(file) == OURS
    assert os.listdir(file.parent) == ["epoch"]


def test_in_a_read_only_folder_the_last_one_stays(file):
    file.parent.chmod(0o500)
    with as_anybody(), pytest.raises(PermissionError):
        witness.write(file, "an-installation", 8)
    file.parent.chmod(0o700)
    assert witness.read(file) == OURS
