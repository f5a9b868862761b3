"""Signing in and out. Who guesses passwords is slowed down, and learns nothing about who has an account."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.crypto import salted_hmac

from .. import client

ATTEMPTS = 10
WINDOW = 15 * 60  # seconds, from the first failure


class SignIn(LoginView):
    template_name = "staff/sign_in.html"
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # Asked before the password is looked at, known user or not: after ten failures even the right one waits.
        if cache.get(_failures(request), 0) >= ATTEMPTS:
            context = self.get_context_data(form=self.get_form_class()(request), throttled=WINDOW // 60)
            return render(request, self.template_name, context, status=429)
        return super().post(request, *args, **kwargs)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        key = _failures(self.request)
        # Two calls: the window begins with the first failure, and a later one does not lengthen it.
        if not cache.add(key, 1, WINDOW):
            with suppress(ValueError):  # it ended between the two calls
                cache.incr(key)
        return super().form_invalid(form)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        cache.delete(_failures(self.request))
        return super().form_valid(form)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**{"throttled": None, **context})


sign_in = SignIn.as_view()
sign_out = LogoutView.as_view()


def _failures(request: HttpRequest) -> str:
    """Counted for a name and an address together: a name alone would let anyone lock somebody else out."""
    name, address = request.POST.get("username", "").casefold(), client.address(request)
    # Keyed, since both are personal and whoever reads the cache could guess them one by one.
    return "sign-in-failures:" + salted_hmac("publisher.sign-in-failures", f"{name} {address}").hexdigest()
