"""Campaigns: a hashtag and a period, the items that joined, and the posts that carry it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from publisher import campaigns
from publisher.lifecycle import Refusal, history
from publisher.models import Campaign, Item, Publication

from ..forms import CampaignForm, NewCampaignForm, said
from .doors import StaffRequest, deed, page
from .posts import by_channel, of_post
from .telling import newest

#: So many items are offered to join by hand, newest first.
OFFERED = 30


@page
def index(request: StaffRequest) -> HttpResponse:
    publications = list(Publication.objects.all())
    context = {
        "publication": publications[0] if len(publications) == 1 else None,
        "publications": publications,
        "campaigns": Campaign.objects.select_related("publication"),
        "forms": [(each, NewCampaignForm(auto_id=f"{each.slug}_%s")) for each in publications],
    }
    return render(request, "staff/campaigns/index.html", context)


@login_required
@require_POST
def add(request: StaffRequest, slug: str) -> HttpResponse:
    publication = get_object_or_404(Publication, slug=slug)
    form = NewCampaignForm(request.POST)
    try:
        if not form.is_valid():
            raise Refusal(said(form))
        made = campaigns.add(publication, by=request.user, **form.cleaned_data)
    except Refusal as refusal:
        messages.error(request, str(refusal))
        return redirect("campaigns")
    messages.success(request, f"{made} is there. Items with its tag have joined it.")
    return redirect("campaign", made.pk)


@page
def detail(request: StaffRequest, pk: int) -> HttpResponse:
    campaign = _campaign(pk)
    by_hand = set(campaign.items.values_list("pk", flat=True))
    items = list(campaign.belonging().defer("body"))
    context = {
        "campaign": campaign,
        "publication": campaign.publication,
        "form": CampaignForm(initial={name: getattr(campaign, name) for name in CampaignForm.base_fields}),
        "items": [(item, item.pk in by_hand) for item in items],
        "offered": _offered(campaign, items),
        "channels": by_channel(of_post(post) for post in _posts(campaign)),
        "history": newest(history(campaign)),
    }
    return render(request, "staff/campaigns/detail.html", context)


@deed(back="campaign")
def edit(request: StaffRequest, pk: int) -> str:
    form = CampaignForm(request.POST)
    if not form.is_valid():
        raise Refusal(said(form))
    campaigns.edit(_campaign(pk), by=request.user, **form.cleaned_data)
    return "Saved. Posts that are drafted from now on go by it."


@deed(back="campaign")
def join(request: StaffRequest, pk: int) -> str:
    item = get_object_or_404(Item, pk=_number(request.POST.get("item", "")))
    campaigns.join(_campaign(pk), [item], by=request.user)
    return f"“{item}” has joined."


@deed(back="campaign")
def leave(request: StaffRequest, pk: int, item: int) -> str:
    left = get_object_or_404(Item, pk=item)
    campaigns.leave(_campaign(pk), left, by=request.user)
    return f"“{left}” has left."


@deed(back="campaign")
def invite(request: StaffRequest, pk: int) -> HttpResponse:
    made = campaigns.invite(_campaign(pk), by=request.user)
    messages.success(request, "The invitations are drafted. They go out once they are approved.")
    return redirect("post-set", made.pk)


@deed(back="campaign")
def end(request: StaffRequest, pk: int) -> str:
    campaigns.end(_campaign(pk), by=request.user)
    return "Ended. What is drafted from now on does not carry its hashtag."


def _campaign(pk: int) -> Campaign:
    return get_object_or_404(Campaign.objects.select_related("publication"), pk=pk)


def _offered(campaign: Campaign, joined: list[Item]) -> Any:
    if campaign.over:
        return []
    others = campaign.publication.items.exclude(state=Item.State.WITHDRAWN).exclude(pk__in=[i.pk for i in joined])
    return others.order_by("-published_on", "-id").defer("body")[:OFFERED]


def _posts(campaign: Campaign) -> Any:
    return campaign.posts.exclude(state="cancelled").select_related("channel", "item").defer("item__body")


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
