"""The figures of letters: members over time, and what became of each Update. Counts alone, without persons."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render

from publisher import charts, readership
from publisher.models import Publication

from .doors import StaffRequest, page

PER_PAGE = 12  # Updates


@page
def index(request: StaffRequest) -> HttpResponse:
    publications = list(Publication.objects.all())
    here = next((one for one in publications if one.slug == request.GET.get("publication")), None)
    here = here or next(iter(publications), None)
    if here is None:
        return render(request, "staff/figures/readers.html", {"publications": [], "publication": None})
    listed = Paginator(readership.mailed(here), PER_PAGE).get_page(request.GET.get("page"))
    months = readership.months(here)
    issues = readership.issues(here, list(listed))
    members = [{kind: getattr(month, kind) for kind in readership.KINDS} for month in months]
    clicks = [
        {"followed": issue.followed, "left after": issue.left_after, "bounced": issue.bounced} for issue in issues
    ]
    context = {
        "publications": publications,
        "publication": here,
        "active": readership.active(here),
        "months": months,
        "years": readership.years(here),
        "bars": charts.bars(members),
        "issues": issues,
        "issue_bars": charts.bars(clicks[::-1]),
        "listed": listed,
        "width": charts.WIDTH,
        "height": charts.HEIGHT,
    }
    return render(request, "staff/figures/readers.html", context)
