"""What can be done with a member: join, confirm, leave, suppress, erase. Whole lists of them: `imports`."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from email_validator import EmailNotValidError, validate_email

from . import asking, consents, erasure, languages, links, notices, printable
from .delivery import manners
from .lifecycle import Refusal, move, note
from .models import (
    Consent,
    ConsentWording,
    Delivery,
    Digest,
    Event,
    MeasuringConsent,
    Member,
    Merged,
    Person,
    Publication,
    Subscription,
    Suppression,
)

State = Subscription.State


def normalise(email: str) -> str:
    """The address as it is stored: lower case, one spelling of its characters. Refusal where it is none."""
    try:
        checked = validate_email(email.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as problem:
        raise Refusal(f"“{email.strip()[:100]}” is not an e-mail address: {problem}") from problem
    # Not casefold(): it would make another mailbox of “straße@…”.
    return checked.normalized.lower()


def one_line(typed: str) -> str:
    """A name on one line, without control characters, in the length of its column."""
    return printable.one_line(typed)[:120]


def join(
    publication: Publication,
    email: str,
    *,
    first_name: str = "",
    last_name: str = "",
    language: str = "",
    how: str,
    network: str = "",
    worded: ConsentWording | None = None,
) -> None:
    """Ask somebody by mail whether they want a publication: new and former members, not whoever receives it already.

    Whoever asks at the door (`joining`) never learns which. Where a limit says no, nothing; where it says later,
    asking.NotNow.
    """
    address = normalise(email)
    given = {"first_name": one_line(first_name), "last_name": one_line(last_name), "language": language}
    with transaction.atomic():
        asking.in_turn()
        if _receives(address, publication) or not asking.may_ask(publication, address, network):
            return  # before a row is made of somebody of whom nothing is to be kept
        member, _ = Member.objects.select_for_update().get_or_create(email=address, defaults=given)
        subscription = _wish(member, publication, how)
        if subscription.state == State.ACTIVE:
            return  # a list has just brought them
        _describe_unconfirmed(member, given)
        Consent.objects.create(
            subscription=subscription, how=how[:120], network=consents.shortened(network), worded=worded
        )
        asking.count(asking.What.JOIN, address, network, publication)
        _ask(subscription, language or member.language)


def asked(token: str) -> Subscription | None:
    """Whose confirmation this link is; None where it is none, or no longer good.

    It is good for the asking that it was mailed for. After the person left or was suppressed it is no new yes, not
    even where somebody else has asked anew.
    """
    ids = links.read("confirm", token)
    if ids is None or len(ids) != 2:
        return None
    found = Subscription.objects.select_related("member", "publication").filter(pk=ids[0]).first()
    if found is None or found.state not in {State.PENDING, State.ACTIVE}:
        return None
    return found if found.state == State.ACTIVE or links.asking_of(found) == ids else None


def confirm(token: str) -> Subscription | None:
    """The person's own yes: pending → active. It lifts a suppression; nothing else does.

    Doing it again changes nothing.
    """
    subscription = asked(token)
    if subscription is None:
        return None
    with transaction.atomic():
        lock(pk=subscription.member_id)
        subscription = asked(token)  # as it is now
        if subscription and subscription.state == State.PENDING:
            _activate(subscription)
    return subscription


def leave(token: str, *, everything: bool = False) -> Publication | None:
    """One click, effective at once, also for a sending under way: this publication, or all of every organisation.

    Doing it again changes nothing. Which publication the link is of; None where it is no link of ours.
    """
    ids = links.read("leave", token)
    if ids is None or len(ids) != 2:
        return None
    # Whoever was merged with another row leaves by the links in the letters to either.
    merged = Merged.objects.filter(number=ids[0]).values_list("member", flat=True).first()
    with transaction.atomic():
        lock(pk=merged or ids[0])
        theirs = Subscription.objects.filter(member_id=merged or ids[0], state__in=[State.ACTIVE, State.PENDING])
        for subscription in theirs if everything else theirs.filter(publication_id=ids[1]):
            move(subscription, State.LEFT, by=None, why="by the link in a letter")
    return Publication.objects.filter(pk=ids[1]).first()


def begin_anew(subscription: Subscription) -> None:
    """Their own yes ends what stood from before: a suppression, and that they agreed to be measured."""
    Suppression.objects.filter(hash__in=Suppression.fingerprints(subscription.member.email)).delete()
    MeasuringConsent.objects.filter(subscription=subscription).delete()


def suppress(email: str, why: str) -> None:
    """Never mail this address again, in any publication, until the person themselves joins anew."""
    address = normalise(email)
    with transaction.atomic():
        lock(email=address)
        Suppression.objects.get_or_create(hash=Suppression.fingerprints(address)[0], defaults={"why": why})
        for subscription in Subscription.objects.filter(member__email=address, state=State.ACTIVE):
            move(subscription, State.SUPPRESSED, by=None, why=why)


def suppress_failed(digest: Digest, most: int = 200) -> int:
    """Suppress the addresses of which a server said that they do not exist; how many. Called until nothing is left.

    Only when the failures speak of the addresses and not of a wrong list. Whoever joined anew since is left alone.
    """
    found = []
    if manners.believed(digest):
        with transaction.atomic():
            chosen = list(_no_such_address(digest).values_list("member_id", flat=True)[:most])
            lock(pk__in=chosen)
            # Asked again under the lock: somebody may have confirmed a new joining meanwhile.
            found = list(_no_such_address(digest).filter(member_id__in=chosen).values_list("address", "enhanced"))
            for address, enhanced in found:
                suppress(address, f"no such address: {enhanced} to {digest.label}")
    if len(found) < most:
        Digest.objects.filter(pk=digest.pk).update(failures_suppressed_at=timezone.now())
    return len(found)


def suppress_returned(row: Delivery, why: str) -> bool:
    """Suppress whom a letter could not reach; not who has another address by now, or has joined anew since."""
    if row.member_id is None:
        return False
    with transaction.atomic():
        lock(pk=row.member_id)
        active = Subscription.objects.filter(member=row.member_id, member__email=row.address, state=State.ACTIVE)
        tried = row.first_tried_at or row.digest.started_at or row.digest.state_since
        if not active.exists() or active.filter(state_since__gt=tried).exists():
            return False
        suppress(row.address, why)
    return True


def erase(member: Member, *, by: Person | None) -> None:
    """Forget a person: every field and address goes; the counts of past sendings stay true; never mailed again."""
    with transaction.atomic():
        if not lock(pk=member.pk):  # somebody else has just done it
            return
        member.refresh_from_db()  # they may have another address by now
        suppress(member.email, "erased")
        note(member, "erased", by=by)
        erasure.forget(member)


def was_more(subscription: Subscription) -> bool:
    """Whether it was ever more than a wish: confirmed, brought by a list, or left."""
    moved = Event.objects.filter(Q(after="pending") | Q(after="active"), noun="subscription", noun_id=subscription.pk)
    return moved.exists() or subscription.consents.filter(Consent.KNOWN).exists()


def is_a_wish(member: Member) -> bool:
    """Whether nothing is known of them but that somebody asked in their name, and nobody has confirmed it."""
    theirs = list(member.subscriptions.all())
    waiting = bool(theirs) and all(one.state == State.PENDING and not was_more(one) for one in theirs)
    return waiting and not Delivery.objects.filter(member=member).exists()


def lock(**which: Any) -> dict[str, int]:
    """Lock these members until the transaction ends; their numbers by address.

    What is done to one person is done in turns: whoever comes second looks again, and finds what the first has done.
    """
    locked = Member.objects.select_for_update(of=("self",)).filter(**which).order_by("pk")
    return dict(locked.values_list("email", "pk"))


def _no_such_address(digest: Digest) -> QuerySet[Delivery]:
    """The failed rows of members who are still mailed at that address, and have not joined since."""
    active = Subscription.objects.filter(member_id=OuterRef("member_id"), state=State.ACTIVE)
    failed = digest.deliveries.filter(
        state=Delivery.State.FAILED, enhanced__in=manners.NO_SUCH_ADDRESS, member__email=F("address")
    )
    joined_since = active.filter(state_since__gt=OuterRef("state_since"))
    return failed.filter(Exists(active)).exclude(Exists(joined_since)).order_by("member_id")


def _activate(subscription: Subscription) -> None:
    move(subscription, State.ACTIVE, by=None, why="confirmed by mail")
    if asked := subscription.consents.filter(confirmed_at=None, imported_at=None).first():
        asked.confirmed_at = timezone.now()
        asked.save(update_fields=["confirmed_at"])
    begin_anew(subscription)


def _receives(address: str, publication: Publication) -> bool:
    return Subscription.objects.filter(member__email=address, publication=publication, state=State.ACTIVE).exists()


def _wish(member: Member, publication: Publication, how: str) -> Subscription:
    """A subscription that waits for its confirmation, if it is not active: who left begins at the beginning."""
    subscription, new = Subscription.objects.get_or_create(
        member=member, publication=publication, defaults={"state": State.PENDING}
    )
    if new:
        note(subscription, "joined", by=None, why=how)
    elif subscription.state not in {State.PENDING, State.ACTIVE}:
        move(subscription, State.PENDING, by=None, why=how)
    return subscription


def _describe_unconfirmed(member: Member, given: dict[str, str]) -> None:
    """Until somebody has confirmed, or a list brought it, a name is what a stranger typed: the next may be right."""
    known = Consent.objects.filter(Consent.KNOWN, subscription__member=member)
    if any(given.values()) and not known.exists():
        Member.objects.filter(pk=member.pk).update(**given)


def _ask(subscription: Subscription, language: str) -> None:
    publication = subscription.publication
    notices.write(
        "confirm",
        publication,
        subscription.member,
        confirm_url=links.confirm_url(subscription),
        organisation=publication.organisation,
        publication=publication.series,
        accent=publication.accent,
        language=languages.first_known(language, publication.language),
        postal_address=publication.postal_address,
    )
