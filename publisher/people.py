"""Staff: who may sign in and approve, by what password, and that no door closes behind the last one.

What was done stands in the history as nobody's: whoever reaches the command line needs no account.
"""

from __future__ import annotations

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from .lifecycle import Refusal, note
from .models import Person

_WHY = "on the command line"


def add(username: str, *, name: str, email: str, may_approve: bool, password: str) -> Person:
    if Person.objects.filter(username=username).exists():
        raise Refusal(f"There is a {username} already.")
    first, _, last = name.partition(" ")
    person = Person(username=username, first_name=first, last_name=last, may_approve=may_approve, email=email)
    _check(person, password)
    person.set_password(password)
    person.save()
    return person


def address(person: Person, email: str) -> None:
    """Where alerts go to; "" for nowhere."""
    person.email = email
    _check(person)
    person.save(update_fields=["email"])


def set_password(person: Person, password: str) -> int:
    """A new password, and no sign-in with the old one goes on; how many ended."""
    _check(person, password)
    with transaction.atomic():
        person.set_password(password)
        person.save(update_fields=["password"])
        note(person, "password set", by=None, why=_WHY)
        return _end(person)


def let_approve(person: Person, may: bool) -> None:
    """Give the right to approve, or take it. What they have approved stays approved."""
    with transaction.atomic():
        if not may:
            _others_approve(person)
        person.may_approve = may
        person.save(update_fields=["may_approve"])
        note(person, "may approve" if may else "may not approve", by=None, why=_WHY)


def let_in(person: Person, may: bool) -> int:
    """Let them sign in again, or no more; how many sign-ins ended. What they did keeps their name."""
    with transaction.atomic():
        if not may:
            _others_sign_in(person)
            _others_approve(person)
        person.is_active = may
        person.save(update_fields=["is_active"])
        note(person, "may sign in" if may else "may not sign in", by=None, why=_WHY)
        # Otherwise a browser that was left open would be signed in again with the account.
        return 0 if may else _end(person)


def end_sign_ins(person: Person) -> int:
    """Sign them out wherever they are signed in; how many it was."""
    with transaction.atomic():
        note(person, "sign-ins ended", by=None, why=_WHY)
        return _end(person)


def _end(person: Person) -> int:
    """Whose a session is stands sealed within it, so each is opened: staff alone have any."""
    going = Session.objects.filter(expire_date__gt=timezone.now())
    theirs = [each.pk for each in going.iterator() if each.get_decoded().get(SESSION_KEY) == str(person.pk)]
    Session.objects.filter(pk__in=theirs).delete()
    return len(theirs)


def _others_sign_in(person: Person) -> None:
    if person.is_active and not _active_beside(person):
        raise Refusal(
            f"{person.name} is the last who may sign in: add somebody first, with `publisher people add`, or let "
            "somebody in again with `publisher people activate`."
        )


def _others_approve(person: Person) -> None:
    if person.is_active and person.may_approve and not any(one.may_approve for one in _active_beside(person)):
        raise Refusal(
            f"{person.name} is the last who may approve, and nothing could go out any more: give the right to somebody "
            "else first, with `publisher people rights NAME --approver`."
        )


def _active_beside(person: Person) -> list[Person]:
    """Locked with the person, so that the last two cannot go at once."""
    active = Person.objects.select_for_update().filter(is_active=True).order_by("pk")
    return [one for one in active if one.pk != person.pk]


def _check(person: Person, password: str | None = None) -> None:
    try:
        person.clean_fields(exclude=["password"])
        if password is not None:
            validate_password(password, person)
    except ValidationError as problem:
        raise Refusal(" ".join(problem.messages)) from problem
