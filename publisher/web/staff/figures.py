"""What became of posts: by Update and by item, with a small picture of how it grew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from publisher import measures
from publisher.lifecycle import Refusal
from publisher.models import Channel, Digest, Gathering, Measure, Post, Publication
from publisher.networks import network_class

from .doors import StaffRequest, deed, page

PER_PAGE = 6  # Updates
OUTSIDE = 40  # posts outside a digest, the newest
STANDING = ("published", "removing", "removed")
WIDTH, HEIGHT, BAR = 104, 24, 14


@dataclass(frozen=True)
class Bar:
    x: int
    y: int
    height: int


@dataclass(frozen=True)
class Row:
    """A post, its newest figures, and how it came to them."""

    post: Any
    network: str
    history: list[Measure]

    @property
    def newest(self) -> Measure | None:
        return self.history[-1] if self.history else None

    @property
    def bars(self) -> list[Bar]:
        """One for each look; the highest fills the height."""
        counts = [_answered(one) for one in self.history]
        most = max(counts, default=0) or 1
        heights = [round(count / most * (HEIGHT - 1)) for count in counts]
        return [Bar(n * (BAR + 3), HEIGHT - 1 - height, height) for n, height in enumerate(heights)]

    @property
    def told(self) -> str:
        """The bars in words."""
        looks = (f"{_answered(one):,} after {_span(one.at - self.post.published_at)}" for one in self.history)
        return "Likes, reposts and comments: " + ", ".join(looks)


@dataclass(frozen=True)
class Group:
    """An item's posts; or a digest's, or a campaign's, about themselves."""

    name: str
    item: Any
    rows: list[Row]

    @property
    def total(self) -> dict[str, int | None]:
        return measures.total(row.newest for row in self.rows if row.newest)


@dataclass(frozen=True)
class Whole:
    """An Update, or what stands outside of all."""

    name: str
    digest: Digest | None
    groups: list[Group]

    @property
    def total(self) -> dict[str, int | None]:
        return measures.total(row.newest for group in self.groups for row in group.rows if row.newest)


@page
def index(request: StaffRequest) -> HttpResponse:
    publications = list(Publication.objects.all())
    here = next((one for one in publications if one.slug == request.GET.get("publication")), None)
    here = here or (publications[0] if publications else None)
    out = Digest.objects.filter(publication=here, posts__state__in=STANDING).select_related("publication").distinct()
    listed = Paginator(out.order_by("-number", "-pk"), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "publications": publications,
        "publication": here,
        "wholes": _wholes(here, list(listed), outside=listed.number == 1),
        "listed": listed,
        "channels": _channels(here),
        "width": WIDTH,
        "height": HEIGHT,
        "bar": BAR,
    }
    return render(request, "staff/figures/index.html", context)


@deed(back="figures-of")
def budget(request: StaffRequest, pk: int) -> str:
    """How many posts of a channel may be read in a month."""
    channel = get_object_or_404(Channel.objects.select_related("publication"), pk=pk)
    typed = request.POST.get("reads", "").replace(",", "").strip()
    if not (typed.isascii() and typed.isdigit() and len(typed) < 10):
        raise Refusal("Write how many posts may be read in a month, as a number.")
    measures.set_budget(channel, int(typed), by=request.user)
    return f"{int(typed):,} posts of {channel} may be read in a month."


@page
def of_channel(request: StaffRequest, pk: int) -> HttpResponse:
    """To the publication of this channel."""
    channel = get_object_or_404(Channel.objects.select_related("publication"), pk=pk)
    return redirect(f"{reverse('figures')}?publication={channel.publication.slug}")


def _wholes(publication: Publication | None, digests: list[Digest], *, outside: bool) -> list[Whole]:
    posts = Post.objects.filter(state__in=STANDING).select_related("channel", "item", "campaign").defer("item__body")
    mine = list(posts.filter(digest__in=digests).order_by("position", "item", "channel", "pk"))
    alone = posts.filter(channel__publication=publication, digest=None).order_by("-published_at")
    others = sorted(alone[:OUTSIDE], key=lambda post: (-(post.item_id or 0), post.pk)) if outside else []
    history = _history([*mine, *others])
    found = [Whole(d.label, d, _groups([post for post in mine if post.digest_id == d.pk], history)) for d in digests]
    return ([Whole("Outside a digest", None, _groups(others, history))] if others else []) + found


def _history(posts: list[Post]) -> dict[int, list[Measure]]:
    told: dict[int, list[Measure]] = {}
    for one in Measure.objects.filter(post__in=[post.pk for post in posts]).order_by("at", "id"):
        told.setdefault(one.post_id, []).append(one)
    return told


def _groups(posts: Iterable[Post], history: dict[int, list[Measure]]) -> list[Group]:
    parted = groupby(posts, key=lambda post: (post.item_id, post.campaign_id if not post.item_id else None))
    return [
        _group([Row(p, network_class(p.channel.network).label, history.get(p.pk, [])) for p in of]) for _, of in parted
    ]


def _group(rows: list[Row]) -> Group:
    post = rows[0].post
    return Group(str(post.item or post.campaign or "The digest itself"), post.item, rows)


def _channels(publication: Publication | None) -> list[tuple[Any, str, Gathering, int]]:
    """Each channel with how its figures are asked for, and how much may still be."""
    found = Channel.objects.filter(publication=publication).select_related("gathering")
    kept = [(channel, getattr(channel, "gathering", None) or Gathering(channel=channel)) for channel in found]
    return [(c, network_class(c.network).label, gathering, measures.of_month(gathering)) for c, gathering in kept]


def _answered(one: Measure) -> int:
    return sum(getattr(one, kind) or 0 for kind in ("likes", "reposts", "comments"))


def _span(time: timedelta) -> str:
    hours = round(time / timedelta(hours=1))
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"
