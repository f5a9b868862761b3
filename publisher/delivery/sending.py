"""Sending one claimed batch: the letter's bytes for each member, over one conversation, row by row."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
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


#: A relay that broke off is asked again after this; the rows wait, and count no attempt.
COOL_OFF = timedelta(seconds=30)


class Stopped(Exception):
    """The relay refuses us, not an address: sending further would only collect refusals. A person is needed."""


def send_batch(digest: Digest) -> int:
    """Claim a batch of the digest and send it; how many rows were claimed. Stopped where the relay refuses us."""
    rows = ledger.claim(digest, holders.me())
    if not rows:
        return 0
    outcomes: Counter[str] = Counter()
    wait = timedelta(0)
    try:
        wait = _send(digest, rows, outcomes)
    finally:
        ledger.release(rows, due_in=wait)
        note(digest, "delivered", by=None, **dict[str, Any](outcomes))
    return len(rows)


def _send(digest: Digest, rows: list[Delivery], outcomes: Counter[str]) -> timedelta:
    """Send row by row; how long those that are left should wait."""
    assert digest.proof is not None
    frame = Frame(digest, digest.proof)
    with Conversation(pick_relay(), helo=frame.domain) as conversation:
        for row in rows:
            outcome = _deliver(conversation, frame, row)
            if outcome.result is Result.STOPPED:
                break  # paused, or the lease was lost: the rest is given back
            ledger.record(row, outcome)
            outcomes[outcome.result] += 1
            if outcome.result is Result.FAILED and outcome.scope != "recipient":
                raise Stopped(f"The mail server refused us: {outcome.text}")
            if outcome.result is not Result.SENT and outcome.scope == "connection":
                # It broke off. Going on at once would only break off again, and each time leave a doubt.
                logger.warning("the relay broke off in %s: %s", outcome.phase, outcome.text)
                return COOL_OFF
    return timedelta(0)


def _deliver(conversation: Conversation, frame: Frame, row: Delivery) -> Outcome:
    try:
        content = frame.message(row)
    except CannotBuild as problem:
        return Outcome(Result.FAILED, Phase.BODY, None, None, str(problem), "recipient")
    return conversation.deliver(frame.sender, row.address, content, arm=lambda: ledger.arm(row))


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
