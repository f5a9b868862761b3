"""In which language a public page speaks: the one that its reader chose, or its member, or its publication.

Globals of the templates, named in config/jinja.py. A view gives what it has, `publication` and, where the page is a
person's own, `speaks`, their language; the choice, `?lang=es`, is read from the address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from .. import languages
from ..models import Publication


@dataclass(frozen=True)
class Choice:
    """Another language that this page can be read in."""

    code: str
    name: str
    address: str


def language(request: HttpRequest | None, publication: Publication | None, speaks: str = "") -> str:
    """For the sentences that a view says itself. The form of a page sends along in which language it was read."""
    asked = (request.POST.get("lang") or request.GET.get("lang", "")) if request else ""
    return languages.first_known(asked, speaks, publication.language if publication else "")


def no_address(typed: str, spoken: str) -> str:
    """What is said of an address that is none. Not the refusal's own words: they are for staff, and in English."""
    if not typed:
        return languages.say(spoken, "Please write your e-mail address.")
    shown = " ".join(typed.split())[:100]
    return languages.say(spoken, "“{typed}” is not an e-mail address. Please look at it again.", typed=shown)


@pass_context
def say(context: Context, english: str, /, **values: Any) -> Markup:
    return languages.say_safely(speaking(context), english, **values)


@pass_context
def speaking(context: Context) -> str:
    return language(context.get("request"), context.get("publication"), context.get("speaks") or "")


@pass_context
def kept_language(context: Context) -> str:
    """What a link of the page has to end with for the next page to speak as this one does: "?lang=es", or nothing."""
    default = language(None, context.get("publication"))
    spoken = speaking(context)
    return f"?lang={spoken}" if spoken != default else ""


@pass_context
def other_languages(context: Context) -> list[Choice]:
    spoken, request = speaking(context), context.get("request")
    query = request.GET.copy() if request else None
    found = []
    for code, name in languages.NAMES.items():
        if code != spoken:
            if query is not None:
                query["lang"] = code
            found.append(Choice(code, name, f"?{query.urlencode() if query is not None else f'lang={code}'}"))
    return found
