"""What became of posts: likes, reposts, comments and views, gathered ever more seldom and within a budget.

Whatever goes wrong here is written beside the channel. It never touches a post's state.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from . import channel_accounts
from .lifecycle import Refusal, note
from .models import Channel, Gathering, Measure, Person, Post
from .networks.base import Failure, Figures, TryLater
from .sealing import CannotUnseal

logger = logging.getLogger(__name__)

#: When a post is looked at, counted from its publishing: most happens on the first day.
AFTER = (
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
    timedelta(days=3),
    timedelta(days=7),
    timedelta(days=30),
)
#: So many posts are asked about at once; an adapter parts them further where its network takes fewer.
AT_ONCE = 100
#: Whoever asks has the channel for this long: some networks are asked post by post.
LEASE = timedelta(minutes=30)
#: After failures in a row; the last of these over and over.
AGAIN = tuple(timedelta(minutes=minutes) for minutes in (10, 60, 360, 1440))
KINDS = ("likes", "reposts", "comments", "views")


def due() -> Any:
    """Channels with a post whose next look has come, that are neither paused nor resting nor out of budget."""
    now = timezone.now()
    resting = Gathering.objects.filter(channel=OuterRef("pk")).filter(_closed(now))
    posts = _to_look_at(now).filter(channel=OuterRef("pk"))
    return Channel.objects.filter(Exists(posts), ~Exists(resting), paused=False)


def gather(channel: Channel) -> int:
    """Ask the network about all that is due on the channel; how many answers came.

    What may be read is counted before it is asked for: a request that breaks may have been charged.
    """
    now = timezone.now()
    gathering, posts = _claim(channel, now)
    if not posts:
        return 0
    try:
        found = channel_accounts.connect(channel).figures([post.remote_id for post in posts])
    except Exception as problem:  # of whatever kind: it is only figures, and there is another look
        _rest(gathering, problem)
        return 0
    with transaction.atomic():
        _write(posts, found, now)
        Gathering.objects.filter(pk=gathering.pk).update(rest_until=None, failures=0, problem="")
    return len(found)


def set_budget(channel: Channel, reads: int, *, by: Person) -> None:
    """So many posts may be read in a month; 0: none."""
    Gathering.objects.update_or_create(channel=channel, defaults={"budget": reads, "rest_until": None})
    note(channel, "edited", by=by, why=f"{reads:,} posts a month may be read for their figures")


def left(channel: Channel) -> int:
    """How many posts may still be read this month."""
    gathering = Gathering.objects.filter(channel=channel).first() or Gathering(channel=channel)
    return _left(gathering, timezone.now())


def of_month(gathering: Gathering) -> int:
    """How many posts were read this month."""
    return gathering.reads if gathering.month == _month(timezone.now()) else 0


def latest(posts: Iterable[Post]) -> dict[int, Measure]:
    """The newest figures of each post that has any. One query."""
    measures = Measure.objects.filter(post__in=[post.pk for post in posts]).order_by("at", "id")
    return {measure.post_id: measure for measure in measures}


def total(measures: Iterable[Measure]) -> dict[str, int | None]:
    """Their sum by kind; None where no network says."""
    found = list(measures)
    said = {kind: [getattr(one, kind) for one in found if getattr(one, kind) is not None] for kind in KINDS}
    return {kind: sum(counts) if counts else None for kind, counts in said.items()}


def _to_look_at(now: datetime) -> Any:
    stepped = Q()
    for step, after in enumerate(AFTER):
        stepped |= Q(measured=step, published_at__lte=now - after)
    # Repeats what the steps say, in the words of the index.
    listed = Post.objects.filter(state=Post.State.PUBLISHED, measured__lt=len(AFTER))
    return listed.filter(stepped).exclude(remote_id="")


def _closed(now: datetime) -> Q:
    """Resting, or this month's budget is spent."""
    return Q(rest_until__gt=now) | Q(budget=0) | Q(month=_month(now), reads__gte=F("budget"))


def _claim(channel: Channel, now: datetime) -> tuple[Gathering, list[Post]]:
    """Take the channel and its reads, so that of two workers one asks, and pays."""
    with transaction.atomic():
        Gathering.objects.get_or_create(channel=channel)
        gathering = Gathering.objects.select_for_update().get(channel=channel)
        if gathering.rest_until and gathering.rest_until > now:
            return gathering, []
        may = min(AT_ONCE, _left(gathering, now))
        posts = list(_to_look_at(now).filter(channel=channel).order_by("-published_at")[:may])
        if posts:
            gathering.reads = len(posts) + (gathering.reads if gathering.month == _month(now) else 0)
            gathering.month, gathering.rest_until = _month(now), now + LEASE
            gathering.save(update_fields=["reads", "month", "rest_until"])
    return gathering, posts


def _left(gathering: Gathering, now: datetime) -> int:
    spent = gathering.reads if gathering.month == _month(now) else 0
    return max(0, gathering.budget - spent)


def _month(now: datetime) -> str:
    return f"{now:%Y-%m}"


def _write(posts: list[Post], found: dict[str, Figures], now: datetime) -> None:
    """A row for each post that the network told of. One that is gone there has its look all the same."""
    for post in posts:
        passed = sum(post.published_at is not None and post.published_at + after <= now for after in AFTER)
        Post.objects.filter(pk=post.pk, measured=post.measured).update(measured=passed)
    Measure.objects.bulk_create(
        Measure(post=post, at=now, **{kind: getattr(found[post.remote_id], kind) for kind in KINDS})
        for post in posts
        if post.remote_id in found
    )


def _rest(gathering: Gathering, problem: Exception) -> None:
    failures = gathering.failures + 1
    after = AGAIN[min(failures, len(AGAIN)) - 1]
    if isinstance(problem, TryLater):
        after = max(after, timedelta(seconds=problem.after))
    rested = {
        "failures": failures,
        "rest_until": timezone.now() + after,
        "problem": _sentence(problem, gathering.channel),
    }
    Gathering.objects.filter(pk=gathering.pk).update(**rested)


def _sentence(problem: Exception, channel: Channel) -> str:
    if isinstance(problem, Failure | Refusal | CannotUnseal):
        return str(problem)
    logger.error("figures could not be gathered:\n%s", channel_accounts.traced(problem, channel))
    return f"An error ({type(problem).__name__}): see the log."
