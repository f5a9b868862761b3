from __future__ import annotations

from typing import Any

import typer

from .. import imports
from .answers import By, In, Json, the_person, the_publication
from .importing import Watch, named_columns, taken, tell_departed
from .members import Columns, ListFile, Report

app = typer.Typer(help="Addresses that must never be mailed.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """So that its one command has a name."""


@app.command("import")
def import_(
    file: ListFile,
    report: Report = None,
    column: Columns = None,
    publication: In = None,
    by: By = None,
    json: Json = False,
) -> None:
    """Take in a former system's list of addresses that must not be mailed: as keyed hashes, for all publications."""
    chosen, person, columns = the_publication(publication), the_person(by), named_columns(column)

    def bring(watch: Watch, how: str, reject: Any) -> Any:
        return imports.import_suppressions(watch.blocks(), chosen, by=person, how=how, reject=reject, columns=columns)

    tell_departed(*taken(file, report, bring), json=json)
