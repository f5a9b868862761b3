"""What a person may do with a post: word it, hold it, let it go, settle what is unknown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.shortcuts import get_object_or_404

from publisher import networks, posts, prices
from publisher.models import Post
from publisher.prices import Price

from .doors import StaffRequest, deed


@dataclass(frozen=True)
class Said:
    """A post as its followers will read it, and how its network counts it."""

    post: Any
    network: str
    account: str
    text: str
    link: str  # empty where it stands in the text
    alt: str
    length: int
    limit: int
    picture: str = ""  # the hash of what goes out with it
    price: Price = prices.FREE

    @property
    def fits(self) -> bool:
        return self.length <= self.limit

    @property
    def undescribed(self) -> bool:
        """Its picture says nothing to those who cannot see it."""
        return bool(self.picture) and not self.alt.strip()


@dataclass(frozen=True)
class Timeline:
    name: str
    posts: list[Said]

    @property
    def price(self) -> str:
        return together(self.posts)


def of_post(post: Post) -> Said:
    channel = post.channel
    shown = (post.image_alt, post, post.picture_id or "")
    return of_text(channel.network, channel.account, post.text, post.link, *shown)


def of_text(
    network: str, account: str, text: str, link: str, alt: str, post: Post | None = None, picture: str = ""
) -> Said:
    adapter = networks.network_class(network)
    beside = "" if adapter.link_in_text else link
    counted = (adapter.measure(text), adapter.limit)
    price = prices.of_words(network, text, link, bool(picture), alt)
    return Said(post, adapter.label, account, text, beside, alt, *counted, picture, price)


def by_channel(posts: Iterable[Said]) -> list[Timeline]:
    """Each channel's posts together, in their order."""
    channels: dict[str, list[Said]] = {}
    for said in posts:
        channels.setdefault(f"{said.network} · {said.account}", []).append(said)
    return [Timeline(name, theirs) for name, theirs in channels.items()]


def together(posts: Iterable[Said]) -> str:
    """What all of them cost, if they go out: "0.83 USD"."""
    return prices.together(said.price for said in posts)


@deed(back="sending")
def hold(request: StaffRequest, pk: int, post: int) -> str:
    posts.hold(_post(pk, post), by=request.user, why=request.POST.get("why", ""))
    return "The post is held."


@deed(back="sending")
def release(request: StaffRequest, pk: int, post: int) -> str:
    posts.release(_post(pk, post), by=request.user)
    return "The post goes out."


@deed(back="sending")
def cancel(request: StaffRequest, pk: int, post: int) -> str:
    posts.cancel(_post(pk, post), by=request.user)
    return "The post is cancelled."


@deed(back="sending")
def settle(request: StaffRequest, pk: int, post: int) -> str:
    there = request.POST.get("there") == "yes"
    posts.settle(_post(pk, post), by=request.user, published=there, remote_url=request.POST.get("url", ""))
    return "Written down as published." if there else "It goes out again."


def _post(pk: int, post: int) -> Post:
    return get_object_or_404(
        Post.objects.select_related("channel__publication", "digest__publication"), pk=post, digest=pk
    )
