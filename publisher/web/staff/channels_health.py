"""The connected accounts: which there are, how each is, what it may cost; looking again, and letting it post again."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render

from publisher import budgets, checkups, networks, posts, prices
from publisher.lifecycle import Refusal, history
from publisher.models import Channel, Publication

from .doors import StaffRequest, deed, page
from .telling import newest


@dataclass(frozen=True)
class Health:
    """A channel as its line on the page tells it: a word with its colour, and a sentence where a person is needed."""

    channel: Channel
    label: str
    money: str
    ending: str

    @property
    def word(self) -> str:
        if self.channel.paused:
            return "paused"
        if self.channel.health or self.ending:
            return "needs a look"
        return "in order" if self.channel.checked_at else "not looked at yet"

    @property
    def tone(self) -> str:
        return {"paused": "bad", "needs a look": "wait", "in order": "good"}.get(self.word, "")

    @property
    def sentence(self) -> str:
        return self.channel.attention or self.channel.health or self.ending


@page
def index(request: StaffRequest) -> HttpResponse:
    publications = list(Publication.objects.prefetch_related("channels__publication"))
    found = [channel for publication in publications for channel in publication.channels.all()]
    gone = budgets.spent_by_channel(found)
    context = {
        "publication": publications[0] if len(publications) == 1 else None,
        "publications": [
            (each, [_health(channel, gone[channel.pk]) for channel in each.channels.all()]) for each in publications
        ],
        "networks": [(name, networks.network_class(name).label) for name in networks.NETWORKS],
    }
    return render(request, "staff/connecting/index.html", context)


@page
def detail(request: StaffRequest, pk: int) -> HttpResponse:
    channel = _channel(pk)
    context = {
        "publication": channel.publication,
        "health": _health(channel, budgets.spent(channel)),
        "currency": prices.currency(channel.network),
        "rules": Channel.WhenSpent.choices,
        "history": newest(history(channel)),
    }
    return render(request, "staff/connecting/detail.html", context)


@deed(back="channel")
def look(request: StaffRequest, pk: int) -> str | None:
    """What is wrong stands on the page; only what is well has to be said."""
    return None if checkups.look(_channel(pk)) else "Looked at: it may post."


@deed(back="channel")
def budget(request: StaffRequest, pk: int) -> str:
    channel, typed = _channel(pk), request.POST.get("amount", "").strip()
    try:
        amount = Decimal(typed) if typed else None
    except InvalidOperation:
        raise Refusal(f"“{typed}” is no amount of money: write it as 12.50, or leave it empty.") from None
    rule = request.POST.get("when_spent", "")
    budgets.set_budget(
        channel, amount, rule if rule in Channel.WhenSpent.values else channel.when_spent, by=request.user
    )
    return "Saved."


@deed(back="channel")
def resume(request: StaffRequest, pk: int) -> str:
    posts.resume_channel(_channel(pk), by=request.user)
    return "It posts again."


def _health(channel: Channel, gone: prices.Price) -> Health:
    label = networks.network_class(channel.network).label
    return Health(channel, label, budgets.standing(channel, gone), checkups.ending(channel))


def _channel(pk: int) -> Channel:
    return get_object_or_404(Channel.objects.select_related("publication"), pk=pk)
