from __future__ import annotations

from typing import Annotated, Any

import typer

from .. import epoch
from ..models import Epoch
from ..witness import Unreadable, read
from .answers import By, Json, as_json, say, table, the_person

app = typer.Typer(
    help="The epoch: whether this database goes on here. After a restored backup, or in a copy, a person says so.",
    no_args_is_help=True,
)


@app.command()
def show(json: Json = False) -> None:
    """Which epoch this is, whether anything may be sent, and what would wait after a confirmation."""
    found = _found()
    if json:
        as_json(found)
        return
    say(found["doubt"] or "Nothing stands in the way of sending.", style="yellow" if found["doubt"] else None)
    rows = ((name, value) for name, value in found.items() if name not in ("doubt", "confirmable", "waiting"))
    table("Epoch", ["", ""], rows)
    if found["doubt"]:
        table("Stopped by a confirmation", ["what", ""], ((one["what"], one["name"]) for one in found["waiting"]))


@app.command()
def confirm(
    by: By = None,
    why: Annotated[str, typer.Option(help="What you compared, for the history.")] = "",
    json: Json = False,
) -> None:
    """Say that this database goes on, on this machine. What would go out at once is stopped, and asks for itself."""
    epoch.confirm(by=the_person(by), why=why)
    found = _found()
    if json:
        as_json(found)
        return
    say(found["doubt"] or "Confirmed: what is due from now on is sent.")
    say("What was under way or due is paused or held: see `publisher digests list` and `publisher posts list`.")


def _found() -> dict[str, Any]:
    found, row = epoch.look(), Epoch.objects.filter(pk=epoch.ONLY).first()
    return {
        "installation": row and str(row.installation),
        "counter": row.counter if row else 0,
        "clock_ticked_at": row and row.ticked_at,
        "file": str(epoch.file()),
        "seen_here": _seen(),
        "doubt": found.says if found else None,
        "confirmable": bool(found and found.confirmable),
        "waiting": [
            *({"what": "digest to be paused", "name": digest.label} for digest in epoch.under_way()),
            *({"what": "digest to ask first", "name": digest.label} for digest in epoch.due_digests()),
            *({"what": "post to be held", "name": str(post)} for post in epoch.due_posts()),
        ],
    }


def _seen() -> str:
    """What the file on this machine says, in words."""
    try:
        seen = read(epoch.file())
    except Unreadable as problem:
        return f"cannot be read: {problem}"
    if seen is None:
        return "nothing"
    return f"{seen.installation}, {seen.counter}{', in a copy of the file' if seen.copied else ''}"
