"""Asking to receive a publication: written down at the door, decided by a worker, forgotten where nobody confirms.

The door does the same for everybody, one row, so that neither its answer nor its time tells what is known of anybody.
What is done about it begins with the next tick of the clock, at a moment that the request does not choose.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from . import asking, latest, links, members
from .lifecycle import move, note
from .models import Consent, ConsentWording, Delivery, Event, JoinRequest, Lease, Member, Publication, Subscription

#: A mail that nobody answered for so long is answered.
FORGOTTEN_AFTER = timedelta(days=7)
AT_ONCE = 200
MOST_FORGOTTEN = 2_000
#: More may wait of one network only after these are answered: the line is no place to fill a disk with.
MOST_WAIT = 200
LEASE, LEASE_TIME = "joining", timedelta(minutes=5)


def ask(
    publication: Publication,
    email: str,
    *,
    first_name: str = "",
    language: str,
    worded: ConsentWording | None,
    how: str,
    network: str,
) -> None:
    """Write down that somebody asked. Refusal where the address is none; of everything else nothing is told."""
    address = members.normalise(email)
    if JoinRequest.objects.filter(network=network)[:MOST_WAIT].count() == MOST_WAIT:
        return
    JoinRequest.objects.create(
        publication=publication,
        email=address,
        first_name=members.one_line(first_name),
        language=language,
        worded=worded,
        how=how,
        network=network,
    )


def asked(token: str) -> Subscription | None:
    """Whose confirmation this link is; None where it is none, or no longer good."""
    ids = links.read("confirm", token)
    if ids is None or len(ids) != 1:
        return None
    waiting = Subscription.objects.filter(state__in=[Subscription.State.PENDING, Subscription.State.ACTIVE])
    return waiting.select_related("publication", "member").filter(pk=ids[0]).first()


def wording(subscription: Subscription) -> ConsentWording | None:
    """The words that were shown where this was asked for."""
    newest = subscription.consents.select_related("worded").first()
    return newest.worded if newest else None


def confirm(token: str, *, latest_too: bool) -> tuple[Subscription, bool] | None:
    """The person's own yes, and whether the latest Update is on its way to them. None where the link is not good."""
    subscription = members.confirm(token)
    if subscription is None:
        return None
    return subscription, latest_too and latest.send(subscription)


def due() -> QuerySet[JoinRequest]:
    return JoinRequest.objects.filter(due_at__lte=timezone.now())


def answer(most: int = AT_ONCE) -> int:
    """Decide what comes of the requests that wait, one transaction each; how many were looked at.

    One worker does it: others would only wait for the same lock, and digests for them.
    """
    if not _alone():
        return 0
    looked_at = 0
    try:
        for request in due().select_related("publication", "worded").order_by("due_at", "pk")[:most]:
            looked_at += 1
            with transaction.atomic():
                _answer(request)
    finally:
        Lease.objects.filter(name=LEASE).update(until=Now())
    return looked_at


def forget() -> None:
    """Once an hour: what nobody confirmed, and what no limit counts any more."""
    for subscription in unconfirmed()[:MOST_FORGOTTEN]:
        with transaction.atomic():
            _forget(subscription)
    JoinRequest.objects.filter(at__lte=timezone.now() - asking.WAITS).delete()
    asking.forget()


def unconfirmed() -> QuerySet[Subscription]:
    """Whom nobody confirmed in time since they were last asked."""
    since = timezone.now() - FORGOTTEN_AFTER
    asked = Consent.objects.filter(subscription=OuterRef("pk"), at__gt=since)
    waiting = Subscription.objects.filter(state=Subscription.State.PENDING, state_since__lte=since)
    return waiting.exclude(Exists(asked)).select_related("member")


def _alone() -> bool:
    """Take the lease of whoever answers. One that died with it is followed when its time is over."""
    lease = Lease.objects.filter(name=LEASE)
    if not lease.exists():
        Lease.objects.get_or_create(name=LEASE, defaults={"holder": "", "until": Now()})
    return lease.filter(until__lte=Now()).update(until=Now() + LEASE_TIME) == 1


def _answer(request: JoinRequest) -> None:
    asking.in_turn()
    same = JoinRequest.objects.filter(email=request.email, publication=request.publication_id)
    if not same.filter(pk=request.pk).exists():
        return  # somebody else has just answered it
    try:
        members.join(
            request.publication,
            request.email,
            first_name=request.first_name,
            language=request.language,
            how=request.how,
            network=request.network,
            worded=request.worded,
        )
    except asking.NotNow as later:
        same.update(due_at=later.at)
    else:
        # All of them: whoever asked again meanwhile has been answered.
        same.delete()


def _forget(subscription: Subscription) -> None:
    """As if nobody had asked. Who left or was suppressed before is again who left: no list brings them back."""
    member = subscription.member
    if not Member.objects.select_for_update().filter(pk=member.pk).exists():
        return
    if not unconfirmed().filter(pk=subscription.pk).exists():
        return  # it was confirmed at this moment
    if _was_more(subscription):
        move(subscription, Subscription.State.LEFT, by=None, why="asked again, and not confirmed")
        return
    note(subscription, "forgotten", by=None, why="not confirmed")
    subscription.delete()
    if not member.subscriptions.exists() and not Delivery.objects.filter(member=member).exists():
        member.delete()


def _was_more(subscription: Subscription) -> bool:
    """Whether it was ever more than a wish: confirmed, brought by a list, or left."""
    moved = Event.objects.filter(Q(after="pending") | Q(after="active"), noun="subscription", noun_id=subscription.pk)
    return moved.exists() or subscription.consents.filter(confirmed_at__isnull=False).exists()
