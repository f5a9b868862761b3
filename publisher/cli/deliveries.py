from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from django.db.models import QuerySet

from ..delivery import doubts, evidence, ledger
from ..delivery.relaylogs import Reader
from ..lifecycle import Refusal
from ..models import Delivery
from .answers import By, In, Json, as_json, say, table, the_digest, the_person, the_publication

app = typer.Typer(help="Deliveries: one digest for one member. List, show, settle, reconcile.", no_args_is_help=True)

DigestNumber = Annotated[int | None, typer.Option("--digest", help="The number of one digest; without it, all.")]

#: What a row became, as the end of the command tells it; the rest is told as it stands.
_BECAME = {
    "sent": "sent",
    "bounced": "bounced",
    "queued": "queued again",
    "unknown": "still unknown",
    "overtaken": "settled by somebody else meanwhile",
}


@app.command("list")
def list_(
    digest: DigestNumber = None,
    state: str | None = None,
    publication: In = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0 for all.")] = 200,
    json: Json = False,
) -> None:
    """The deliveries in one state, or all, with what was said of them last."""
    if state and state not in Delivery.State.values:
        raise Refusal(f"No delivery is ever “{state}”: say one of {', '.join(Delivery.State.values)}.")
    found = _of(publication, digest)
    found = found.filter(state=state) if state else found
    rows = list(found[:limit] if limit else found)
    if json:
        as_json([_shown(each) for each in doubts.known(rows)])
        return
    table(
        "Deliveries",
        ["id", "digest", "address", "state", "since", "said last"],
        ((r.pk, r.digest, r.address, r.get_state_display(), _minute(r.state_since), doubts.said_of(r)) for r in rows),
    )
    if limit and len(rows) == limit and (more := found.count() - limit):
        say(f"and {more:,} more: --limit 0 shows all.")


@app.command()
def show(delivery_id: int, json: Json = False) -> None:
    """One delivery: its state, and what is known of how it was handed over."""
    (known,) = doubts.known([_named(delivery_id)])
    shown = _shown(known)
    if json:
        as_json(shown)
        return
    table("", ["", f"delivery {delivery_id}"], ((name.replace("_", " "), value) for name, value in shown.items()))


@app.command()
def settle(
    delivery_id: int,
    arrived: Annotated[bool, typer.Option("--arrived/--send-again", help="What to make of it.")],
    why: Annotated[str, typer.Option(help="How you know; it stands in the history.")],
    by: By = None,
) -> None:
    """Decide about an unknown delivery: it arrived, or it is sent again."""
    person = the_person(by)
    if not why.strip():
        raise Refusal("Say how you know: --why stands in the history.")
    to = Delivery.State.SENT if arrived else Delivery.State.QUEUED
    ledger.settle(_named(delivery_id), to, by=person, why=why)
    say(f"Delivery {delivery_id} is {'sent' if arrived else 'queued again'}.")


@app.command()
def reconcile(
    logs: Annotated[list[Path], typer.Argument(metavar="FILE…", help="The relay's log; - is standard input.")],
    digest: DigestNumber = None,
    publication: In = None,
    absent_was_not_taken: Annotated[
        bool,
        typer.Option(
            "--absent-was-not-taken",
            help="These are all files of all relays: send again what they prove not to have been taken.",
        ),
    ] = False,
    time_zone: Annotated[str, typer.Option(help="Of times that tell none.")] = "UTC",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look and tell; change nothing.")] = False,
    by: By = None,
    json: Json = False,
) -> None:
    """Look for unknown deliveries in the relay's own log, and settle those that it tells of.

    Postfix, Exim, OpenSMTPD, or a list of Message-IDs (one a line, or CSV with message-id and status); several files
    in any order, rotated and packed ones too.
    """
    person = None if dry_run else the_person(by)
    rows = list(_unknown(publication, digest))
    findings, reader = evidence.look(rows, logs, zone=_zone(time_zone), absent_was_not_taken=absent_was_not_taken)
    counts = Counter(str(each.becomes or "unknown") for each in findings)
    if not dry_run and findings:
        counts = evidence.apply(findings, by=person, why=", ".join(path.name for path in logs))
    if json:
        as_json(_report(findings, reader, counts, dry_run))
    else:
        _tell(findings, reader, counts, dry_run)


def _tell(findings: list[evidence.Finding], reader: Reader, counts: Counter[str], dry_run: bool) -> None:
    if not findings:
        say("No delivery is unknown.")
        return
    for start, end in reader.coverage.joined():
        say(f"The log reaches from {_minute(start)} to {_minute(end)} UTC.")
    if not reader.spoken:
        say(
            "Nothing in it was understood: is it the log of Postfix, Exim or OpenSMTPD, or a list of Message-IDs?",
            "yellow",
        )
    table(
        "",
        ["id", "digest", "address", "becomes", "because"],
        ((each.row.pk, each.row.digest, each.row.address, each.becomes or "unknown", each.says) for each in findings),
    )
    told = ", ".join(f"{counts[name]:,} {words}" for name, words in _BECAME.items() if counts[name])
    say(f"{'Nothing was changed. It would be: ' if dry_run else ''}{told}.")


def _report(findings: list[evidence.Finding], reader: Reader, counts: Counter[str], dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "covers": [[start, end] for start, end in reader.coverage.joined()],
        "formats": sorted(reader.spoken),
        "counts": {name: counts[name] for name in _BECAME},
        "deliveries": [
            {
                "id": each.row.pk,
                "digest": each.row.digest.number,
                "address": each.row.address,
                "message_id": each.message_id,
                "found": each.found,
                "queue_id": each.passage.queue_id if each.passage else None,
                "at": each.passage.at if each.passage else None,
                "becomes": each.becomes or "unknown",
                "because": each.says,
            }
            for each in findings
        ],
    }


def _shown(known: doubts.Known) -> dict[str, Any]:
    row = known.row
    return {
        "id": row.pk,
        "digest": row.digest.number,
        "address": row.address,
        "state": row.state,
        "since": row.state_since,
        "attempts": row.attempts,
        "code": row.code,
        "enhanced": row.enhanced or None,
        "reply": row.reply or None,
        "phase": row.phase or None,
        "worker": known.worker or None,
        "relay_now": known.relay or None,
        "message_id": known.message_id,
    }


def _of(publication: str | None, digest: int | None) -> QuerySet[Delivery]:
    rows = Delivery.objects.select_related("digest__publication").order_by("digest_id", "id")
    if digest is not None:
        return rows.filter(digest=the_digest(publication, digest))
    return rows.filter(digest__publication=the_publication(publication))


def _unknown(publication: str | None, digest: int | None) -> QuerySet[Delivery]:
    """Of every publication, unless one is named: a relay's log is of them all."""
    if publication or digest is not None:
        return _of(publication, digest).filter(state=Delivery.State.UNKNOWN)
    rows = Delivery.objects.filter(state=Delivery.State.UNKNOWN)
    return rows.select_related("digest__publication").order_by("digest_id", "id")


def _named(delivery_id: int) -> Delivery:
    found = Delivery.objects.select_related("digest__publication").filter(pk=delivery_id).first()
    if found is None:
        raise Refusal(f"There is no delivery {delivery_id}: see `publisher deliveries list`.")
    return found


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as problem:  # “Europe” is a folder of them
        raise Refusal(f"There is no time zone “{name}”: write it as Europe/London.") from problem


def _minute(at: Any) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
