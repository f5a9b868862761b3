from __future__ import annotations

import csv
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import imports, members
from ..lifecycle import Refusal
from ..models import Member, Subscription
from .answers import By, In, Json, as_json, remark, say, table, the_person, the_publication
from .importing import Rejects, Watch, opened

app = typer.Typer(help="Members: import, export, show, erase.", no_args_is_help=True)

_EXPORTED = ("email", "first_name", "last_name", "state", "since")


@app.command("import")
def import_(
    # Not exists=True: this Typer then refuses “-”, whatever allow_dash says.
    file: Annotated[Path, typer.Argument(dir_okay=False, readable=True, metavar="FILE.csv")],
    basis: Annotated[str, typer.Option(help="consent or soft_opt_in: on what they may be mailed.")] = "consent",
    report: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Where rejected lines are written: else FILE.rejected.csv.")
    ] = None,
    publication: In = None,
    by: By = None,
    json: Json = False,
) -> None:
    """Read members from a CSV file (“-”: standard input). Nobody who left or is suppressed is made active again."""
    chosen, person = the_publication(publication), the_person(by)
    name = "standard-input" if str(file) == "-" else file.name
    told, rejected = imports.Imported(), report or file.with_name(f"{name}.rejected.csv")
    with opened(file) as source, Rejects(rejected, source) as rejects, Watch(source, name) as watch:
        how = f"import {name}"
        for told in imports.import_csv(watch.blocks(), chosen, by=person, basis=basis, how=how, reject=rejects.add):
            watch.see(told, rejects.first())
    if json:
        as_json({**asdict(told), "report": str(rejected) if told.rejected else None})
        return
    say(f"{told.added} added, {told.known} known already, {told.refused} left or suppressed and not added.")
    if told.rejected:
        remark(f"{told.rejected} line{'s'[: told.rejected != 1]} rejected: see {rejected}.", "red")


@app.command()
def export(publication: In = None, json: Json = False) -> None:
    """All subscriptions as CSV on standard output, safe to open in a spreadsheet."""
    found = Subscription.objects.filter(publication=the_publication(publication))
    rows = found.select_related("member").order_by("member_id")
    if json:
        as_json([dict(zip(_EXPORTED, _exported(row), strict=True)) for row in rows.iterator()])
        return
    writer = csv.writer(sys.stdout)
    writer.writerow(_EXPORTED)
    for row in rows.iterator():
        writer.writerow(imports.spreadsheet_safe(cell) for cell in _exported(row))


@app.command()
def show(email: str, json: Json = False) -> None:
    """What is known of one member, and how they agreed."""
    member = _named(email)
    found: dict[str, Any] = {
        "email": member.email,
        "first_name": member.first_name,
        "last_name": member.last_name,
        "joined_at": member.joined_at,
        "subscriptions": [
            {
                "publication": s.publication.slug,
                "state": s.state,
                "since": s.state_since,
                "consents": [
                    {"basis": c.basis, "how": c.how, "at": c.at, "confirmed_at": c.confirmed_at}
                    for c in s.consents.all()
                ],
            }
            for s in member.subscriptions.select_related("publication").prefetch_related("consents")
        ],
        "deliveries": list(member.deliveries.values("digest__number", "state", "state_since", "reply")),
    }
    if json:
        as_json(found)
        return
    table(
        member.email,
        ["publication", "state", "since"],
        ((s["publication"], s["state"], s["since"]) for s in found["subscriptions"]),
    )


@app.command()
def erase(email: str, by: By = None) -> None:
    """Forget a person for good; the address is refused from then on."""
    person = the_person(by)
    members.erase(_named(email), by=person)
    say("Erased. Only a keyed hash of the address is kept, so that it is never mailed again.")


def _exported(row: Subscription) -> tuple[str, ...]:
    member = row.member
    return member.email, member.first_name, member.last_name, row.state, row.state_since.isoformat()


def _named(email: str) -> Member:
    found = Member.objects.filter(email=members.normalise(email)).first()
    if found is None:
        raise Refusal("There is no member with this address.")
    return found
