"""Two who do something to one person at the same moment: one after the other, and neither of them notices."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
from django.db import connection

from publisher import joining, links, members, preferences
from publisher.lifecycle import Refusal
from publisher.models import Asked, Consent, Digest, Event, Member, Notice, Subscription, Suppression
from tests import lists
from tests.meeting import at_once

ROSA = "rosa@members.example"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _where_two_can_write(db: Any) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time: there is nobody to meet")


@pytest.fixture
def ask(publication):
    return partial(members.join, publication, ROSA, how="subscribe page")


@pytest.fixture
def bring(publication):
    """bring(addresses): import them; what the import counted."""

    def import_(addresses: list[str]) -> tuple[int, int, int]:
        told = lists.bring(publication, None, "email", *addresses)
        return told.added, told.known, told.refused

    return import_


def addresses(count: int) -> list[str]:
    return [f"p{n}@members.example" for n in range(count)]


def forget_the_mails() -> None:
    """As if a day had gone by."""
    Notice.objects.all().delete()
    Asked.objects.all().delete()


def test_four_who_ask_at_once_for_one_address_are_one_mail_whatever_is_known_of_it(ask):
    four = [ask] * 4
    assert (at_once(*four), Notice.objects.count(), Consent.objects.count()) == ([None] * 4, 1, 1)
    forget_the_mails()
    assert (at_once(*four), Notice.objects.count(), Consent.objects.count()) == ([None] * 4, 1, 2)
    forget_the_mails()
    members.leave(links.sign("leave", *Subscription.objects.values_list("member", "publication").get()))
    assert (at_once(*four), Notice.objects.count(), Consent.objects.count()) == ([None] * 4, 1, 3)
    assert Subscription.objects.get().state == "pending"
    assert Event.objects.filter(noun="subscription", after="pending").count() == 1


def test_two_imports_at_once_bring_everybody_once(bring, publication):
    people = addresses(600)
    there, back = at_once(lambda: bring(people), lambda: bring(people[::-1]))
    assert (there[0] + back[0], there[1] + back[1], there[2] + back[2]) == (600, 600, 0)
    assert Subscription.objects.filter(publication=publication, state="active").count() == 600
    assert Consent.objects.values("subscription").distinct().count() == Consent.objects.count() == 600


def test_an_import_and_people_on_the_page_do_not_stop_each_other(bring, publication):
    people = addresses(600)

    def ask_for_the_last() -> None:
        for address in people[:-11:-1]:
            members.join(publication, address, how="subscribe page")

    (added, known, refused), asked = at_once(lambda: bring(people), ask_for_the_last)
    assert (added + known, refused, asked) == (600, 0, None)
    states = Subscription.objects.values_list("state", flat=True)
    assert (len(states), list(states).count("active")) == (600, added)


def test_who_is_erased_while_they_join_leave_and_confirm_is_erased(publication, other_publication, make_members, anne):
    """Each answers as ever. Who joined after the erasure is somebody new, who has still to confirm."""
    for n in range(8):
        (rosa,) = make_members(1, prefix=f"rosa{n}")
        pending = Subscription.objects.create(member=rosa, publication=other_publication, state="pending")
        erase = partial(members.erase, rosa, by=anne)
        answers = at_once(
            partial(members.leave, links.sign("leave", rosa.pk, publication.pk)),
            partial(members.confirm, links.confirm_token(pending)),
            partial(members.join, publication, rosa.email, how="subscribe page"),
            erase,
            erase,
        )
        assert (answers[0], answers[1] in {pending, None}, answers[2:]) == (publication, True, [None] * 3)
        rosa_now = Member.objects.filter(email=rosa.email)
        assert set(Subscription.objects.filter(member__in=rosa_now).values_list("state", flat=True)) <= {"pending"}
        assert not Member.objects.filter(pk=answers[1] and rosa.pk).exists()
        assert Suppression.objects.filter(hash__in=Suppression.fingerprints(rosa.email)).exists()
    assert Event.objects.filter(noun="member", verb="erased").count() == 8


def test_who_is_erased_while_their_list_is_imported_is_not_brought_back(bring, make_members, anne):
    erased = make_members(10, prefix="gone")

    def erase() -> None:
        for member in erased:
            members.erase(member, by=anne)

    people = [*addresses(300), *(member.email for member in erased)]
    (added, known, refused), done = at_once(lambda: bring(people), erase)
    assert (added, known + refused, done) == (300, 10, None)
    assert not Member.objects.filter(email__startswith="gone").exists()


def test_letters_and_pages_both_say_leave_and_it_is_done_once(ask, publication):
    ask()
    rosa = Subscription.objects.get()
    members.confirm(links.confirm_token(rosa))
    leave = partial(members.leave, links.sign("leave", rosa.member_id, publication.pk))
    suppress = partial(members.suppress, ROSA, "complaint")
    assert at_once(leave, leave, suppress) == [publication, publication, None]
    assert Event.objects.filter(noun="subscription", before="active").count() == 1


def test_who_confirms_twice_at_once_gets_the_latest_update_once(ask, digest, proof):
    Digest.objects.update(state="sent", number=119, proof=proof)
    ask()
    confirm = partial(joining.confirm, links.confirm_token(Subscription.objects.get()), latest_too=True)
    assert sorted(sent for _, sent in at_once(*[confirm] * 4)) == [False, False, False, True]
    assert Notice.objects.filter(kind="latest").count() == 1


def test_of_two_who_take_one_address_at_once_one_is_told_that_it_is_taken(make_members):
    for n in range(8):
        new, moves = f"new{n}@members.example", []
        for member in make_members(2, prefix=f"of{n}-"):
            Asked.objects.all().delete()
            preferences.ask_change(member, new, network="192.0.2.0/24")
            (token,) = re.findall(r"/preferences/address/([^/\s]+)/", Notice.objects.latest("pk").text)
            moves.append(partial(preferences.change_address, token))
        answers = at_once(*moves)
        assert {type(answer) for answer in answers} == {Member, Refusal}
        assert Member.objects.filter(email=new).count() == 1


def test_who_joins_while_the_member_asks_for_another_address_waits_for_nobody_for_ever(ask, other_publication):
    ask()
    rosa = Subscription.objects.get()
    members.confirm(links.confirm_token(rosa))
    for n in range(8):
        Asked.objects.all().delete()
        join = partial(members.join, other_publication, ROSA, how="subscribe page")
        change = partial(preferences.ask_change, rosa.member, f"new{n}@members.example", network="192.0.2.0/24")
        assert at_once(join, change) == [None, f"new{n}@members.example"]
