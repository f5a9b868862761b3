"""What an error in the middle of a batch costs: no recipient, no second letter, no row that nobody looks at again."""

from __future__ import annotations

import resource
from collections import Counter

import pytest
from django.db import OperationalError

from publisher import digests
from publisher.delivery import batch as batches
from publisher.delivery import ledger, statements, takeover
from publisher.delivery import sending as engine_room
from publisher.delivery.journal import Found, Journal
from publisher.models import Hold
from workers.delivery import send

from .batches import TAKEN

M = [f"m{n}@members.example" for n in range(5)]


@pytest.fixture(autouse=True)
def _an_engine_of_its_own():
    for path in takeover._left_behind():
        path.unlink()
    yield
    engine_room.hang_up()
    engine_room._mine.__dict__.clear()


def mailed(connected):
    return sorted(address for entry in connected.json("/mail/log.json") for address in entry["rcpt_to"])


def fail_once(monkeypatch, thing, name, *, at=1, after=True):
    """The database is away when this has been done (or before it) for the `at`-th time, and back afterwards."""
    real, calls = getattr(thing, name), Counter()

    def failing(*args, **given):
        calls["n"] += 1
        if calls["n"] == at and not after:
            raise OperationalError("the database is away")
        result = real(*args, **given)
        if calls["n"] == at:
            raise OperationalError("the database is away")
        return result

    monkeypatch.setattr(thing, name, failing)


# ---- The database goes away, and comes back before the worker has given up


STEPS = [
    *((batches.Batch, "_write", at) for at in (2, 3, 4)),
    *((batches.Batch, "_arm", at) for at in (1, 2, 3)),
    *((batches.Batch, "_look_at_list", at) for at in (1, 2, 3)),
    *((statements, "renew", at) for at in (1, 2, 3, 4)),
    (batches.Batch, "_claim", 1),
    (batches.Batch, "_judged", 1),
]


@pytest.mark.parametrize(("thing", "name", "at"), STEPS)
def test_an_error_in_any_step_leaves_no_row_behind_and_sends_nothing_twice(
    sending, connected, monkeypatch, thing, name, at
):
    monkeypatch.setattr(batches, "GROUP", 2)
    fail_once(monkeypatch, thing, name, at=at)
    with pytest.raises(OperationalError):
        engine_room.send_batch(sending)
    monkeypatch.undo()
    monkeypatch.setattr(batches, "GROUP", 2)
    for _ in range(3):
        engine_room.send_batch(sending)
    assert mailed(connected) == M
    assert ledger.counts(sending)["sent"] == 5
    assert digests.finish(sending)


def test_a_batch_that_could_not_write_its_end_leaves_its_journal_to_be_read(sending, connected, monkeypatch):
    fail_once(monkeypatch, batches.Batch, "close", after=False)
    with pytest.raises(OperationalError):
        engine_room.send_batch(sending)
    # Were the lock still held, this worker would be ended as one that hangs when its lease is over.
    for path in takeover._left_behind():
        with Found(path):
            pass
    assert ledger.counts(sending)["sent"] == 5


def test_an_error_before_the_claim_is_committed_leaves_no_journal(sending, connected, monkeypatch):
    fail_once(monkeypatch, batches.Batch, "_claim")
    with pytest.raises(OperationalError):
        engine_room.send_batch(sending)
    assert not Hold.objects.exists()
    assert takeover._left_behind() == []


def test_a_database_that_was_away_does_not_wait_for_a_person(sending, connected, monkeypatch):
    fail_once(monkeypatch, batches.Batch, "_write", at=2)
    with pytest.raises(OperationalError):
        send(sending.pk)
    sending.refresh_from_db()
    assert (sending.state, sending.attention) == ("sending", "")
    send(sending.pk)
    assert mailed(connected) == M


# ---- The disk of the journal is full


def test_an_intent_that_does_not_fit_on_the_disk_is_not_taken_for_written(tmp_path):
    journal = Journal(tmp_path / "x.journal")
    size = journal.path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            journal.intend(4711)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal.answer(4712, TAKEN)
    journal.close(keep=True)
    with Found(journal.path) as found:
        account = found.read()
    assert set(account.answered) == {4712}
