"""How posts are worded: one page that lists the wordings, one that changes one and tries it on a real item."""

from __future__ import annotations

from dataclasses import replace

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from publisher import wordings
from publisher.lifecycle import Refusal
from publisher.models import Item, Post, Publication
from publisher.networks import network_class

from .doors import StaffRequest, page


@page
def index(request: StaffRequest) -> HttpResponse:
    publications = list(Publication.objects.prefetch_related("wordings"))
    context = {
        "publication": publications[0] if len(publications) == 1 else None,
        "publications": [(publication, _by_network(publication)) for publication in publications],
    }
    return render(request, "staff/wordings/index.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: StaffRequest, slug: str, network: str, purpose: str) -> HttpResponse:
    """A wording, as it is or as it is being typed, with the post that the sender would make of it."""
    publication, worded = _named(slug, network, purpose)
    status = 200
    if request.method == "POST":
        worded = replace(worded, text=request.POST.get("text", "").replace("\r\n", "\n"))
        if "try" not in request.POST:
            try:
                wordings.change(publication, network, purpose, worded.text, by=request.user)
                messages.success(request, "Saved. Posts that are drafted from now on are worded so.")
                return redirect("wording", slug, network, purpose)
            except Refusal as refusal:
                messages.error(request, str(refusal))
                status = 422
    item = _chosen(publication, request.POST.get("item") or request.GET.get("item", ""))
    context = {
        "publication": publication,
        "worded": worded,
        "network": network_class(network).label,
        "purpose": Post.Purpose(purpose).label,
        "items": list(wordings.examples(publication)),
        "item": item,
        "preview": wordings.preview(publication, worded, item),
    }
    return render(request, "staff/wordings/detail.html", context, status=status)


@login_required
@require_POST
def reset(request: StaffRequest, slug: str, network: str, purpose: str) -> HttpResponse:
    publication, _ = _named(slug, network, purpose)
    try:
        wordings.reset(publication, network, purpose, by=request.user)
        messages.success(request, "The house’s own wording is back.")
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect("wording", slug, network, purpose)


def _named(slug: str, network: str, purpose: str) -> tuple[Publication, wordings.Worded]:
    publication = get_object_or_404(Publication, slug=slug)
    try:
        return publication, wordings.of(publication, network, purpose)
    except Refusal as refusal:
        raise Http404(str(refusal)) from refusal


def _chosen(publication: Publication, pk: str) -> Item | None:
    return publication.items.filter(pk=pk).first() if pk.isdecimal() else None


def _by_network(publication: Publication) -> list[tuple[str, list[wordings.Worded]]]:
    """Each network's wordings together, under its label."""
    found: dict[str, list[wordings.Worded]] = {}
    for worded in wordings.all_of(publication):
        found.setdefault(network_class(worded.network).label, []).append(worded)
    return list(found.items())
