"""Pictures of letters, posts and the archive, by the hash of their bytes."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from ... import links
from ...models import Picture


@require_safe
@cache_control(public=True, max_age=365 * 24 * 3600, immutable=True)
def picture(request: HttpRequest, sha256: str, extension: str) -> HttpResponse:
    """The bytes of this hash: for ever the same, so whoever has them need never ask again."""
    found = Picture.objects.filter(sha256=sha256).first()
    if found is None or links.EXTENSIONS.get(found.media_type) != extension:
        raise Http404("There is no such picture.")
    headers = {
        # A stranger sent the picture: nothing may ever take its bytes for a page.
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": "inline",
        # Letters are read on the pages of mail services.
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    return HttpResponse(bytes(found.content), content_type=found.media_type, headers=headers)
