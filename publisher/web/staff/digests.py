"""The digests: what is in the next one, in which order, with which words, and how it will look."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Case, Count, IntegerField, Value, When
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from publisher import corrections, digests, repeated_posts
from publisher.lifecycle import Refusal, history
from publisher.models import Correction, Digest, Entry, Item, Publication

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
    digest = get_object_or_404(Digest.objects.select_related("publication"), pk=pk)
    told = newest(history(digest))
    offered = corrections.untold(digest) if digest.editable else []
    context = {
        "digest": digest,
        "publication": digest.publication,
        "form": DigestForm(initial={"date": digest.date, "introduction": digest.introduction}),
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


@deed(back="digest")
def edit(request: StaffRequest, pk: int) -> str:
    form = DigestForm(request.POST)
    if not form.is_valid():
        raise Refusal(said(form))
    digests.edit(_digest(pk), by=request.user, **form.cleaned_data)
    return "Saved."


@deed(back="digest")
def add(request: StaffRequest, pk: int) -> str:
    item = get_object_or_404(Item, pk=_number(request, "item"))
    digests.add(_digest(pk), item, by=request.user)
    return f"“{item}” is in, at the end."


@deed(back="digest")
def tell(request: StaffRequest, pk: int, correction: int) -> str:
    corrections.tell(get_object_or_404(Correction, pk=correction), _digest(pk), by=request.user)
    return "The correction is in, below the items."


@deed(back="digest")
def tell_not(request: StaffRequest, pk: int, correction: int) -> str:
    corrections.tell_not(get_object_or_404(Correction, pk=correction), _digest(pk), by=request.user)
    return "The correction is taken out; a later issue may tell it."


@deed(back="digest")
def remove(request: StaffRequest, pk: int, entry: int) -> str:
    taken = _entry(pk, entry)
    digests.remove(taken, by=request.user)
    return f"“{taken}” is taken out; its item waits in the queue."


@deed(back="digest")
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
def send_to_review(request: StaffRequest, pk: int) -> HttpResponse:
    digests.proof(_digest(pk), by=request.user)
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
