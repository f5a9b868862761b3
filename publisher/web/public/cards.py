"""Cards for what has no picture: what networks and messengers show of a page of the archive."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from ... import cards, drawing
from .archive import entry_at, sent

WIDTH, HEIGHT = drawing.SIZE
#: An item that is withdrawn, a publication that changes its colour: gone from the caches on the way within the day.
daily = cache_control(public=True, max_age=24 * 3600)


@require_safe
@daily
def digest(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    return _png(cards.of_digest(get_object_or_404(sent(), publication__slug=slug, number=number)))


@require_safe
@daily
def item(request: HttpRequest, slug: str, number: int, position: int) -> HttpResponse:
    return _png(cards.of(entry_at(slug, number, position)))


def _png(card: cards.Card) -> HttpResponse:
    """Drawn when it is asked for: the same words give the same bytes, so there is nothing to keep."""
    headers = {"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "cross-origin"}
    return HttpResponse(card.content, content_type="image/png", headers=headers)
