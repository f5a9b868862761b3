from __future__ import annotations

from typing import Annotated

import typer

from .. import checks
from .answers import as_json, out, table

_MARKS = {True: "[green]in order[/]", False: "[red]missing[/]"}


def check(json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Is everything that sending needs in order? Says what to do where it is not; status 1 then."""
    found = list(checks.run())
    if json:
        as_json([{"check": c.name, "ok": c.ok, "says": c.says, "mend": c.mend} for c in found])
    else:
        table("Checks", ["", "what", "says"], ((_MARKS[c.ok], c.name, c.says) for c in found))
        for each in found:
            if not each.ok:
                out.print(f"[bold]{each.name}:[/] {each.mend}", highlight=False, soft_wrap=True)
    raise typer.Exit(0 if all(c.ok for c in found) else 1)
