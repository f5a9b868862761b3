"""Mails to one person: please confirm. The same conversation as a digest's letters, a row of their own."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.utils import timezone

from . import holders, letters
from .delivery import message
from .delivery.conversation import Conversation, Outcome, Result
from .delivery.sending import Stopped, pick_relay
from .handing import hand_over
from .lifecycle import Overtaken, move, note
from .models import Member, Notice, Publication

logger = logging.getLogger(__name__)

State = Notice.State
_TRIES = 6  # from a minute, doubling: about an hour


def write(kind: str, publication: Publication, member: Member, /, **context: Any) -> Notice:
    """Put a mail to this member in line; templates/mail/<kind>/ says what stands in it."""
    letter = letters.render_mail(kind, **context)
    notice = Notice.objects.create(
        kind=kind,
        member=member,
        address=member.email,
        sender_name=publication.sender_name or publication.organisation,
        sender_email=publication.sender_email,
        subject=letter.subject,
        html=letter.html,
        text=letter.text,
        state=State.QUEUED,
    )
    note(notice, "written", by=None)
    hand_over("workers.delivery.notice", notice.pk)
    return notice


def due() -> Any:
    return Notice.objects.filter(state=State.QUEUED, due_at__lte=timezone.now())


def send(notice: Notice) -> None:
    """Hand it over once. Nothing happens where somebody else has it."""
    try:
        move(notice, State.SENDING, by=None, holder=holders.me(), attempts=notice.attempts + 1)
    except Overtaken:
        return
    try:
        outcome = _hand_over(notice)
    except Stopped as problem:
        _later(notice, str(problem))
        return
    if outcome.result is Result.SENT:
        move(notice, State.SENT, by=None, reply=outcome.text[:500])
    elif outcome.result is Result.UNKNOWN:
        move(notice, State.UNKNOWN, by=None, reply=outcome.text[:500])
    elif outcome.result is Result.FAILED and outcome.scope == "recipient":
        move(notice, State.FAILED, by=None, reply=outcome.text[:500])
    else:
        _later(notice, outcome.text)


def recover() -> int:
    """What a dead worker was handing over may have arrived: unknown, never sent again by itself."""
    lost = [notice for notice in Notice.objects.filter(state=State.SENDING) if _abandoned(notice)]
    for notice in lost:
        move(notice, State.UNKNOWN, by=None, why="the worker ended while handing it over")
    return len(lost)


def _hand_over(notice: Notice) -> Outcome:
    domain = notice.sender_email.rpartition("@")[2]
    content = message.build(
        letters.Letter(subject=notice.subject, html=notice.html, text=notice.text),
        sender=(notice.sender_name, notice.sender_email),
        recipient=(notice.member.name if notice.member else "", notice.address),
        headers={"Auto-Submitted": "auto-generated"},
        values={},
        message_id=message.message_id(f"notice-{notice.pk}", notice.address, domain),
        date=notice.due_at,
    )
    with Conversation(pick_relay(), helo=domain) as conversation:
        return conversation.deliver(notice.sender_email, notice.address, content, arm=lambda: True)


def _later(notice: Notice, why: str) -> None:
    wait = timedelta(minutes=2 ** (notice.attempts - 1))
    to = State.QUEUED if notice.attempts < _TRIES else State.FAILED
    move(notice, to, by=None, why=why[:500], reply=why[:500], due_at=timezone.now() + wait)


def _abandoned(notice: Notice) -> bool:
    living = holders.alive(notice.holder)
    return living is False or (living is None and timezone.now() - notice.state_since > timedelta(minutes=20))
