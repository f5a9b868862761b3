"""Segments: parts of the members by rules, counted as they are now; and which of them a digest goes to."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from publisher import retention, segments
from publisher.lifecycle import Refusal
from publisher.models import Publication, Segment

from ..forms import Calendar, said
from .doors import StaffRequest, page

_PARTED = "Parted by commas: any of them."
#: What comes of a digest that goes to a segment, where its rule is changed.
AFTER_AN_EDIT = {
    "draft": "goes to whom the rule names when it is sent to review",
    "in_review": "lies before an approver with the rule of then: after a change it has to be sent to review anew",
    "approved": "goes to whom the rule named when it was approved, whatever you change here",
}


class SegmentForm(forms.Form):
    """All that is said must hold; what is left empty says nothing."""

    name = forms.CharField(max_length=80)
    languages = forms.CharField(
        required=False, help_text="As “es, en”; “none” for who never said one. Parted by commas: any of them."
    )
    tags = forms.CharField(required=False, help_text=_PARTED)
    not_tags = forms.CharField(required=False, label="Without the tags", help_text=_PARTED)
    receives = forms.CharField(required=False, label="Also receives", help_text="Another publication.")
    not_receives = forms.CharField(required=False, label="Does not receive", help_text="Another publication.")
    joined_from = forms.DateField(required=False, label="Joined from", widget=Calendar)
    joined_to = forms.DateField(required=False, label="Joined until", widget=Calendar)
    engaged_from = forms.DateField(
        required=False,
        label="Engaged since",
        widget=Calendar,
        help_text="Has confirmed in person since, or followed a link, which is known only of those who agreed to it.",
    )

    def rule(self) -> dict[str, object]:
        given = {name: answer for name, answer in self.cleaned_data.items() if answer and name != "name"}
        days = {name: given[name].isoformat() for name in segments.DAYS if name in given}
        return {**{name: _parted(given[name]) for name in segments.SEVERAL if name in given}, **days}


def _parted(typed: str) -> list[str]:
    return [each.strip() for each in typed.split(",") if each.strip()]


def _typed(segment: Segment) -> dict[str, str]:
    """What stands in the form of a segment as it is."""
    rule = {**segment.rule, "languages": [code or segments.NONE for code in segment.rule.get("languages", [])]}
    given = {name: ", ".join(answer) if isinstance(answer, list) else answer for name, answer in rule.items()}
    return {"name": segment.name, **given}


@page
def index(request: StaffRequest) -> HttpResponse:
    publications = list(Publication.objects.all())
    found = Segment.objects.select_related("publication").order_by("publication", "name")
    context = {
        "publication": publications[0] if len(publications) == 1 else None,
        "publications": publications,
        "segments": [(each, segments.count(each), in_words(each)) for each in found],
        "forms": [(each, SegmentForm(auto_id=f"{each.slug}_%s")) for each in publications],
    }
    return render(request, "staff/members/segments.html", context)


@login_required
@require_POST
def add(request: StaffRequest, slug: str) -> HttpResponse:
    publication = get_object_or_404(Publication, slug=slug)
    form = SegmentForm(request.POST)
    try:
        if not form.is_valid():
            raise Refusal(said(form))
        made = segments.add(publication, form.cleaned_data["name"], form.rule(), by=request.user)
    except Refusal as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"“{made}” has {segments.count(made):,} members now.")
    return redirect("member-segments")


@page
def detail(request: StaffRequest, pk: int) -> HttpResponse:
    segment = get_object_or_404(Segment.objects.select_related("publication"), pk=pk)
    return _detail(request, segment, SegmentForm(initial=_typed(segment)))


@login_required
@require_POST
def edit(request: StaffRequest, pk: int) -> HttpResponse:
    segment = get_object_or_404(Segment.objects.select_related("publication"), pk=pk)
    form = SegmentForm(request.POST)
    try:
        if not form.is_valid():
            raise Refusal(said(form))
        segments.edit(segment, form.rule(), by=request.user, name=form.cleaned_data["name"])
    except Refusal as refusal:
        messages.error(request, str(refusal))
        return _detail(request, segment, form, status=422)
    messages.success(request, f"Saved: “{segment}” has {segments.count(segment):,} members now.")
    return redirect("member-segment", pk)


def _detail(request: StaffRequest, segment: Segment, form: SegmentForm, status: int = 200) -> HttpResponse:
    kept = Segment.objects.get(pk=segment.pk)  # a form that was refused may have changed the one in hand
    context = {
        "publication": segment.publication,
        "segment": kept,
        "count": segments.count(kept),
        "form": form,
        "digests": [(each, AFTER_AN_EDIT[each.state]) for each in segments.used_by(kept)],
    }
    return render(request, "staff/members/segment.html", context, status=status)


@login_required
@require_POST
def remove(request: StaffRequest, pk: int) -> HttpResponse:
    segment = get_object_or_404(Segment, pk=pk)
    try:
        segments.remove(segment, by=request.user)
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect("member-segments")


@page
def kept(request: StaffRequest) -> HttpResponse:
    """What is kept, and for how long."""
    overdue = retention.overdue()
    rules = [(rule, rule.days(), overdue[rule.name]) for rule in retention.RULES]
    return render(request, "staff/members/kept.html", {"rules": rules})


def in_words(segment: Segment) -> str:
    """Its rule, for people."""
    words = {
        "languages": "reads {}",
        "tags": "is tagged {}",
        "not_tags": "is not tagged {}",
        "receives": "also receives {}",
        "not_receives": "does not receive {}",
        "joined_from": "joined from {} on",
        "joined_to": "joined until {}",
        "engaged_from": "has confirmed, or followed a link, since {}",
    }
    said_of = [
        words[name].format(
            " or ".join(str(each) or "no language" for each in answer) if name in segments.SEVERAL else answer
        )
        for name, answer in segment.rule.items()
    ]
    return ", ".join(said_of) or "all members"
