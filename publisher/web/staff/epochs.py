"""The epoch: why nothing is sent, what to compare, and a person's word that this is the one that goes on."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from publisher import epoch
from publisher.lifecycle import Refusal, history
from publisher.models import Epoch

from .doors import StaffRequest, page
from .telling import newest


@page
def detail(request: StaffRequest) -> HttpResponse:
    row = Epoch.objects.filter(pk=epoch.ONLY).first()
    context = {
        "epoch": row,
        "doubt": epoch.look(),
        "under_way": epoch.under_way(),
        "due_digests": epoch.due_digests(),
        "due_posts": epoch.due_posts(),
        "history": newest(history(row)) if row else None,
    }
    return render(request, "staff/epoch.html", context)


@login_required
@require_POST
def confirm(request: StaffRequest) -> HttpResponse:
    try:
        epoch.confirm(by=request.user, why=request.POST.get("why", ""))
    except Refusal as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, "Confirmed. What was under way or due waits for your word, each on its own page.")
    return redirect("epoch")
