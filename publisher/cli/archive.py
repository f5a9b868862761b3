from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from .. import archiving
from .answers import By, In, Json, as_json, remark, say, table, the_person, the_publication

app = typer.Typer(help="Past numbers, in the archive.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """So that its one command has a name."""


@app.command("import")
def import_(
    places: Annotated[list[str], typer.Argument(metavar="PATH|URL…")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which numbers would come in; store nothing.")] = False,
    publication: In = None,
    by: By = None,
    json: Json = False,
) -> None:
    """Bring past numbers into the archive, from listing pages, feeds or folders. Nothing is mailed or posted."""
    chosen = the_publication(publication)
    if dry_run:
        found = [past for place in places for past in archiving.look(place, chosen)]
        if json:
            as_json([asdict(past) for past in found])
            return
        rows = ((past.number, past.date, len(past.titles), past.why_not or "comes in") for past in found)
        table("Past numbers (nothing stored)", ["number", "day", "items", ""], rows)
        return
    person = the_person(by)
    made = [digest for place in places for digest in archiving.bring(place, chosen, by=person)]
    if json:
        as_json([{"number": digest.number, "date": digest.date, "items": digest.entries.count()} for digest in made])
        return
    for digest in made:
        say(f"In the archive: {digest.label}")
    if not made:
        remark("Nothing new: --dry-run says of each number why.", "yellow")
