"""How people join a publication: the words they agree to, and the form for the organisation's own site."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_POST

from publisher import consents, languages, links
from publisher.lifecycle import Refusal
from publisher.models import ConsentWording, Publication

from ..public.subscribing import ROBOTS_FIELD
from .doors import StaffRequest, page

About = ConsentWording.About


@dataclass(frozen=True)
class Worded:
    """The words that people agree to now, and those before."""

    now: ConsentWording
    earlier: list[ConsentWording]


@dataclass(frozen=True)
class Spoken:
    """What stands in one language: the words, the earlier ones, the form to paste and the page to link to."""

    code: str
    name: str
    worded: list[Worded]
    form: str
    address: str


@page
def detail(request: StaffRequest, slug: str) -> HttpResponse:
    publication = get_object_or_404(Publication, slug=slug)
    # The publication's own language first.
    codes = sorted(languages.NAMES, key=lambda code: code != languages.first_known(publication.language))
    context = {"publication": publication, "spoken": [_spoken(publication, code) for code in codes]}
    return render(request, "staff/members/joining.html", context)


@login_required
@require_POST
def reword(request: StaffRequest, slug: str, language: str) -> HttpResponse:
    publication = get_object_or_404(Publication, slug=slug)
    measuring = request.POST.get("about") == About.MEASURING
    about, text = About.MEASURING if measuring else About.RECEIVING, request.POST.get("text", "")
    try:
        worded = consents.change(publication, languages.first_known(language), text, by=request.user, about=about)
    except Refusal as refusal:
        messages.error(request, str(refusal))
    else:
        paste = "" if measuring else " Paste the form anew where it stands on your site."
        messages.success(request, f"People agree to version {worded.version} from now on.{paste}")
    return redirect("joining", slug)


def _worded(publication: Publication, code: str) -> list[Worded]:
    """About receiving, and about being measured where that is asked."""
    asked = [About.RECEIVING] + [About.MEASURING] * (publication.measure == Publication.Measure.PERSONS)
    now = [consents.current(publication, code, about) for about in asked]
    return [Worded(each, list(consents.earlier(each))) for each in now]


def _spoken(publication: Publication, code: str) -> Spoken:
    worded = _worded(publication, code)
    address = links.subscribe_url(publication)
    context = {
        "publication": publication,
        "speaks": code,
        "worded": worded[0].now,
        "address": f"{address}embedded/",
        "robots_field": ROBOTS_FIELD,
    }
    form = render_to_string("public/_embedded.html", context)
    return Spoken(code, languages.NAMES[code], worded, form.strip() + "\n", f"{address}?lang={code}")
