"""What goes out when: the coming week of all channels, and each waiting post with what can be done about its time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import wraps
from itertools import groupby

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from publisher import posts, slots
from publisher.lifecycle import Refusal
from publisher.models import Channel, Post, Publication
from publisher.networks import network_class

from ..forms import MoveForm, said
from ..wording import moment
from .doors import StaffRequest, page

PER_PAGE = 50
DAYS = 7
#: So many free times are offered for a post, and so many posts stand in one cell of the week.
OFFERED = IN_CELL = 6


@dataclass(frozen=True)
class Row:
    post: Post
    network: str
    free: list[datetime]


@dataclass(frozen=True)
class Cell:
    """What a channel posts on one day; `more` are not shown."""

    posts: list[Post]
    more: int


@dataclass(frozen=True)
class Line:
    channel: Channel
    network: str
    days: list[Cell]


@page
def index(request: StaffRequest) -> HttpResponse:
    publications = list(Publication.objects.all())
    chosen = next((p for p in publications if p.slug == request.GET.get("publication")), None)
    waiting, channels = slots.plan(), Channel.objects.select_related("publication")
    if chosen:
        waiting, channels = waiting.filter(channel__publication=chosen), channels.filter(publication=chosen)
    listed = Paginator(waiting.defer("item__body"), PER_PAGE).get_page(request.GET.get("page"))
    first = chosen or next(iter(publications), None)
    today = first.today() if first else timezone.now().date()
    days = [today + timedelta(days=n) for n in range(DAYS)]
    context = {
        "publications": publications,
        "publication": chosen or (publications[0] if len(publications) == 1 else None),
        "chosen": chosen,
        "days": days,
        "week": _week(list(channels), days),
        "by_day": _by_day(_rows(list(listed))),
        "listed": listed,
    }
    return render(request, "staff/channels/plan.html", context)


def _deed(verb: Callable[..., str]) -> Callable[..., HttpResponse]:
    """One verb on one post; back to the page of the plan that it came from."""

    @login_required
    @require_POST
    @wraps(verb)
    def door(request: StaffRequest, pk: int) -> HttpResponse:
        post = get_object_or_404(Post.objects.select_related("channel__publication", "item", "digest"), pk=pk)
        try:
            messages.success(request, verb(request, post))
        except Refusal as refusal:
            messages.error(request, str(refusal))
        back = request.POST.get("back", "")
        return redirect(back if url_has_allowed_host_and_scheme(back, allowed_hosts=None) else reverse("plan"))

    return door


@_deed
def post_now(request: StaffRequest, post: Post) -> str:
    slots.post_now(post, by=request.user)
    return f"“{_called(post)}” goes out on {post.channel} now."


@_deed
def hold(request: StaffRequest, post: Post) -> str:
    posts.hold(post, by=request.user, why=request.POST.get("why", ""))
    return f"“{_called(post)}” on {post.channel} is held."


@_deed
def release(request: StaffRequest, post: Post) -> str:
    posts.release(post, by=request.user)
    return f"“{_called(post)}” goes out on {post.channel} {_when(post)}."


@_deed
def cancel(request: StaffRequest, post: Post) -> str:
    posts.cancel(post, by=request.user)
    return f"“{_called(post)}” does not go out on {post.channel}."


@_deed
def move(request: StaffRequest, post: Post) -> str:
    """To one of the free times that were offered, or to another one that somebody typed."""
    form = MoveForm(request.POST)
    if not form.is_valid():
        raise Refusal(said(form))
    wall = form.cleaned_data["at"]
    slots.move_to(post, slots.on_the_clock(post.channel, wall) if wall else form.cleaned_data["free"], by=request.user)
    return f"“{_called(post)}” goes out on {post.channel} {_when(post)}."


@_deed
def prefer(request: StaffRequest, post: Post) -> str:
    slots.prefer(post, {"first": 1, "last": -1}.get(request.POST.get("priority", ""), 0), by=request.user)
    return f"“{_called(post)}” has its new place among those of its day."


def _called(post: Post) -> str:
    return str(post.item) if post.item else post.text.split("\n")[0]


def _when(post: Post) -> str:
    return moment(post.due_at, post.channel.publication.zone) if post.due_at else "as soon as it has a time"


def _week(channels: list[Channel], days: list[date]) -> list[Line]:
    """Each channel with what it posts on each of the days, on its publication's clock."""
    zones = {channel.pk: channel.publication.zone for channel in channels}
    midnight = datetime.combine(days[0], time(), UTC)
    # A day more on each side: some wall is always a day ahead, or behind.
    around = (midnight - timedelta(days=1), midnight + timedelta(days=DAYS + 1))
    planned = Post.objects.filter(channel__in=channels, state__in=slots.LIVE, due_at__range=around)
    cells: dict[tuple[int, date], list[Post]] = defaultdict(list)
    for post in planned.only("channel", "due_at", "state").order_by("due_at", "pk"):
        if post.due_at:
            cells[post.channel_id, post.due_at.astimezone(zones[post.channel_id]).date()].append(post)
    return [
        Line(channel, network_class(channel.network).label, [_cell(cells[channel.pk, day]) for day in days])
        for channel in channels
    ]


def _cell(posts: list[Post]) -> Cell:
    return Cell(posts[:IN_CELL], len(posts[IN_CELL:]))


def _rows(listed: list[Post]) -> list[Row]:
    free = slots.free_times({post.channel_id: post.channel for post in listed}.values(), OFFERED)
    return [Row(post, network_class(post.channel.network).label, free[post.channel_id]) for post in listed]


def _by_day(rows: list[Row]) -> list[tuple[date | None, list[Row]]]:
    """What waits for a person under no day, then each day."""

    def day(row: Row) -> date | None:
        if row.post.state in slots.WAITS_FOR_A_PERSON or row.post.due_at is None:
            return None
        return row.post.due_at.astimezone(row.post.channel.publication.zone).date()

    return [(on, list(some)) for on, some in groupby(rows, key=day)]
