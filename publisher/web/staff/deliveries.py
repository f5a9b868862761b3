"""The letters of one outcome, each with its address and what the server said of it."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render

from publisher.delivery.doubts import said_of
from publisher.models import Delivery, Digest

from .doors import StaffRequest, page

State = Delivery.State
#: What somebody looks into. What is queued or sent is everybody, and what is unknown stands on the sending's own page.
SHOWN = (State.FAILED, State.BOUNCED, State.DEFERRED, State.SKIPPED)
PER_PAGE = 50


@page
def in_state(request: StaffRequest, pk: int, state: str) -> HttpResponse:
    """By pages that begin behind a row: a page far on costs no more than the first, nor does one that shifted."""
    if state not in SHOWN:
        raise Http404
    digest = get_object_or_404(Digest.objects.select_related("publication"), pk=pk)
    found = digest.deliveries.filter(state=state)
    said = request.GET.get("after", "")
    after = int(said) if said.isdecimal() and len(said) < 19 else 0  # no row of a database has a longer key
    listed = list(found.filter(pk__gt=after).order_by("pk")[: PER_PAGE + 1])
    context = {
        "digest": digest,
        "publication": digest.publication,
        "word": State(state).label,
        "total": found.count(),
        "rows": [(row, said_of(row)) for row in listed[:PER_PAGE]],
        "further": listed[PER_PAGE - 1].pk if len(listed) > PER_PAGE else None,
        "begun": after,
    }
    return render(request, "staff/digests/deliveries.html", context)
