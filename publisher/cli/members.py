from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from .. import members
from ..lifecycle import Refusal
from ..models import Member, Subscription
from .answers import as_json, err, out, table, the_person, the_publication
from .items import By, In

app = typer.Typer(help="Members: import, export, show, erase.", no_args_is_help=True)

#: A cell that a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE.csv")],
    basis: Annotated[str, typer.Option(help="consent or soft_opt_in: on what they may be mailed.")] = "consent",
    publication: In = None,
    by: By = None,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Read members from a CSV file. Nobody who left or is suppressed is made active again."""
    chosen, person = the_publication(publication), the_person(by)
    report = members.Imported()
    with (
        file.open(encoding="utf-8-sig", newline="", errors="replace") as lines,
        Progress(console=err, transient=True) as progress,
    ):
        task = progress.add_task(f"Reading {file.name}", total=None)
        for report in members.import_csv(lines, chosen, by=person, basis=basis, how=f"import {file.name}"):
            progress.update(task, completed=report.added + report.known)
    if json:
        as_json({"added": report.added, "known": report.known, "refused": report.refused, "rejected": report.rejected})
        return
    out.print(f"{report.added} added, {report.known} known already, {report.refused} left or suppressed and not added.")
    for line, why in report.rejected:
        err.print(f"{file.name}:{line}: {why}", style="red", highlight=False, soft_wrap=True)


@app.command()
def export(publication: In = None) -> None:
    """All subscriptions as CSV on standard output, safe to open in a spreadsheet."""
    rows = Subscription.objects.filter(publication=the_publication(publication)).select_related("member")
    writer = csv.writer(sys.stdout)
    writer.writerow(["email", "first_name", "last_name", "state", "since"])
    for row in rows.iterator():
        member = row.member
        cells = [member.email, member.first_name, member.last_name, row.state, row.state_since.isoformat()]
        writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])


@app.command()
def show(email: str, json: Annotated[bool, typer.Option("--json")] = False) -> None:
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
    members.erase(_named(email), by=the_person(by))
    out.print("Erased. Only a keyed hash of the address is kept, so that it is never mailed again.")


def _named(email: str) -> Member:
    found = Member.objects.filter(email=members.normalise(email)).first()
    if found is None:
        raise Refusal("There is no member with this address.")
    return found
