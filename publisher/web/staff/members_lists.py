"""Lists of members: uploaded, looked at, started, followed; and all members as a file."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from publisher import exports, uploads
from publisher.lifecycle import Refusal, note
from publisher.models import Consent, Publication, Upload

from .doors import StaffRequest, deed, page

#: What a column may be, as people call it.
COLUMNS = {
    "email": "E-mail address",
    "first_name": "First name",
    "last_name": "Last name",
    "language": "Language",
    "agreed_at": "Day of the consent",
    "tags": "Tags",
    "state": "State in the former system",
}
#: What a report counts, as people call it.
COUNTED = {
    "added": "became members",
    "taken": "were taken",
    "known": "were known already",
    "refused": "left or are suppressed, and were not added",
    "kept": "stay as they are",
    "rejected": "lines could not be read",
}
#: And a dry run.
WOULD = {
    "added": "would become members",
    "known": "are known already",
    "refused": "left or are suppressed and would not be added",
    "rejected": "cannot be read",
}
SHOWN = 30


@page
def index(request: StaffRequest) -> HttpResponse:
    publications = list(Publication.objects.all())
    context = {
        "publication": publications[0] if len(publications) == 1 else None,
        "publications": publications,
        "uploads": Upload.objects.select_related("publication", "by")[:SHOWN],
        "kinds": Upload.What.choices,
    }
    return render(request, "staff/members/lists.html", context)


@login_required
@require_POST
def put(request: StaffRequest, slug: str) -> HttpResponse:
    publication = get_object_or_404(Publication, slug=slug)
    file, what = request.FILES.get("file"), request.POST.get("what", "")
    try:
        if file is None or what not in Upload.What.values:
            raise Refusal("Choose a file, and say whom it lists.")
        made = uploads.put(publication, file.chunks(), name=file.name or "", what=what, by=request.user)
    except Refusal as refusal:
        messages.error(request, str(refusal))
        return redirect("member-lists")
    return redirect("member-list", made.pk)


@page
def detail(request: StaffRequest, pk: int) -> HttpResponse:
    upload = _upload(pk)
    seen = uploads.preview(upload, basis=upload.basis) if upload.parts.exists() and upload.state == "waiting" else None
    context = {
        "upload": upload,
        "publication": upload.publication,
        "seen": seen,
        "columns": [(name, label, seen.columns.get(name, "")) for name, label in COLUMNS.items()] if seen else [],
        "bases": [(basis, basis.label, means) for basis, means in Consent.MEANS.items()],
        "share": round(100 * upload.taken / upload.size) if upload.size else 0,
        "counts": [(upload.report[name], said) for name, said in COUNTED.items() if name in upload.report],
        "moving": upload.state in {"queued", "running"},
    }
    return render(request, "staff/members/list.html", context)


@deed(back="member-list")
def start(request: StaffRequest, pk: int) -> str | HttpResponse:
    """Looking again, with other columns, is the same form with another button."""
    upload = _upload(pk)
    grounds = {"basis": request.POST.get("basis", ""), "wording": request.POST.get("wording", "")}
    # "" is said too: whoever chooses “not in this list” means it.
    chosen = {name: request.POST.get(name, "") for name in COLUMNS}
    if "look" in request.POST or "count" in request.POST:
        uploads.choose(upload, columns=chosen, **grounds)
        return _would(_upload(pk)) if "count" in request.POST else redirect("member-list", pk)
    uploads.start(upload, columns=chosen, **grounds, by=request.user)
    return "Started. You may leave this page: it goes on by itself."


@deed(back="member-list")
def drop(request: StaffRequest, pk: int) -> str:
    uploads.drop(_upload(pk), by=request.user)
    return "Dropped, and forgotten."


@login_required
@require_POST
def export(request: StaffRequest, slug: str) -> StreamingHttpResponse:
    """All members as a file. By POST, because it is written down who took it."""
    publication = get_object_or_404(Publication, slug=slug)
    note(publication, "exported members", by=request.user)
    as_json = request.POST.get("form") == "json"
    lines: Any = exports.as_json(publication) if as_json else exports.as_csv(publication)
    kind, ending = ("application/json", "json") if as_json else ("text/csv; charset=utf-8", "csv")
    headers = {"Content-Disposition": f'attachment; filename="{slug}-members.{ending}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(lines, content_type=kind, headers=headers)


def _would(upload: Upload) -> str:
    counts = vars(uploads.dry_run(upload))
    return (
        "Of all lines, "
        + ", ".join(f"{counts[name]:,} {said}" for name, said in WOULD.items())
        + ". Nothing is stored."
    )


def _upload(pk: int) -> Upload:
    return get_object_or_404(Upload.objects.select_related("publication", "by"), pk=pk)
