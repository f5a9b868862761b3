from __future__ import annotations

from typing import Annotated, Any

import typer
from django.db import OperationalError, ProgrammingError

from .. import items, sources
from ..intake import ParsedItem, Reading
from ..lifecycle import Refusal, note
from ..models import Item, Person, Publication
from .answers import By, In, Json, as_json, progress, remark, say, table, the_person, the_publication

app = typer.Typer(help="News: import it, look at it, queue it.", no_args_is_help=True)


@app.command("import")
def import_(
    places: Annotated[list[str], typer.Argument(metavar="PATH|URL…")],
    publication: In = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and show; store nothing.")] = False,
    json: Json = False,
    queue: Annotated[bool, typer.Option("--queue", help="Queue the new items that no earlier Update printed.")] = False,
    take_number: Annotated[
        bool, typer.Option("--take-number", help="Let the printed numbers set the next one.")
    ] = False,
    by: By = None,
) -> None:
    """Read listing pages (text or HTML), feeds, WordPress sites, or folders of these, into items."""
    if dry_run:
        _show_readings(places, json)
        return
    chosen = _publication_to_fill(publication)
    # Reading is nobody's deed; queueing and setting the number are somebody's.
    person = the_person(by) if queue or take_number else None
    report: list[dict[str, Any]] = []
    shown, task = progress("Reading …")
    with shown:
        for place in places:
            for page, received in sources.import_from(place, chosen):
                shown.update(task, description=f"Reading {page}", advance=1)
                _queue(received, person if queue else None)
                _take_number(chosen, received, person if take_number else None)
                report.append(_said(page, received))
    chosen.refresh_from_db()
    _print_report(report, json, chosen.next_number)


@app.command("list")
def list_(
    publication: In = None,
    state: Annotated[str | None, typer.Option(help="received, queued, set_aside or withdrawn")] = None,
    json: Json = False,
) -> None:
    """The items, newest first."""
    if state and state not in Item.State.values:
        raise Refusal(f"No item is ever “{state}”: say one of {', '.join(Item.State.values)}.")
    found = Item.objects.filter(publication=the_publication(publication))
    rows = found.filter(state=state) if state else found
    if json:
        as_json([_stored(item) for item in rows])
        return
    table(
        "Items",
        ["id", "state", "date", "title", "to look at"],
        ((i.pk, i.get_state_display(), i.date_label, i.title, " ".join(_to_look_at(i))) for i in rows),
    )


@app.command()
def queue(ids: list[int], by: By = None) -> None:
    """Queue items for the next digest."""
    person = the_person(by)
    for item in _named(ids):
        items.queue(item, by=person)
        say(f"Queued: {item}")


@app.command("set-aside")
def set_aside(ids: list[int], by: By = None, why: str = "") -> None:
    """Set items aside; they can be queued again."""
    person = the_person(by)
    for item in _named(ids):
        items.set_aside(item, by=person, why=why)
        say(f"Set aside: {item}")


@app.command()
def withdraw(item_id: int, why: Annotated[str, typer.Option()], by: By = None) -> None:
    """Take an item back for good: out of digests that have not begun, and none of its posts goes out."""
    person = the_person(by)
    (item,) = _named([item_id])
    items.withdraw(item, by=person, why=why)
    say(f"Withdrawn: {item}")


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


def _to_look_at(item: Item) -> list[str]:
    return [*item.flags, *(["Its source says otherwise now."] if item.source_says else [])]


def _stored(item: Item) -> dict[str, Any]:
    return {
        "id": item.pk,
        "state": item.state,
        "flags": item.flags,
        "source_says": item.source_says,
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
    """What is kept otherwise, looks damaged, or was not read."""
    for section in reading.sections:
        remark(f"{place}: standing section “{section.title}”", "dim")
    for parsed in reading.items:
        for sentence in parsed.damage:
            remark(f"{place}:{parsed.line or ''}: {parsed.title}: {sentence}", "yellow")
    for unread in reading.unread:
        remark(f"{place}:{unread.line}: not read: {unread.why} {unread.text}", "red")


def _publication_to_fill(slug: str | None) -> Publication:
    """The publication that takes the items in. A newcomer's first command may be this one: it leads on."""
    try:
        return the_publication(slug)
    except Refusal as problem:
        raise Refusal(f"{problem} To look first and store nothing, add --dry-run.") from problem
    except (OperationalError, ProgrammingError):
        remark("To look first and store nothing, add --dry-run.", "dim")
        raise


def _queue(received: items.Received, by: Person | None) -> None:
    for item in received.new if by else ():
        if item.printed_number is None:
            items.queue(item, by=by)


def _take_number(publication: Publication, received: items.Received, by: Person | None) -> None:
    proposed = received.proposed_number
    lower = Publication.objects.filter(pk=publication.pk, next_number__lt=proposed or 0)
    if by and lower.update(next_number=proposed):
        note(publication, "edited", by=by, why="the numbers that were printed", fields=["next_number"])


def _said(page: str, received: items.Received) -> dict[str, Any]:
    return {
        "page": page,
        "new": [item.pk for item in received.new],
        "updated": [item.pk for item in received.updated],
        "flagged": [item.pk for item in received.flagged],
        "to_look_at": [
            {"id": item.pk, "title": item.title, "why": _to_look_at(item)}
            for item in (*received.new, *received.updated, *received.flagged)
            if _to_look_at(item)
        ],
        "unchanged": received.unchanged,
        "sections": [section.title for section in received.sections],
        "unread": [{"line": u.line, "text": u.text, "why": u.why} for u in received.unread],
        "proposed_number": received.proposed_number,
    }


def _print_report(report: list[dict[str, Any]], json: bool, next_number: int) -> None:
    if json:
        as_json(report)
        return
    counted = ("new", "updated", "to_look_at", "sections", "unread")
    rows = ([r["page"], r["unchanged"], *(len(r[name]) for name in counted)] for r in report)
    table("Imported", ["page", "unchanged", "new", "updated", "to look at", "sections", "not read"], rows)
    for entry in report:
        for unread in entry["unread"]:
            remark(f"{entry['page']}:{unread['line']}: not read: {unread['why']} {unread['text']}", "red")
        for item in entry["to_look_at"]:
            remark(f"{entry['page']}: item {item['id']}, “{item['title']}”: {' '.join(item['why'])}", "yellow")
    proposed = max((r["proposed_number"] or 0 for r in report), default=0)
    if proposed and next_number == proposed:
        say(f"The next number is {proposed}, as the numbers printed there suggest.")
    elif proposed > next_number:
        say(f"The numbers printed there suggest {proposed} as the next one: import with --take-number to set it.")


def _named(ids: list[int]) -> list[Item]:
    found = {item.pk: item for item in Item.objects.filter(pk__in=ids)}
    if missing := [pk for pk in ids if pk not in found]:
        raise Refusal(f"There is no item {', '.join(map(str, missing))}: see `publisher items list`.")
    return [found[pk] for pk in ids]
