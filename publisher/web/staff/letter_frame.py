"""A letter inside a page: in a frame of its own that runs nothing, talks to nobody and leads nowhere."""

from __future__ import annotations

from html import escape

from django.conf import settings
from django.http import HttpResponse

from publisher import merge

#: Inline styles are what a letter is made of; everything else stays shut.
POLICY = "; ".join(
    (
        "default-src 'none'",
        f"img-src 'self' {settings.BASE_URL}",
        "style-src 'unsafe-inline'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'self'",
        "sandbox",
    )
)


def framed(html: str) -> HttpResponse:
    """The letter with its merge fields filled in as for a reader of whom only the address is known."""
    read = merge.fill(html, {"unsubscribe_url": "#", "view_url": "#"}, escape)
    return HttpResponse(read, headers={"Content-Security-Policy": POLICY, "X-Frame-Options": "SAMEORIGIN"})
