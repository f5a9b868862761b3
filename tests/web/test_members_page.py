"""Members on the staff's pages: found by address, with what they agreed to; and how people join a publication."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from publisher import consents, joining, members
from publisher.models import Consent, ConsentWording, JoinRequest, Member, Subscription
from tests.lists import bring

ROSA = "rosa@members.example"


@pytest.fixture
def rosa(publication: Any) -> Any:
    """She asked on the page, and has not confirmed."""
    worded = consents.current(publication, "en")
    joining.ask(
        publication, ROSA, first_name="Rosa", language="en", worded=worded, how="subscribe page", network="192.0.2.0/24"
    )
    joining.answer()
    return Member.objects.get(email=ROSA)


def test_a_member_is_found_by_address_and_the_address_stands_in_no_address_of_ours(as_carla: Client, rosa: Any) -> None:
    answer = as_carla.post("/staff/members/find/", {"email": " Rosa@Members.example "})

    assert answer["Location"] == f"/staff/members/{rosa.pk}/"


@pytest.mark.parametrize("known", [False, True])
def test_who_is_no_member_is_said_to_be_none(as_carla: Client, publication: Any, read: Any, known: bool) -> None:
    if known:
        members.suppress("luis@members.example", "complaint")
    page = read(as_carla.post("/staff/members/find/", {"email": "luis@members.example"}, follow=True))

    more = " It must not be mailed: complaint." if known else ""
    assert page.one("#messages") == f"No member has this address.{more}"


def test_a_members_page_tells_on_what_grounds_they_are_mailed(
    as_carla: Client, rosa: Any, publication: Any, anne: Any, read: Any
) -> None:
    page = read(as_carla.get(f"/staff/members/{rosa.pk}/"))
    text = page.one("main")

    assert (page.one("h1"), ROSA in text, "192.0.2.0/24" in text, "not confirmed" in text) == ("Rosa", True, True, True)
    assert page("td q") == [consents.current(publication, "en").text]
    assert page(".history span") == ["Update: asked to receive it, and has not confirmed: subscribe page"]


def test_who_was_brought_by_a_list_is_shown_with_who_brought_them(
    as_carla: Client, publication: Any, anne: Any, read: Any
) -> None:
    bring(publication, anne, "email", "luis@members.example", basis="soft_opt_in")
    page = read(as_carla.get(f"/staff/members/{Member.objects.get().pk}/"))

    row = page("main table:nth-of-type(2) tbody tr")[0]
    assert ("charitable soft opt-in" in row, "import members.csv, by Anne Rowe" in row) == (True, True)


def test_a_members_page_costs_the_same_however_much_there_is(
    as_carla: Client, rosa: Any, other_publication: Any, django_assert_num_queries: Any
) -> None:
    subscription = rosa.subscriptions.get()
    worded = consents.current(other_publication, "es")
    second = Subscription.objects.create(member=rosa, publication=other_publication, state="active")
    for at in [subscription, second] * 5:
        Consent.objects.create(subscription=at, how="page", worded=worded)
    with django_assert_num_queries(8):
        as_carla.get(f"/staff/members/{rosa.pk}/")


def test_the_index_counts_who_receives_what(as_carla: Client, rosa: Any, make_members: Any, read: Any) -> None:
    make_members(3)
    page = read(as_carla.get("/staff/members/"))

    assert page("tbody tr td.number") == ["1", "3", "0", "0"]


def test_staff_change_the_words_and_the_old_ones_stay(as_carla: Client, carla: Any, rosa: Any, read: Any) -> None:
    as_carla.get("/staff/joining/update/")
    as_carla.post("/staff/joining/update/es/reword/", {"text": "Sí, quiero recibir Update."})
    page = read(as_carla.get("/staff/joining/update/"))

    assert page("#text-es") == ["Sí, quiero recibir Update."]
    assert list(ConsentWording.objects.filter(language="es").values_list("version", "by")) == [(2, carla.pk), (1, None)]
    assert Consent.objects.get().worded.text == consents.current(rosa.subscriptions.get().publication, "en").text


def test_the_form_to_paste_asks_when_it_is_posted_from_another_site(as_carla: Client, rosa: Any, read: Any) -> None:
    page = read(as_carla.get("/staff/joining/update/"))
    english, spanish = (page.tree.cssselect(f"#form-{code}")[0].text_content() for code in ("en", "es"))
    fields = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]+)"', spanish))
    (address,) = re.findall(r'action="([^"]+)"', spanish)
    answer = Client().post(address, {**fields, "email": "luis@members.example", "website": ""})

    assert (answer.status_code, JoinRequest.objects.get().language, JoinRequest.objects.get().worded.language) == (
        200,
        "es",
        "es",
    )
    assert ("<script" in english + spanish, "Subscribe to Update" in english, "Suscribirse a Update" in spanish) == (
        False,
        True,
        True,
    )
