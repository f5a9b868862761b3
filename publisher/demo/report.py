"""What arrived where, counted at the receiving side: the catcher's and the networks' own logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests
from django.conf import settings

from .. import bounces
from ..models import Delivery, Digest, Post
from . import cast
from .story import Told


@dataclass(frozen=True)
class Line:
    what: str
    where: str
    expected: int
    arrived: int

    @property
    def good(self) -> bool:
        return self.expected == self.arrived


def lines(told: list[Told], sandbox_url: str | None) -> list[Line]:
    """One line for each digest and place. Where a foreign server receives, its answers are what we have."""
    inbox = _Inbox(sandbox_url)
    return [
        line
        for each in told
        for line in (_letters(each.digest, inbox), *_returned(each.digest), *_posts(each, sandbox_url))
    ]


def settled(told: list[Told]) -> tuple[int, int]:
    """How many deliveries and posts have an outcome, and how many there are: the progress."""
    digests = [each.digest.pk for each in told]
    deliveries = Delivery.objects.filter(digest__in=digests)
    posts = Post.objects.filter(digest__in=digests)
    expected = sum(each.digest.proof.audience_count for each in told if each.digest.proof) + posts.count()
    waiting = {Post.State.APPROVED, Post.State.PUBLISHING, Post.State.UNKNOWN}
    done = deliveries.filter(state__in=Delivery.SETTLED).count() + posts.exclude(state__in=waiting).count()
    return done, expected


def _name(digest: Digest) -> str:
    return f"{digest.publication.series} {digest.number}"


def _letters(digest: Digest, inbox: _Inbox) -> Line:
    assert digest.proof is not None
    arrived = inbox.count(digest) if inbox.url else digest.deliveries.filter(state="sent").count()
    return Line(_name(digest), "inboxes" if inbox.url else "the mail server", digest.proof.audience_count, arrived)


def _returned(digest: Digest) -> Iterator[Line]:
    """What came back into the sandbox's mailbox, where that is read: of one member's letters."""
    expected = digest.deliveries.filter(address=cast.MOVED_AWAY).count() if settings.BOUNCE_IMAP_URL else 0
    if expected:
        yield Line(_name(digest), "came back, read over IMAP", expected, bounces.counts(digest)["hard"])


def _posts(told: Told, sandbox_url: str | None) -> Iterator[Line]:
    for channel in told.digest.publication.channels.all():
        posts = list(channel.posts.filter(digest=told.digest))
        ids = {post.remote_id for post in posts if post.state == Post.State.PUBLISHED}
        seen = _timeline(channel.network, sandbox_url)
        arrived = sum(1 for remote_id in ids if seen[remote_id] == 1) if seen is not None else len(ids)
        yield Line(_name(told.digest), f"{channel.network}: {channel.account}", len(posts), arrived)


def _timeline(network: str, sandbox_url: str | None) -> Counter[str] | None:
    """How often each post was accepted there, by id."""
    if not sandbox_url:
        return None
    return Counter(str(entry["id"]) for entry in _get(f"{settings.NETWORK_URLS[network]}/posts.json"))


class _Inbox:
    """The catcher's own log of what it accepted."""

    def __init__(self, sandbox_url: str | None) -> None:
        self.url = sandbox_url
        self.accepted = _get(f"{sandbox_url}/mail/log.json") if sandbox_url else []

    def count(self, digest: Digest) -> int:
        """Members who have exactly one mail of this digest."""
        wanted = set(digest.deliveries.values_list("address", flat=True))
        counted = Counter(recipient for entry in self.accepted for recipient in entry["rcpt_to"])
        return sum(1 for address in wanted if counted[address] == 1)


def _get(url: str) -> list[dict[str, Any]]:
    answer = requests.get(url, timeout=10)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()
    return found
