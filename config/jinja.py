"""The Jinja2 environment of the pages: what templates may call, and how they say dates and numbers."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.messages import get_messages
from django.templatetags.static import static
from django.urls import reverse
from jinja2 import Environment, StrictUndefined

from publisher import epoch
from publisher.networks import NETWORKS, network_class
from publisher.web import speaking, wording

#: On a form that leaves people on its page: htmx posts it and morphs the answer into place, so that focus,
#: open folds and the place on the page stay. Without JavaScript the same form posts and the page is loaded anew.
IN_PLACE = 'target:"#page" select:"#page" swap:"outerMorph show:none" push:false'


def environment(**options: Any) -> Environment:
    options |= {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    options.pop("autoescape", None)
    made = Environment(autoescape=True, **options)
    made.globals |= {
        "IN_PLACE": IN_PLACE,
        "accent_css": accent_css,
        "epoch_doubt": epoch.doubt,
        "get_messages": get_messages,
        "kept_language": speaking.kept_language,
        "other_languages": speaking.other_languages,
        "sandbox_url": sandbox_url,
        "sandboxed": sandboxed,
        "say": speaking.say,
        "speaking": speaking.speaking,
        "static": static,
        "url": url,
    }
    made.filters |= {name: getattr(wording, name) for name in wording.FILTERS}
    return made


def url(name: str, *args: object, **kwargs: object) -> str:
    return reverse(name, args=args or None, kwargs=kwargs or None)


def sandbox_url() -> str:
    """Where the sandbox shows what it caught; empty once something real is connected."""
    return settings.SANDBOX_URL


def sandboxed() -> str:
    """What goes no further than the sandbox, as the start of a sentence."""
    if not (set(NETWORKS) | {"mail"}) - set(settings.SANDBOXED):
        return "Nothing is connected yet: mail and posts stay"
    words = ["Mail" if name == "mail" else f"Posts to {network_class(name).label}" for name in settings.SANDBOXED]
    return f"Not connected yet: {', '.join(words)}. That stays"


def accent_css(publication: Any | None) -> str:
    """The address of the small style sheet with the publication's own colour, or the house's."""
    return url("accent", (publication.accent if publication else "#8a1c1c").removeprefix("#").lower())
