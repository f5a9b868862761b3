"""Sending one batch, from its claim to what follows from it: what a task calls.

Starting, pausing and cancelling a whole digest is for publisher/digests.py.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import Error

from .. import epoch
from ..lifecycle import note
from ..models import Digest
from . import ledger, takeover, ways
from .batch import Batch
from .couriers import Couriers
from .engine import MOST_STRIKES, Engine
from .frame import frame_of
from .outcomes import Outcome, Result, refusal_in_words
from .pausing import Stopped

logger = logging.getLogger(__name__)


def send_batch(digest: Digest) -> int:
    """Claim a batch of the digest and send it; how many rows were claimed.

    Stopped where a person must look first. Where all relays break off, the digest rests: each time twice as long.
    """
    assert digest.proof is not None
    most = settings.CLAIM_SIZE
    if epoch.doubt():
        return 0  # every page says so
    engine, turns = ways.mine(digest.proof.sender["email"])
    try:
        frame = frame_of(digest, digest.proof)
        batch = Batch(digest, frame, turns, most=most, connections=engine.most, relays=engine.relays)
    except BaseException:
        ways.forget()
        raise
    if not batch.claimed:
        ways.hang_up()
        if batch.trouble:
            raise Stopped(batch.trouble)
        return 0
    broke = _run(engine, batch)
    if batch.claimed < most and not batch.cut_short:
        ways.hang_up()  # the last of this digest, for now: somebody else may want the relay's connections
    _draw_conclusions(digest, batch, broke, engine.asked_for if isinstance(engine, Couriers) else 0.0)
    return batch.claimed


def _run(engine: Engine | Couriers, batch: Batch) -> Outcome | None:
    try:
        broke = engine.run(batch)
        batch.close()
    except BaseException as problem:
        engine.abandon(f"{type(problem).__name__} in the worker")
        ways.forget()
        # Whatever step it was that failed, and wherever: what is known stands in the journal. It is read at once,
        # or, where the database is away, by whoever takes over.
        batch.abandon()
        with suppress(Error, OSError):
            takeover.take_over(batch.hold)
        raise
    return broke


def _draw_conclusions(digest: Digest, batch: Batch, broke: Outcome | None, asked_for: float) -> None:
    counts = {state: number for state, number in batch.counts.items() if number}
    if counts:
        note(digest, "delivered", by=None, **dict[str, Any](counts))
    if batch.trouble:
        raise Stopped(batch.trouble)
    if broke is None:
        ledger.go_on(digest)
    elif broke.result is Result.FAILED:
        logger.warning("the relay refused us in %s: %s", broke.phase, broke.text)
        raise Stopped(refusal_in_words(broke))
    else:
        logger.warning("the relay broke off in %s: %s", broke.phase, broke.text)
        if broke.result is Result.UNKNOWN:
            raise Stopped(
                f"The mail server broke off after a letter {MOST_STRIKES} times in a row: look at it, then resume."
            )
        ledger.rest(digest, broke.text, timedelta(seconds=asked_for))
