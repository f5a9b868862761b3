"""What members decide themselves: what they receive, in which language, as plain text or not, and where; or nothing.

All of it behind a link that is mailed to the address on file, and good for half an hour: letters are forwarded, so the
lasting link in them can only unsubscribe.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from . import asking, clicks, consents, languages, links, members, notices, portability
from .lifecycle import Refusal, move, note
from .models import (
    ConsentWording,
    Delivery,
    LinkRequest,
    MeasuringConsent,
    Member,
    Notice,
    Publication,
    Subscription,
    Suppression,
)

State = Subscription.State
About = ConsentWording.About
GOOD_FOR = timedelta(minutes=30)
#: A new address is confirmed within a day: people look into another mailbox for it.
NEW_GOOD_FOR = timedelta(hours=24)
#: More may wait for a link only after these are answered: the line is no place to fill a disk with.
MOST_WAIT = 10_000
HOW = "preference page"
#: Said on the page in its language: why nothing was changed.
REFUSAL_SENTENCES = (
    "That is the address that your letters come to already.",
    "There is nothing left to change: we have forgotten you, as you asked.",
    "This address has a subscription of its own here, so nothing was changed. "
    "You can leave with the one, and subscribe with the other.",
    "This address asked for no more mail. Subscribe with it anew, and it will get some.",
)
SAME, NOTHING_LEFT, TAKEN, NO_MORE_MAIL = REFUSAL_SENTENCES


# The link.


def ask_link(email: str, *, network: str) -> None:
    """Write down that somebody asked for the link. Refusal where the address is none; of all else nothing is told.

    Not answered here: what the door does would take longer for a member, to whom a mail is written.
    """
    address = members.normalise(email)
    if LinkRequest.objects.all()[:MOST_WAIT].count() < MOST_WAIT:
        LinkRequest.objects.create(email=address, network=network)


def waiting() -> QuerySet[LinkRequest]:
    return LinkRequest.objects.all()


def answer(most: int) -> int:
    """Mail the link to those who waited for it, if they are members; how many requests were looked at.

    Strangers are dropped all at once: else a shower of their addresses would keep the members waiting.
    """
    found = list(waiting().order_by("pk")[:most])
    known = set(Member.objects.filter(email__in=[one.email for one in found]).values_list("email", flat=True))
    LinkRequest.objects.filter(pk__in=[one.pk for one in found if one.email not in known]).delete()
    for request in found:
        if request.email in known:
            with transaction.atomic():
                asking.in_turn()
                if LinkRequest.objects.filter(pk=request.pk).delete()[0]:
                    _mail_link(request)
    return len(found)


def token(member: Member) -> str:
    """Bound to the person, to the address it is mailed to, and to half an hour."""
    until = int(time.time() + GOOD_FOR.total_seconds())
    return links.sign("preferences", member.pk, until, _prints(member.email)[0])


def opened(token: str) -> Member | None:
    """Whose link it is; None where it is wrong, too old, or the member has another address by now."""
    ids = links.read("preferences", token)
    if ids is None or len(ids) != 3 or ids[1] < time.time():
        return None
    member = Member.objects.filter(pk=ids[0]).first()
    return member if member and ids[2] in _prints(member.email) else None


# What is received, and how.


@dataclass(frozen=True)
class Offer:
    """A publication that the member may receive, and the words to which they say yes by choosing it."""

    publication: Publication
    received: bool
    worded: ConsentWording
    #: Where it keeps who follows which links: what they would agree to, and whether they do.
    measuring: ConsentWording | None = None
    measured: bool = False

    @property
    def shown(self) -> list[ConsentWording]:
        """The words that stand on the page."""
        return [self.measuring] if self.received and self.measuring else [] if self.received else [self.worded]


@dataclass(frozen=True)
class Choice:
    """What a member chose, by the numbers of publications; `shown` are those of the wordings that they read."""

    wanted: Collection[int]
    measured: Collection[int] = ()
    shown: Collection[int] = ()
    language: str = ""
    plain_text: bool = False


def offered(member: Member, language: str = "", shown: Collection[int] = ()) -> list[Offer]:
    """The publications of the organisations that the member knows, and whether each is received.

    With the words that stand now, or those of the `shown` that stood there when the page was opened.
    """
    known = _publications(member).values("organisation")
    active = set(member.subscriptions.filter(state=State.ACTIVE).values_list("publication_id", flat=True))
    agreed = MeasuringConsent.objects.filter(subscription__member=member)
    measured = set(agreed.values_list("subscription__publication_id", flat=True))
    read = {(one.publication_id, one.about): one for one in ConsentWording.objects.filter(pk__in=shown)}

    def worded(of: Publication, about: About) -> ConsentWording:
        now = languages.first_known(language, of.language)
        return read.get((of.pk, about)) or consents.current(of, now, about)

    def offer(of: Publication) -> Offer:
        measures = of.measure == Publication.Measure.PERSONS and of.pk in active
        asked = worded(of, About.MEASURING) if measures else None
        return Offer(of, of.pk in active, worded(of, About.RECEIVING), asked, of.pk in measured)

    return [offer(each) for each in Publication.objects.filter(organisation__in=known).order_by("series", "pk")]


def choose(member: Member, choice: Choice, *, network: str = "", read_in: str = "") -> None:
    """Receive these publications and no others of those offered; effective at once, also for a sending under way.

    No further confirmation: the link came to the address itself. `read_in` is the language of the page, in which they
    read what they say yes to. Refusal where the member was just erased.
    """
    with transaction.atomic():
        _lock(member)
        chosen = choice.language if choice.language in languages.NAMES else ""
        Member.objects.filter(pk=member.pk).update(language=chosen, plain_text=choice.plain_text)
        note(member, "edited", by=None, why=HOW, fields=["language", "plain_text"])
        for offer in offered(member, read_in, choice.shown):
            if offer.publication.pk in choice.wanted:
                _take(member, offer, network, measured=offer.publication.pk in choice.measured)
            elif offer.received:
                # What waits for their confirmation was not received, and so not taken off the page's list.
                _leave(member.subscriptions.filter(publication=offer.publication))


def leave_all(member: Member) -> None:
    """Leave every publication, of every organisation. Doing it again changes nothing."""
    with transaction.atomic():
        _lock(member)
        _leave(member.subscriptions.all())


# Another address.


def ask_change(member: Member, email: str, *, network: str) -> str:
    """Mail a link to the new address, which has to be followed there; the address as it would be stored.

    Nothing changes before. Outwardly the same, whatever is known of the new address. Refusal where it is none.
    """
    address = members.normalise(email)
    if address == member.email:
        raise Refusal(SAME)
    with transaction.atomic():
        asking.in_turn()  # before the member, as whoever joins does: else two would wait for each other
        _lock(member)
        publication = _publications(member).first()
        if publication and not suppressed(address) and asking.allow(asking.What.ADDRESS, address, network):
            until = int(time.time() + NEW_GOOD_FOR.total_seconds())
            sealed = links.sign("address", member.pk, until, _prints(member.email)[0], _prints(address)[0])
            _write("address", publication, member, to=address, change_url=links.change_url(sealed))
    return address


def asked_change(token: str) -> Notice | None:
    """The mail that asked for this change; None where the link is wrong, too old, or was used."""
    ids = links.read("address", token)
    if ids is None or len(ids) != 4 or ids[1] < time.time():
        return None
    # The address itself stands in no link: it is the one that the link was mailed to.
    for notice in Notice.objects.select_related("member").filter(member=ids[0], kind="address").order_by("-pk"):
        assert notice.member is not None
        if ids[2] in _prints(notice.member.email) and ids[3] in _prints(notice.address):
            return notice
    return None


def change_address(token: str) -> Member | None:
    """The new address is the member's from now on, also for a sending under way. None where the link is no good.

    Refusal where it is another member's, or must not be mailed.
    """
    asked = asked_change(token)
    if asked is None or asked.member is None:
        return None
    try:
        with transaction.atomic():
            _lock(asked.member)
            asked = asked_change(token)  # as it is now: another link may have been followed meanwhile
            return _move_to(asked.member, asked.address) if asked and asked.member else None
    except IntegrityError:  # somebody else took it at this very moment
        raise Refusal(TAKEN) from None


def _move_to(member: Member, address: str) -> Member:
    _give_way(address)
    if Member.objects.filter(email=address).exists():
        raise Refusal(TAKEN)
    if suppressed(address):
        raise Refusal(NO_MORE_MAIL)
    before, publication = member.email, _publications(member).first()
    member.email = address
    member.save(update_fields=["email"])
    if publication and not suppressed(before):
        # Whoever had a mail of theirs that was passed on could have moved them without their noticing.
        _write("moved", publication, member, to=before, subscribe_url=links.subscribe_url(publication))
    note(member, "edited", by=None, why="confirmed by mail", fields=["email"])
    _redirect(member)
    return member


def own_data(member: Member) -> bytes:
    """All that is kept of the member, as JSON."""
    return portability.portable_json(member)


def _give_way(address: str) -> None:
    """Whoever has only been asked under this address, and never said yes, is nobody: anybody may have typed it."""
    members.lock(email=address)
    for wish in Member.objects.filter(email=address):
        if members.is_a_wish(wish):
            note(wish, "forgotten", by=None, why="the address is another member's")
            wish.delete()


def _redirect(member: Member) -> None:
    """What waits to be sent for the first time goes to the new address. What was tried stays where it was tried."""
    waiting = Delivery.objects.filter(member=member, state=Delivery.State.QUEUED, attempts=0)
    taken = Delivery.objects.filter(address=member.email).values("digest")
    waiting.exclude(digest__in=taken).update(address=member.email)


def _take(member: Member, offer: Offer, network: str, *, measured: bool) -> None:
    """What is ticked on the page: to receive it, and to be measured where that was asked."""
    if not offer.received:
        _receive(member, offer, network)
    elif offer.measuring:
        subscription = member.subscriptions.get(publication=offer.publication)
        if measured:
            clicks.agree(subscription, how=HOW, worded=offer.measuring)
        else:
            clicks.withdraw(subscription, how=HOW)


def _receive(member: Member, offer: Offer, network: str) -> None:
    subscription, new = Subscription.objects.get_or_create(
        member=member, publication=offer.publication, defaults={"state": State.PENDING}
    )
    if new:
        note(subscription, "joined", by=None, why=HOW)
    elif subscription.state != State.PENDING:
        move(subscription, State.PENDING, by=None, why=HOW)
    subscription.consents.create(
        how=HOW, network=consents.shortened(network), worded=offer.worded, confirmed_at=timezone.now()
    )
    move(subscription, State.ACTIVE, by=None, why=HOW)
    members.begin_anew(subscription)


def _leave(subscriptions: QuerySet[Subscription]) -> None:
    for subscription in subscriptions.filter(state__in=[State.ACTIVE, State.PENDING]):
        move(subscription, State.LEFT, by=None, why=HOW)


def _lock(member: Member) -> None:
    """What is done to one person is done in turns, as in `members`."""
    if not Member.objects.select_for_update().filter(pk=member.pk).exists():
        raise Refusal(NOTHING_LEFT)


def suppressed(address: str) -> bool:
    return Suppression.objects.filter(hash__in=Suppression.fingerprints(address)).exists()


def _prints(address: str) -> list[int]:
    """The address in a token, where nobody can read it."""
    return [int(found[:15], 16) for found in Suppression.fingerprints(address)]


def _publications(member: Member) -> QuerySet[Publication]:
    return Publication.objects.filter(subscriptions__member=member).order_by("subscriptions__pk")


def _write(kind: str, publication: Publication, member: Member, *, to: str = "", **context: str) -> None:
    notices.write_to(
        kind,
        publication,
        to or member.email,
        member,
        organisation=publication.organisation,
        accent=publication.accent,
        language=languages.first_known(member.language, publication.language),
        **context,
    )


def _mail_link(request: LinkRequest) -> None:
    """Who was asked to confirm and has not is no member yet, and gets no other mail."""
    member = Member.objects.select_for_update().filter(email=request.email).first()
    if member is None or suppressed(request.email) or members.is_a_wish(member):
        return
    publication = _publications(member).first()
    if publication and asking.allow(asking.What.LINK, request.email, request.network):
        _write("preferences", publication, member, preferences_url=links.preferences_url(token(member)))
