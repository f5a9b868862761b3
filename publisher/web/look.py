"""The publication's own colour, as a style sheet: the policy of the pages allows no inline style."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from publisher import colours

#: The darkest and the lightest ground that a link stands on: --shade in publisher.css, light and dark.
LIGHT, DARK = "#f4f1ea", "#232120"

SHEET = """\
:root {{ --accent: {light}; --on-accent: {on_light}; }}
@media (prefers-color-scheme: dark) {{ :root {{ --accent: {dark}; --on-accent: {on_dark}; }} }}
"""


@require_safe
@cache_control(max_age=365 * 24 * 3600, immutable=True)
def accent(request: HttpRequest, colour: str) -> HttpResponse:
    """The colour, moved only as far as it takes to be read (4.5 : 1) in light and in dark."""
    try:
        light = colours.readable(f"#{colour}", on=LIGHT, toward=0)
        dark = colours.readable(f"#{colour}", on=DARK, toward=1)
    except ValueError as problem:
        raise Http404(str(problem)) from problem
    sheet = SHEET.format(light=light, dark=dark, on_light=colours.ink_on(light), on_dark=colours.ink_on(dark))
    return HttpResponse(sheet, content_type="text/css; charset=utf-8")
