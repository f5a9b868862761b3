"""What waits for a person: digests, accounts, posts that did not go out or may have. One mail tells of what is new.

An account is told of when it is paused or about to end: publisher/channels.py, publisher/checkups.py; letters that
come back, when they are too many: publisher/bounces.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from . import checkups, links, notices
from .delivery import ledger
from .lifecycle import history
from .models import Channel, Delivery, Digest, Person, Post, Publication

State = Post.State
#: A digest whose relay broke off so often in a row has rested for a quarter of an hour, and rests on.
_BREAKS = 6
#: So many posts are named in a mail, and stand on the page.
NAMED, SHOWN = 8, 30
_NOBODY = (
    "Nobody of the staff has an address to which alerts could go: give one with "
    "`publisher people email NAME ADDRESS`. Until then they stand here alone."
)

#: Two lookups in an index for each digest that is over, however many letters it had.
_WAITS = ~Q(attention="") | Q(
    Exists(Delivery.objects.filter(digest=OuterRef("pk"), state=Delivery.State.UNKNOWN)),
    state__in=[Digest.State.SENT, Digest.State.CANCELLED],
)


@dataclass(frozen=True)
class Matter:
    """Something for a person: what it is about, a sentence, and the page where it is mended."""

    about: str
    says: str
    place: str


def waiting() -> Any:
    """Refused; in doubt after the last look; held by the service. For want of money: that has a mail of its own."""
    held = Q(state=State.HELD, spent_in="") & ~Q(outcome="")
    found = Post.objects.filter(state__in=[State.REFUSED, State.UNKNOWN, State.HELD])
    found = found.filter(held | Q(state=State.REFUSED) | Q(state=State.UNKNOWN, look_at__isnull=True))
    return found.select_related("channel__publication", "item").order_by("state_since", "pk")


def waiting_digests() -> QuerySet[Digest]:
    """Stopped by the service, or with a question; over, with letters of which nobody knows; their relay is away."""
    return _digests(_WAITS | Q(state=Digest.State.SENDING, breaks__gte=_BREAKS))


def untold_digests() -> QuerySet[Digest]:
    """Those of which staff have had no mail since they came to wait. None goes out while the relay itself is away."""
    return _digests(_WAITS).filter(Q(told_at__isnull=True) | Q(told_at__lt=F("state_since")))


def tell_of(digest: Digest) -> None:
    """One mail, whoever else tells of it at the same time."""
    with transaction.atomic():
        same = Digest.objects.filter(pk=digest.pk, state=digest.state, told_at=digest.told_at)
        if same.update(told_at=timezone.now()):
            headline, link = f"{digest.label} needs you", links.sending_url(digest)
            notices.tell_staff(digest.publication, headline=headline, sentence=said_of(digest), link=link)


def said_of(digest: Digest) -> str:
    if digest.attention:
        return digest.attention
    if digest.state == Digest.State.SENDING:
        why = digest.resting_why.rstrip(".") or "it broke off"
        return f"The mail server cannot be used ({why}). It is tried again and again; nobody is lost."
    doubts = ledger.unsettled(digest).count()
    many = "One letter" if doubts == 1 else f"{doubts:,} letters"
    return f"{many} may have arrived, or not: say what is known of {'it' if doubts == 1 else 'them'}."


def untold() -> list[tuple[Publication, list[Post]]]:
    """Those of which staff have had no mail since they came to wait."""
    new = waiting().filter(Q(told_at__isnull=True) | Q(told_at__lt=F("state_since"))).defer("item__body")
    found = sorted((post for post in new if not _held_by_a_person(post)), key=attrgetter("channel.publication_id"))
    return [(posts[0].channel.publication, posts) for posts in _grouped(found)]


def tell(publication: Publication, posts: list[Post]) -> None:
    """One mail, however many they are."""
    Post.objects.filter(pk__in=[post.pk for post in posts]).update(told_at=timezone.now())
    named = [said(post) for post in posts[:NAMED]]
    if len(posts) > NAMED:
        named.append(f"And {len(posts) - NAMED} more.")
    many = f"{len(posts)} posts of {publication.series} need you"
    headline = f"A post of {publication.series} needs you" if len(posts) == 1 else many
    notices.tell_staff(publication, headline=headline, sentence=" ".join(named), link=links.absolute(reverse("plan")))


def said(post: Post) -> str:
    about = f"“{post.item}”" if post.item else post.get_purpose_display()
    outcome = post.outcome or "It waits for a person."
    return f"{post.channel}, {about}, {post.get_state_display()}: {outcome.rstrip('.')}."


def matters() -> list[Matter]:
    """All of them, accounts first; a bounded number of digests and posts."""
    plan = reverse("plan")
    found = [] if Person.objects.filter(is_active=True).exclude(email="").exists() else [Matter("Alerts", _NOBODY, "")]
    for channel in Channel.objects.select_related("publication"):
        if sentence := channel.attention or channel.health or checkups.ending(channel):
            found.append(Matter(str(channel), sentence, reverse("channel", args=[channel.pk])))
    for digest in waiting_digests()[:SHOWN]:
        found.append(Matter(digest.label, said_of(digest), reverse("sending", args=[digest.pk])))
    posts = waiting().defer("item__body")[:SHOWN]
    return found + [Matter(f"Post {post.pk}", said(post), plan) for post in posts]


def _digests(which: Q) -> QuerySet[Digest]:
    return Digest.objects.filter(which).select_related("publication").order_by("-state_since", "pk")


def _held_by_a_person(post: Post) -> bool:
    last = history(post).filter(after=State.HELD).order_by("-pk").first() if post.state == State.HELD else None
    return bool(last and last.by_id)


def _grouped(posts: Iterable[Post]) -> list[list[Post]]:
    return [list(group) for _, group in groupby(posts, key=attrgetter("channel.publication_id"))]
