"""The two kinds of doors: a page shows, a deed does one thing and leads back to its page."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from publisher.lifecycle import Refusal
from publisher.models import Person

View = Callable[..., HttpResponse]


class StaffRequest(HttpRequest):
    """A request behind the sign-in: for the type checker, which cannot know what login_required ensures."""

    user: Person
    htmx: Any


def page(view: View) -> View:
    """For anyone of the staff who is signed in, and nothing changes by looking.

    Where something stands in its way that somebody has to mend, as a price table that cannot be read, it says what.
    """

    @wraps(view)
    def door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Refusal as refusal:
            return render(request, "staff/refused.html", {"why": str(refusal)}, status=503)

    return login_required(require_safe(door))


def deed(back: str) -> Callable[[Callable[..., str | HttpResponse | None]], View]:
    """One verb behind a POST. What the view returns is said to the person, and so is a Refusal.

    `back` names the page that both lead to; it takes the same `pk`. An answer of another kind, such as a
    redirect to the next page, is passed on as it is.
    """

    def decorate(view: Callable[..., str | HttpResponse | None]) -> View:
        @wraps(view)
        def door(request: HttpRequest, pk: int, **kwargs: Any) -> HttpResponse:
            try:
                said = view(request, pk, **kwargs)
            except Refusal as refusal:
                messages.error(request, str(refusal))
                said = None
            if isinstance(said, HttpResponse):
                return said
            if said:
                messages.success(request, said)
            return redirect(back, pk)

        return login_required(require_POST(door))

    return decorate
