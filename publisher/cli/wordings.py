from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from .. import wordings
from .answers import By, In, Json, as_json, say, table, the_person, the_publication

app = typer.Typer(help="How posts are worded on each network.", no_args_is_help=True)

Network = Annotated[str, typer.Argument(help="As `publisher wordings show` lists them.")]
Purpose = Annotated[str, typer.Argument(help="item, digest, campaign …")]


@app.command()
def show(
    network: Annotated[str | None, typer.Argument()] = None,
    purpose: Annotated[str | None, typer.Argument()] = None,
    publication: In = None,
    json: Json = False,
) -> None:
    """The wordings; of one network and purpose its text, and what a post would be."""
    chosen = the_publication(publication)
    if network and purpose:
        worded = wordings.of(chosen, network, purpose)
        preview = wordings.preview(chosen, worded)
        if json:
            as_json({**asdict(worded), "preview": asdict(preview)})
            return
        say(worded.text)
        say(f"\nAs of {preview.of}, {preview.length} of {preview.limit}:\n", style="dim")
        say(preview.text or preview.problem)
        return
    listed = [each for each in wordings.all_of(chosen) if not network or each.network == network]
    if json:
        as_json([asdict(each) for each in listed])
        return
    rows = ((w.network, w.purpose, "own" if w.own else "", w.text.replace("\n", " ⏎ ")) for w in listed)
    table(f"How {chosen.series} words its posts", ["network", "purpose", "", "wording"], rows)


@app.command("set")
def set_(
    network: Network,
    purpose: Purpose,
    text: Annotated[str, typer.Argument(help="Words and fields, as '{title}\\n{link}'; - reads what is typed in.")],
    publication: In = None,
    by: By = None,
) -> None:
    """Word posts so from now on. Posts that are drafted or approved already keep their words."""
    chosen, person = the_publication(publication), the_person(by)
    wordings.change(chosen, network, purpose, sys.stdin.read() if text == "-" else text.replace("\\n", "\n"), by=person)
    preview = wordings.preview(chosen, wordings.of(chosen, network, purpose))
    say(f"Set. As of {preview.of}, {preview.length} of {preview.limit}:\n\n{preview.text}")


@app.command()
def reset(network: Network, purpose: Purpose, publication: In = None, by: By = None) -> None:
    """Put the house's own wording back."""
    chosen, person = the_publication(publication), the_person(by)
    wordings.reset(chosen, network, purpose, by=person)
    say("The house's own wording is back.")
