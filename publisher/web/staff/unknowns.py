"""The letters that nobody knows about: shown with what is known of each, and settled one by one or many at once."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from publisher.delivery import doubts, ledger
from publisher.lifecycle import Refusal
from publisher.models import Delivery, Digest

from ..wording import plural
from .doors import StaffRequest, deed

PER_PAGE = 25


def waiting(request: StaffRequest, digest: Digest) -> dict[str, Any]:
    """What the page shows of them. `seen_at` goes with a decision on all: those that were unknown then are meant."""
    seen_at = timezone.now()
    listed = Paginator(ledger.unsettled(digest).order_by("id"), PER_PAGE).get_page(request.GET.get("page"))
    return {"unsettled": doubts.known(listed), "listed": listed, "seen_at": seen_at.isoformat()}


@deed(back="sending")
def settle(request: StaffRequest, pk: int, delivery: int) -> HttpResponse:
    row = get_object_or_404(Delivery, pk=delivery, digest=pk)
    ledger.settle(row, request.POST.get("to", ""), by=request.user, why=_why(request))
    return _back(request, pk, "Written down.")


@deed(back="sending")
def settle_ticked(request: StaffRequest, pk: int) -> HttpResponse:
    ticked = [int(each) for each in request.POST.getlist("delivery") if each.isdecimal()]
    if not ticked:
        raise Refusal("Tick the letters that you mean first.")
    return _many(request, pk, ids=ticked)


@deed(back="sending")
def settle_all(request: StaffRequest, pk: int) -> HttpResponse:
    """All that were unknown when the page was made: what became so since, this person has not seen."""
    try:
        seen_at = parse_datetime(request.POST.get("seen_at", ""))
    except ValueError:
        seen_at = None
    if seen_at is None or timezone.is_naive(seen_at):
        raise Refusal("The page has changed meanwhile: look again.")
    return _many(request, pk, until=seen_at)


def _many(request: StaffRequest, pk: int, **which: Any) -> HttpResponse:
    digest = get_object_or_404(Digest, pk=pk)
    to = request.POST.get("to", "")
    settled = ledger.settle_many(digest, to, by=request.user, why=_why(request), **which)
    end = "called sent" if to == Delivery.State.SENT else "queued again"
    return _back(request, pk, f"{plural(settled, 'letter is', 'letters are')} {end}.")


def _why(request: StaffRequest) -> str:
    why = request.POST.get("why", "").strip()
    if not why:
        raise Refusal("Say how you know: it stands in the history.")
    return why


def _back(request: StaffRequest, pk: int, said: str) -> HttpResponse:
    """To the page of the list that they were on."""
    messages.success(request, said)
    page = request.POST.get("page", "")
    return redirect(reverse("sending", args=[pk]) + (f"?page={page}" if page.isdecimal() and page != "1" else ""))
