"""The languages in which we speak to the public: pages and mails. Staff pages are in English.

English stands where it is said: `{{ say("Subscribe to {series}", series=publication.series) }}` in a template,
`languages.say(language, "Please write your e-mail address.")` in Python. Every other language is one table,
`templates/words/<code>.toml`, from the English sentence to its own; what is missing there is said in English.
Not gettext: these few hundred sentences need no compiler, no binary files and no plural forms.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

TABLES = Path(__file__).resolve().parent.parent / "templates" / "words"
#: Each by its own name, as a reader looks for it.
NAMES = {"en": "English", "es": "Español"}
DEFAULT = "en"


def first_known(*wanted: str) -> str:
    """The first of these that we speak; “es-PE” is “es”. English where there is none."""
    codes = (each.replace("_", "-").partition("-")[0].lower() for each in wanted)
    return next((code for code in codes if code in NAMES), DEFAULT)


def say(language: str, english: str, /, **values: object) -> str:
    """The sentence in this language, with the values in its places."""
    return _in(language, english).format(**values)


def say_safely(language: str, english: str, /, **values: object) -> Markup:
    """The same for HTML: words and values are escaped, but for values that are Markup (a link in a sentence)."""
    return Markup(escape(_in(language, english))).format(**values)  # noqa: S704 - it is escaped


@pass_context
def say_in_mail(context: Context, english: str, /, **values: Any) -> str:
    """`say` in the templates of mails, by the mail's `language`."""
    speak = say_safely if context.eval_ctx.autoescape else say
    return speak(context["language"], english, **values)


@cache
def table(language: str) -> dict[str, str]:
    """A language's sentences by the English ones. The file groups them by page, for whoever reads it."""
    if language == DEFAULT:
        return {}
    groups: dict[str, dict[str, str]] = tomllib.loads((TABLES / f"{language}.toml").read_text())
    return {english: said for group in groups.values() for english, said in group.items()}


def _in(language: str, english: str) -> str:
    return table(first_known(language)).get(english, english)
