from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import exports, imports, members, merging, portability, segments
from ..lifecycle import Refusal, note
from ..models import Consent, Member
from .answers import By, In, Json, as_json, say, table, the_person, the_publication
from .importing import Watch, named_columns, opened, show_preview, taken, tell_departed, tell_rejected

app = typer.Typer(help="Members: import, export, show, merge, erase.", no_args_is_help=True)

Columns = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="NAME=COLUMN", help="Which column is what, where its name does not tell it."),
]
Report = Annotated[
    Path | None, typer.Option(metavar="PATH", help="Where rejected lines are written: else FILE.rejected.csv.")
]
# Not exists=True: this Typer then refuses “-”, whatever allow_dash says.
ListFile = Annotated[Path, typer.Argument(dir_okay=False, readable=True, metavar="FILE.csv")]


@app.command("import")
def import_(
    file: ListFile,
    basis: Annotated[str, typer.Option(help="On what they may be mailed, consent or soft_opt_in: to be said.")] = "",
    wording: Annotated[str, typer.Option(help="What they said yes to, where you have it: it stands with each.")] = "",
    report: Report = None,
    column: Columns = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; store nothing.")] = False,
    preview: Annotated[
        int, typer.Option(metavar="N", min=0, help="Show what would become of the first N lines, no more.")
    ] = 0,
    publication: In = None,
    by: By = None,
    json: Json = False,
) -> None:
    """Read members from a CSV file (“-”: standard input). Nobody who left or is suppressed is made active again."""
    chosen, columns = the_publication(publication), named_columns(column)
    if basis or not preview:
        _said(basis)
    if preview:
        show_preview(file, chosen, columns, basis, preview, json)
        return
    if dry_run:
        _dry_run(file, chosen, columns, basis, json)
        return
    person = the_person(by)

    def bring(watch: Watch, how: str, reject: Any) -> Any:
        return imports.import_csv(
            watch.blocks(), chosen, by=person, basis=basis, how=how, reject=reject, columns=columns, wording=wording
        )

    told, rejected = taken(file, report, bring)
    if json:
        as_json({**asdict(told), "report": rejected})
        return
    say(f"{told.added} added, {told.known} known already, {told.refused} left or suppressed and not added.")
    tell_rejected(told.rejected, rejected)


@app.command("import-leavers")
def import_leavers(
    file: ListFile,
    report: Report = None,
    column: Columns = None,
    publication: In = None,
    by: By = None,
    json: Json = False,
) -> None:
    """Remember who left a former system, before its members are imported; of a list with states, only those."""
    chosen, person, columns = the_publication(publication), the_person(by), named_columns(column)

    def bring(watch: Watch, how: str, reject: Any) -> Any:
        return imports.import_leavers(watch.blocks(), chosen, by=person, how=how, reject=reject, columns=columns)

    tell_departed(*taken(file, report, bring), json=json)


@app.command()
def export(publication: In = None, json: Json = False) -> None:
    """All subscriptions with states and consents as CSV on standard output, safe to open in a spreadsheet."""
    chosen = the_publication(publication)
    note(chosen, "exported members", by=None, why="on the command line")
    sys.stdout.writelines(exports.as_json(chosen) if json else exports.as_csv(chosen))


@app.command()
def data(email: str) -> None:
    """All that is kept of one member, as JSON: what they may ask for."""
    as_json(portability.portable(_named(email)))


@app.command()
def tag(
    email: str, tags: Annotated[str, typer.Option("--tags", help="Parted by commas; no others stay.")], by: By = None
) -> None:
    """File a member under words; segments are made of them."""
    segments.tag(_named(email), tags, by=the_person(by))
    say("Filed.")


@app.command()
def alike(json: Json = False) -> None:
    """Members whose addresses are two spellings of one."""
    found = [[Member.objects.get(pk=pk).email for pk in group] for group in merging.alike()]
    if json:
        as_json(found)
    elif found:
        table("Alike", ["addresses"], ([", ".join(group)] for group in found))
    else:
        say("No two members have the same address in two spellings.")


@app.command()
def merge(kept: str, gone: str, by: By = None) -> None:
    """Let KEPT stand for a person who is in twice; of two states the stricter one wins."""
    merging.merge(_named(kept), _named(gone), by=the_person(by))
    say("Merged. Links in letters to either address lead to this member.")


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
                "consents": [_agreed(consent) for consent in s.consents.select_related("worded", "by")],
            }
            for s in member.subscriptions.select_related("publication")
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
    grounds = [(s["publication"], *map(_cell, c.values())) for s in found["subscriptions"] for c in s["consents"]]
    if grounds:
        table("On what grounds", ["publication", *_AGREED], grounds)


@app.command()
def erase(email: str, by: By = None) -> None:
    """Forget a person for good; the address is refused from then on."""
    person = the_person(by)
    members.erase(_named(email), by=person)
    say("Erased. Only a keyed hash of the address is kept, so that it is never mailed again.")


_AGREED = ("basis", "how", "by", "at", "from", "words", "confirmed_at", "imported_at")


def _said(basis: str) -> None:
    """Before anything is opened or written."""
    try:
        imports.ground(basis)
    except Refusal as refusal:
        raise Refusal(f"--basis: {refusal}") from refusal


def _agreed(consent: Consent) -> dict[str, Any]:
    by = consent.by.name if consent.by else None
    told = (consent.basis, consent.how, by, consent.at, consent.network, consent.words)
    return dict(zip(_AGREED, (*told, consent.confirmed_at, consent.imported_at), strict=True))


def _cell(value: Any) -> Any:
    return "" if value is None else value


def _dry_run(file: Path, publication: Any, columns: Any, basis: str, json: bool) -> None:
    counts = imports.Imported()
    with opened(file) as source, Watch(source, file.name) as watch:
        reading = imports.opened(watch.blocks(), columns)
        for chunk, added, known, refused in imports.dry_run(reading, publication, soft=basis == "soft_opt_in"):
            counts.added, counts.known = counts.added + added, counts.known + known
            counts.refused, counts.rejected = counts.refused + refused, counts.rejected + len(chunk.broken)
            watch.see(counts, chunk.broken[:20])
    if json:
        as_json({**asdict(counts), "stored": False})
        return
    say(
        f"{counts.added} would be added, {counts.known} are known already, {counts.refused} left or are suppressed and "
        f"would not be added, {counts.rejected} lines would be rejected. Nothing was stored."
    )


def _named(email: str) -> Member:
    found = Member.objects.filter(email=members.normalise(email)).first()
    if found is None:
        raise Refusal("There is no member with this address.")
    return found
