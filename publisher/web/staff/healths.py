"""Health: whether all that sending needs is in order, and what receivers find when they look at our senders."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from publisher import attention, checks, joining
from publisher.deliverability import doctor
from publisher.deliverability.dns import ServersWrong
from publisher.lifecycle import Refusal
from publisher.models import Publication

from .doors import StaffRequest, page


@page
def detail(request: StaffRequest) -> HttpResponse:
    """Nothing is asked before somebody wants to know: a look takes seconds, and talks to others."""
    return render(request, "staff/health.html", {"looked": False, **_known()})


@login_required
@require_POST
def look(request: StaffRequest) -> HttpResponse:
    try:
        found = doctor.examine(list(Publication.objects.all()))
    except (Refusal, ServersWrong) as refusal:
        messages.error(request, str(refusal))
        return redirect("staff-health")
    # The checks first: they look at each account, and write down what they find.
    context = {"looked": True, "checks": list(checks.run()), "findings": found, **_known()}
    return render(request, "staff/health.html", context)


def _known() -> dict[str, Any]:
    """What is known without asking anybody."""
    return {"crowded": joining.crowded(), "matters": attention.matters()}
