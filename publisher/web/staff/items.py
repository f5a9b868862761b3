"""The items: look through what came in, queue what belongs into the next digest, mend what looks damaged."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Case, Count, Exists, F, IntegerField, OuterRef, Prefetch, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST

from publisher import corrections, items, tags
from publisher.lifecycle import Refusal, history
from publisher.models import Entry, Item, Publication

from ..forms import ItemForm, RowForm
from .doors import StaffRequest, page
from .telling import newest

PER_PAGE = 30
STATES = ("received", "queued", "set_aside", "withdrawn")
#: Names of what the source may have changed, as people call them.
NAMED = {
    "published_on": "date",
    "date_label": "date as printed",
    "image_caption": "caption",
    "image_alt": "picture in words",
}


@page
def front(request: StaffRequest) -> HttpResponse:
    """What the staff's own address leads to."""
    return redirect("items")


@page
def index(request: StaffRequest) -> HttpResponse:
    publications = list(Publication.objects.all())
    chosen = next((p for p in publications if p.slug == request.GET.get("publication")), None)
    words, state = request.GET.get("q", "").strip(), request.GET.get("state", "")
    found = _search(words, chosen)
    shown = found.filter(state=state) if state in STATES else found
    listed = Paginator(_in_order(shown), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "publications": publications,
        "publication": chosen or (publications[0] if len(publications) == 1 else None),
        "chosen": chosen,
        "words": words,
        "state": state if state in STATES else "",
        "states": _states(found),
        "items": [_told(item) for item in listed],
        "listed": listed,
        "composable": _composable(chosen),
        "notes": list(corrections.waiting()),
    }
    return render(request, "staff/items/index.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: StaffRequest, pk: int) -> HttpResponse:
    item = _told(get_object_or_404(_with_all(Item.objects.all()), pk=pk))
    form = ItemForm(request.POST or None, initial={name: getattr(item, name) for name in ItemForm.base_fields})
    if request.method == "POST" and form.is_valid():
        try:
            items.edit(item, by=request.user, **form.cleaned_data)
            messages.success(request, "Saved.")
            return redirect("item", pk)
        except Refusal as refusal:
            messages.error(request, str(refusal))
    context = {"item": item, "form": form, "publication": item.publication, "history": newest(history(item))}
    return render(request, "staff/items/detail.html", context, status=422 if form.errors else 200)


@page
def row(request: StaffRequest, pk: int) -> HttpResponse:
    return _row(request, pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit_row(request: StaffRequest, pk: int) -> HttpResponse:
    """The row as a form, for htmx. Without JavaScript the link leads to the item's own page."""
    if not request.htmx:
        return redirect("item", pk)
    item = get_object_or_404(Item, pk=pk)
    form = RowForm(request.POST or None, initial={"title": item.title, "teaser": item.teaser}, prefix=f"item-{pk}")
    if request.method == "POST" and form.is_valid():
        items.edit(item, by=request.user, **form.cleaned_data)
        return _row(request, pk)
    return render(request, "staff/items/_row_edit.html", {"item": item, "form": form})


def _deed(verb: Callable[..., str]) -> Callable[..., HttpResponse]:
    """One verb on one item: answered with its row where htmx asked from the list, else with the page it came from."""

    @login_required
    @require_POST
    @wraps(verb)
    def door(request: StaffRequest, pk: int) -> HttpResponse:
        item = get_object_or_404(Item.objects.select_related("publication"), pk=pk)
        try:
            messages.success(request, verb(request, item))
        except Refusal as refusal:
            messages.error(request, str(refusal))
        if request.htmx and not request.htmx.boosted:
            return _row(request, pk)
        return redirect(_back(request, reverse("items")))

    return door


@_deed
def queue(request: StaffRequest, item: Item) -> str:
    items.queue(item, by=request.user)
    return f"“{item}” is queued for the next {item.publication.series}."


@_deed
def set_aside(request: StaffRequest, item: Item) -> str:
    items.set_aside(item, by=request.user)
    return f"“{item}” is set aside."


@_deed
def withdraw(request: StaffRequest, item: Item) -> str:
    items.withdraw(item, by=request.user, why=request.POST.get("why", ""))
    return f"“{item}” is withdrawn for good."


@_deed
def take_source_text(request: StaffRequest, item: Item) -> str:
    items.take_source_text(item, by=request.user)
    return f"“{item}” now says what its source says."


@_deed
def keep_own_text(request: StaffRequest, item: Item) -> str:
    items.keep_own_text(item, by=request.user)
    return f"“{item}” keeps its own text."


@_deed
def clear_flags(request: StaffRequest, item: Item) -> str:
    items.clear_flags(item, by=request.user)
    return f"“{item}” is marked as looked at."


@login_required
@require_POST
def queue_many(request: StaffRequest) -> HttpResponse:
    """Queue all that were ticked. One that cannot be is named; the others are queued all the same."""
    ticked = Item.objects.filter(pk__in=[pk for pk in request.POST.getlist("item") if pk.isdecimal()])
    done = 0
    for item in ticked:
        try:
            items.queue(item, by=request.user)
            done += 1
        except Refusal as refusal:
            messages.error(request, str(refusal))
    if done:
        messages.success(request, f"{done} {'item is' if done == 1 else 'items are'} queued.")
    elif not ticked:
        messages.warning(request, "Tick the items that you want to queue first.")
    return redirect(_back(request, reverse("items")))


def _row(request: StaffRequest, pk: int) -> HttpResponse:
    item = _told(get_object_or_404(_with_all(Item.objects.all()), pk=pk))
    return render(request, "staff/items/_row_answer.html", {"item": item, "back": _back(request, reverse("items"))})


def _back(request: HttpRequest, otherwise: str) -> str:
    """The page that a form names to come back to, if it is one of ours."""
    back = request.POST.get("back", "")
    return back if url_has_allowed_host_and_scheme(back, allowed_hosts=None) else otherwise


def _search(words: str, publication: Publication | None) -> QuerySet[Item]:
    found = Item.objects.all()
    if publication:
        found = found.filter(publication=publication)
    for word in words.split():
        found = found.filter(Q(title__icontains=word) | Q(teaser__icontains=word))
    return found


def _in_order(found: QuerySet[Item]) -> QuerySet[Item]:
    """What waits for a person, then what waits for a digest, then the rest; in each the newest first."""
    used = Exists(Entry.objects.filter(item=OuterRef("pk"), released=False))
    rank = Case(
        When(Q(state=Item.State.RECEIVED) | ~Q(source_says={}), then=Value(0)),
        When(~used, state=Item.State.QUEUED, then=Value(1)),
        When(state=Item.State.WITHDRAWN, then=Value(3)),
        default=Value(2),
        output_field=IntegerField(),
    )
    return _with_all(found).order_by(rank, F("published_on").desc(nulls_last=True), "id")


def _with_all(found: QuerySet[Item]) -> QuerySet[Item]:
    """With all that a row shows, in a fixed number of queries."""
    entries = Entry.objects.filter(released=False).select_related("digest__publication")
    return found.select_related("publication", "source").prefetch_related(Prefetch("entries", queryset=entries), "tags")


def _told(item: Item) -> Any:
    """The item with what its row says beside its fields."""
    told: Any = item
    told.tagged = tags.as_text(item)
    told.in_digests = [entry.digest for entry in item.entries.all()]
    told.source_lines = [
        (NAMED.get(name, name), getattr(item, name) or "", value) for name, value in item.source_says.items()
    ]
    return told


def _states(found: QuerySet[Item]) -> list[tuple[str, str, int]]:
    """(state, its word, how many), in the order of the list."""
    counted = dict(found.order_by().values_list("state").annotate(n=Count("id")))
    return [(state, Item.State(state).label, counted.get(state, 0)) for state in STATES]


def _composable(chosen: Publication | None) -> list[tuple[Publication, int]]:
    """The publications for which items wait, and how many."""
    unused = Item.objects.filter(state=Item.State.QUEUED).exclude(entries__released=False)
    if chosen:
        unused = unused.filter(publication=chosen)
    counted = dict(unused.order_by().values_list("publication").annotate(n=Count("id", distinct=True)))
    return [(p, counted[p.pk]) for p in Publication.objects.filter(pk__in=counted)]
