"""How commands answer: tables for people, JSON for programs, one plain sentence when something is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from django.db import OperationalError, ProgrammingError
from rich.console import Console
from rich.table import Table

from ..delivery.relays import RelayWrong
from ..intake import NotReadable
from ..intake.fetch import FetchFailed, FetchRefused
from ..lifecycle import Refusal
from ..models import Digest, Person, Publication

out = Console()
err = Console(stderr=True)
#: What is the matter with what was asked, not with the program.
SENTENCES = (Refusal, NotReadable, FetchRefused, FetchFailed, RelayWrong)


def plainly(app: typer.Typer) -> None:
    """Run the command; what people can mend ends with its sentence on standard error and status 1."""
    try:
        app()
    except SENTENCES as problem:
        _fail(str(problem))
    except (OperationalError, ProgrammingError) as problem:
        if "no such table" not in str(problem) and "does not exist" not in str(problem):
            raise
        _fail("The database is not set up yet: run `publisher migrate`.")


def as_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    made = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    for row in rows:
        made.add_row(*("" if cell is None else str(cell) for cell in row))
    out.print(made)


def the_publication(slug: str | None) -> Publication:
    """The one named, or the only one there is."""
    found = list(Publication.objects.filter(slug=slug) if slug else Publication.objects.all()[:2])
    if len(found) == 1:
        return found[0]
    if not slug and not found:
        raise Refusal("There is no publication yet: make one with `publisher publications add`.")
    known = ", ".join(Publication.objects.values_list("slug", flat=True)) or "none"
    raise Refusal(f"Which publication? Name one with --publication: {known}.")


def the_person(username: str | None) -> Person:
    person = Person.objects.filter(username=username or "").first()
    if person is None:
        known = ", ".join(Person.objects.values_list("username", flat=True)) or "nobody yet"
        raise Refusal(f"Who are you? Name yourself with --by (or PUBLISHER_PERSON): {known}.")
    return person


def the_digest(publication: str | None, number: int | None) -> Digest:
    """The digest of this number, or without one the newest that is not sent or cancelled."""
    digests = Digest.objects.filter(publication=the_publication(publication)).select_related("publication", "proof")
    found = (
        digests.filter(number=number).first() if number else digests.exclude(state__in=["sent", "cancelled"]).first()
    )
    if found is None:
        raise Refusal(f"There is no digest {number or 'in the making'}: see `publisher digests list`.")
    return found


def _fail(sentence: str) -> None:
    err.print(sentence, style="red", highlight=False, soft_wrap=True)
    raise SystemExit(1)
