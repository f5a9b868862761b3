from __future__ import annotations

import mailbox as mailboxes
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import bounces
from ..bounces import mailbox
from ..delivery import manners
from ..lifecycle import Refusal
from ..models import Bounce, Mailbox
from .answers import By, In, Json, as_json, say, table, the_digest, the_person, the_publication

app = typer.Typer(help="Mail that came back: read, list, believe.", no_args_is_help=True)

_File = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, readable=True)]
_FILE = "file"


@app.command()
def read(
    file: _File = None,
    mbox: _File = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look and tell; change nothing.")] = False,
    json: Json = False,
) -> None:
    """Read what came back: in the mailbox of PUBLISHER_BOUNCE_IMAP_URL, in one message, or in an mbox file."""
    if file or mbox:
        mails = _mails(file, mbox)
        found = [bounces.look(raw) if dry_run else bounces.take(raw, _FILE) for raw in mails]
    else:
        found = _of_mailbox(dry_run)
    if json:
        as_json([_shown(each) for each in found])
        return
    rows = (_shown(each) for each in found)
    table("Mails", ["kind", "delivery", "", "says"], ((r["kind"], r["delivery"], _word(r), r["says"]) for r in rows))
    new = sum(each.new for each in found)
    told = "Nothing was changed." if dry_run else f"{new} of {len(found)} told something new."
    say(f"{len(found)} read, {sum(not each.understood for each in found)} not understood. {told}")


@app.command("list")
def list_(
    digest: Annotated[int | None, typer.Option("--digest", help="The number of one digest; without it, all.")] = None,
    publication: In = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0 for all.")] = 200,
    json: Json = False,
) -> None:
    """What came back, the newest first."""
    found = Bounce.objects.select_related("digest__publication").order_by("-at", "-pk")
    if digest is not None:
        found = found.filter(digest=the_digest(publication, digest))
    elif publication:
        found = found.filter(digest__publication=the_publication(publication))
    rows = [_listed(each) for each in (found[:limit] if limit else found)]
    if json:
        as_json(rows)
        return
    columns = ["digest", "delivery", "kind", "at", "code", "says", "from", "waits"]
    names = ["digest", "delivery", "kind", "at", "enhanced", "says", "source", "waits"]
    table("Came back", columns, ([row[name] for name in names] for row in rows))
    waiting = Mailbox.objects.filter(not_understood__gt=0).first()
    if waiting:
        say(f"{waiting.not_understood} mails were not understood: look into “{mailbox.NOT_UNDERSTOOD}”.", "yellow")


@app.command()
def believe(digest: Annotated[int, typer.Option("--digest")], publication: In = None, by: By = None) -> None:
    """Say that the list is right, although much came back: the addresses that do not exist are not mailed any more."""
    person, chosen = the_person(by), the_digest(publication, digest)
    why = manners.verdict(chosen)
    bounces.believe(chosen, by=person)
    say(f"{why} You say that it is. {bounces.settle()} were looked at anew.")


def _mails(file: Path | None, mbox: Path | None) -> Iterator[bytes]:
    if file:
        yield file.read_bytes()
    if mbox:
        box = mailboxes.mbox(mbox, create=False)
        try:
            for key in box.iterkeys():
                yield box.get_bytes(key)
        finally:
            box.close()


def _of_mailbox(dry_run: bool) -> list[bounces.Taken]:
    place = mailbox.chosen()
    if place is None:
        raise Refusal("No mailbox is set: give --file or --mbox, or set PUBLISHER_BOUNCE_IMAP_URL.")
    if dry_run:
        return mailbox.read(place, bounces.look, move=False).taken
    return mailbox.read_now(place)


def _shown(taken: bounces.Taken) -> dict[str, Any]:
    report, delivery = taken.report, taken.delivery
    known = [delivery.address] if delivery else []
    return {
        "kind": str(report.kind),
        "delivery": delivery.pk if delivery else None,
        "understood": taken.understood,
        "new": taken.new,
        "code": report.code,
        "enhanced": report.enhanced or None,
        "says": bounces.without_addresses(report.says, known),
    }


def _listed(row: Bounce) -> dict[str, Any]:
    return {
        "digest": row.digest.label,
        "delivery": row.delivery_id,
        "kind": row.kind,
        "at": f"{row.at:%Y-%m-%d %H:%M}",
        "code": row.code,
        "enhanced": row.enhanced or None,
        "says": row.says,
        "source": row.source,
        "waits": "" if row.applied_at else "waits",
    }


def _word(row: dict[str, Any]) -> str:
    if not row["understood"]:
        return "not understood"
    return "new" if row["new"] else "no news"
