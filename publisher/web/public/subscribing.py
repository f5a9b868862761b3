"""Joining: a form, a mail with a link, and a button behind that link.

No CSRF token and no cookie: nobody is signed in here, so there is nothing that another site could borrow. What a
stranger can do from another site, he can do from his own machine, and all of it is to have one mail asked for. Against
that stand the confirmation by mail, the field for robots, the time a person takes to fill in a form, and the limits of
`asking`.

The embedded form stands on the organisation's own site, and posts from there. It cannot be signed, for its page is
somebody else's; nor may its Origin be asked for, which is any site the organisation has. So the other limits hold.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from ... import consents, joining, languages, latest, links, members
from ...lifecycle import Refusal
from ...models import ConsentWording, Publication
from .. import client, speaking

SALT = "subscribe form"
FASTEST = 2  # seconds; nobody types an address and presses a button faster
STALE = 24 * 3600
ROBOTS_FIELD = "website"


@dataclass(frozen=True)
class Form:
    """The form as it was shown: when, and with which words of consent."""

    shown_at: float
    worded: ConsentWording

    @classmethod
    def new(cls, publication: Publication, language: str) -> Form:
        return cls(time.time(), consents.current(publication, language))

    def sealed(self) -> str:
        shown = [self.worded.publication_id, self.shown_at, self.worded.language, self.worded.version]
        return signing.dumps(shown, salt=SALT, compress=True)

    @classmethod
    def opened(cls, sealed: str, publication: Publication) -> Form | None:
        """None where it was not made here, for another publication, or too long ago."""
        try:
            pk, shown_at, language, version = signing.loads(sealed, salt=SALT, max_age=STALE)
        except (signing.BadSignature, ValueError):
            return None
        worded = consents.version(publication, language, str(version)) if pk == publication.pk else None
        return cls(shown_at, worded) if worded else None


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def subscribe(request: HttpRequest, slug: str) -> HttpResponse:
    publication = get_object_or_404(Publication, slug=slug)
    language = speaking.language(request, publication)
    if request.method != "POST":
        return _page(request, publication, Form.new(publication, language))
    form = Form.opened(request.POST.get("form", ""), publication)
    if form is None:
        form = Form.new(publication, language)
        said = languages.say(language, "This page has been open for a long time. Please press the button once more.")
        return _page(request, publication, form, said, status=422)
    if time.time() - form.shown_at < FASTEST:
        # Not dropped in silence: a person whose browser fills in the form can be this fast, a robot gives up.
        said = languages.say(language, "That was very quick. Please press the button once more.")
        return _page(request, publication, form, said, status=422)
    return _ask(request, publication, form, "subscribe page")


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def embedded(request: HttpRequest, slug: str) -> HttpResponse:
    """Where the form on the organisation's own site posts to. One whose words nobody knows is shown ours first."""
    publication = get_object_or_404(Publication, slug=slug)
    language = speaking.language(request, publication)
    if request.method != "POST":
        return redirect("subscribe", slug)
    worded = consents.version(publication, language, request.POST.get("wording", ""))
    if worded is None:
        read = languages.say(language, "Please read what you agree to, and press the button.")
        return _page(request, publication, Form.new(publication, language), read)
    return _ask(request, publication, Form(time.time(), worded), "form on the organisation’s site")


def _ask(request: HttpRequest, publication: Publication, form: Form, how: str) -> HttpResponse:
    """One answer, whatever we know of the address: nobody learns here who receives what."""
    typed, language = request.POST.get("email", "").strip(), speaking.language(request, publication)
    try:
        if not request.POST.get(ROBOTS_FIELD):
            joining.ask(
                publication,
                typed,
                first_name=request.POST.get("first_name", ""),
                language=language,
                worded=form.worded,
                how=how,
                network=client.network(client.address(request)),
            )
    except Refusal:
        return _page(request, publication, form, email_problem=speaking.no_address(typed, language), status=422)
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
        "worded": form.worded,
        "form": form.sealed(),
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
    response = _confirm(request, token) if request.method == "POST" else _button(request, token)
    response["Referrer-Policy"] = "no-referrer"
    return response


def _button(request: HttpRequest, token: str) -> HttpResponse:
    subscription = members.asked(token)
    if subscription is None:
        return _not_ours(request)
    context = {
        "publication": subscription.publication,
        "speaks": subscription.member.language,
        "worded": joining.wording(subscription),
        "latest": latest.of(subscription),
    }
    return render(request, "public/confirm.html", context)


def _confirm(request: HttpRequest, token: str) -> HttpResponse:
    confirmed = joining.confirm(token, latest_too=request.POST.get("latest") == "yes")
    if confirmed is None:
        return _not_ours(request)
    subscription, sent = confirmed
    context = {"publication": subscription.publication, "speaks": subscription.member.language, "sent_latest": sent}
    return render(request, "public/confirmed.html", context)


def _not_ours(request: HttpRequest) -> HttpResponse:
    return render(request, "public/confirm_not.html", {"publication": None}, status=404)
