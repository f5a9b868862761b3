from __future__ import annotations

import json as json_
import sys
from typing import Annotated

import typer
from django.core.exceptions import ValidationError

from .. import networks
from ..lifecycle import Refusal, note
from ..models import Channel, Publication, Source
from .answers import as_json, out, table, the_person, the_publication
from .items import By, In

app = typer.Typer(help="Publications: add, change, connect accounts, poll sources.", no_args_is_help=True)

_FIELDS = (
    *("series", "organisation", "site_url", "sender_name", "sender_email", "reply_to", "list_id", "postal_address"),
    *("join_url", "accent", "language", "time_zone", "next_number", "four_eyes", "hold_minutes"),
)


@app.command()
def add(
    slug: str,
    series: Annotated[str, typer.Option(help="The word before the number: “Update”.")],
    organisation: Annotated[str, typer.Option()],
    sender: Annotated[str, typer.Option(help="The address letters come from.")],
    postal_address: Annotated[str, typer.Option(help="Printed in every footer.")],
    next_number: int = 1,
    time_zone: str = "Europe/London",
) -> None:
    """Add a publication; `publications set` changes the rest."""
    made = Publication(
        slug=slug,
        series=series,
        organisation=organisation,
        sender_email=sender,
        list_id=f"{slug}.{sender.rpartition('@')[2]}",
        postal_address=postal_address,
        next_number=next_number,
        time_zone=time_zone,
    )
    _checked(made)
    out.print(f"{made.series} {made.next_number} comes next.")


@app.command("set")
def set_(
    fields: Annotated[list[str], typer.Argument(metavar="NAME=VALUE…")], publication: In = None, by: By = None
) -> None:
    """Change settings of a publication, such as next_number=120 or time_zone=America/Lima."""
    chosen, person = the_publication(publication), the_person(by)
    for pair in fields:
        name, equals, value = pair.partition("=")
        if not equals or name not in _FIELDS:
            raise Refusal(f"“{pair}”: give NAME=VALUE with a name of {', '.join(_FIELDS)}.")
        setattr(chosen, name, Publication._meta.get_field(name).to_python(value))
    _checked(chosen)
    note(chosen, "edited", by=person, fields=[pair.partition("=")[0] for pair in fields])
    out.print("Changed.")


@app.command("list")
def list_(json: Annotated[bool, typer.Option("--json")] = False) -> None:
    rows = [
        {"slug": p.slug, "series": p.series, "organisation": p.organisation, "next_number": p.next_number}
        for p in Publication.objects.all()
    ]
    if json:
        as_json(rows)
        return
    table("Publications", ["slug", "series", "organisation", "next number"], (list(row.values()) for row in rows))


@app.command()
def connect(network: str, account: str, publication: In = None, by: By = None) -> None:
    """Connect an account: its credentials are read as a JSON object from standard input, and sealed."""
    if network not in networks.NETWORKS:
        raise Refusal(f"“{network}” is no network known here: {', '.join(networks.NETWORKS)}.")
    try:
        credentials = json_.load(sys.stdin)
    except ValueError as problem:
        raise Refusal(f"The credentials must be a JSON object on standard input: {problem}") from problem
    channel, _ = Channel.objects.get_or_create(
        publication=the_publication(publication), network=network, account=account
    )
    channel.credentials = credentials
    channel.save()
    note(channel, "connected", by=the_person(by))
    out.print(f"Connected {channel}. `publisher check` tries it.", highlight=False)


@app.command()
def poll(address: str, minutes: Annotated[int, typer.Option(min=5)] = 60, publication: In = None) -> None:
    """Have the clock read a feed or page every so many minutes."""
    from django.utils import timezone

    source, _ = Source.objects.get_or_create(publication=the_publication(publication), address=address)
    source.poll_minutes, source.next_poll_at = minutes, timezone.now()
    source.save()
    out.print(f"{address} is read every {minutes} minutes.", highlight=False)


def _checked(publication: Publication) -> None:
    try:
        publication.full_clean()
    except ValidationError as problem:
        raise Refusal(" ".join(f"{name}: {' '.join(said)}" for name, said in problem.message_dict.items())) from problem
    publication.save()
