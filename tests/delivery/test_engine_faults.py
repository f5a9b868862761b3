"""What an error in the middle of a batch costs: no recipient, no second letter, no row that nobody looks at again."""

from __future__ import annotations

import resource
import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from publisher import digests, holders
from publisher.delivery import batch as batches
from publisher.delivery import ledger, statements, takeover
from publisher.delivery import sending as engine_room
from publisher.delivery.journal import AbandonedJournal, Journal
from publisher.delivery.opening import mail_options
from publisher.delivery.outcomes import Ended, Result
from publisher.delivery.relays import Relay
from publisher.delivery.replies import Phase
from publisher.models import Delivery, Hold
from workers.delivery import send

from .batches import GREYLISTED, NOBODY, TAKEN, answer, batch_of, forget_all, in_state, journal_of, ready
from .server import GOOD, Says

DEAD = holders.me().rpartition("/")[0] + "/not-me"

M = [f"m{n}@members.example" for n in range(5)]


PIPELINING = {**GOOD, "EHLO": b"250-mail.example.org\r\n250-PIPELINING\r\n250 8BITMIME\r\n"}


class WhenReleased(Says):
    """The usual answer, when the test says so."""

    def play(self, talk, usual):
        talk.server.waiting.set()
        talk.server.released.wait()
        super().play(talk, usual)


@pytest.fixture(autouse=True)
def _an_engine_of_its_own():
    for path in takeover._left_behind():
        path.unlink()
    yield
    forget_all()


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
    *((statements, "step", at) for at in (1, 2, 3)),
    *((batches.Batch, "_written", at) for at in (2, 3, 4)),
    *((batches.Batch, "_choose", at) for at in (1, 2, 3)),
    *((batches.Batch, "_look_at_list", at) for at in (1, 2, 3)),
    (statements, "renew", 1),
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
        with AbandonedJournal(path):
            pass
    assert ledger.counts(sending)["sent"] == 5


def test_an_error_before_the_claim_is_committed_leaves_no_journal(sending, connected, monkeypatch):
    fail_once(monkeypatch, batches.Batch, "_claim")
    with pytest.raises(OperationalError):
        engine_room.send_batch(sending)
    assert not Hold.objects.exists()
    assert takeover._left_behind() == []


def test_a_database_that_was_away_does_not_wait_for_a_person(sending, connected, monkeypatch):
    fail_once(monkeypatch, batches.Batch, "_written", at=2)
    with pytest.raises(OperationalError):
        send(sending.pk)
    sending.refresh_from_db()
    assert (sending.state, sending.attention) == ("sending", "")
    send(sending.pk)
    assert mailed(connected) == M


def test_what_has_its_dot_when_the_database_goes_away_is_heard_out(sending, serve, settings, monkeypatch):
    server = serve({"dot": WhenReleased()}, good=PIPELINING)
    settings.SMTP_URL = f"smtp://127.0.0.1:{server.port}"
    server.waiting = threading.Event()
    monkeypatch.setattr(batches, "BEAT", 0.0)
    step = statements.step

    def away(*given):
        if server.waiting.is_set():
            server.released.set()
            raise OperationalError("the database is away")
        return step(*given)

    monkeypatch.setattr(statements, "step", away)
    with pytest.raises(OperationalError):
        engine_room.send_batch(sending)
    assert (in_state(sending, "unknown"), in_state(sending, "sent")) == ([], sorted(to for to, _ in server.log))


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
    with AbandonedJournal(journal.path) as found:
        account = found.read()
    assert set(account.answered) == {4712}


# ---- Where the rows of a digest go that is over


def test_what_was_armed_when_the_digest_was_cancelled_does_not_wait_for_ever(sending, anne):
    batch = batch_of(sending)
    first, second, *_ = ready(batch)
    digests.cancel(sending, by=anne)
    answer(batch, first, TAKEN)
    answer(batch, second, GREYLISTED)
    batch.close()
    assert (in_state(sending, "sent"), in_state(sending, "skipped")) == (M[:1], M[1:])


def test_what_a_dead_worker_had_armed_of_a_cancelled_digest_does_not_wait_for_ever(sending, anne):
    batch = batch_of(sending)
    ready(batch)
    digests.cancel(sending, by=anne)
    batch.abandon()
    Hold.objects.update(holder=DEAD)
    takeover.recover()
    assert in_state(sending, "skipped") == M


@pytest.fixture
def returning(sending, tmp_path):
    """All are unknown, because the journal of the worker's machine was away; in it stands that nothing was sent."""
    batch = batch_of(sending)
    ready(batch)
    batch.abandon()
    path, away = journal_of(batch.hold), tmp_path / "away"
    path.rename(away)
    Hold.objects.update(holder=DEAD)
    takeover.recover()
    assert in_state(sending, "unknown") == M
    return lambda: away.rename(path)


def test_what_a_journal_frees_that_returns_late_is_sent_although_the_digest_was_over(sending, returning, connected):
    assert digests.finish(sending)
    returning()
    takeover.recover()
    sending.refresh_from_db()
    assert sending.state == "sending"
    engine_room.send_batch(sending)
    assert mailed(connected) == M


def test_what_a_journal_frees_that_returns_late_stays_at_home_where_the_digest_was_cancelled(sending, returning, anne):
    digests.cancel(sending, by=anne)
    returning()
    takeover.recover()
    assert in_state(sending, "skipped") == M


# ---- What would be tried without an end


def test_a_letter_for_which_the_relay_itself_fails_for_good_is_tried_again_later_and_then_given_up(sending):
    system = NOBODY._replace(scope="connection", enhanced="5.3.1", text="552 5.3.1 mail system full")
    for state in ("deferred", "failed"):
        batch = batch_of(sending, 2)
        under_way = {each.recipient: each for each in ready(batch)}
        answer(batch, under_way.pop(M[0]), system)
        answer(batch, *under_way.values(), TAKEN)
        batch.close()
        assert in_state(sending, state) == M[:1]
        Delivery.objects.filter(state="deferred").update(due_at=timezone.now())


def test_a_canary_that_did_not_fare_well_stops_the_digest_when_its_time_is_over(sending, connected, publication):
    type(publication).objects.update(canary_size=2, canary_minutes=15)
    Delivery.objects.filter(address__in=M[:2]).update(state="failed")
    type(sending).objects.update(canary_until=timezone.now() - timedelta(minutes=1))
    sending.refresh_from_db()
    send(sending.pk)
    sending.refresh_from_db()
    assert (sending.state, mailed(connected)) == ("paused", [])
    assert "Of the first 2 letters 2 failed" in sending.attention


def test_an_address_that_a_plain_old_relay_cannot_carry_is_no_refusal_of_us():
    old = {}
    with pytest.raises(Ended) as ended:
        list(mail_options(old, Relay("127.0.0.1", 25), size=1, utf8=Phase.RCPT, eight_bit=True))
    assert (ended.value.outcome.result, ended.value.outcome.scope) == (Result.FAILED, "recipient")


# ---- Whoever takes over


@pytest.fixture
def fallen(sending):
    """A worker that died with all armed, and had handed nothing over."""
    batch = batch_of(sending)
    ready(batch)
    batch.abandon()
    Hold.objects.update(holder=DEAD)
    return batch


def test_the_next_worker_of_a_machine_without_the_clock_reads_what_the_last_one_left(sending, fallen, connected):
    send(sending.pk)
    assert mailed(connected) == M


def test_of_two_who_take_over_at_once_the_second_leaves_it_to_the_first(sending, fallen):
    with AbandonedJournal(journal_of(fallen.hold)):
        assert takeover.recover() == 0
    assert takeover.recover() == 5
    assert ledger.counts(sending)["queued"] == 5


def test_a_journal_that_cannot_be_read_does_not_stop_the_clock(sending, fallen):
    path = journal_of(fallen.hold)
    path.unlink()
    path.mkdir()
    assert takeover.recover() == 5
    assert takeover.recover() == 0
    assert in_state(sending, "unknown") == M
    path.rmdir()
