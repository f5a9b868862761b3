"""Leaving: one click in every letter, no sign-in, no question.

Two doors lead here. The link in the letter is opened by a person (and by scanners, which is why opening it does
nothing) and shows one button. The mail program's own button posts `List-Unsubscribe=One-Click` (RFC 8058),
without cookie, origin or token of ours, and wants a plain 200 without a redirect.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from ... import links, members
from ...models import Publication

ONE_CLICK = "One-Click"
OUR_BUTTON = "our button"
LEFT = "You have left. No more letters will be sent to you.\n"
NOT_OURS = "This link is not complete, so nothing was changed. Please use the link in the newest letter.\n"


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: HttpRequest, token: str) -> HttpResponse:
    response = _post(request, token) if request.method == "POST" else _ask(request, token)
    response["Referrer-Policy"] = "no-referrer"
    return response


def _post(request: HttpRequest, token: str) -> HttpResponse:
    """Leave, and say so; the same each time. A forged link gets a 200 as well: a mail program could only repeat it."""
    said = request.POST.get("List-Unsubscribe", "")
    if said not in {ONE_CLICK, OUR_BUTTON}:
        return _ask(request, token, status=400)
    publication = members.leave(token)
    if said == ONE_CLICK:
        return HttpResponse(LEFT if publication else NOT_OURS, content_type="text/plain; charset=utf-8")
    return render(request, "public/left.html", {"publication": publication, "not_ours": NOT_OURS})


def _ask(request: HttpRequest, token: str, status: int = 200) -> HttpResponse:
    ids = links.read("leave", token)
    publication = Publication.objects.filter(pk=ids[1]).first() if ids and len(ids) == 2 else None
    context = {"publication": publication, "button": OUR_BUTTON, "not_ours": NOT_OURS}
    return render(request, "public/leave.html", context, status=status)
