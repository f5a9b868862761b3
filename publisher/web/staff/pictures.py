"""The picture of a post, as its network will get it: by its hash alone, behind the sign-in."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404

from publisher.models import Picture

from .doors import StaffRequest, page


@page
def picture(request: StaffRequest, sha256: str) -> HttpResponse:
    found = get_object_or_404(Picture, sha256=sha256)
    # A stranger sent the picture: nothing may ever take its bytes for a page.
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=31536000, immutable"}
    return HttpResponse(bytes(found.content), content_type=found.media_type, headers=headers)
