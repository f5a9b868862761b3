"""The digests: what is in the next one, in which order, with which words, and how it will look."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Case, Count, IntegerField, Value, When
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from publisher import corrections, digests, repeated_posts, segments
from publisher.lifecycle import Refusal, history
from publisher.models import Correction, Digest, Entry, Item, Publication, Segment

from ..forms import DigestForm, EntryForm, said
from .doors import StaffRequest, deed, page
from .letter_frame import framed
from .posts import by_channel, of_post
from .telling import newest

#: What waits for a person comes first, what is over last.
ORDER = ("in_review", "draft", "paused", "approved", "preparing", "sending", "sent", "cancelled")


@page
def index(request: StaffRequest) -> HttpResponse:
    rank = Case(*(When(state=state, then=Value(n)) for n, state in enumerate(ORDER)), output_field=IntegerField())
    listed = Digest.objects.select_related("publication").annotate(rank=rank, entry_count=Count("entries"))
    publications = list(Publication.objects.all())
    context = {
        "publication": publications[0] if len(publications) == 1 else None,
        "digests": listed.order_by("rank", "-date", "-id"),
        "composable": [p for p in publications if digests.waiting(p).exists()],
        "publications": publications,
    }
    return render(request, "staff/digests/index.html", context)


@login_required
@require_POST
def compose(request: StaffRequest, slug: str) -> HttpResponse:
    publication = get_object_or_404(Publication, slug=slug)
    try:
        return redirect("digest", digests.compose(publication, by=request.user).pk)
    except Refusal as refusal:
        messages.error(request, str(refusal))
        return redirect("items")


@page
def detail(request: StaffRequest, pk: int) -> HttpResponse:
    return _page(request, _digest(pk))


def _page(request: StaffRequest, digest: Digest, typed: DigestForm | None = None) -> HttpResponse:
    """`typed` is what somebody wrote and what could not be saved: it stays before them."""
    stored = {"date": digest.date, "introduction": digest.introduction}
    told = newest(history(digest))
    offered = corrections.untold(digest) if digest.editable else []
    context = {
        "digest": digest,
        "publication": digest.publication,
        "form": typed or DigestForm(initial=stored),
        "seen": _seal(stored),
        "entries": [_with_form(entry) for entry in digest.entries.all()],
        "waiting": digests.waiting(digest.publication) if digest.editable else Item.objects.none(),
        "offered_segments": digest.publication.segments.all() if digest.editable else [],
        "channels": by_channel(of_post(post) for post in _posts(digest)),
        "repeats": repeated_posts.of(digest),
        "putting_right": [(one, *one.as_told(digest)) for one in corrections.told(digest)],
        "to_put_right": [(one, *one.as_told(digest)) for one in offered],
        "history": told,
        # The frame is loaded anew when, and only when, something has changed.
        "version": f"{digest.state}-{len(told)}",
    }
    return render(request, "staff/digests/detail.html", context)


@page
def preview(request: StaffRequest, pk: int) -> HttpResponse:
    """The letter as it would be now, as a reader without a name would see it."""
    digest = get_object_or_404(Digest.objects.select_related("publication"), pk=pk)
    return framed(digests.letter(digest).html)


def keeping(view: Callable[..., str | HttpResponse | None]) -> Callable[..., str | HttpResponse | None]:
    """Save the date and the introduction first: each button of the page brings along what is typed there.

    What cannot be saved stays in the page, and nothing else is done either.
    """

    @wraps(view)
    def door(request: StaffRequest, pk: int, **kwargs: Any) -> str | HttpResponse | None:
        form = DigestForm(request.POST)
        if {"introduction", "date"} & set(request.POST):
            try:
                _save(request, _digest(pk), form)
            except Refusal as refusal:
                messages.error(request, str(refusal))
                return _page(request, _digest(pk), typed=form)
        return view(request, pk, **kwargs)

    return door


def _save(request: StaffRequest, digest: Digest, form: DigestForm) -> None:
    if not form.is_valid():
        raise Refusal(said(form))
    seen, stored = request.POST.get("seen"), {"date": digest.date, "introduction": digest.introduction}
    if seen == _seal(form.cleaned_data):
        return  # nobody has typed anything
    if seen and seen != _seal(stored):
        raise Refusal(
            "Somebody else has changed the introduction or the date meanwhile; yours stand below. Compare with the "
            "preview; saving puts yours in the place of theirs."
        )
    digests.edit(digest, by=request.user, **form.cleaned_data)


def _seal(opening: Mapping[str, Any]) -> str:
    """By which a page tells what it was made of: no secret, and short."""
    words = "\n".join(line.strip() for line in opening["introduction"].strip().splitlines())
    return hashlib.sha256(f"{opening['date']} {words}".encode()).hexdigest()[:16]


@deed(back="digest")
@keeping
def edit(request: StaffRequest, pk: int) -> str:
    return "Saved."


@deed(back="digest")
@keeping
def add(request: StaffRequest, pk: int) -> str:
    item = get_object_or_404(Item, pk=_number(request, "item"))
    digests.add(_digest(pk), item, by=request.user)
    return f"“{item}” is in, at the end."


@deed(back="digest")
@keeping
def choose_audience(request: StaffRequest, pk: int) -> str:
    digest = _digest(pk)
    named = request.POST.get("segment", "")
    segment = get_object_or_404(Segment, pk=int(named), publication=digest.publication) if named.isdecimal() else None
    digests.choose_audience(digest, segment, by=request.user)
    return f"It goes to {segments.count(segment):,} members now." if segment else "It goes to all members."


@deed(back="digest")
@keeping
def tell(request: StaffRequest, pk: int, correction: int) -> str:
    corrections.tell(get_object_or_404(Correction, pk=correction), _digest(pk), by=request.user)
    return "The correction is in, below the items."


@deed(back="digest")
@keeping
def tell_not(request: StaffRequest, pk: int, correction: int) -> str:
    corrections.tell_not(get_object_or_404(Correction, pk=correction), _digest(pk), by=request.user)
    return "The correction is taken out; a later issue may tell it."


@deed(back="digest")
@keeping
def remove(request: StaffRequest, pk: int, entry: int) -> str:
    taken = _entry(pk, entry)
    digests.remove(taken, by=request.user)
    return f"“{taken}” is taken out; its item waits in the queue."


@deed(back="digest")
@keeping
def move(request: StaffRequest, pk: int, entry: int) -> None:
    """One place up or down. At the ends it stays where it is."""
    digest = _digest(pk)
    order = list(digest.entries.values_list("pk", flat=True))
    if entry not in order:
        raise Refusal("This entry is no longer in the digest.")
    here = order.index(entry)
    there = here + (1 if request.POST.get("way") == "down" else -1)
    if 0 <= there < len(order):
        order[here], order[there] = order[there], order[here]
        digests.reorder(digest, order, by=request.user)


@deed(back="digest")
def edit_entry(request: StaffRequest, pk: int, entry: int) -> str:
    form = EntryForm(request.POST, prefix=f"entry-{entry}")
    if not form.is_valid():
        raise Refusal(said(form))
    digests.edit_entry(_entry(pk, entry), by=request.user, **form.cleaned_data)
    return "Saved."


@deed(back="digest")
@keeping
def send_to_review(request: StaffRequest, pk: int) -> HttpResponse:
    digests.proof(_digest(pk), by=request.user)
    if "HX-Request" in request.headers:  # another page, and this form otherwise stays in place
        return HttpResponse(headers={"HX-Redirect": reverse("proof", args=[pk])})
    return redirect("proof", pk)


def _digest(pk: int) -> Digest:
    return get_object_or_404(Digest.objects.select_related("publication"), pk=pk)


def _entry(pk: int, entry: int) -> Entry:
    return get_object_or_404(Entry.objects.select_related("digest__publication", "item"), pk=entry, digest=pk)


def _posts(digest: Digest) -> Any:
    # Their pictures are on no page here, and their bytes are large.
    return digest.posts.exclude(state="cancelled").select_related("channel", "item").defer("item__body")


def _with_form(entry: Entry) -> Any:
    told: Any = entry
    initial = {name: getattr(entry, name) for name in EntryForm.base_fields}
    told.form = EntryForm(initial=initial, prefix=f"entry-{entry.pk}")
    return told


def _number(request: StaffRequest, name: str) -> int:
    given = request.POST.get(name, "")
    return int(given) if given.isdecimal() else 0
