"""What a stranger's program sends along and we do not read: cookies on public pages, and odd names of encodings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.urls import reverse

Answer = Callable[[HttpRequest], HttpResponse]


def unread(get_response: Answer) -> Answer:
    """Middleware, before any that reads cookies or a body.

    Public pages know nobody. A cookie that a browser or a mail program sends them would only be answered with another:
    Django deletes what it does not know, and renews what is broken. Everything of ours is UTF-8; a request that says
    otherwise is read so all the same, because Django takes any codec of Python's for an encoding of text, and refuses
    one-click unsubscribing in us-ascii.
    """
    staff = reverse("items").removesuffix("items/")

    def answer(request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(staff):
            request.META.pop("HTTP_COOKIE", None)
            request.COOKIES = {}
            # Kept as it came: whether a mail program asks to leave is read from its bytes, whatever it calls them.
            with suppress(UnreadablePostError):  # who hung up is not answered
                _ = request.body
        # Not by the property, which first reads the query in the encoding that is to be replaced; stubs know no other.
        request._encoding = "utf-8"  # type: ignore[attr-defined]
        return get_response(request)

    return answer
