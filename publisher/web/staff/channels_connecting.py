"""Connecting an account: which way, the step to the network's own pages, the way back, and the choice of an account.

The step is a link on a page of its own: a form that leads to another site is stopped by our content security policy.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from publisher import checkups, connecting, networks
from publisher.lifecycle import Refusal
from publisher.models import Channel, Handshake, Publication

from .doors import StaffRequest, page

both = require_http_methods(["GET", "HEAD", "POST"])


@login_required
@both
def connect(request: StaffRequest, slug: str, network: str) -> HttpResponse:
    """The ways to connect an account of this network, and what is needed for each."""
    if network not in networks.NETWORKS:
        raise Http404(network)
    publication, status = get_object_or_404(Publication, slug=slug), 200
    channel = _again(publication, network, request.POST.get("channel") or request.GET.get("channel", ""))
    if request.method == "POST":
        try:
            return _begun(request, publication, network, channel)
        except Refusal as refusal:
            messages.error(request, str(refusal))
            status = 422
    return render(request, "staff/connecting/connect.html", _ways(publication, network, channel), status=status)


def _begun(request: StaffRequest, publication: Publication, network: str, channel: Channel | None) -> HttpResponse:
    asked = {name: value for name, value in request.POST.items() if isinstance(value, str)}
    if asked.get("way") == "consent":
        wanted = {field.name: asked.get(field.name, "") for field in _asks(network)}
        begun = connecting.begin(
            publication, network, by=request.user, session=_session(request), asked=wanted, channel=channel
        )
        return redirect("channel-go", begun.pk)
    credentials = {field.name: asked.get(field.name, "") for field in networks.network_class(network).keys}
    account = channel.account if channel else asked.get("account", "")
    return _connected(request, connecting.type_in(publication, network, account, credentials, by=request.user))


@page
@never_cache
def go(request: StaffRequest, pk: int) -> HttpResponse:
    """The step to the network: what will be asked there, and the link that leads there."""
    try:
        handshake = connecting.waiting(pk, by=request.user, session=_session(request))
        address = connecting.address_of(handshake)
    except Refusal as refusal:
        return _anew(request, str(refusal))
    way = networks.consent_class(handshake.network)
    context = {**_about(handshake), "address": address, "says": way.says if way else ""}
    return render(request, "staff/connecting/go.html", context)


@require_safe
@never_cache
def answered(request: StaffRequest) -> HttpResponse:
    """Where networks send people back to. It leads on at once: what they bring is in this address."""
    if not request.user.is_authenticated:
        # Not by way of the sign-in: it would carry the code along in its own address.
        messages.error(request, connecting.GONE)
        return redirect("sign-in")
    try:
        found = connecting.answer(request.GET.dict(), by=request.user, session=_session(request))
    except Refusal as refusal:
        return _anew(request, str(refusal))
    if isinstance(found, Handshake):
        return redirect("channel-choose", found.pk)
    return _connected(request, found)


@login_required
@both
@never_cache
def choose(request: StaffRequest, pk: int) -> HttpResponse:
    try:
        handshake = connecting.waiting(pk, by=request.user, session=_session(request))
        found = connecting.candidates(handshake)
        if request.method == "POST":
            return _connected(request, connecting.choose(handshake, _number(request)))
    except Refusal as refusal:
        return _anew(request, str(refusal))
    return render(request, "staff/connecting/choose.html", {**_about(handshake), "candidates": found})


def _ways(publication: Publication, network: str, channel: Channel | None) -> dict[str, Any]:
    adapter = networks.network_class(network)
    return {
        "publication": publication,
        "network": network,
        "label": adapter.label,
        "channel": channel,
        "consent": networks.consent_class(network),
        "asks": _asks(network),
        "lacking": connecting.lacking(network),
        "back": connecting.back(),
        "keys": adapter.keys,
    }


def _connected(request: StaffRequest, channel: Channel) -> HttpResponse:
    """A first look at once: who has just connected it wants to know whether it works."""
    if not checkups.look(channel):
        messages.success(request, f"{channel.account} is connected, and may post.")
    return redirect("channel", channel.pk)


def _anew(request: StaffRequest, sentence: str) -> HttpResponse:
    messages.error(request, sentence)
    return redirect("channels")


def _again(publication: Publication, network: str, pk: str) -> Channel | None:
    return publication.channels.filter(network=network, pk=int(pk)).first() if pk.isdecimal() else None


def _asks(network: str) -> tuple[Any, ...]:
    way = networks.consent_class(network)
    return way.asks if way else ()


def _about(handshake: Handshake) -> dict[str, Any]:
    adapter = networks.network_class(handshake.network)
    return {"handshake": handshake, "publication": handshake.publication, "label": adapter.label}


def _number(request: StaffRequest) -> int:
    number = request.POST.get("account", "")
    return int(number) if number.isdecimal() else -1


def _session(request: StaffRequest) -> str:
    return request.session.session_key or ""
