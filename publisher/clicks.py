"""Links that count how often they are followed: where a publication says so, and without persons unless they agreed.

A link in a letter names its digest and its entry, and nobody. Where it leads is part of the approved proof. Whoever
follows several links of one letter at once is a machine that looks through mail, whatever it says of itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from . import links, robots
from .lifecycle import note
from .models import Click, ConsentWording, Digest, MeasuringConsent, Publication, Reading, Subscription

#: So many links of one letter within so many seconds: nobody reads that fast.
SEVERAL, SECONDS = 3, 10
By = Click.By


@dataclass(frozen=True)
class Follower:
    """What is known of a request, for as long as it takes: none of it is kept."""

    method: str
    agent: str
    address: str
    network: str


def follow(token: str, reader: str, who: Follower) -> str | None:
    """Where the link leads, counted; None where it is none of ours. What was not approved leads nowhere."""
    ids = links.read("link", token)
    digest = Digest.objects.select_related("proof", "review", "publication").filter(pk=ids[0]).first() if ids else None
    if ids is None or len(ids) != 2 or digest is None:
        return None
    proof = digest.proof or digest.review
    target = proof.links.get(str(ids[1])) if proof else None
    if target and digest.started_at:
        by, taken_back = _judge(digest, ids[1], who)
        _count(digest, ids[1], by, taken_back)
        _remember(digest, ids[1], by, taken_back, reader)
    return target


def agree(subscription: Subscription, *, how: str, wording: str = "", worded: ConsentWording | None = None) -> None:
    """The member agrees that it is kept which links they follow. Agreeing again changes nothing.

    `worded` are the words of ours that they read; `wording` is what they said yes to elsewhere.
    """
    _, new = MeasuringConsent.objects.get_or_create(
        subscription=subscription, defaults={"how": how, "wording": wording, "worded": worded}
    )
    if new:
        note(subscription, "agreed", by=None, why=how)


def withdraw(subscription: Subscription, *, how: str) -> None:
    """No more of it, and what was kept is deleted."""
    if MeasuringConsent.objects.filter(subscription=subscription).delete()[0]:
        note(subscription, "withdrew", by=None, why=how)


def _judge(digest: Digest, entry: int, who: Follower) -> tuple[By, list[int]]:
    """By whom it was followed; and which links of a moment ago were not a person's either, as it turns out."""
    if robots.is_machine(who.method, who.agent, who.address):
        return By.MACHINE, []
    key = _key(digest, who)
    before: list[int] = cache.get(key) or []
    lately = before if len(before) >= SEVERAL else [*(one for one in before if one != entry), entry]
    cache.set(key, lately, SECONDS)  # with each link the seconds begin anew
    if len(lately) < SEVERAL:
        return By.PERSON, []
    return By.MACHINE, [] if lately is before else lately[:-1]


def _count(digest: Digest, entry: int, by: By, taken_back: list[int]) -> None:
    _add(digest, entry, by, +1)
    for other in taken_back:
        _add(digest, other, By.PERSON, -1)
        _add(digest, other, By.MACHINE, +1)


def _key(digest: Digest, who: Follower) -> str:
    """Hashed: a network is personal data, and nobody else's business."""
    return "follows:" + hashlib.sha256(f"{digest.pk} {who.network} {who.agent}".encode()).hexdigest()[:40]


def _add(digest: Digest, entry: int, by: By, by_how_many: int) -> None:
    mine = Click.objects.filter(digest=digest, entry_id=entry, day=digest.publication.today(), by=by)
    enough = mine.filter(count__gte=-by_how_many) if by_how_many < 0 else mine
    if enough.update(count=F("count") + by_how_many) or by_how_many < 0:
        return
    try:
        with transaction.atomic():
            Click.objects.create(
                digest=digest, entry_id=entry, day=digest.publication.today(), by=by, count=by_how_many
            )
    except IntegrityError:  # somebody else made the row meanwhile, or the entry is gone
        mine.update(count=F("count") + by_how_many)


def _remember(digest: Digest, entry: int, by: By, taken_back: list[int], reader: str) -> None:
    """Who followed it, where the publication says so, the member agreed and still does, and it was no machine."""
    ids = links.read("reader", reader) if reader else None
    persons = digest.publication.measure == Publication.Measure.PERSONS
    if not persons or not ids or len(ids) != 2 or ids[1] != digest.pk:
        return
    consent = MeasuringConsent.objects.filter(
        subscription__member=ids[0], subscription__publication=digest.publication, subscription__state="active"
    ).first()
    if consent and by == By.PERSON:
        Reading.objects.get_or_create(consent=consent, entry_id=entry, defaults={"at": timezone.now()})
    elif consent:
        just_now = timezone.now() - timedelta(seconds=SEVERAL * SECONDS)
        Reading.objects.filter(consent=consent, entry__in=taken_back, at__gte=just_now).delete()
