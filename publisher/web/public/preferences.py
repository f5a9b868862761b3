"""What somebody receives, behind a link of half an hour that is mailed to them.

No cookie and no sign-in: the link is the key, and who has it has the mailbox. It stands in no letter, since letters are
forwarded, and in no address that leaves this page.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

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

EVENLY = 0.15  # seconds; whether a mail was written to a new address is not to be seen by the time
#: A network may ask this often in an hour. A school or an office is one network.
TIMES, SECONDS = 20, 3600


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """ "Mail me the link": one answer, whatever we know of the address."""
    typed = request.POST.get("email", "").strip()
    spoken = speaking.language(request, None)
    if request.method != "POST":
        return _asking(request)
    if client.asks_too_often(request, "preferences", times=TIMES, seconds=SECONDS):
        return _asking(request, languages.say(spoken, "Many have asked from your network. Try again in an hour."), 429)
    try:
        preferences.ask_link(typed, network=client.network(client.address(request)))
    except Refusal:
        return _asking(request, speaking.no_address(typed, spoken), 422)
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
        problem = _why_not(request, refusal, member.language)
    fresh = Member.objects.filter(pk=member.pk).first() or member
    return _private(_page(request, token, fresh, said=said, problem=problem))


def _done(request: HttpRequest, member: Member) -> str:
    """Do what the button that was pressed says; which of the page's sentences to answer with."""
    asked, network = request.POST.get("do", ""), client.network(client.address(request))
    if asked == "address":
        answer_at = time.monotonic() + EVENLY
        address = preferences.ask_change(member, request.POST.get("email", ""), network=network)
        time.sleep(max(0, answer_at - time.monotonic()))
        return address
    if asked == "leave":
        preferences.leave_all(member)
    elif asked == "save":
        preferences.choose(member, _choice(request), network=network, read_in=member.language)
    return asked if asked in {"leave", "save"} else ""


def _choice(request: HttpRequest) -> preferences.Choice:
    return preferences.Choice(
        wanted=_numbers(request.POST.getlist("publication")),
        measured=_numbers(request.POST.getlist("measured")),
        shown=_numbers(request.POST.getlist("shown")),
        language=request.POST.get("language", ""),
        plain_text=request.POST.get("plain_text") == "on",
    )


def _numbers(typed: Iterable[str]) -> set[int]:
    return {int(one) for one in typed if one.isascii() and one.isdigit() and len(one) < 18}


def _why_not(request: HttpRequest, refusal: Refusal, speaks: str) -> str:
    """In the language of the page; what is in no table is about an address that is none."""
    spoken = speaking.language(request, None, speaks)
    if str(refusal) in preferences.REFUSAL_SENTENCES:
        return languages.say(spoken, str(refusal))
    return speaking.no_address(request.POST.get("email", "").strip(), spoken)


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
    context: dict[str, Any] = {"publication": None, "speaks": "", "changed": False}
    context["speaks"] = notice.member.language if notice.member else ""
    try:
        context["changed"] = request.method == "POST" and preferences.change_address(token) is not None
    except Refusal as refusal:
        problem = _why_not(request, refusal, context["speaks"])
    return _private(render(request, "public/preferences_change.html", {**context, "problem": problem}))


def _private(response: HttpResponse) -> HttpResponse:
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response
