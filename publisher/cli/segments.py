from __future__ import annotations

from typing import Annotated, Any

import typer

from .. import digests, segments
from ..lifecycle import Refusal
from ..models import Publication, Segment
from .answers import By, In, Json, as_json, say, table, the_digest, the_person, the_publication

app = typer.Typer(help="Parts of the members, as the audience of a digest.", no_args_is_help=True)

Several = Annotated[list[str] | None, typer.Option(help="May be given more than once: any of them.")]
Engaged = Annotated[
    str | None,
    typer.Option(metavar="2026-03-31", help="Has confirmed since, or followed a link and agreed that it is kept."),
]
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
    engaged_from: Engaged = None,
    publication: In = None,
    by: By = None,
) -> None:
    """Name a part of the members. All that is said must hold of them; whom that is now is counted."""
    rule = _rule(language, tag, not_tag, receives, not_receives, joined_from, joined_to, engaged_from)
    made = segments.add(the_publication(publication), name, rule, by=the_person(by))
    say(f"“{made}” has {segments.count(made)} members now.")


@app.command()
def edit(
    name: str,
    language: Several = None,
    tag: Several = None,
    not_tag: Several = None,
    receives: Several = None,
    not_receives: Several = None,
    joined_from: Day = None,
    joined_to: Day = None,
    engaged_from: Engaged = None,
    publication: In = None,
    by: By = None,
) -> None:
    """Give a segment another rule, the whole of it. A digest that is approved keeps the rule of its approval."""
    segment = _segment(the_publication(publication), name)
    rule = _rule(language, tag, not_tag, receives, not_receives, joined_from, joined_to, engaged_from)
    segments.edit(segment, rule, by=the_person(by))
    say(f"“{segment}” has {segments.count(segment)} members now.")


@app.command()
def remove(name: str, publication: In = None, by: By = None) -> None:
    """Forget a segment that no digest has gone to."""
    segments.remove(_segment(the_publication(publication), name), by=the_person(by))
    say("Removed.")


@app.command()
def use(
    name: Annotated[str, typer.Argument(help="The segment; “all” for all members.")],
    number: Annotated[int | None, typer.Option(help="Of the digest; without it the newest in the making.")] = None,
    publication: In = None,
    by: By = None,
) -> None:
    """Let a digest go to a segment. That voids an approval."""
    digest = the_digest(publication, number)
    chosen = None if name == "all" else _segment(digest.publication, name)
    digests.choose_audience(digest, chosen, by=the_person(by))
    say(f"{digest.label} goes to {segments.count(chosen) if chosen else 'all'} members.")


def _segment(publication: Publication, name: str) -> Segment:
    found = Segment.objects.filter(publication=publication, name=name).first()
    if found is None:
        raise Refusal(f"There is no segment “{name}”: see `publisher segments list`.")
    return found


def _rule(*answers: Any) -> dict[str, Any]:
    """In the order of the options."""
    return dict(zip((*segments.SEVERAL, *segments.DAYS), answers, strict=True))
