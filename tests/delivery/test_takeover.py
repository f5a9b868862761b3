"""What becomes of the rows of a worker that is gone, by what its journal says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from publisher import epoch, holders, lifecycle
from publisher.delivery import ledger, takeover
from publisher.delivery.journal import AbandonedJournal, Journal, journal_path
from publisher.models import Epoch, Hold

from .batches import BROKEN, NOBODY, SILENCE, TAKEN, answer, batch_of, in_state, journal_of, ready

DEAD = holders.me().rpartition("/")[0] + "/not-me"
ELSEWHERE = "another-host/boot/1/1"
M = [f"m{n}@members.example" for n in range(5)]


@pytest.fixture
def fallen(sending):
    """A worker that died: m0 was answered, m1 refused, m2 handed over, m3 armed, m4 claimed only."""
    batch = batch_of(sending)
    rows = {each.recipient: each for each in ready(batch)}
    answer(batch, rows[M[0]], TAKEN)
    answer(batch, rows[M[1]], NOBODY)
    assert batch.intend([rows[M[2]]])
    sending.deliveries.filter(address=M[4]).update(state="claimed")
    batch.abandon()
    Hold.objects.update(holder=DEAD)
    return batch


def states(sending):
    return {row.address: row.state for row in sending.deliveries.all()}


def test_the_journal_says_what_became_of_each(sending, fallen):
    assert takeover.recover() == 5
    assert states(sending) == {M[0]: "sent", M[1]: "failed", M[2]: "unknown", M[3]: "queued", M[4]: "queued"}
    assert not journal_of(fallen.hold).exists()
    assert takeover.recover() == 0


def test_a_journal_that_cannot_be_removed_is_believed_and_said_and_goes_when_it_can(
    sending, fallen, monkeypatch, caplog
):
    """Its folder was put back read-only, say; a test may run as root, who can write there all the same."""
    path, forget = journal_of(fallen.hold), AbandonedJournal.forget

    def refuse(found):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(AbandonedJournal, "forget", refuse)
    assert [takeover.recover() for _ in range(3)] == [5, 0, 0]
    assert states(sending) == {M[0]: "sent", M[1]: "failed", M[2]: "unknown", M[3]: "queued", M[4]: "queued"}
    assert caplog.messages == [
        f"the journal {path} is needed no more and cannot be removed ([Errno 13] Permission denied): "
        "remove it, or let us write there"
    ]
    monkeypatch.setattr(AbandonedJournal, "forget", forget)
    takeover.recover()
    assert not path.exists()


def test_after_a_power_cut_what_the_journal_does_not_say_is_unknown(sending, fallen):
    path = journal_of(fallen.hold)
    head, _, rest = path.read_text().partition("\n")
    path.write_text(f"{head}-of-an-earlier-start\n{rest}")
    takeover.recover()
    assert states(sending) == {M[0]: "sent", M[1]: "failed", M[2]: "unknown", M[3]: "unknown", M[4]: "queued"}


def test_a_last_line_that_was_cut_says_nothing(sending, fallen):
    path = journal_of(fallen.hold)
    path.write_bytes(path.read_bytes() + f"sent {sending.deliveries.get(address=M[2]).pk} 250".encode())
    takeover.recover()
    assert in_state(sending, "unknown") == [M[2]]


def test_without_the_journal_what_was_armed_is_unknown_and_a_journal_that_returns_corrects_it(
    sending, fallen, tmp_path
):
    path, away = journal_of(fallen.hold), tmp_path / "away"
    path.rename(away)
    takeover.recover()
    assert in_state(sending, "unknown") == M[:4]
    away.rename(path)
    takeover.recover()
    assert states(sending) == {M[0]: "sent", M[1]: "unknown", M[2]: "unknown", M[3]: "queued", M[4]: "queued"} | {
        M[1]: "queued"
    }
    assert not path.exists()


def test_who_wakes_when_another_machine_has_taken_over_leaves_its_journal_to_correct_that(sending, monkeypatch):
    batch = batch_of(sending)
    ready(batch)
    path, hidden = journal_of(batch.hold), "of-another-machine"
    Hold.objects.update(journal=hidden, holder=ELSEWHERE, until=timezone.now() - timedelta(seconds=1))
    takeover.recover()
    assert in_state(sending, "unknown") == M
    Hold.objects.update(journal=path.stem)
    batch.close()
    takeover.recover()
    assert in_state(sending, "queued") == M
    assert [event.detail["rows"] for event in lifecycle.history(sending) if event.verb == "recovered"] == [5, 5]
    assert not path.exists()


def test_a_journal_that_returns_and_is_itself_in_doubt_frees_nothing(sending, tmp_path):
    batch = batch_of(sending, 1)
    answer(batch, *ready(batch), SILENCE)
    batch.abandon()
    Hold.objects.update(holder=DEAD)
    path, away = journal_of(batch.hold), tmp_path / "away"
    path.rename(away)
    takeover.recover()
    away.rename(path)
    takeover.recover()
    assert in_state(sending, "unknown") == M[:1]


def test_what_a_person_has_settled_meanwhile_is_left_alone_by_a_journal_that_returns(sending, fallen, tmp_path, ben):
    path, away = journal_of(fallen.hold), tmp_path / "away"
    path.rename(away)
    takeover.recover()
    ledger.settle(sending.deliveries.get(address=M[0]), "queued", by=ben, why="she asked for it")
    away.rename(path)
    takeover.recover()
    assert states(sending)[M[0]] == "queued"


def test_a_journal_that_returns_as_the_database_goes_away_is_heard_once_more(sending, fallen, tmp_path, monkeypatch):
    path, away = journal_of(fallen.hold), tmp_path / "away"
    path.rename(away)
    takeover.recover()
    away.rename(path)
    commit = BaseDatabaseWrapper.savepoint_commit

    def fail_once(*_):
        monkeypatch.setattr(BaseDatabaseWrapper, "savepoint_commit", commit)
        raise OperationalError("the database is away")

    monkeypatch.setattr(BaseDatabaseWrapper, "savepoint_commit", fail_once)
    with pytest.raises(OperationalError):
        takeover.recover()
    assert in_state(sending, "unknown") == M[:4]
    assert takeover.recover() == 3
    assert states(sending) == {M[0]: "sent", M[1]: "queued", M[2]: "unknown", M[3]: "queued", M[4]: "queued"}
    assert not path.exists()


def test_what_broke_off_before_the_dot_goes_back_and_was_no_attempt(sending):
    batch = batch_of(sending, 1)
    (row,) = ready(batch)
    assert batch.intend([row])
    batch.unsent(row, BROKEN)
    batch.abandon()
    Hold.objects.update(holder=DEAD)
    takeover.recover()
    assert ledger.counts(sending)["queued"] == 5
    assert set(sending.deliveries.values_list("attempts", "first_tried_at")) == {(0, None)}


def test_the_rows_of_a_living_worker_are_left_alone(sending):
    batch = batch_of(sending)
    ready(batch)
    assert takeover.recover() == 0
    assert len(in_state(sending, "armed")) == 5
    batch.close()


def test_another_machines_worker_is_believed_until_its_lease_is_over(sending):
    batch = batch_of(sending)
    ready(batch)
    batch.abandon()
    journal_of(batch.hold).unlink()
    Hold.objects.update(holder=ELSEWHERE)
    assert takeover.recover() == 0
    Hold.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert takeover.recover() == 5
    assert in_state(sending, "unknown") == M


HOLDS_THE_LOCK = """
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_stopped_worker_past_its_lease_is_ended_before_its_rows_are_taken(sending, fallen):
    path = str(journal_of(fallen.hold))
    command = [sys.executable, "-c", HOLDS_THE_LOCK, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout.readline() == b"held\n"
        os.kill(worker.pid, signal.SIGSTOP)
        place = holders.me().rsplit("/", 2)[0]
        past = timezone.now() - timedelta(seconds=1)
        Hold.objects.update(holder=f"{place}/{worker.pid}/{holders._started(worker.pid)}", until=past)
        assert takeover.recover() == 5
        assert worker.wait(10) == -signal.SIGKILL
    assert in_state(sending, "sent") == [M[0]]


def test_a_worker_that_gave_up_without_the_database_is_not_ended(sending, fallen):
    Hold.objects.update(holder=holders.me(), until=timezone.now() - timedelta(seconds=1))
    assert takeover.recover() == 5
    assert in_state(sending, "sent") == [M[0]]


# ---- Journals of which the database knows nothing


@pytest.fixture
def write_journal(db, settings, tmp_path):
    """write_journal("one", days=3): it was left behind so long ago, and no hold names it."""
    settings.DATA = tmp_path

    def write(name, *, days):
        journal = Journal(journal_path(tmp_path, name))
        journal.close(keep=True)
        then = time.time() - days * 24 * 3600
        os.utime(journal.path, (then, then))
        return journal.path

    return write


def test_a_journal_without_a_hold_is_kept_for_two_days_and_then_removed(write_journal):
    yesterdays, old = write_journal("yesterdays", days=1.9), write_journal("old", days=2.1)
    takeover.recover()
    assert (yesterdays.exists(), old.exists()) == (True, False)


def test_an_old_journal_without_a_hold_is_kept_while_somebody_has_its_lock(write_journal):
    old = write_journal("old", days=3)
    with AbandonedJournal(old):
        takeover.recover()
    assert old.exists()
    takeover.recover()
    assert not old.exists()


def test_an_old_journal_without_a_hold_is_kept_until_a_person_confirms_that_this_database_goes_on(write_journal, ben):
    """It may have been put back to before the hold, and be replaced by a newer backup that knows it."""
    old = write_journal("old", days=3)
    Epoch.objects.create(pk=1, counter=5)
    assert epoch.doubt()
    takeover.recover()
    assert old.exists()
    epoch.confirm(by=ben, why="this is the newest backup")
    takeover.recover()
    assert not old.exists()


def test_an_old_journal_whose_hold_is_open_stays_with_its_worker(sending):
    batch = batch_of(sending)
    path = journal_of(batch.hold)
    os.utime(path, (0, 0))
    takeover.recover()
    assert path.exists()
    batch.close()


def test_ten_journals_without_a_hold_cost_no_more_queries_than_one(write_journal):
    def queries():
        with CaptureQueriesContext(connection) as asked:
            takeover.recover()
        return len(asked)

    write_journal("first", days=1)
    one = queries()
    for number in range(9):
        write_journal(f"another-{number}", days=1)
    assert queries() == one
