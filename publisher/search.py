"""Searching in the archive: without regard to case and accents, alike on both databases.

Neither LIKE does that by itself: SQLite's knows the case of ASCII alone, PostgreSQL's goes by the locale of whoever
made the cluster. So both sides are folded: taken apart (NFKD), the marks left out, in lower case.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from django.db import connection
from django.db.models import CharField, F, Func, Q, QuerySet, Value
from django.db.models.functions import Concat

from .models import Entry

#: More words than these are not looked for, nor longer ones: each costs a look at every text.
MOST_WORDS, LONGEST = 8, 60
_MARKS = re.compile("[\u0300-\u036f]")


class Folded(Func):
    """The text as it is compared."""

    function = "publisher_fold"
    output_field = CharField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "lower(regexp_replace(normalize(%(expressions)s, NFKD), '[\u0300-\u036f]', '', 'g'))"
        return self.as_sql(compiler, connection, template=template, **context)


def fold(text: str) -> str:
    return _MARKS.sub("", unicodedata.normalize("NFKD", text)).lower()


def words(asked: str) -> list[str]:
    """What is looked for: all of these, in any order."""
    return [word[:LONGEST] for word in fold(asked.replace("\0", "")).split()][:MOST_WORDS]


def matching(entries: QuerySet[Entry], asked: str) -> QuerySet[Entry]:
    """The entries in whose title, teaser, or label (“Update 120”) each of the words stands."""
    _teach_sqlite()
    number = Concat(F("digest__publication__series"), Value(" "), F("digest__number"), output_field=CharField())
    said = Concat(F("title"), Value("\n"), F("teaser"), Value("\n"), F("byline"), output_field=CharField())
    found = entries.annotate(folded=Folded(said), numbered=Folded(number))
    for word in words(asked):
        found = found.filter(Q(folded__contains=word) | _in_label(word))
    return found


def _in_label(word: str) -> Q:
    """A number is the whole number: who looks for 12 does not mean 120."""
    if word.isascii() and word.isdigit():
        return Q(digest__number=int(word)) if len(word) < 10 else Q(pk__in=[])
    return Q(numbered__startswith=word)


def _teach_sqlite() -> None:
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        connection.connection.create_function("publisher_fold", 1, _fold_or_nothing, deterministic=True)


def _fold_or_nothing(text: Any) -> str | None:
    return None if text is None else fold(str(text))
