"""Mails to one person: please confirm. The same conversation as a digest's letters, a row of their own."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.utils import timezone

from . import epoch, holders, letters, links
from .delivery import message, parcels
from .delivery.addresses import CannotBuild
from .delivery.conversation import Conversation
from .delivery.frame import Frame
from .delivery.outcomes import Outcome, Result
from .delivery.pausing import Stopped
from .delivery.providers import Provider
from .delivery.relays import Relay, RelayWrong
from .delivery.statements import Due
from .delivery.ways import pick_way
from .handing import hand_over
from .lifecycle import Overtaken, Refusal, move, note
from .models import Digest, Member, Notice, Person, Publication, Subscription

State = Notice.State
#: Mails to people whom we do not know, and do not keep: when they were handed over nothing of them stays but the row.
FORGOTTEN = frozenset({"friend"})
_TRIES = 10  # from a minute, doubling: about nine hours
#: More than the time limits of a whole conversation add up to (delivery.outcomes.Timeouts): some of them twice.
_LONGEST = timedelta(minutes=70)


def write(kind: str, publication: Publication, member: Member, /, **context: Any) -> Notice:
    """Put a mail to this member in line; templates/mail/<kind>/ says what stands in it."""
    return _put(kind, publication, member.email, member, **context)


def write_to(
    kind: str, publication: Publication, address: str, member: Member | None = None, /, **context: Any
) -> Notice:
    """The same to an address that is no member's, or not yet this one's. What of it is nobody's is FORGOTTEN after."""
    return _put(kind, publication, address, member, **context)


def write_letter(digest: Digest, member: Member) -> Notice:
    """Put the letter of a digest that has gone out in line for one member more; it is assembled when it is sent."""
    assert digest.proof is not None
    sender = digest.proof.sender
    fields = {"sender_name": sender["name"], "sender_email": sender["email"], "subject": digest.proof.subject}
    notice = Notice.objects.create(
        kind="latest", member=member, address=member.email, digest=digest, state=State.QUEUED, **fields
    )
    note(notice, "written", by=None)
    hand_over("workers.delivery.notice", notice.pk)
    return notice


def tell_staff(publication: Publication, *, headline: str, sentence: str, link: str = "") -> list[Notice]:
    """A mail to everybody of the staff who has an address: something needs a person."""
    told = Person.objects.filter(is_active=True).exclude(email="").order_by("pk")
    context = {"headline": headline, "sentence": sentence, "organisation": publication.organisation}
    page = link or links.channels_url()
    return [_put("alert", publication, person.email, None, **context, link=page) for person in told]


def _put(kind: str, publication: Publication, address: str, member: Member | None, /, **context: Any) -> Notice:
    letter = letters.render_mail(kind, **context)
    notice = Notice.objects.create(
        kind=kind,
        member=member,
        address=address,
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
    """Hand it over once. Nothing happens where somebody else has it, or where nothing may be sent."""
    if epoch.doubt():
        return
    try:
        move(notice, State.SENDING, by=None, holder=holders.me(), attempts=notice.attempts + 1)
    except Overtaken:
        return
    # Overtaken: the person was erased meanwhile, and the notice with them.
    with suppress(Overtaken):
        try:
            content, way = _content(notice), pick_way()
        except CannotBuild as problem:
            move(notice, State.FAILED, by=None, reply=str(problem)[:500])
        except (Stopped, Refusal, RelayWrong) as problem:
            _later(notice, str(problem))
        else:
            _record(notice, _hand_over(notice, way, content))
        _forget(notice)


def recover() -> int:
    """What a worker left without an outcome may have arrived: unknown, never sent again by itself."""
    lost = [notice for notice in Notice.objects.filter(state=State.SENDING) if _abandoned(notice)]
    for notice in lost:
        # Overtaken: it has its outcome after all, or the person was erased.
        with suppress(Overtaken):
            move(notice, State.UNKNOWN, by=None, why="handing it over broke off")
            _forget(notice)
    return len(lost)


def _letter(digest: Digest, notice: Notice) -> bytes:
    """The approved bytes with this member's values. CannotBuild where they have left meanwhile."""
    member = notice.member
    wanted = {"publication": digest.publication_id, "state": Subscription.State.ACTIVE}
    if member is None or digest.proof is None or not member.subscriptions.filter(**wanted).exists():
        raise CannotBuild("They have left meanwhile.")
    digest.started_at = notice.due_at  # its Date is when it is sent to them; the row keeps its own
    names = (member.pk, member.first_name, member.last_name)
    return Frame(digest, digest.proof).message(Due(0, notice.address, 0, None, None, *names, True, member.plain_text))


def _content(notice: Notice) -> bytes:
    if notice.digest:
        return _letter(notice.digest, notice)
    return message.build(
        letters.Letter(subject=notice.subject, html=notice.html, text=notice.text),
        sender=(notice.sender_name, notice.sender_email),
        # Without the name: until it is confirmed anybody may have typed it, and chosen its words for this inbox.
        recipient=("", notice.address),
        headers={"Auto-Submitted": "auto-generated"},
        values={},
        message_id=message.message_id(f"notice-{notice.pk}", notice.address, _domain(notice)),
        date=notice.due_at,
    )


def _hand_over(notice: Notice, way: Relay | Provider, content: bytes) -> Outcome:
    if isinstance(way, Provider):
        return parcels.deliver(way, notice.address, content)
    with Conversation(way, helo=_domain(notice)) as conversation:
        return conversation.deliver(notice.sender_email, notice.address, content)


def _record(notice: Notice, outcome: Outcome) -> None:
    """The server's words stay on the row, which an erasure takes along: they may hold the address; events must not."""
    if outcome.result is Result.SENT:
        move(notice, State.SENT, by=None, reply=outcome.text[:500])
    elif outcome.result is Result.UNKNOWN:
        move(notice, State.UNKNOWN, by=None, reply=outcome.text[:500])
    elif outcome.result is Result.FAILED and outcome.scope == "recipient":
        move(notice, State.FAILED, by=None, reply=outcome.text[:500])
    else:
        _later(notice, outcome.text)


def _later(notice: Notice, why: str) -> None:
    wait = timedelta(minutes=2 ** (notice.attempts - 1))
    to = State.QUEUED if notice.attempts < _TRIES else State.FAILED
    move(notice, to, by=None, reply=why[:500], due_at=timezone.now() + wait)


def _forget(notice: Notice) -> None:
    if notice.kind in FORGOTTEN and notice.state != State.QUEUED:
        Notice.objects.filter(pk=notice.pk).update(address="", subject="", html="", text="", reply="")


def _domain(notice: Notice) -> str:
    return notice.sender_email.rpartition("@")[2]


def _abandoned(notice: Notice) -> bool:
    """A living process proves little: its thread may have failed to write the outcome."""
    return holders.alive(notice.holder) is False or timezone.now() - notice.state_since > _LONGEST
