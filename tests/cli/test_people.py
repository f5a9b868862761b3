"""Staff on the command line: passwords, rights, and who may sign in no more."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from publisher.models import Event, Person

ITEMS = "/staff/items/"


def signed_in(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    assert inside(client)
    return client


def inside(client: Client) -> bool:
    return client.get(ITEMS).status_code == 200


def test_a_new_password_is_the_only_one_and_ends_what_was_signed_in(publisher: Any, anne: Any, ben: Any) -> None:
    at_the_desk, at_home, of_ben = signed_in(anne), signed_in(anne), signed_in(ben)
    answer = publisher("people", "password", "anne", "--password", "letters-to-tacna")
    assert (answer.status, answer.out) == (0, f"{anne.name} has a new password. 2 sign-ins ended.\n")
    assert [inside(client) for client in (at_the_desk, at_home, of_ben)] == [False, False, True]
    assert [Client().login(username="anne", password=f"letters-to-{place}") for place in ("lima", "tacna")] == [
        False,
        True,
    ]


def test_a_password_that_can_be_guessed_is_refused_and_the_old_one_stays(publisher: Any, anne: Any) -> None:
    browser = signed_in(anne)
    answer = publisher("people", "password", "anne", "--password", "short")
    assert (answer.status, answer.err.startswith("This password is too short")) == (1, True)
    assert (inside(browser), Client().login(username="anne", password="letters-to-lima")) == (True, True)


def test_the_right_to_approve_is_given_and_taken_but_never_from_the_last(publisher: Any, anne: Any, ben: Any) -> None:
    last = publisher("people", "rights", "ben", "--no-approver")
    assert (last.status, last.err) == (
        1,
        f"{ben.name} is the last who may approve, and nothing could go out any more: give the right to somebody else "
        "first, with `publisher people rights NAME --approver`.\n",
    )
    assert publisher("people", "rights", "anne", "--approver").out == f"{anne.name} may approve what others wrote.\n"
    assert publisher("people", "rights", "ben", "--no-approver").out == f"{ben.name} may approve nothing any more.\n"
    assert dict(Person.objects.values_list("username", "may_approve")) == {"anne": True, "ben": False}
    assert publisher("people", "rights", "ben").status != 0


def test_who_is_deactivated_is_out_at_once_and_stays_out_until_they_sign_in_anew(
    publisher: Any, publication: Any, anne: Any, ben: Any
) -> None:
    browser = signed_in(anne)
    assert publisher("people", "deactivate", "anne").out == f"{anne.name} may sign in no more. One sign-in ended.\n"
    assert (inside(browser), Client().login(username="anne", password="letters-to-lima")) == (False, False)
    assert "Who are you?" in publisher("digests", "compose", "--by", "anne").err
    assert publisher("people", "activate", "anne").out == f"{anne.name} may sign in again.\n"
    assert (inside(browser), Client().login(username="anne", password="letters-to-lima")) == (False, True)


def test_the_door_never_closes_behind_the_last(publisher: Any, anne: Any, ben: Any) -> None:
    assert "is the last who may approve" in publisher("people", "deactivate", "ben").err
    publisher("people", "deactivate", "anne")
    assert "is the last who may sign in" in publisher("people", "deactivate", "ben").err
    assert publisher("people", "rights", "anne", "--approver").status == 0  # deactivated: she cannot stand in for him
    assert "is the last who may approve" in publisher("people", "rights", "ben", "--no-approver").err
    assert Person.objects.get(pk=ben.pk).is_active
    assert Person.objects.get(pk=ben.pk).may_approve


def test_somebody_is_signed_out_wherever_they_are(publisher: Any, anne: Any, ben: Any) -> None:
    browsers, of_ben = [signed_in(anne), signed_in(anne)], signed_in(ben)
    assert publisher("people", "end-sessions", "anne").out == "2 sign-ins ended.\n"
    assert publisher("people", "end-sessions", "anne").out == "They were signed in nowhere.\n"
    assert ([inside(each) for each in browsers], inside(of_ben)) == ([False, False], True)
    told = Event.objects.filter(noun="person", noun_id=anne.pk).values_list("verb", "by")
    assert list(told) == [("sign-ins ended", None)] * 2


@pytest.mark.parametrize(
    "words",
    [("password", "--password", "letters-to-lima"), ("rights", "--approver"), ("deactivate",), ("end-sessions",)],
)
def test_a_name_that_nobody_has_is_said(publisher: Any, anne: Any, words: Any) -> None:
    answer = publisher("people", words[0], "eva", *words[1:])
    assert (answer.status, answer.err) == (1, "There is no eva: see `publisher people list`.\n")
