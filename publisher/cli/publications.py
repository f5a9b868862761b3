from __future__ import annotations

import json as json_
import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import BooleanField, Field, Max
from django.utils import timezone

from .. import channels, networks, sources
from ..delivery.addresses import AddressRefused, ascii_host
from ..lifecycle import Refusal, note
from ..models import Publication, Source
from ..networks.base import Refused
from .answers import By, In, Json, as_json, remark, say, table, the_person, the_publication

app = typer.Typer(help="Publications: add, change, connect accounts, poll sources.", no_args_is_help=True)

_FIELDS = (
    *("series", "organisation", "site_url", "sender_name", "sender_email", "reply_to", "list_id", "postal_address"),
    *("join_url", "membership", "accent", "language", "time_zone", "next_number", "four_eyes", "hold_minutes"),
    *("canary_size", "canary_minutes", "measure"),
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
        list_id=f"{slug}.{_host_of(sender)}",
        postal_address=postal_address,
        next_number=next_number,
        time_zone=time_zone,
    )
    _save(made)
    say(f"{made.series} {made.next_number} comes next.")


@app.command("set")
def set_(
    fields: Annotated[list[str], typer.Argument(metavar="NAME=VALUE…", help=f"Names: {', '.join(_FIELDS)}.")],
    publication: In = None,
    by: By = None,
) -> None:
    """Change settings of a publication, such as next_number=120 or time_zone=America/Lima."""
    named, person = the_publication(publication), the_person(by)
    pairs = dict(_pair(field) for field in fields)
    with transaction.atomic():
        # As numbers.reserve does: no number is taken between our look and our change.
        chosen = Publication.objects.select_for_update().get(pk=named.pk)
        for name, value in pairs.items():
            setattr(chosen, name, value)
        _save(chosen, pairs)
        note(chosen, "edited", by=person, fields=sorted(pairs))
    say(f"Changed: {', '.join(pairs)}.")


@app.command("list")
def list_(json: Json = False) -> None:
    """All publications, with the number that comes next."""
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
    chosen, person = the_publication(publication), the_person(by)
    credentials = _credentials(network, account)
    channel = channels.keep(chosen, network, account, credentials, by=person)
    say(f"Connected {channel}. `publisher check` tries it.")


@app.command()
def poll(
    address: str,
    minutes: Annotated[int, typer.Option(min=5)] = 60,
    stop: Annotated[bool, typer.Option("--stop", help="Do not read it any more.")] = False,
    publication: In = None,
) -> None:
    """Have the clock read a feed or page every so many minutes."""
    if not sources.is_web(address):
        raise Refusal(f"The clock reads web addresses, not “{address}”: read a file with `publisher items import`.")
    source, _ = Source.objects.get_or_create(publication=the_publication(publication), address=address)
    source.poll_minutes, source.next_poll_at = (None, None) if stop else (minutes, timezone.now())
    source.save(update_fields=["poll_minutes", "next_poll_at"])
    say(f"{address} is {'not read any more' if stop else f'read every {minutes} minutes'}.")


@app.command("sources")
def sources_(publication: In = None, json: Json = False) -> None:
    """Where items come from, why a reading failed, and which lines of the last one could not be read."""
    found = list(Source.objects.filter(publication=the_publication(publication)))
    if json:
        as_json([_shown(source) for source in found])
        return
    rows = ((s.address, s.get_kind_display(), s.poll_minutes, s.last_read_at, s.problem) for s in found)
    table("Sources", ["address", "kind", "every … minutes", "last read", "problem"], rows)
    for source in found:
        for line in source.unread:
            remark(f"{source.address}:{line['line']}: not read: {line['why']} {line['text']}", "yellow")


@app.command()
def sections(publication: In = None, json: Json = False) -> None:
    """The standing sections of every letter, in their order."""
    found = the_publication(publication).sections.all()
    if json:
        as_json([{"title": s.title, "body": s.body, "shown": s.shown} for s in found])
        return
    table("Standing sections", ["title", "in letters"], ((s.title, "yes" if s.shown else "no") for s in found))


@app.command()
def section(
    title: str,
    show: Annotated[bool, typer.Option("--show/--hide", help="In every letter, or kept out.")],
    publication: In = None,
    by: By = None,
) -> None:
    """Show a standing section in the letters, or keep it out."""
    chosen, person = the_publication(publication), the_person(by)
    if not chosen.sections.filter(title=title).update(shown=show):
        raise Refusal(f"There is no section “{title}”: see `publisher publications sections`.")
    note(chosen, "edited", by=person, why=f"{'showed' if show else 'hid'} the section “{title}”")
    say(f"“{title}” is {'in every letter' if show else 'kept out'}.")


def _pair(field: str) -> tuple[str, Any]:
    name, equals, value = field.partition("=")
    if not equals or name not in _FIELDS:
        raise Refusal(f"“{field}”: give NAME=VALUE with a name of {', '.join(_FIELDS)}.")
    column = Publication._meta.get_field(name)
    assert isinstance(column, Field)
    if isinstance(column, BooleanField):
        value = {"yes": "True", "on": "True", "no": "False", "off": "False"}.get(value.lower(), value)
    try:
        return name, column.to_python(value)
    except ValidationError as problem:
        raise Refusal(f"{name}: {' '.join(problem.messages)}") from problem


def _credentials(network: str, account: str) -> dict[str, str]:
    if sys.stdin.isatty():
        remark("Paste the credentials as a JSON object, then press Ctrl-D.", "dim")
    try:
        credentials = json_.load(sys.stdin)
    except ValueError as problem:
        raise Refusal(f"The credentials must be a JSON object on standard input: {problem}") from problem
    if not isinstance(credentials, dict) or not all(isinstance(value, str) for value in credentials.values()):
        raise Refusal('The credentials must be a JSON object of texts on standard input, as {"page_id": "1001", …}.')
    try:
        networks.connect(network, credentials=credentials, address="http://127.0.0.1", account=account)
    except Refused as problem:
        raise Refusal(str(problem)) from problem
    return credentials


def _shown(source: Source) -> dict[str, Any]:
    return {
        "address": source.address,
        "kind": source.kind,
        "poll_minutes": source.poll_minutes,
        "next_poll_at": source.next_poll_at,
        "last_read_at": source.last_read_at,
        "problem": source.problem,
        "unread": source.unread,
    }


def _host_of(address: str) -> str:
    """In ASCII, as a List-Id has to be (RFC 2919). What is no address is refused by the model, with its reason."""
    host = address.rpartition("@")[2]
    try:
        return ascii_host(host)
    except AddressRefused:
        return host


def _save(publication: Publication, fields: Iterable[str] | None = None) -> None:
    """Save these fields if all is whole. A number that was given away is never given again."""
    try:
        publication.full_clean()
    except ValidationError as problem:
        raise Refusal(" ".join(f"{name}: {' '.join(said)}" for name, said in problem.message_dict.items())) from problem
    highest = _highest(publication) if publication.pk else 0
    if publication.next_number <= highest:
        raise Refusal(f"next_number: {highest} was given away already, so {highest + 1} is the first that is free.")
    publication.save(update_fields=fields)


def _highest(publication: Publication) -> int:
    """The highest number given away; one that came back is given again by itself, and must not be a second time."""
    used = publication.digests.aggregate(highest=Max("number"))["highest"]
    return max([used or 0, *publication.free_numbers])
