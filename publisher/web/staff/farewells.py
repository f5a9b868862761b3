"""Why people left, for the staff: by publication and month, without persons."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from publisher import farewells
from publisher.models import Farewell, Publication

from .doors import StaffRequest, page


@page
def index(request: StaffRequest) -> HttpResponse:
    publications = list(Publication.objects.all())
    here = next((one for one in publications if one.slug == request.GET.get("publication")), None)
    here = here or next(iter(publications), None)
    context = {
        "publications": publications,
        "publication": here,
        "months": farewells.months(here) if here else [],
        "reasons": Farewell.Reason.choices,
        "shown": farewells.SHOWN,
    }
    return render(request, "staff/figures/farewells.html", context)
