"""Putting right what is out: where an item went, and what becomes of each place."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from publisher import corrections, links, removals
from publisher.corrections import Choice
from publisher.lifecycle import history
from publisher.models import Correction, Item, Post

from .doors import StaffRequest, deed, page
from .posts import of_post
from .telling import newest


@page
def detail(request: StaffRequest, pk: int) -> HttpResponse:
    item = get_object_or_404(Item.objects.select_related("publication").defer("body"), pk=pk)
    found = corrections.places(item)
    made = item.corrections.select_related("made_by", "approved_by", "post_set", "item__publication")
    context = {
        "item": item,
        "publication": item.publication,
        "entries": [(entry, links.entry_url(entry)) for entry in found.entries],
        "posts": [of_post(post) for post in found.posts],
        "choices": Choice.choices,
        "corrections": [(one, corrections.why_not(one, request.user)) for one in made],
        "waiting": any(one.state == Correction.State.DRAFT for one in made),
        "history": newest(history(item)),
    }
    return render(request, "staff/corrections/detail.html", context)


@deed(back="item-correct")
def correct(request: StaffRequest, pk: int) -> HttpResponse | str:
    item = get_object_or_404(Item.objects.select_related("publication"), pk=pk)
    correction = corrections.correct(
        item, by=request.user, said=request.POST.get("said", ""), choices=_choices(request), entries=_entries(request)
    )
    said = "Drafted. Somebody who may approve lets readers see the note."
    if correction.post_set_id:
        said += " The posts are a set of their own: word them, and send them to review."
    messages.success(request, said)
    return redirect("item-correct", pk)


@deed(back="item-correct")
def approve(request: StaffRequest, pk: int, correction: int) -> str:
    corrections.approve(_named(pk, correction), by=request.user)
    return "Readers see the note."


@deed(back="item-correct")
def drop(request: StaffRequest, pk: int, correction: int) -> str:
    corrections.drop(_named(pk, correction), by=request.user, why=request.POST.get("why", ""))
    return "Dropped. No reader has seen it."


@deed(back="post-removal")
def remove(request: StaffRequest, pk: int) -> str:
    removals.ask(_post(pk), by=request.user, why=request.POST.get("why", ""))
    return "It is being removed."


@deed(back="post-removal")
def gone(request: StaffRequest, pk: int) -> str:
    removals.gone(_post(pk), by=request.user)
    return "Written down as removed."


@page
def removal(request: StaffRequest, pk: int) -> HttpResponse:
    """One post that is out, and the way to take it off its network."""
    post = _post(pk)
    context = {
        "post": post,
        "said": of_post(post),
        "publication": post.channel.publication,
        "history": newest(history(post)),
    }
    return render(request, "staff/corrections/removal.html", context)


def _choices(request: StaffRequest) -> dict[int, str]:
    """Of fields named post-17: what becomes of post 17."""
    named = ((name.removeprefix("post-"), value) for name, value in request.POST.items() if name.startswith("post-"))
    return {int(number): str(value) for number, value in named if number.isascii() and number.isdigit()}


def _entries(request: StaffRequest) -> list[int]:
    return [int(pk) for pk in request.POST.getlist("entry") if pk.isascii() and pk.isdigit()]


def _named(item: int, correction: int) -> Correction:
    return get_object_or_404(
        Correction.objects.select_related("item__publication", "made_by"), pk=correction, item=item
    )


def _post(pk: int) -> Any:
    found = Post.objects.exclude(state__in=["draft", "cancelled"])
    return get_object_or_404(found.select_related("channel__publication", "item", "digest__publication"), pk=pk)
