"""The sending: how far it is, and the ways to stop it and let it go on."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from publisher import bounces, digests, posts
from publisher.delivery import ledger, manners
from publisher.lifecycle import Refusal, history
from publisher.models import Bounce, Delivery, Digest, Post

from ..forms import ScheduleForm, said
from ..wording import moment
from . import unknowns
from .deliveries import SHOWN
from .doors import StaffRequest, deed, page
from .posts import of_post
from .telling import newest

#: The states of a digest in which something happens by itself from second to second.
MOVING = ("preparing", "sending")
#: The states of a digest that nobody resumes: there the list is called right by a button of its own.
STILL = ("sent", "cancelled")
#: The states of a post in which nothing happens until a person decides.
WAITING = ("unknown", "held")


@page
def detail(request: StaffRequest, pk: int) -> HttpResponse:
    digest = _digest(pk)
    counts = ledger.counts(digest)
    # What waits for a person comes first; sorting keeps the order otherwise.
    listed = sorted((of_post(post) for post in _posts(digest)), key=lambda said: said.post.state not in WAITING)
    context = {
        "digest": digest,
        "publication": digest.publication,
        "counts": [(state, Delivery.State(state).label, n) for state, n in counts.items()],
        "total": sum(counts.values()),
        "settled": sum(n for state, n in counts.items() if state in Delivery.SETTLED) - counts["unknown"],
        **unknowns.waiting(request, digest),
        "unknown": counts["unknown"],
        "posts": listed,
        "known": {said.post.pk: posts.evidence(said.post) for said in listed},
        "moving": _moving(digest, listed),
        "form": ScheduleForm(),
        "expected": ledger.audience_of(digest).count() if digest.frozen_count is None else digest.frozen_count,
        "holds_back": manners.standing(digest),
        "came_back": [(Bounce.Kind(kind).label, n) for kind, n in bounces.counts(digest).items() if n],
        "reasons": [(Bounce.Kind(each["kind"]).label, each) for each in bounces.reasons(digest)],
        "believable": digest.state in STILL and manners.came_back(digest),
        "lists": SHOWN,
        "history": newest(history(digest)),
    }
    return render(request, "staff/digests/sending.html", context)


@deed(back="sending")
def schedule(request: StaffRequest, pk: int) -> str:
    digest = _digest(pk)
    with timezone.override(digest.publication.zone):
        form = ScheduleForm(request.POST)
        if not form.is_valid():
            raise Refusal(said(form))
    start = digests.schedule(digest, form.cleaned_data["at"], by=request.user)
    return f"It starts on {moment(start, digest.publication.zone)}."


@deed(back="sending")
def undo(request: StaffRequest, pk: int) -> str:
    digests.unschedule(_digest(pk), by=request.user)
    return "It does not start by itself any more. It stays approved."


@deed(back="sending")
def pause(request: StaffRequest, pk: int) -> str:
    digests.pause(_digest(pk), by=request.user)
    return "Paused. What is being handed over just now is finished; nothing new begins."


@deed(back="sending")
def resume(request: StaffRequest, pk: int) -> str:
    digests.resume(_digest(pk), by=request.user)
    return "It goes on where it was."


@deed(back="sending")
def believe(request: StaffRequest, pk: int) -> str:
    bounces.believe(_digest(pk), by=request.user)
    return "Noted: the list is right. The addresses that do not exist are not mailed any more."


@deed(back="sending")
def seen(request: StaffRequest, pk: int) -> str:
    digests.seen(_digest(pk), by=request.user)
    return "Noted."


@deed(back="sending")
def cancel(request: StaffRequest, pk: int) -> str:
    why = request.POST.get("why", "").strip()
    if not why:
        raise Refusal("Say why it is cancelled: it stands in the history.")
    digests.cancel(_digest(pk), by=request.user, why=why)
    return "Cancelled. Whoever has not received it yet will not."


def _digest(pk: int) -> Digest:
    return get_object_or_404(Digest.objects.select_related("publication"), pk=pk)


def _posts(digest: Digest) -> Any:
    listed = digest.posts.exclude(state=Post.State.CANCELLED).select_related("channel", "item").defer("item__body")
    return listed.order_by("channel", "due_at", "position", "id")


def _moving(digest: Digest, posts: list[Any]) -> bool:
    """Whether the page is worth asking for again: it changes by itself within moments."""
    if digest.state in MOVING or (digest.state == Digest.State.APPROVED and digest.start_at):
        return True
    begun = digest.state == Digest.State.SENT
    return begun and any(
        said.post.state == "publishing" or (said.post.state == "approved" and said.post.due) for said in posts
    )
