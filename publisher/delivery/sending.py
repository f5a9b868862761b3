"""Sending one claimed batch: the letter's bytes for each member, over one conversation, row by row."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from .. import holders, links, reach
from ..letters import Letter
from ..lifecycle import note
from ..models import Delivery, Digest, Proof
from . import ledger, message
from .addresses import CannotBuild
from .conversation import Conversation, Outcome, Phase, Result
from .relays import Relay, parse_relays

logger = logging.getLogger(__name__)


#: So many doubts in a row are not an accident: a person is asked before there are more.
MOST_DOUBTS = 3


class Stopped(Exception):
    """The relay refuses us, not an address: sending further would only collect refusals. A person is needed."""


def send_batch(digest: Digest) -> int:
    """Claim a batch of the digest and send it; how many rows were claimed.

    Stopped where the relay refuses us. Where it breaks off, the digest rests: each time twice as long.
    """
    rows = ledger.claim(digest, holders.me())
    if not rows:
        return 0
    outcomes: Counter[str] = Counter()
    try:
        broke = _send(digest, rows, outcomes)
    finally:
        ledger.release(rows)
        if outcomes:
            note(digest, "delivered", by=None, **dict[str, Any](outcomes))
    if broke is None:
        ledger.go_on(digest)
    elif ledger.rest(digest) >= MOST_DOUBTS and broke.result is Result.UNKNOWN:
        raise Stopped(
            f"The mail server broke off after a letter {MOST_DOUBTS} times in a row: look at it, then resume."
        )
    return len(rows)


def _send(digest: Digest, rows: list[Delivery], outcomes: Counter[str]) -> Outcome | None:
    """Send row by row; with what the relay broke off, if it did."""
    assert digest.proof is not None
    frame = Frame(digest, digest.proof)
    with Conversation(pick_relay(), helo=frame.domain) as conversation:
        for row in rows:
            if not ledger.keep(row):
                continue
            outcome = _deliver(conversation, frame, row)
            if outcome.result is Result.STOPPED:
                ledger.disarm(row)
                return None  # paused, or the lease was lost: the rest is given back
            ledger.record(row, outcome)
            outcomes[outcome.result] += 1
            if outcome.result is Result.FAILED and outcome.scope != "recipient":
                # The relay's own words stay on the row and in the log: they may name an address.
                logger.warning("the relay refused us in %s: %s", outcome.phase, outcome.text)
                raise Stopped(f"The mail server refused us in the phase {outcome.phase.upper()} ({_code(outcome)}).")
            if outcome.result is not Result.SENT and outcome.scope == "connection":
                logger.warning("the relay broke off in %s: %s", outcome.phase, outcome.text)
                return outcome
    return None


def _deliver(conversation: Conversation, frame: Frame, row: Delivery) -> Outcome:
    try:
        content = frame.message(row)
    except CannotBuild as problem:
        return Outcome(Result.FAILED, Phase.BODY, None, None, str(problem), "recipient")
    watch = ledger.Watch()
    return conversation.deliver(
        frame.sender, row.address, content, arm=lambda: ledger.arm(row) and watch.start(), before_dot=watch.in_time
    )


def _code(outcome: Outcome) -> str:
    return " ".join(str(part) for part in (outcome.code, outcome.enhanced) if part) or "no code"


def pick_relay() -> Relay:
    relays = parse_relays(settings.SMTP_URL)
    if not relays:
        raise Stopped("No mail server is connected: set PUBLISHER_SMTP_URL.")
    relay = random.choices(relays, weights=[relay.weight for relay in relays])[0]  # noqa: S311 - not a secret
    host = f"[{relay.host}]" if ":" in relay.host else relay.host
    reach.allowed(f"smtp://{host}:{relay.port}")
    return relay


class Frame:
    """What is the same in every member's message of one digest."""

    def __init__(self, digest: Digest, proof: Proof) -> None:
        self.publication = digest.publication
        self.letter = Letter(subject=proof.subject, html=proof.html, text=proof.text)
        # From the proof, not from the publication: who it is from was approved too.
        self.sender, self.name = proof.sender["email"], proof.sender["name"]
        self.reply_to, self.list_id = proof.sender["reply_to"], proof.sender["list_id"]
        self.domain = self.sender.rpartition("@")[2]
        self.key = proof.sha256
        self.view_url = links.digest_url(digest)
        assert digest.started_at is not None
        self.date = digest.started_at

    def message(self, row: Delivery) -> bytes:
        member = row.member
        assert member is not None
        leave = links.leave_url(member, self.publication)
        return message.build(
            self.letter,
            sender=(self.name, self.sender),
            recipient=(member.name, row.address),
            headers=self.headers(leave),
            values={"first_name": member.first_name, "unsubscribe_url": leave, "view_url": self.view_url},
            message_id=message.message_id(self.key, row.address, self.domain),
            date=self.date,
        )

    def headers(self, leave: str) -> Mapping[str, str]:
        publication = self.publication
        given = {
            "List-Unsubscribe": f"<{leave}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "List-Id": f"<{self.list_id}>",
            "List-Archive": f"<{links.archive_url(publication)}>",
            "Precedence": "bulk",
            "Feedback-ID": f"{self.key[:12]}:{publication.slug}:digest:publisher",
        }
        return {**given, "Reply-To": self.reply_to} if self.reply_to else given
