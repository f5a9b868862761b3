"""What somebody receives, behind a link of half an hour that is mailed to them.

No cookie and no sign-in: the link is the key, and who has it has the mailbox. It stands in no letter, since letters are
forwarded, and in no address that leaves this page.
"""

from __future__ import annotations

import time

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from ... import languages, preferences
from ...lifecycle import Refusal
from ...models import Member
from .. import client, speaking
from .archive import sent

EVENLY = 0.15  # seconds; an answer takes as long for a stranger as for a member, who is written to
#: A network may ask this often in an hour. A school or an office is one network.
TIMES, SECONDS = 20, 3600


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """ "Mail me the link": one answer, whatever we know of the address."""
    typed, answer_at = request.POST.get("email", "").strip(), time.monotonic() + EVENLY
    spoken = speaking.language(request, None)
    if request.method != "POST":
        return _asking(request)
    if client.asks_too_often(request, "preferences", times=TIMES, seconds=SECONDS):
        return _asking(request, languages.say(spoken, "Many have asked from your network. Try again in an hour."), 429)
    try:
        preferences.ask_link(typed)
    except Refusal as problem:
        missing = languages.say(spoken, "Please write your e-mail address.")
        return _asking(request, str(problem) if typed else missing, 422)
    time.sleep(max(0, answer_at - time.monotonic()))
    return render(request, "public/preferences_mailed.html", {"publication": None, "address": typed})


def _asking(request: HttpRequest, problem: str = "", status: int = 200) -> HttpResponse:
    context = {"publication": None, "problem": problem, "email": request.POST.get("email", "")}
    return render(request, "public/preferences_ask.html", context, status=status)


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, token: str) -> HttpResponse:
    member = preferences.opened(token)
    if member is None:
        return _private(render(request, "public/preferences_not.html", {"publication": None}, status=404))
    said, problem = "", ""
    try:
        if request.method == "POST":
            said = _done(request, member)
    except Refusal as refusal:
        problem = str(refusal)
    fresh = Member.objects.filter(pk=member.pk).first() or member
    return _private(_page(request, token, fresh, said=said, problem=problem))


def _done(request: HttpRequest, member: Member) -> str:
    """Do what the button that was pressed says; which of the page's sentences to answer with."""
    asked = request.POST.get("do", "")
    if asked == "address":
        network = client.network(client.address(request))
        return preferences.ask_change(member, request.POST.get("email", ""), network=network)
    if asked == "leave":
        preferences.leave_all(member)
    elif asked == "save":
        preferences.choose(
            member,
            {int(pk) for pk in request.POST.getlist("publication") if pk.isascii() and pk.isdigit() and len(pk) < 18},
            language=request.POST.get("language", ""),
            plain_text=request.POST.get("plain_text") == "on",
            network=client.network(client.address(request)),
            read_in=member.language,
        )
    return asked if asked in {"leave", "save"} else ""


def _page(request: HttpRequest, token: str, member: Member, *, said: str, problem: str) -> HttpResponse:
    offered = preferences.offered(member, member.language)
    received = [offer.publication for offer in offered if offer.received]
    context = {
        "publication": offered[0].publication if offered else None,
        "speaks": member.language,
        "member": member,
        "offered": offered,
        "names": languages.NAMES,
        "token": token,
        "latest": sent().filter(publication__in=received).order_by("-date", "-pk").first(),
        "said": said,
        "problem": problem,
    }
    return render(request, "public/preferences.html", context, status=422 if problem else 200)


@never_cache
@require_safe
def data(request: HttpRequest, token: str) -> HttpResponse:
    """All that we keep of them, to take along."""
    member = preferences.opened(token)
    if member is None:
        return _private(render(request, "public/preferences_not.html", {"publication": None}, status=404))
    answer = HttpResponse(preferences.own_data(member), content_type="application/json")
    answer["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return _private(answer)


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, token: str) -> HttpResponse:
    """The link that was mailed to a new address. Opening it does nothing: scanners of mail open every link."""
    notice, problem = preferences.asked_change(token), ""
    if notice is None:
        return _private(render(request, "public/preferences_not.html", {"publication": None}, status=404))
    context = {"publication": None, "speaks": notice.member.language if notice.member else "", "changed": False}
    try:
        context["changed"] = request.method == "POST" and preferences.change_address(token) is not None
    except Refusal as refusal:
        problem = str(refusal)
    return _private(render(request, "public/preferences_change.html", {**context, "problem": problem}))


def _private(response: HttpResponse) -> HttpResponse:
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response
