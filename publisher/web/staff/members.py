"""Members, for the staff: found one by one, by an address that is typed and never stands in an address of ours."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from publisher import bounces, languages, members, merging, portability, segments
from publisher.lifecycle import Refusal, note
from publisher.models import Consent, Event, Member, Publication, Subscription, Suppression

from .doors import StaffRequest, deed, page

#: What became of a subscription, in a word, by the state it came to. What is not here is told by its own verb.
BECAME = {
    "pending": "asked anew, and has not confirmed",
    "active": "confirmed",
    "left": "left",
    "suppressed": "is mailed no longer",
}
DONE = {"joined": "asked to receive it, and has not confirmed"}
SHOWN = 100


@dataclass(frozen=True)
class Line:
    """One line of a member's history: in which publication, what, why, when."""

    series: str
    said: str
    why: str
    at: datetime


@page
def index(request: StaffRequest) -> HttpResponse:
    publications = list(Publication.objects.order_by("organisation", "series"))
    counted: dict[int, Counter[str]] = {each.pk: Counter() for each in publications}
    states = Subscription.objects.values_list("publication", "state").annotate(many=Count("pk"))
    for publication, state, many in states.order_by():
        counted[publication][state] = many
    context = {
        "publication": publications[0] if len(publications) == 1 else None,
        "counted": [(each, counted[each.pk]) for each in publications],
        "states": Subscription.State.choices,
    }
    return render(request, "staff/members/index.html", context)


@login_required
@require_POST
def find(request: StaffRequest) -> HttpResponse:
    """Lead to the member with this address; by a POST, so that no log and no history has it."""
    try:
        address = members.normalise(request.POST.get("email", ""))
    except Refusal as refusal:
        messages.error(request, str(refusal))
        return redirect("members")
    if found := Member.objects.filter(email=address).first():
        return redirect("member", found.pk)
    kept = Suppression.objects.filter(hash__in=Suppression.fingerprints(address)).first()
    said = f"No member has this address. It must not be mailed: {kept.why}." if kept else "No member has this address."
    messages.error(request, said)
    return redirect("members")


@page
def detail(request: StaffRequest, pk: int) -> HttpResponse:
    member = get_object_or_404(Member, pk=pk)
    subscriptions = list(member.subscriptions.select_related("publication").order_by("publication__series"))
    given = Consent.objects.filter(subscription__member=member)
    kept = Suppression.objects.filter(hash__in=Suppression.fingerprints(member.email)).first()
    context = {
        "publication": None,
        "member": member,
        "language": languages.NAMES.get(member.language, ""),
        "subscriptions": subscriptions,
        "consents": given.select_related("subscription__publication", "worded", "by").order_by("-at", "-pk"),
        "kept": kept,
        "returned": bounces.of_member(member, mailed=kept is None),
        "history": _history(member, subscriptions),
        "tags": ", ".join(tag.name for tag in member.tags.all()),
    }
    return render(request, "staff/members/detail.html", context)


@deed(back="member")
def tag(request: StaffRequest, pk: int) -> str:
    segments.tag(get_object_or_404(Member, pk=pk), request.POST.get("tags", ""), by=request.user)
    return "Saved."


@deed(back="member")
def merge(request: StaffRequest, pk: int) -> str:
    kept, address = get_object_or_404(Member, pk=pk), members.normalise(request.POST.get("email", ""))
    gone = Member.objects.filter(email=address).first()
    if gone is None:
        raise Refusal("No other member has that address, so there is nothing to bring together.")
    merging.merge(kept, gone, by=request.user)
    return "Brought together. Links in letters to either address lead here."


@deed(back="member")
def erase(request: StaffRequest, pk: int) -> HttpResponse:
    member = get_object_or_404(Member, pk=pk)
    if "sure" not in request.POST:
        raise Refusal("Tick that you are sure: nobody can bring a person back who was forgotten.")
    members.erase(member, by=request.user)
    messages.success(request, "Forgotten. Only a keyed hash of the address is kept, so that it is never mailed again.")
    return redirect("members")


@login_required
@require_POST
def data(request: StaffRequest, pk: int) -> HttpResponse:
    """What a member may ask for. By POST, because it is written down who took it."""
    member = get_object_or_404(Member, pk=pk)
    note(member, "exported data", by=request.user)
    headers = {"Content-Disposition": f'attachment; filename="member-{pk}.json"', "Cache-Control": "no-store"}
    return HttpResponse(portability.portable_json(member), content_type="application/json", headers=headers)


def _history(member: Member, subscriptions: list[Subscription]) -> list[Line]:
    """The newest first, of the person and of all that they receive."""
    series = {each.pk: each.publication.series for each in subscriptions}
    theirs = Q(noun="member", noun_id=member.pk) | Q(noun="subscription", noun_id__in=list(series))
    return [
        Line(series.get(event.noun_id, "") if event.noun == "subscription" else "", _said(event), event.why, event.at)
        for event in Event.objects.filter(theirs).select_related("by").order_by("-pk")[:SHOWN]
    ]


def _said(event: Event) -> str:
    said = BECAME[event.after] if event.verb == "moved" else DONE.get(event.verb, event.verb)
    return f"{said} (by {event.by.name})" if event.by else said
