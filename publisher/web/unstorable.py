"""What no database takes, stopped at one door: a NUL, or half of a surrogate, in a field, an address or a cookie.

PostgreSQL answers either with an error, which would be a 500 for the person and a page for whoever is on call.
People send them without knowing: with a text that was copied from a broken file, or a field that a robot fills in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

View = Callable[..., HttpResponse]


class Unstorable:
    """Asked once the view is known: a form that was made elsewhere has been turned away by then."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: View, args: Any, kwargs: Any) -> HttpResponse | None:
        if all(map(storable, _said(request))):
            return None
        return render(request, "400_unstorable.html", status=400)


def storable(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _said(request: HttpRequest) -> Iterator[str]:
    """Everything in a request that may end in a row or in a question to the database."""
    yield request.path
    yield from request.COOKIES.values()
    for fields in (request.GET, request.POST):
        for name, values in fields.lists():
            yield name
            yield from values
    for _, files in request.FILES.lists():
        yield from (str(file.name) for file in files)
