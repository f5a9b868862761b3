"""What a worker writes before and after each dot, and what is read of it when it is dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from publisher import holders
from publisher.delivery.journal import AbandonedJournal, Account, InUse, Journal
from publisher.delivery.outcomes import Outcome, Result
from publisher.delivery.replies import Phase
from publisher.printable import one_line
from tests.workers.conftest import ROOT

from .batches import BROKEN, NOBODY, TAKEN

OUTCOMES = st.builds(
    Outcome,
    result=st.sampled_from(Result),
    phase=st.sampled_from(Phase),
    code=st.none() | st.integers(200, 599),
    enhanced=st.none() | st.sampled_from(["2.0.0", "5.1.10", "4.7.1"]),
    text=st.text(max_size=60),
    scope=st.sampled_from(["recipient", "sender", "connection"]),
)


@contextmanager
def journal_at(path: Path) -> Iterator[Journal]:
    """A new one, which its writer leaves behind."""
    path.unlink(missing_ok=True)
    writer = Journal(path)
    try:
        yield writer
    finally:
        writer.close(keep=True)


def read(path: Path) -> Account:
    with AbandonedJournal(path) as found:
        return found.read()


def in_one_line(outcome: Outcome) -> Outcome:
    return outcome if outcome.text.isprintable() else outcome._replace(text=one_line(outcome.text))


@given(st.dictionaries(st.integers(1, 10**12), OUTCOMES, max_size=5))
@example({7: TAKEN._replace(text="one\ntwo\r\nsent 8 250 - dot connection three\u2028four\x85I 9")})
@example({7: TAKEN._replace(text="a NUL \x00 and half a character \ud800")})
@example({7: TAKEN._replace(text="")})
@example({7: TAKEN._replace(text=" Málaga  sent 8 ")})
def test_every_outcome_is_read_as_it_was_written(tmp_path_factory, answers):
    """Whatever a server says in its answer: it is one line, and no other row's."""
    path = tmp_path_factory.getbasetemp() / "any.journal"
    with journal_at(path) as writer:
        for delivery, outcome in answers.items():
            writer.intend(delivery)
            writer.answer(delivery, outcome)
    account = read(path)
    assert account == Account(True, set(answers), {key: in_one_line(outcome) for key, outcome in answers.items()})


def test_an_answer_is_of_the_handing_over_before_it(tmp_path):
    """A connection breaks off within the message, the next one takes it up and dies at the dot: that is a doubt."""
    with journal_at(tmp_path / "a") as writer:
        writer.intend(7)
        writer.answer(7, BROKEN)
        writer.intend(7)
    assert read(tmp_path / "a") == Account(True, {7}, {})


def test_the_last_answer_counts(tmp_path):
    """What was read is put in doubt by what follows."""
    doubt = TAKEN._replace(result=Result.UNKNOWN)
    with journal_at(tmp_path / "a") as writer:
        writer.intend(7)
        writer.answer(7, TAKEN)
        writer.answer(7, doubt)
    assert read(tmp_path / "a").answered == {7: doubt}


def test_an_intent_stands_there_before_anything_else_is_done(tmp_path):
    writer = Journal(tmp_path / "a")
    writer.intend(7)
    assert (tmp_path / "a").read_text().endswith("\nI 7\n")
    writer.answer(7, TAKEN)
    writer.write()
    assert (tmp_path / "a").read_text().endswith("250 2.0.0 kept as 42\n")
    writer.close()


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_line_without_its_end_says_nothing(tmp_path, cut):
    with journal_at(tmp_path / "a") as writer:
        writer.intend(7)
        writer.answer(7, NOBODY)
        writer.intend(8)
        writer.answer(8, NOBODY)
    whole = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(whole[:-cut])
    account = read(tmp_path / "a")
    assert account.answered == {7: NOBODY}
    assert account.intended - {8} == {7}


@pytest.mark.parametrize("head", ["publisher-journal 1 another-start", "publisher-journal 2 {boot}", "", "\x00" * 40])
def test_a_journal_of_another_start_tells_what_it_has_and_is_not_whole(tmp_path, head):
    with journal_at(tmp_path / "a") as writer:
        writer.intend(7)
        writer.answer(7, TAKEN)
    _, _, rest = (tmp_path / "a").read_text().partition("\n")
    (tmp_path / "a").write_text(head.replace("{boot}", holders.boot_id()) + "\n" + rest)
    assert read(tmp_path / "a") == Account(False, {7}, {7: TAKEN})


def test_where_nobody_can_say_when_the_machine_started_no_journal_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(holders, "boot_id", lambda: "")
    with journal_at(tmp_path / "a") as writer:
        writer.intend(7)
    assert read(tmp_path / "a") == Account(False, {7})


def test_an_empty_journal_is_not_whole(tmp_path):
    (tmp_path / "a").touch()
    assert read(tmp_path / "a") == Account(False)


def test_lines_that_are_none_are_passed_over(tmp_path):
    """Pages that a power cut left as zeros, or half of a disk's other block."""
    with journal_at(tmp_path / "a") as writer:
        writer.intend(7)
        os.write(writer._file, b"\x00\xff\xfe\x00\nI seven\nsent 8\nI 9 10\nperhaps 7 250 - dot recipient OK\n")
        writer.answer(7, TAKEN)
    assert read(tmp_path / "a") == Account(True, {7}, {7: TAKEN})


def test_a_name_is_taken_once(tmp_path):
    with journal_at(tmp_path / "a"), pytest.raises(FileExistsError):
        Journal(tmp_path / "a")


def test_who_closes_a_journal_leaves_nothing(tmp_path):
    writer = Journal(tmp_path / "a")
    writer.intend(7)
    writer.close()
    with pytest.raises(FileNotFoundError):
        AbandonedJournal(tmp_path / "a")


WRITER = """
import sys
from pathlib import Path
from publisher.delivery.journal import Journal
from tests.delivery.batches import TAKEN
writer = Journal(Path(sys.argv[1]))
writer.intend(7)
writer.answer(7, TAKEN)
writer.intend(8)
print("written", flush=True)
sys.stdin.read()
"""


def test_nobody_reads_what_a_living_process_writes_and_its_death_frees_it(tmp_path):
    """Killed in the midst of it: the kernel lets go of the lock, and every line is there."""
    path = tmp_path / "a"
    command = [sys.executable, "-c", f"import django; django.setup()\n{WRITER}", str(path)]
    known = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=known) as process:
        assert process.stdout.readline() == b"written\n"
        with pytest.raises(InUse):
            AbandonedJournal(path)
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(InUse):
            AbandonedJournal(path)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        assert read(path) == Account(True, {7, 8}, {7: TAKEN})


def test_of_two_who_find_a_journal_one_reads_it(tmp_path):
    with journal_at(tmp_path / "a") as writer:
        writer.intend(7)
    with AbandonedJournal(tmp_path / "a") as first:
        with pytest.raises(InUse):
            AbandonedJournal(tmp_path / "a")
        first.forget()
    with pytest.raises(FileNotFoundError):
        AbandonedJournal(tmp_path / "a")
