"""What members decide themselves: what they receive, in which language, as plain text or not, and where; or nothing.

All of it behind a link that is mailed to the address on file, and good for half an hour: letters are forwarded, so the
lasting link in them can only unsubscribe.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from . import caps, consents, languages, links, members, notices, portability
from .lifecycle import Refusal, move, note
from .models import ConsentWording, Delivery, Farewell, Member, Notice, Publication, Subscription, Suppression

State = Subscription.State
GOOD_FOR = timedelta(minutes=30)
#: A new address is confirmed within a day: people look into another mailbox for it.
NEW_GOOD_FOR = timedelta(hours=24)
#: So many links are mailed to one address in a day, so that nobody can have a member's inbox filled.
MOST_LINKS = 3
HOW = "preference page"


# The link.


def ask_link(email: str) -> None:
    """Mail the link to this address, if a member has it. Outwardly always the same, whatever is known of it."""
    address = members.normalise(email)
    with transaction.atomic():
        member = Member.objects.select_for_update().filter(email=address).first()
        if member is None or suppressed(address) or _asked_lately(member):
            return
        if publication := _publications(member).first():
            _write("preferences", publication, member, preferences_url=links.preferences_url(token(member)))


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


def offered(member: Member, language: str = "") -> list[Offer]:
    """The publications of the organisations that the member knows, and whether each is received."""
    known = _publications(member).values("organisation")
    active = set(member.subscriptions.filter(state=State.ACTIVE).values_list("publication_id", flat=True))
    found = Publication.objects.filter(organisation__in=known).order_by("series", "pk")
    return [
        Offer(each, each.pk in active, consents.current(each, languages.first_known(language, each.language)))
        for each in found
    ]


def choose(
    member: Member, wanted: Collection[int], *, language: str, plain_text: bool, network: str = "", read_in: str = ""
) -> None:
    """Receive these publications and no others of those offered; effective at once, also for a sending under way.

    No further confirmation: the link came to the address itself. `read_in` is the language of the page, in which they
    read what they say yes to. Refusal where the member was just erased.
    """
    with transaction.atomic():
        _lock(member)
        chosen = language if language in languages.NAMES else ""
        Member.objects.filter(pk=member.pk).update(language=chosen, plain_text=plain_text)
        note(member, "edited", by=None, why=HOW, fields=["language", "plain_text"])
        for offer in offered(member, read_in):
            if offer.publication.pk not in wanted:
                _leave(member.subscriptions.filter(publication=offer.publication))
            elif not offer.received:
                _receive(member, offer, network)


def leave_all(member: Member) -> None:
    """Leave every publication, of every organisation. Doing it again changes nothing."""
    with transaction.atomic():
        _lock(member)
        _leave(member.subscriptions.all())


def say_farewell(publication: Publication, reason: str) -> bool:
    """Keep why somebody left, without the person; False where it is none of the reasons that we offer."""
    if reason not in Farewell.Reason.values:
        return False
    Farewell.objects.create(publication=publication, reason=reason, on=publication.today())
    return True


# Another address.


def ask_change(member: Member, email: str, *, network: str) -> str:
    """Mail a link to the new address, which has to be followed there; the address as it would be stored.

    Nothing changes before. Outwardly the same, whatever is known of the new address. Refusal where it is none.
    """
    address = members.normalise(email)
    if address == member.email:
        raise Refusal("That is the address that your letters come to already.")
    with transaction.atomic():
        _lock(member)
        publication = _publications(member).first()
        if publication and not suppressed(address) and caps.allow("address", address, network):
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
    with transaction.atomic():
        asked = asked_change(token)
        if asked is None or asked.member is None:
            return None
        _lock(asked.member)
        member, address = asked.member, asked.address
        if Member.objects.filter(email=address).exists():
            raise Refusal("This address receives letters of its own already, so nothing was changed.")
        if suppressed(address):
            raise Refusal("This address asked for no more mail. Subscribe with it anew, and it will get some.")
        member.email = address
        member.save(update_fields=["email"])
        note(member, "edited", by=None, why="confirmed by mail", fields=["email"])
        _redirect(member)
    return member


def own_data(member: Member) -> bytes:
    """All that is kept of the member, as JSON."""
    return portability.portable_json(member)


def _redirect(member: Member) -> None:
    """What waits to be sent for the first time goes to the new address. What was tried stays where it was tried."""
    waiting = Delivery.objects.filter(member=member, state=Delivery.State.QUEUED, attempts=0)
    taken = Delivery.objects.filter(address=member.email).values("digest")
    waiting.exclude(digest__in=taken).update(address=member.email)


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


def _leave(subscriptions: QuerySet[Subscription]) -> None:
    for subscription in subscriptions.filter(state__in=[State.ACTIVE, State.PENDING]):
        move(subscription, State.LEFT, by=None, why=HOW)


def _lock(member: Member) -> None:
    """What is done to one person is done in turns, as in `members`."""
    if not Member.objects.select_for_update().filter(pk=member.pk).exists():
        raise Refusal("There is nothing left to change: we have forgotten you, as you asked.")


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


def _asked_lately(member: Member) -> bool:
    since = timezone.now() - timedelta(hours=24)
    return member.notices.filter(kind="preferences", state_since__gt=since).count() >= MOST_LINKS
