"""Sending one claimed batch: the letter's bytes for each member, over one conversation, row by row."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping

from django.conf import settings

from .. import holders, links, reach
from ..letters import Letter
from ..lifecycle import note
from ..models import Delivery, Digest, Proof
from . import ledger, message
from .conversation import Conversation, Outcome, Phase, Result
from .relays import Relay, parse_relays

logger = logging.getLogger(__name__)


class Stopped(Exception):
    """The relay refused us, not an address: sending further would only collect refusals."""


def send_batch(digest: Digest) -> int:
    """Claim a batch of the digest and send it; how many rows were claimed. Stopped where the relay refuses us."""
    holder = holders.me()
    rows = ledger.claim(digest, holder)
    if not rows:
        return 0
    outcomes: dict[str, int] = {}
    try:
        _send(digest, rows, outcomes)
    finally:
        ledger.release(rows)
        note(digest, "delivered", by=None, **outcomes)
    return len(rows)


def _send(digest: Digest, rows: list[Delivery], outcomes: dict[str, int]) -> None:
    assert digest.proof is not None
    frame = Frame(digest, digest.proof)
    with Conversation(pick_relay(), helo=frame.domain) as conversation:
        for row in rows:
            outcome = _deliver(conversation, frame, row)
            if outcome.result is Result.STOPPED:
                return  # paused, or the lease was lost: the rest is given back
            ledger.record(row, outcome)
            outcomes[outcome.result] = outcomes.get(outcome.result, 0) + 1
            _stop_where_we_are_refused(outcome)


def _deliver(conversation: Conversation, frame: Frame, row: Delivery) -> Outcome:
    try:
        content = frame.message(row)
    except message.CannotBuild as problem:
        return Outcome(Result.FAILED, Phase.BODY, None, None, str(problem), "recipient")
    return conversation.deliver(frame.sender, row.address, content, arm=lambda: ledger.arm(row))


def _stop_where_we_are_refused(outcome: Outcome) -> None:
    if outcome.scope == "recipient":
        return
    logger.warning("the relay refused us in %s: %s %s", outcome.phase, outcome.code, outcome.text)
    raise Stopped(f"The mail server refused us ({outcome.phase}: {outcome.code or ''} {outcome.text})".strip())


def pick_relay() -> Relay:
    relays = parse_relays(settings.SMTP_URL)
    if not relays:
        raise Stopped("No mail server is connected: set PUBLISHER_SMTP_URL.")
    relay = random.choices(relays, weights=[relay.weight for relay in relays])[0]  # noqa: S311 - not a secret
    reach.allowed(f"smtp://{relay.host}:{relay.port}")
    return relay


class Frame:
    """What is the same in every member's message of one digest."""

    def __init__(self, digest: Digest, proof: Proof) -> None:
        self.publication = publication = digest.publication
        self.letter = Letter(subject=proof.subject, html=proof.html, text=proof.text)
        self.sender = publication.sender_email
        self.domain = publication.sender_email.rpartition("@")[2]
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
            sender=(self.publication.sender_name or self.publication.organisation, self.sender),
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
            "List-Id": f"<{publication.list_id}>",
            "List-Archive": f"<{links.archive_url(publication)}>",
            "Precedence": "bulk",
            "Feedback-ID": f"{self.key[:12]}:{publication.slug}:digest:publisher",
        }
        return {**given, "Reply-To": publication.reply_to} if publication.reply_to else given
