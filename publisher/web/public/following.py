"""The links of letters that are counted: on to where they lead, with no cookie and no page between."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ... import clicks
from .. import client


@never_cache
@require_safe
def follow(request: HttpRequest, token: str, reader: str = "") -> HttpResponse:
    """Where it leads stands in the approved proof: an address that somebody else made leads nowhere."""
    address = client.address(request)
    agent = request.headers.get("User-Agent", "")[:500]
    who = clicks.Follower(request.method or "", agent, address, client.network(address))
    target = clicks.follow(token, reader, who)
    if target is None:
        raise Http404
    response = HttpResponseRedirect(target)
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response
