"""How commands answer: tables for people, JSON for programs, one plain sentence when something is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, NoReturn

import typer
from django.db import OperationalError, ProgrammingError
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table
from rich.text import Text

from ..delivery.relays import RelayWrong
from ..intake import NotReadable
from ..intake.fetch import FetchFailed, FetchRefused
from ..lifecycle import Refusal
from ..models import Digest, Person, PostSet, Proof, Publication
from ..sealing import CannotUnseal

By = Annotated[str | None, typer.Option("--by", envvar="PUBLISHER_PERSON", help="Who does this: a username.")]
In = Annotated[str | None, typer.Option("--publication", help="Its slug; not needed where there is one only.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]

# What is printed was written by others: "[red]" in a title is no markup, ":smile:" no picture.
out = Console(markup=False, highlight=False, emoji=False)
err = Console(markup=False, highlight=False, emoji=False, stderr=True)
#: What is the matter with what was asked, not with the program.
SENTENCES = (Refusal, NotReadable, FetchRefused, FetchFailed, RelayWrong, CannotUnseal)
#: So many characters of a proof's SHA-256 tell it from every other that anybody makes.
SEEN = 12
#: How SQLite and PostgreSQL name a table or column that is not there yet.
_NOT_SET_UP = ("no such table", "no such column", "does not exist")


def plainly(app: typer.Typer) -> None:
    """Run the command; what people can mend ends with its sentence on standard error and status 1."""
    try:
        app(prog_name="publisher")  # as people type it, however Python was started
    except SENTENCES as problem:
        _fail(str(problem))
    except UnicodeEncodeError as problem:
        if problem.reason != "surrogates not allowed":
            raise
        _fail("What was typed holds bytes that are no text in UTF-8: nothing was changed. Type them anew.")
    except (OperationalError, ProgrammingError) as problem:
        _fail(_about_the_database(problem))


def say(sentence: str, style: str | None = None) -> None:
    out.print(sentence, style=style, soft_wrap=True)


def remark(sentence: str, style: str) -> None:
    """On standard error, so that --json stays JSON."""
    err.print(sentence, style=style, soft_wrap=True)


def as_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def progress(sentence: str) -> tuple[Progress, TaskID]:
    """What is going on, for who watches; nothing of it in a log or a pipe."""
    made = Progress(console=err, transient=True, disable=not err.is_terminal)
    return made, made.add_task(sentence, total=None)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    made = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text("" if cell is None else str(cell)) for cell in row))
    out.print(made)


def the_publication(slug: str | None) -> Publication:
    """The one named, or the only one there is."""
    found = list(Publication.objects.filter(slug=slug) if slug else Publication.objects.all()[:2])
    if len(found) == 1:
        return found[0]
    known = ", ".join(Publication.objects.values_list("slug", flat=True))
    if not known:
        raise Refusal(
            "There is no publication yet: make one with `publisher publications add` (its --help says with what)."
        )
    if slug:
        raise Refusal(f"There is no publication “{slug}”: name one of {known}.")
    raise Refusal(f"Which publication? Name one with --publication: {known}.")


def the_person(username: str | None) -> Person:
    """Whoever gave their name. Somebody who may not sign in any more does nothing here either."""
    active = Person.objects.filter(is_active=True)
    if person := active.filter(username=username or "").first():
        return person
    known = ", ".join(active.values_list("username", flat=True)) or "nobody yet, see `publisher people add`"
    raise Refusal(f"Who are you? Name yourself with --by (or PUBLISHER_PERSON): {known}.")


def the_proof(whole: Digest | PostSet, sha256: str, *, made_with: str) -> Proof:
    """The proof that lies before the approver, if it is the one that the person names."""
    current = whole.review or whole.proof
    if current is None:
        raise Refusal(f"{whole.label} has no proof in review: make one with `{made_with}`.")
    if len(sha256) < SEEN or not current.sha256.startswith(sha256.lower()):
        raise Refusal(
            f"The proof of {whole.label} is {current.sha256}. Look at it on its page, and name the one "
            f"that you saw: --sha256 with at least its first {SEEN} characters."
        )
    return current


def the_digest(publication: str | None, number: int | None) -> Digest:
    """The digest of this number, or without one the newest that is not sent or cancelled."""
    digests = Digest.objects.filter(publication=the_publication(publication)).select_related("publication", "proof")
    open_ = digests.exclude(state__in=["sent", "cancelled"])
    found = open_.first() if number is None else digests.filter(number=number).first()
    if found is None:
        which = "in the making" if number is None else number
        raise Refusal(f"There is no digest {which}: see `publisher digests list`.")
    return found


def _about_the_database(problem: Exception) -> str:
    said = str(problem).split("\n")[0]
    # A PostgreSQL that has no database of this name says "does not exist" as well, and migrating does not help there.
    if any(words in said for words in _NOT_SET_UP) and not said.startswith(("connection", "FATAL")):
        return "The database is not set up yet, or not up to date: run `publisher migrate`."
    return f"The database cannot be used: {said}. It is the one that DATABASE_URL names, else in PUBLISHER_DATA."


def _fail(sentence: str) -> NoReturn:
    remark(sentence, "red")
    raise SystemExit(1)
