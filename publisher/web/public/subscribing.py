"""Joining: a form, a mail with a link, and a button behind that link.

No CSRF token and no cookie: nobody is signed in here, so there is nothing that another site could borrow.
What a stranger can do from another site, he can do from his own machine. Against that stand the confirmation
by mail, the field for robots, the time a person takes to fill in a form, and the count for each network.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from ... import languages, links, members
from ...lifecycle import Refusal
from ...models import Publication, Subscription
from .. import client, speaking

SALT = "subscribe form"
FASTEST = 2  # seconds; nobody types an address and presses a button faster
STALE = 24 * 3600
EVENLY = 0.15  # seconds; every answer takes as long as the slowest, so that its time tells nothing either
#: A network may ask this often in an hour. A school or an office is one network.
TIMES, SECONDS = 20, 3600
ROBOTS_FIELD = "website"

@dataclass(frozen=True)
class Form:
    """The form as it was shown: when, and with which words of consent."""

    shown_at: float
    wording: str

    @classmethod
    def new(cls, publication: Publication) -> Form:
        return cls(time.time(), _wording(publication))

    def sealed(self, publication: Publication) -> str:
        return signing.dumps([publication.pk, self.shown_at, self.wording], salt=SALT, compress=True)

    @classmethod
    def opened(cls, sealed: str, publication: Publication) -> Form | None:
        """None where it was not made here, for another publication, or too long ago."""
        try:
            pk, shown_at, wording = signing.loads(sealed, salt=SALT, max_age=STALE)
        except signing.BadSignature:
            return None
        return cls(shown_at, wording) if pk == publication.pk else None


def _wording(publication: Publication) -> str:
    return languages.say(
        languages.DEFAULT,
        "I would like to receive {series} from {organisation} by e-mail. I can leave at any time, with one click in every letter.",
        series=publication.series,
        organisation=publication.organisation,
    )


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def subscribe(request: HttpRequest, slug: str) -> HttpResponse:
    publication = get_object_or_404(Publication, slug=slug)
    if request.method != "POST":
        return _page(request, publication, Form.new(publication))
    language = speaking.language(request, publication)
    form = Form.opened(request.POST.get("form", ""), publication)
    if client.asks_too_often(request, "subscribe", times=TIMES, seconds=SECONDS):
        sentence = "Many people have asked from your network within the last hour. Please try again in an hour."
        return _page(request, publication, form or Form.new(publication), sentence, status=429)
    if form is None:
        sentence = languages.say(
            language, "This page has been open for a long time. Please press the button once more."
        )
        return _page(request, publication, Form.new(publication), sentence, status=422)
    if time.time() - form.shown_at < FASTEST:
        # Not dropped in silence: a person whose browser fills in the form can be this fast, a robot gives up.
        sentence = languages.say(language, "That was very quick. Please press the button once more.")
        return _page(request, publication, form, sentence, status=422)
    return _join(request, publication, form)


def _join(request: HttpRequest, publication: Publication, form: Form) -> HttpResponse:
    """One answer, whatever we know of the address: nobody learns here who receives what."""
    typed, answer_at = request.POST.get("email", "").strip(), time.monotonic() + EVENLY
    try:
        address = members.normalise(typed)
        if not request.POST.get(ROBOTS_FIELD):
            members.join(
                publication,
                address,
                first_name=" ".join(request.POST.get("first_name", "").split())[:120],
                how="subscribe page",
                ip=client.ip(request),
                wording=form.wording,
            )
    except Refusal as problem:
        language = speaking.language(request, publication)
        sentence = str(problem) if typed else languages.say(language, "Please write your e-mail address.")
        return _page(request, publication, form, email_problem=sentence, status=422)
    time.sleep(max(0, answer_at - time.monotonic()))
    return render(request, "public/asked.html", {"publication": publication, "address": typed})


def _page(
    request: HttpRequest,
    publication: Publication,
    form: Form,
    problem: str = "",
    *,
    email_problem: str = "",
    status: int = 200,
) -> HttpResponse:
    """The form, with all that was typed still in it."""
    context = {
        "publication": publication,
        "wording": form.wording,
        "form": form.sealed(publication),
        "email": request.POST.get("email", ""),
        "first_name": request.POST.get("first_name", ""),
        "problem": problem,
        "email_problem": email_problem,
        "robots_field": ROBOTS_FIELD,
        "canonical": links.subscribe_url(publication),
    }
    return render(request, "public/subscribe.html", context, status=status)


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """A button, and what it does. Opening the address does nothing: scanners of mail open every link."""
    if request.method == "POST":
        subscription = members.confirm(token)
        page = "public/confirmed.html"
    else:
        subscription = _asked(token)
        page = "public/confirm.html"
    if subscription is None:
        return render(request, "public/confirm_not.html", {"publication": None}, status=404)
    response = render(request, page, {"publication": subscription.publication, "wording": None, "latest": None, "sent_latest": False})
    response["Referrer-Policy"] = "no-referrer"
    return response


def _asked(token: str) -> Subscription | None:
    ids = links.read("confirm", token)
    if ids is None or len(ids) != 1:
        return None
    asked = Subscription.objects.exclude(state=Subscription.State.LEFT)
    return asked.select_related("publication").filter(pk=ids[0]).first()
