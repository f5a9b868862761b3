from __future__ import annotations

from typing import Annotated

import typer

from .. import digests, segments
from ..lifecycle import Refusal
from ..models import Segment
from .answers import By, In, Json, as_json, say, table, the_digest, the_person, the_publication

app = typer.Typer(help="Parts of the members, as the audience of a digest.", no_args_is_help=True)

Several = Annotated[list[str] | None, typer.Option(help="May be given more than once: any of them.")]
Day = Annotated[str | None, typer.Option(metavar="2026-03-31", help="This day included.")]


@app.command("list")
def list_(publication: In = None, json: Json = False) -> None:
    """The segments, with how many members each has now."""
    found = [(each, segments.count(each)) for each in Segment.objects.filter(publication=the_publication(publication))]
    if json:
        as_json([{"name": each.name, "rule": each.rule, "members": number} for each, number in found])
        return
    table("Segments", ["name", "members", "rule"], ((each.name, number, each.rule) for each, number in found))


@app.command()
def add(
    name: str,
    language: Several = None,
    tag: Several = None,
    not_tag: Several = None,
    receives: Several = None,
    not_receives: Several = None,
    joined_from: Day = None,
    joined_to: Day = None,
    publication: In = None,
    by: By = None,
) -> None:
    """Name a part of the members. All that is said must hold of them; whom that is now is counted."""
    rule = {"languages": language, "tags": tag, "not_tags": not_tag, "receives": receives}
    rule |= {"not_receives": not_receives}
    days = {"joined_from": joined_from, "joined_to": joined_to}
    made = segments.add(the_publication(publication), name, {**rule, **days}, by=the_person(by))
    say(f"“{made}” has {segments.count(made)} members now.")


@app.command()
def use(
    name: Annotated[str, typer.Argument(help="The segment; “all” for all members.")],
    number: Annotated[int | None, typer.Option(help="Of the digest; without it the newest in the making.")] = None,
    publication: In = None,
    by: By = None,
) -> None:
    """Let a digest go to a segment. That voids an approval."""
    digest = the_digest(publication, number)
    chosen = Segment.objects.filter(publication=digest.publication, name=name).first()
    if chosen is None and name != "all":
        raise Refusal(f"There is no segment “{name}”: see `publisher segments list`.")
    digests.choose_audience(digest, chosen, by=the_person(by))
    say(f"{digest.label} goes to {segments.count(chosen) if chosen else 'all'} members.")
