"""The proof: exactly what will go out, to how many, and the decision about it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from publisher import cards, digests, repeated_posts
from publisher.delivery import ledger
from publisher.lifecycle import Overtaken, history
from publisher.models import Approval, Digest, PostSet, Proof

from .doors import StaffRequest, deed, page
from .letter_frame import framed
from .posts import Said, by_channel, of_text, together
from .telling import newest

CHANGED_MEANWHILE = "What would go out has changed since you opened this page. Nothing was decided: look at it again."


@page
def detail(request: StaffRequest, pk: int) -> HttpResponse:
    digest = get_object_or_404(Digest.objects.select_related("publication", "review", "proof"), pk=pk)
    proof = current(digest)
    if proof is None:
        messages.warning(request, "There is no proof yet: send the digest to review first.")
        return redirect("digest", pk)
    said = said_in(proof)
    context = {
        "digest": digest,
        "publication": digest.publication,
        "proof": proof,
        "channels": by_channel(said),
        "cost": together(said),
        "undescribed": sum(one.undescribed for one in said),
        "cards": _cards(digest) if any(one.picture for one in said) else [],
        "audience_now": ledger.audience_of(digest).count(),
        "editors": sorted(person.name for person in digests.editors_since_approval(digest)),
        "decisions": Approval.objects.filter(proof__digest=digest).select_related("person", "proof"),
        "why_not": digests.why_not(proof, request.user),
        "repeats": repeated_posts.of(digest),
        "history": newest(history(digest)),
    }
    return render(request, "staff/digests/proof.html", context)


@page
def html(request: StaffRequest, pk: int) -> HttpResponse:
    """The frozen HTML, as a reader without a name will see it."""
    digest = get_object_or_404(Digest.objects.select_related("review", "proof"), pk=pk)
    proof = current(digest)
    if proof is None:
        raise Http404("There is no proof yet.")
    return framed(proof.html)


@deed(back="proof")
def approve(request: StaffRequest, pk: int) -> HttpResponse:
    proof = _as_seen(request, pk)
    digests.approve(proof, by=request.user, comment=request.POST.get("comment", "").strip())
    messages.success(request, f"You approved {proof.subject}.")
    return redirect("sending", pk)


@deed(back="proof")
def ask_changes(request: StaffRequest, pk: int) -> HttpResponse:
    digests.ask_changes(_as_seen(request, pk), by=request.user, comment=request.POST.get("comment", ""))
    messages.success(request, "Sent back with your comment.")
    return redirect("digest", pk)


def _cards(digest: Digest) -> list[tuple[str, str]]:
    """Titles that their cards cannot show, each with a sentence that says why."""
    titles = digest.entries.filter(picture=None).values_list("title", flat=True)
    told = ((title, cards.missing(title)) for title in titles)
    return [(title, sentence) for title, sentence in told if sentence]


def current(whole: Digest | PostSet) -> Proof | None:
    """The one in review, or approved; else the last there was, for who looks back from a draft."""
    return whole.review or whole.proof or whole.proofs.first()


def _as_seen(request: StaffRequest, pk: int) -> Proof:
    digest = get_object_or_404(Digest.objects.select_related("publication", "review", "proof"), pk=pk)
    return as_seen(request, digest)


def as_seen(request: StaffRequest, whole: Digest | PostSet) -> Proof:
    """The current proof of a digest or a set of posts, if it is the one whose hash the person's page carried."""
    proof = current(whole)
    if proof is None or proof.sha256 != request.POST.get("sha256"):
        raise Overtaken(CHANGED_MEANWHILE)
    return proof


def said_in(proof: Proof) -> list[Said]:
    """Its posts, as they were frozen."""
    return [_said(post) for post in proof.posts]


def _said(post: dict[str, Any]) -> Said:
    network, _, account = post["channel"].partition(" ")
    return of_text(network, account, post["text"], post["link"], post["alt"], picture=post["picture"] or "")
