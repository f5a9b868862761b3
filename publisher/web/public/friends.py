"""An Update for a friend: a form with one field, and the same answer whatever becomes of it."""

from __future__ import annotations

import time

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from ... import friends, languages, preferences
from ...lifecycle import Refusal
from ...models import Digest, Entry
from .. import client, speaking
from .archive import entry_at, sent

EVENLY = 0.15  # seconds; whether a mail was written is not to be seen by the time
TIMES, SECONDS = 20, 3600
ROBOTS_FIELD = "website"


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def digest(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    return _answer(request, get_object_or_404(sent(), publication__slug=slug, number=number), None)


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def item(request: HttpRequest, slug: str, number: int, position: int) -> HttpResponse:
    entry = entry_at(slug, number, position)
    return _answer(request, entry.digest, entry)


def _answer(request: HttpRequest, digest: Digest, entry: Entry | None) -> HttpResponse:
    if request.method != "POST":
        return _page(request, digest, entry)
    spoken, answer_at = speaking.language(request, digest.publication), time.monotonic() + EVENLY
    if client.asks_too_often(request, "friend", times=TIMES, seconds=SECONDS):
        return _page(
            request,
            digest,
            entry,
            languages.say(spoken, "Many have asked from your network. Try again in an hour."),
            429,
        )
    try:
        if not request.POST.get(ROBOTS_FIELD):
            _send(request, digest, entry, spoken)
    except Refusal:
        typed = request.POST.get("email", "").strip()
        return _page(request, digest, entry, speaking.no_address(typed, spoken), 422)
    time.sleep(max(0, answer_at - time.monotonic()))
    return _page(request, digest, entry, done=True)


def _send(request: HttpRequest, digest: Digest, entry: Entry | None, spoken: str) -> None:
    friends.send(
        digest,
        entry,
        request.POST.get("email", ""),
        network=client.network(client.address(request)),
        language=spoken,
        # Who comes from the page behind their own mailed link brings its token along, and is named.
        sender=preferences.opened(request.POST.get("from", "")),
    )


def _page(
    request: HttpRequest,
    digest: Digest,
    entry: Entry | None,
    problem: str = "",
    status: int = 200,
    *,
    done: bool = False,
) -> HttpResponse:
    context = {
        "publication": digest.publication,
        "digest": digest,
        "entry": entry,
        "problem": problem,
        "email": request.POST.get("email", ""),
        "done": done,
        "robots_field": ROBOTS_FIELD,
    }
    response = render(request, "public/friend.html", context, status=status)
    response["X-Robots-Tag"] = "noindex"
    return response
