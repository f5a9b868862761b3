"""What waits for a person: posts that did not go out, or may have, and accounts. One mail tells of posts that are new.

An account is told of when it is paused or about to end: publisher/channels.py, publisher/checkups.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from . import checkups, links, notices
from .lifecycle import history
from .models import Channel, Person, Post, Publication

State = Post.State
#: So many posts are named in a mail, and stand on the page.
NAMED, SHOWN = 8, 30
_NOBODY = (
    "Nobody of the staff has an address to which alerts could go: give one with "
    "`publisher people email NAME ADDRESS`. Until then they stand here alone."
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
    """All of them, accounts first; a bounded number of posts."""
    plan = reverse("plan")
    found = [] if Person.objects.filter(is_active=True).exclude(email="").exists() else [Matter("Alerts", _NOBODY, "")]
    for channel in Channel.objects.select_related("publication"):
        if sentence := channel.attention or channel.health or checkups.ending(channel):
            found.append(Matter(str(channel), sentence, reverse("channel", args=[channel.pk])))
    posts = waiting().defer("item__body")[:SHOWN]
    return found + [Matter(f"Post {post.pk}", said(post), plan) for post in posts]


def _held_by_a_person(post: Post) -> bool:
    last = history(post).filter(after=State.HELD).order_by("-pk").first() if post.state == State.HELD else None
    return bool(last and last.by_id)


def _grouped(posts: Iterable[Post]) -> list[list[Post]]:
    return [list(group) for _, group in groupby(posts, key=attrgetter("channel.publication_id"))]
