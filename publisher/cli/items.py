from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.progress import Progress

from .. import items, sources
from ..intake import ParsedItem, Reading
from ..lifecycle import Refusal
from ..models import Item
from .answers import as_json, err, out, table, the_person, the_publication

app = typer.Typer(help="News: import it, look at it, queue it.", no_args_is_help=True)

By = Annotated[str | None, typer.Option("--by", envvar="PUBLISHER_PERSON", help="Who does this: a username.")]
In = Annotated[str | None, typer.Option("--publication", help="Its slug; not needed where there is one only.")]


@app.command("import")
def import_(
    places: Annotated[list[str], typer.Argument(metavar="PATH|URL…")],
    publication: In = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and show; store nothing.")] = False,
    json: Annotated[bool, typer.Option("--json")] = False,
    queue: Annotated[bool, typer.Option("--queue", help="Queue the new items that no earlier Update printed.")] = False,
    take_number: Annotated[
        bool, typer.Option("--take-number", help="Let the printed numbers set the next one.")
    ] = False,
) -> None:
    """Read listing pages (text or HTML), feeds, WordPress sites, or folders of these, into items."""
    if dry_run:
        _show_readings(places, json)
        return
    chosen = the_publication(publication)
    report: list[dict[str, Any]] = []
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("Reading …", total=None)
        for place in places:
            for page, received in sources.import_from(place, chosen):
                progress.update(task, description=f"Reading {page}", advance=1)
                _settle(chosen, received, queue, take_number)
                report.append(_said(page, received))
    _print_report(report, json)


@app.command("list")
def list_(
    publication: In = None,
    state: Annotated[str | None, typer.Option(help="received, queued, set_aside or withdrawn")] = None,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """The items, newest first."""
    if state and state not in Item.State.values:
        raise Refusal(f"No item is ever “{state}”: say one of {', '.join(Item.State.values)}.")
    found = Item.objects.filter(publication=the_publication(publication))
    rows = found.filter(state=state) if state else found
    if json:
        as_json([{"id": item.pk, "state": item.state, "flags": item.flags, **_stored(item)} for item in rows])
        return
    table(
        "Items",
        ["id", "state", "date", "title", "to look at"],
        ((i.pk, i.get_state_display(), i.date_label, i.title, " ".join(i.flags)) for i in rows),
    )


@app.command()
def queue(ids: list[int], by: By = None) -> None:
    """Queue items for the next digest."""
    person = the_person(by)
    for item in _named(ids):
        items.queue(item, by=person)
        out.print(f"Queued: {item}", highlight=False)


@app.command("set-aside")
def set_aside(ids: list[int], by: By = None, why: str = "") -> None:
    """Set items aside; they can be queued again."""
    person = the_person(by)
    for item in _named(ids):
        items.set_aside(item, by=person, why=why)
        out.print(f"Set aside: {item}", highlight=False)


@app.command()
def withdraw(item_id: int, why: Annotated[str, typer.Option()], by: By = None) -> None:
    """Take an item back for good: out of digests that have not begun, and none of its posts goes out."""
    (item,) = _named([item_id])
    items.withdraw(item, by=the_person(by), why=why)
    out.print(f"Withdrawn: {item}", highlight=False)


def printed(parsed: ParsedItem) -> dict[str, Any]:
    """A parsed item as `--json` prints it."""
    return {
        "title": parsed.title,
        "teaser": parsed.teaser,
        "published_on": parsed.published_on.isoformat() if parsed.published_on else None,
        "date_label": parsed.date_label,
        "series": parsed.series,
        "number": parsed.number,
        "byline": parsed.byline,
        "image_caption": parsed.image_caption,
        "link": parsed.link,
    }


def _stored(item: Item) -> dict[str, Any]:
    return {
        "title": item.title,
        "teaser": item.teaser,
        "published_on": item.published_on and item.published_on.isoformat(),
        "date_label": item.date_label,
        "series": item.printed_series or None,
        "number": item.printed_number,
        "byline": item.byline or None,
        "image_caption": item.image_caption or None,
        "link": item.link or None,
    }


def _show_readings(places: list[str], json: bool) -> None:
    readings = [reading for place in places for reading in sources.readings(place)]
    found = [parsed for _, reading in readings for parsed in reading.items]
    if json:
        as_json([printed(parsed) for parsed in found])
    else:
        table(
            f"{len(found)} items (nothing stored)",
            ["series", "no.", "date", "title"],
            ((p.series, p.number, p.date_label, p.title) for p in found),
        )
    for place, reading in readings:
        _remark(place, reading)


def _remark(place: str, reading: Reading) -> None:
    """On standard error, so that --json stays JSON: what is kept otherwise, looks damaged, or was not read."""
    for section in reading.sections:
        err.print(f"{place}: standing section “{section.title}”", style="dim", highlight=False, soft_wrap=True)
    for parsed in reading.items:
        for sentence in parsed.damage:
            err.print(
                f"{place}:{parsed.line}: {parsed.title}: {sentence}", style="yellow", highlight=False, soft_wrap=True
            )
    for unread in reading.unread:
        err.print(
            f"{place}:{unread.line}: not read, {unread.why}: {unread.text}",
            style="red",
            highlight=False,
            soft_wrap=True,
        )


def _settle(publication: Any, received: items.Received, queue: bool, take_number: bool) -> None:
    if queue:
        for item in received.new:
            if item.printed_number is None:
                items.queue(item, by=None)
    if take_number and received.proposed_number:
        type(publication).objects.filter(pk=publication.pk).update(next_number=received.proposed_number)
        publication.next_number = received.proposed_number


def _said(page: str, received: items.Received) -> dict[str, Any]:
    return {
        "page": page,
        "new": [item.pk for item in received.new],
        "updated": [item.pk for item in received.updated],
        "flagged": [item.pk for item in received.flagged],
        "unchanged": received.unchanged,
        "sections": [section.title for section in received.sections],
        "unread": [{"line": u.line, "text": u.text, "why": u.why} for u in received.unread],
        "proposed_number": received.proposed_number,
    }


def _print_report(report: list[dict[str, Any]], json: bool) -> None:
    if json:
        as_json(report)
        return
    columns = ["page", "new", "updated", "flagged", "unchanged", "sections", "not read"]
    table(
        "Imported",
        columns,
        (
            (
                r["page"],
                len(r["new"]),
                len(r["updated"]),
                len(r["flagged"]),
                r["unchanged"],
                len(r["sections"]),
                len(r["unread"]),
            )
            for r in report
        ),
    )
    for entry in report:
        for unread in entry["unread"]:
            err.print(f"{entry['page']}:{unread['line']}: not read, {unread['why']}: {unread['text']}", style="red")
    if proposed := max((r["proposed_number"] or 0 for r in report), default=0):
        out.print(f"The numbers printed there suggest {proposed} as the next one: import with --take-number to set it.")


def _named(ids: list[int]) -> list[Item]:
    found = {item.pk: item for item in Item.objects.filter(pk__in=ids)}
    if missing := [pk for pk in ids if pk not in found]:
        raise Refusal(f"There is no item {', '.join(map(str, missing))}: see `publisher items list`.")
    return [found[pk] for pk in ids]
