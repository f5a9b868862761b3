"""Posts outside a digest: compose a set of them, read its proof, approve it, and see what became of it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from publisher import post_sets, posts, repeated_posts
from publisher.lifecycle import Refusal, history
from publisher.models import Approval, Channel, Item, Post, PostSet, Publication
from publisher.networks import network_class

from .doors import StaffRequest, deed, page
from .posts import by_channel, of_post, together
from .proofs import as_seen, current, said_in
from .telling import newest

#: So many sets stand on the page; older ones are in the history of their items.
SHOWN = 50
#: So many posts of a set.
PER_PAGE = 100


@page
def index(request: StaffRequest) -> HttpResponse:
    return _index(request, request.GET.get("publication", ""))


def _index(request: StaffRequest, slug: str) -> HttpResponse:
    """With what somebody has ticked, where nothing came of it."""
    publications = list(Publication.objects.all())
    chosen = next((p for p in publications if p.slug == slug), None)
    publication = chosen or next(iter(publications), None)
    left = Count("posts", filter=~Q(posts__state="cancelled"))
    out = Count("posts", filter=Q(posts__state="published"))
    context = {
        "publications": publications,
        "publication": publication,
        "sets": PostSet.objects.select_related("publication").annotate(left=left, out=out)[:SHOWN],
        "items": post_sets.postable(publication)[:SHOWN] if publication else [],
        "channels": [(each, _called(each)) for each in publication.channels.all()] if publication else [],
        "ticked": _numbers(request, "item"),
        "on": _numbers(request, "channel") if request.method == "POST" else None,
    }
    return render(request, "staff/posts/sets.html", context)


@login_required
@require_POST
def compose(request: StaffRequest, slug: str) -> HttpResponse:
    publication = get_object_or_404(Publication, slug=slug)
    items = publication.items.filter(pk__in=_numbers(request, "item"))
    channels = publication.channels.filter(pk__in=_numbers(request, "channel"))
    try:
        return redirect("post-set", post_sets.compose(publication, items, by=request.user, channels=channels).pk)
    except Refusal as refusal:
        messages.error(request, str(refusal))
        return _index(request, slug)


@page
def detail(request: StaffRequest, pk: int) -> HttpResponse:
    post_set = _set(pk)
    listed = post_set.posts.exclude(state=Post.State.CANCELLED).select_related("channel__publication", "item")
    shown = Paginator(listed.defer("item__body"), PER_PAGE).get_page(request.GET.get("page"))
    said = [of_post(post) for post in shown]
    context = {
        "post_set": post_set,
        "listed": shown,
        "publication": post_set.publication,
        "channels": by_channel(one for one in said if one.post.state == Post.State.DRAFT),
        "under_way": [(one, posts.evidence(one.post)) for one in said if one.post.state != Post.State.DRAFT],
        "addable": post_sets.postable(post_set.publication)[:SHOWN] if post_set.editable else [],
        "history": newest(history(post_set)),
    }
    return render(request, "staff/posts/set.html", context)


@page
def proof(request: StaffRequest, pk: int) -> HttpResponse:
    post_set = _set(pk)
    shown = current(post_set)
    if shown is None:
        messages.warning(request, "There is no proof yet: send the posts to review first.")
        return redirect("post-set", pk)
    said = said_in(shown)
    context = {
        "post_set": post_set,
        "publication": post_set.publication,
        "proof": shown,
        "channels": by_channel(said),
        "together": together(said),
        "undescribed": sum(one.undescribed for one in said),
        "editors": sorted(person.name for person in post_sets.editors_since_approval(post_set)),
        "decisions": Approval.objects.filter(proof__post_set=post_set).select_related("person", "proof"),
        "why_not": post_sets.why_not(shown, request.user),
        "repeats": repeated_posts.of(post_set),
    }
    return render(request, "staff/posts/proof.html", context)


@deed(back="post-set")
def add(request: StaffRequest, pk: int) -> str:
    item = get_object_or_404(Item, pk__in=_numbers(request, "item"))
    post_sets.add(_set(pk), item, by=request.user)
    return f"“{item}” is in, at the end."


@deed(back="post-set")
def remove(request: StaffRequest, pk: int, post: int) -> str:
    found = _post(pk, post)
    post_sets.remove(found, by=request.user)
    return f"The post on {found.channel} is taken out."


@deed(back="post-set")
def settle(request: StaffRequest, pk: int, post: int) -> str:
    there = request.POST.get("there") == "yes"
    posts.settle(_post(pk, post), by=request.user, published=there, remote_url=request.POST.get("url", ""))
    return "Written down as published." if there else "It goes out again."


@deed(back="post-set")
def send_to_review(request: StaffRequest, pk: int) -> HttpResponse:
    post_sets.proof(_set(pk), by=request.user)
    return redirect("post-set-proof", pk)


@deed(back="post-set-proof")
def approve(request: StaffRequest, pk: int) -> HttpResponse:
    post_sets.approve(as_seen(request, _set(pk)), by=request.user, comment=request.POST.get("comment", "").strip())
    messages.success(request, "You approved these posts. Until the hold is over they can be taken back.")
    return redirect("post-set", pk)


@deed(back="post-set-proof")
def ask_changes(request: StaffRequest, pk: int) -> HttpResponse:
    post_sets.ask_changes(as_seen(request, _set(pk)), by=request.user, comment=request.POST.get("comment", ""))
    messages.success(request, "Sent back with your comment.")
    return redirect("post-set", pk)


@deed(back="post-set")
def take_back(request: StaffRequest, pk: int) -> str:
    post_sets.take_back(_set(pk), by=request.user)
    return "Taken back to draft. What has gone out has gone out."


@deed(back="post-set")
def cancel(request: StaffRequest, pk: int) -> str:
    post_sets.cancel(_set(pk), by=request.user, why=request.POST.get("why", ""))
    return "Cancelled. What has gone out has gone out."


def _set(pk: int) -> PostSet:
    return get_object_or_404(PostSet.objects.select_related("publication", "review", "proof"), pk=pk)


def _post(pk: int, post: int) -> Post:
    found = Post.objects.select_related("channel__publication", "post_set__publication")
    return get_object_or_404(found, pk=post, post_set=pk)


def _called(channel: Channel) -> str:
    return f"{network_class(channel.network).label} · {channel.account}"


def _numbers(request: StaffRequest, name: str) -> list[int]:
    return [int(given) for given in request.POST.getlist(name) if given.isdecimal() and len(given) < 19]
