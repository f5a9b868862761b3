"""Batches without an engine: a test hands over, or says that it did, and plays the relay's part."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from publisher.delivery import frame as frames
from publisher.delivery import ledger, ways
from publisher.delivery.batch import GROUP, Batch
from publisher.delivery.dialogue import Transaction
from publisher.delivery.journal import journal_path
from publisher.delivery.outcomes import Outcome, Result
from publisher.delivery.replies import Phase
from publisher.delivery.rows import Row
from publisher.delivery.turns import Turns
from publisher.models import Delivery, Digest, Hold

TAKEN = Outcome(Result.SENT, Phase.DOT, 250, "2.0.0", "250 2.0.0 kept as 42", "connection")
NOBODY = Outcome(Result.FAILED, Phase.RCPT, 550, "5.1.1", "550 5.1.1 no such user", "recipient")
GREYLISTED = Outcome(Result.DEFERRED, Phase.RCPT, 450, "4.2.0", "450 4.2.0 greylisted", "recipient")
SILENCE = Outcome(Result.UNKNOWN, Phase.DOT, None, None, "no answer in time", "connection")
POLICY = Outcome(Result.FAILED, Phase.DOT, 554, "5.7.1", "554 5.7.1 policy", "sender")
BROKEN = Outcome(Result.DEFERRED, Phase.BODY, None, None, "the server closed the connection", "connection")


def batch_of(digest: Digest, size: int = 1000) -> Batch:
    assert digest.proof is not None
    turns: Turns[Row] = Turns(GROUP, GROUP)
    return Batch(digest, frames.Frame(digest, digest.proof), turns, most=size, connections=2)


def forget_all() -> None:
    """What comes next is done as by a worker that has just begun."""
    ways.forget()
    frames._kept.__dict__.clear()


def journal_of(hold: Hold) -> Path:
    return journal_path(settings.DATA, hold.journal)


def ready(batch: Batch) -> list[Transaction]:
    """Arm what may be armed, and take all of it."""
    batch.go_on()
    taken = []
    while transaction := batch.take():
        assert batch.make(transaction)
        taken.append(transaction)
    return taken


def answer(batch: Batch, transaction: Transaction, outcome: Outcome) -> None:
    """Hand it over, and hear this."""
    assert batch.intend([transaction])
    batch.answered(transaction, outcome)
    batch.settled(transaction, outcome)


def settle_all(digest: Digest, *, unknown: int = 0) -> None:
    batch = batch_of(digest)
    for number, transaction in enumerate(ready(batch)):
        answer(batch, transaction, SILENCE if number < unknown else TAKEN)
    batch.close()


def unknown_one(digest: Digest) -> Delivery:
    batch = batch_of(digest, 1)
    answer(batch, *ready(batch), SILENCE)
    batch.close()
    return digest.deliveries.get(state="unknown")


def counted(digest: Digest) -> dict[str, int]:
    """How many rows are in each state that has any."""
    return {state: number for state, number in ledger.counts(digest).items() if number}


def in_state(digest: Digest, state: str) -> list[str]:
    return sorted(digest.deliveries.filter(state=state).values_list("address", flat=True))
