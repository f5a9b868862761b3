"""A month's budget of a channel: what it has cost, what is left, and holding what would cost more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q, Sum
from django.utils import timezone

from . import notices, prices, slots
from .lifecycle import Overtaken, Refusal, move, note
from .models import Channel, Person, Post
from .prices import Price

State = Post.State
#: What went out, or may have. What is unknown counts as spent until somebody knows better.
SPENT = Q(state__in=slots.GONE)


class Spent(Exception):
    """The month's budget leaves nothing for this post. str() is a sentence for staff."""

    def __init__(self, sentence: str, month: str) -> None:
        super().__init__(sentence)
        self.month = month


@dataclass(frozen=True)
class Month:
    """A month on the publication's wall clock: its name as 2027-03, and its bounds as moments."""

    name: str
    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{datetime.strptime(self.name, '%Y-%m').replace(tzinfo=UTC):%B %Y}"


def month(channel: Channel, now: datetime | None = None) -> Month:
    zone = channel.publication.zone
    local = (now or timezone.now()).astimezone(zone)
    start = datetime(local.year, local.month, 1, tzinfo=zone)
    end = datetime(local.year + local.month // 12, local.month % 12 + 1, 1, tzinfo=zone)
    return Month(f"{local:%Y-%m}", start, end)


def spent(channel: Channel, now: datetime | None = None) -> Price:
    """What this month's posts have cost, as far as the price table knows."""
    this = month(channel, now)
    posts = channel.posts.filter(SPENT, intent_at__gte=this.start, intent_at__lt=this.end)
    amount = posts.aggregate(together=Sum("charged"))["together"] or Decimal(0)
    return Price(amount, prices.currency(channel.network))


def spent_by_channel(channels: list[Channel]) -> dict[int, Price]:
    """As `spent`, for a page of them, in one query."""
    months = {channel.pk: month(channel) for channel in channels}
    since = min((this.start for this in months.values()), default=timezone.now())
    gone = dict.fromkeys(months, Decimal(0))
    rows = Post.objects.filter(SPENT, channel__in=months, intent_at__gte=since, charged__gt=0)
    for pk, at, charged in rows.values_list("channel_id", "intent_at", "charged"):
        if at and charged and at >= months[pk].start:
            gone[pk] += charged
    return {c.pk: Price(gone[c.pk], prices.currency(c.network)) for c in channels}


def price(post: Post) -> Price:
    return prices.of_words(post.channel.network, post.text, post.link, bool(post.picture_id), post.image_alt)


def take(post: Post) -> Decimal:
    """What the post costs, where the month's budget has as much left. Raises Spent.

    To be called in the transaction that moves the post to publishing: until its end the channel is locked, so that of
    two workers the second sees what the first has taken. A post that was held in this month for want of money, and
    then released by a person, goes out.
    """
    cost = price(post)
    if post.channel.budget is None or not cost:
        return cost.amount
    channel = slots.locked(post.channel_id)
    this, gone = month(channel), spent(channel)
    if channel.budget is None or gone.amount + cost.amount <= channel.budget or post.spent_in == this.name:
        return cost.amount
    _tell(channel, this, gone)
    raise Spent(_held(channel, this, cost, gone), this.name)


def set_aside(post: Post) -> None:
    """As `take`, for a correction that waits until what it corrects is gone. Raises Spent.

    When its turn comes it goes out, whatever else was spent by then: followers would be left with neither.
    """
    take(post)
    Post.objects.filter(pk=post.pk).update(spent_in=month(post.channel).name)


def _held(channel: Channel, this: Month, cost: Price, gone: Price) -> str:
    waits = {
        Channel.WhenSpent.ASK: "It waits until somebody releases it.",
        Channel.WhenSpent.MONTH: "It goes out when the next month begins, or when somebody releases it.",
    }[Channel.WhenSpent(channel.when_spent)]
    budget = Price(channel.budget or Decimal(0), cost.currency)
    return f"This costs {cost}, and {gone} of {this}'s budget of {_amount(budget)} is spent. {waits}"


def _tell(channel: Channel, this: Month, gone: Price) -> None:
    """Once for each channel and month, whoever finds it out."""
    if Channel.objects.filter(pk=channel.pk).exclude(spent_in=this.name).update(spent_in=this.name):
        sentence = f"The budget of {channel} for {this} is spent: {gone} so far. Posts that cost something are held."
        note(channel, "spent", by=None, why=sentence)
        notices.tell_staff(channel.publication, headline=f"The budget of {channel} is spent", sentence=sentence)


def set_budget(channel: Channel, amount: Decimal | None, when_spent: str, *, by: Person) -> None:
    """So much a month at most; None: as much as it costs. What is held already waits for its release."""
    if amount is not None and (not amount.is_finite() or not 0 <= amount < 10**6):
        raise Refusal("A budget is an amount of money from 0, such as 12.50.")
    if amount is not None and not prices.currency(channel.network):
        raise Refusal(f"The price table knows of no costs for {channel}: a budget would hold nothing.")
    fields: dict[str, Any] = {"budget": amount, "when_spent": Channel.WhenSpent(when_spent), "spent_in": ""}
    Channel.objects.filter(pk=channel.pk).update(**fields)
    for name, value in fields.items():
        setattr(channel, name, value)
    note(channel, "edited", by=by, why="its budget", budget=str(amount) if amount is not None else None)


def release_of_last_month(now: datetime | None = None) -> int:
    """Let go what a month that is over had no money for, on channels whose rule says so. They are due at once."""
    held = Post.objects.filter(state=State.HELD, channel__when_spent=Channel.WhenSpent.MONTH).exclude(spent_in="")
    released = 0
    for post in held.select_related("channel__publication"):
        if post.spent_in < month(post.channel, now).name:
            released += _release(post)
    return released


def _release(post: Post) -> int:
    try:
        move(post, State.APPROVED, by=None, why="a new month", due_at=timezone.now(), outcome="", spent_in="")
    except Overtaken:
        return 0
    return 1


def standing(channel: Channel, gone: Price | None = None) -> str:
    """ "1.20 USD of 10.00 USD in March 2027"; how the money stands, for people."""
    if not prices.currency(channel.network):
        return "free"
    gone, this = spent(channel) if gone is None else gone, month(channel)
    if channel.budget is None:
        return f"{_amount(gone)} in {this}, no budget"
    return f"{_amount(gone)} of {_amount(Price(channel.budget, gone.currency))} in {this}"


def _amount(price: Price) -> str:
    """Zero as well is an amount here, and not "free"."""
    return str(price) if price else f"0.00 {price.currency}"
