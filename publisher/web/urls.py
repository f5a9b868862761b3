from __future__ import annotations

from importlib.util import find_spec

from django.urls import include, path, register_converter

from . import look


class Colour:
    regex = "[0-9a-f]{6}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(Colour, "colour")

urlpatterns = [
    path("accent/<colour:colour>.css", look.accent, name="accent"),
]

if find_spec("publisher.web.public_urls"):
    urlpatterns.append(path("", include("publisher.web.public_urls")))
