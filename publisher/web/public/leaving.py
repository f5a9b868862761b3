"""Leaving: one click in every letter, no sign-in, no question.

Two doors lead here. The link in the letter is opened by a person (and by scanners, which is why opening it does
nothing) and shows one button. The mail program's own button posts `List-Unsubscribe=One-Click` (RFC 8058),
without cookie, origin or token of ours, and wants a plain 200 without a redirect.

The link lasts for ever and letters are forwarded, so it can do this and nothing else, and shows nothing of the member:
who wants more has a link of half an hour mailed (`preferences`). So they may leave everything too, without being shown
what that is. Who has left may say why, and need not.
"""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from ... import farewells, languages, links, members
from ...models import Farewell, Publication
from .. import client, speaking

#: What a mail program posts, in whatever it takes for a form: some name no encoding, some end the line, some write
#: multipart with the ends of lines of their own.
ONE_CLICK = re.compile(rb"list-unsubscribe[\"'\s:=]{1,9}one-click", re.IGNORECASE)
OUR_BUTTON = "our button"
LEFT = "You have left. No more letters will be sent to you.\n"
NOT_OURS = "This link is not complete, so nothing was changed. Please use the link in the newest letter.\n"
#: A reason is given once, but nothing tells whose it was: so often in an hour a network may give one.
TIMES, SECONDS = 20, 3600


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: HttpRequest, token: str) -> HttpResponse:
    response = _post(request, token) if request.method == "POST" else _ask(request, token)
    response["Referrer-Policy"] = "no-referrer"
    return response


def _post(request: HttpRequest, token: str) -> HttpResponse:
    """Leave, and say so; the same each time. A forged link gets a 200 as well: a mail program could only repeat it."""
    if ONE_CLICK.search(request.body) or request.POST.get("List-Unsubscribe", "").strip().lower() == "one-click":
        left = members.leave(token)
        return HttpResponse(LEFT if left else NOT_OURS, content_type="text/plain; charset=utf-8")
    if request.POST.get("List-Unsubscribe") == OUR_BUTTON:
        everything = request.POST.get("everything") == "yes"
        return _left(request, members.leave(token, everything=everything), everything=everything)
    if "reason" in request.POST:
        return _say_why(request, token)
    return _ask(request, token, status=400)


def _say_why(request: HttpRequest, token: str) -> HttpResponse:
    """Who has the link may give a reason. It moves nobody, and is kept without them."""
    publication = _publication(token)
    heard = False
    if publication and not client.asks_too_often(request, "farewell", times=TIMES, seconds=SECONDS):
        heard = farewells.say(publication, request.POST["reason"], request.POST.get("words", ""))
    return _left(request, publication, heard=heard)


def _left(
    request: HttpRequest, publication: Publication | None, *, everything: bool = False, heard: bool = False
) -> HttpResponse:
    spoken = speaking.language(request, publication)
    reasons = [(value, languages.say(spoken, str(label))) for value, label in Farewell.Reason.choices]
    context = {
        "publication": publication,
        "reasons": reasons,
        "button": OUR_BUTTON,
        "everything": everything,
        "heard": heard,
    }
    return render(request, "public/left.html", context)


def _ask(request: HttpRequest, token: str, status: int = 200) -> HttpResponse:
    context = {"publication": _publication(token), "button": OUR_BUTTON}
    return render(request, "public/leave.html", context, status=status)


def _publication(token: str) -> Publication | None:
    ids = links.read("leave", token)
    return Publication.objects.filter(pk=ids[1]).first() if ids and len(ids) == 2 else None
