from __future__ import annotations

from typing import Annotated

import typer
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from ..lifecycle import Refusal
from ..models import Person
from .answers import Json, as_json, say, table

app = typer.Typer(help="Staff: who may sign in, who may approve.", no_args_is_help=True)


@app.command()
def add(
    username: str,
    name: Annotated[str, typer.Option(help="As colleagues know them: “Anne Rowe”.")] = "",
    approver: Annotated[bool, typer.Option("--approver", help="May approve what others wrote.")] = False,
    email: Annotated[str, typer.Option(help="Where alerts go to.")] = "",
    password: Annotated[str, typer.Option(prompt=True, confirmation_prompt=True, hide_input=True)] = "",
) -> None:
    """Add a person; the password is asked for."""
    if Person.objects.filter(username=username).exists():
        raise Refusal(f"There is a {username} already.")
    first, _, last = name.partition(" ")
    person = Person(username=username, first_name=first, last_name=last, may_approve=approver, email=email)
    try:
        person.clean_fields(exclude=["password"])
        validate_password(password, person)
    except ValidationError as problem:
        raise Refusal(" ".join(problem.messages)) from problem
    person.set_password(password)
    person.save()
    say(f"{person.name} can sign in{' and approve' if approver else ''}.")


@app.command()
def email(username: str, address: Annotated[str, typer.Argument(help="Nothing: no alerts go to them.")] = "") -> None:
    """Where alerts go to: an account that was refused, a budget that is spent."""
    person = Person.objects.filter(username=username).first()
    if person is None:
        raise Refusal(f"There is no {username}: see `publisher people list`.")
    person.email = address
    try:
        person.clean_fields(exclude=["password"])
    except ValidationError as problem:
        raise Refusal(" ".join(problem.messages)) from problem
    person.save(update_fields=["email"])
    say(f"Alerts for {person.name} go to {address or 'nowhere'}.")


@app.command("list")
def list_(json: Json = False) -> None:
    """Everybody of the staff."""
    rows = [
        {"username": p.username, "name": p.name, "email": p.email, "approver": p.may_approve, "active": p.is_active}
        for p in Person.objects.all()
    ]
    if json:
        as_json(rows)
        return
    table("People", ["username", "name", "alerts go to", "may approve", "active"], (list(row.values()) for row in rows))
