from __future__ import annotations

from typing import Annotated

import typer

from .. import people
from ..lifecycle import Refusal
from ..models import Person
from .answers import Json, as_json, say, table

app = typer.Typer(help="Staff: who may sign in, who may approve.", no_args_is_help=True)

Password = Annotated[str, typer.Option(prompt=True, confirmation_prompt=True, hide_input=True)]


@app.command()
def add(
    username: str,
    name: Annotated[str, typer.Option(help="As colleagues know them: “Anne Rowe”.")] = "",
    approver: Annotated[bool, typer.Option("--approver", help="May approve what others wrote.")] = False,
    email: Annotated[str, typer.Option(help="Where alerts go to.")] = "",
    password: Password = "",
) -> None:
    """Add a person; the password is asked for."""
    person = people.add(username, name=name, email=email, may_approve=approver, password=password)
    say(f"{person.name} can sign in{' and approve' if approver else ''}.")


@app.command()
def email(username: str, address: Annotated[str, typer.Argument(help="Nothing: no alerts go to them.")] = "") -> None:
    """Where alerts go to: an account that was refused, a budget that is spent."""
    person = _named(username)
    people.address(person, address)
    say(f"Alerts for {person.name} go to {address or 'nowhere'}.")


@app.command()
def password(username: str, password: Password = "") -> None:
    """Set a new password, which is asked for; sign-ins with the old one end."""
    person = _named(username)
    say(f"{person.name} has a new password. {_ended(people.set_password(person, password))}")


@app.command()
def rights(
    username: str,
    approver: Annotated[bool, typer.Option("--approver/--no-approver", help="May approve what others wrote, or not.")],
) -> None:
    """Give the right to approve, or take it away. What they have approved stays approved."""
    person = _named(username)
    people.let_approve(person, approver)
    say(f"{person.name} may {'approve what others wrote' if approver else 'approve nothing any more'}.")


@app.command()
def deactivate(username: str) -> None:
    """Let somebody sign in no more, from now on; what they did keeps their name."""
    person = _named(username)
    say(f"{person.name} may sign in no more. {_ended(people.let_in(person, False))}")


@app.command()
def activate(username: str) -> None:
    """Let somebody sign in again, with the password and the rights that they had."""
    person = _named(username)
    people.let_in(person, True)
    say(f"{person.name} may sign in again{' and approve' if person.may_approve else ''}.")


@app.command("end-sessions")
def end_sessions(username: str) -> None:
    """Sign somebody out wherever they are signed in: a lost computer, a browser left open."""
    say(_ended(people.end_sign_ins(_named(username))))


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


def _named(username: str) -> Person:
    person = Person.objects.filter(username=username).first()
    if person is None:
        raise Refusal(f"There is no {username}: see `publisher people list`.")
    return person


def _ended(count: int) -> str:
    return {0: "They were signed in nowhere.", 1: "One sign-in ended."}.get(count, f"{count} sign-ins ended.")
