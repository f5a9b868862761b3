"""Asking to receive a publication: written down at the door, decided by a worker, forgotten where nobody confirms.

The door does the same for everybody, one row, so that neither its answer nor its time tells what is known of anybody.
What is done about it begins with the next tick of the clock, at a moment that the request does not choose.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from . import asking, latest, links, members, notices, preferences
from .lifecycle import Refusal, move, note
from .models import (
    Consent,
    ConsentWording,
    Delivery,
    JoinRequest,
    Lease,
    Member,
    Publication,
    Run,
    Subscription,
)

#: A mail that nobody answered for so long is answered.
FORGOTTEN_AFTER = timedelta(days=7)
AT_ONCE = 200
MOST_FORGOTTEN = 2_000
#: More may wait of one network, or altogether, only after these are answered: the line is no place to fill a disk with.
MOST_WAIT, MOST_WAIT_OF_ALL = 200, 50_000
#: Staff are told once a day that more ask than are asked back.
CROWDED = "joining is crowded"
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
    if _line_is_full(network):
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


def wording(subscription: Subscription) -> ConsentWording | None:
    """The words that were shown where this was asked for."""
    newest = subscription.consents.select_related("worded").first()
    return newest.worded if newest else None


def confirm(token: str, *, latest_too: bool) -> tuple[Subscription, bool] | None:
    """The person's own yes, and whether the latest Update is on its way to them. None where the link is not good."""
    with transaction.atomic():
        # Within one transaction, so that who presses twice at once has one letter: the second waits for the first.
        subscription = members.confirm(token)
        if subscription is None:
            return None
        return subscription, latest_too and latest.send(subscription)


def due() -> QuerySet[JoinRequest]:
    return JoinRequest.objects.filter(due_at__lte=timezone.now())


def somebody_waits() -> bool:
    """At the door to join, or for the link to their preferences; asked at each tick, and so in one query."""
    return due().values("pk").union(preferences.waiting().values("pk")).exists()


def answer(most: int = AT_ONCE) -> int:
    """Decide what comes of the requests that wait, one transaction each; how many were looked at.

    One worker does it: others would only wait for the same lock, and digests for them.
    """
    if not _alone():
        return 0
    looked_at = 0
    try:
        looked_at = preferences.answer(most // 2)  # neither of the two lines keeps the other waiting
        for request in due().select_related("publication", "worded").order_by("due_at", "pk")[: most - looked_at]:
            looked_at += 1
            with transaction.atomic():
                _answer(request)
    finally:
        Lease.objects.filter(name=LEASE).update(until=Now())
    return looked_at


def crowded() -> str:
    """Whether so many asked lately that some have to wait, in a sentence; empty where nobody had to."""
    since = timezone.now() - asking.DAY
    if not Run.objects.filter(schedule=CROWDED, at__gt=since).exists():
        return ""
    waiting = JoinRequest.objects.count()
    return f"more than {asking.MOST_OF_ALL:,} asked to join within an hour of the last day; {waiting:,} still wait"


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


def _line_is_full(network: str) -> bool:
    theirs = JoinRequest.objects.filter(network=network)[:MOST_WAIT].count()
    return theirs == MOST_WAIT or JoinRequest.objects.all()[:MOST_WAIT_OF_ALL].count() == MOST_WAIT_OF_ALL


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
        if later.crowded:
            _tell_staff(request.publication)
    except Refusal:
        same.delete()  # no address after all: nobody behind it shall wait for that
    else:
        # All of them: whoever asked again meanwhile has been answered.
        same.delete()


def _tell_staff(publication: Publication) -> None:
    """Once a day: it may be an appeal that went round the world, or a robot that asks in strangers' names."""
    today = f"{timezone.now():%Y-%m-%d}"
    if Run.objects.get_or_create(schedule=CROWDED, occurrence=today)[1]:
        notices.tell_staff(
            publication,
            headline="Many ask to join",
            sentence=f"Within an hour {asking.MOST_OF_ALL:,} people were asked to confirm, which is the most. Who asks "
            "now waits up to 48 hours for that mail. If you did not call for members, a robot may be typing in "
            "strangers’ addresses: look where the form stands, and ask whoever runs the service.",
            link=links.health_url(),
        )


def _forget(subscription: Subscription) -> None:
    """As if nobody had asked. Who left or was suppressed before is again who left: no list brings them back."""
    member = subscription.member
    if not Member.objects.select_for_update().filter(pk=member.pk).exists():
        return
    if not unconfirmed().filter(pk=subscription.pk).exists():
        return  # it was confirmed at this moment
    if members.was_more(subscription):
        move(subscription, Subscription.State.LEFT, by=None, why="asked again, and not confirmed")
        return
    note(subscription, "forgotten", by=None, why="not confirmed")
    subscription.delete()
    if not member.subscriptions.exists() and not Delivery.objects.filter(member=member).exists():
        member.delete()
