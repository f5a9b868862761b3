from __future__ import annotations

import typer
from rich.text import Text

from .. import checks
from .answers import Json, as_json, say, table


def check(json: Json = False) -> None:
    """Is everything that sending needs in order? Says what to do where it is not; status 1 then."""
    found = list(checks.run())
    if json:
        as_json([{"check": c.name, "ok": c.ok, "says": c.says, "mend": "" if c.ok else c.mend} for c in found])
    else:
        table("Checks", ["", "what", "says"], ((_mark(c.ok), c.name, c.says) for c in found))
        for each in found:
            if not each.ok:
                say(f"{each.name}: {each.mend}")
    raise typer.Exit(0 if all(c.ok for c in found) else 1)


def _mark(ok: bool) -> Text:
    return Text("in order", "green") if ok else Text("missing", "red")
