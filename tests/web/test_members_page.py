"""Members on the staff's pages: found by address, with what they agreed to; and how people join a publication."""

from __future__ import annotations

import re
from typing import Any

import pytest
import time_machine
from django.test import Client

from publisher import consents, farewells, joining, members
from publisher.models import Consent, ConsentWording, Event, JoinRequest, Member, Run, Subscription
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
    with django_assert_num_queries(10):
        as_carla.get(f"/staff/members/{rosa.pk}/")


def test_the_index_counts_who_receives_what(as_carla: Client, rosa: Any, make_members: Any, read: Any) -> None:
    make_members(3)
    page = read(as_carla.get("/staff/members/"))

    assert page("tbody tr td.number") == ["1", "3", "0", "0"]


def test_staff_change_the_words_and_the_old_ones_stay(as_carla: Client, carla: Any, rosa: Any, read: Any) -> None:
    as_carla.get("/staff/joining/update/")
    as_carla.post("/staff/joining/update/es/reword/", {"text": "Sí, quiero recibir Update."})
    page = read(as_carla.get("/staff/joining/update/"))

    assert page("#receiving-es") == ["Sí, quiero recibir Update."]
    assert list(ConsentWording.objects.filter(language="es").values_list("version", "by")) == [(2, carla.pk), (1, None)]
    assert Consent.objects.get().worded.text == consents.current(rosa.subscriptions.get().publication, "en").text


def test_staff_word_what_is_agreed_to_about_being_measured(
    as_carla: Client, rosa: Any, publication: Any, read: Any
) -> None:
    assert read(as_carla.get("/staff/joining/update/"))("#measuring-en") == []
    publication.measure = "persons"
    publication.save()
    as_carla.post("/staff/joining/update/en/reword/", {"text": "You may see it.", "about": "measuring"})
    page = read(as_carla.get("/staff/joining/update/"))

    assert page("#measuring-en") == ["You may see it."]
    assert page.one("#receiving-en").startswith("I would like to receive Update")


def test_staff_read_why_people_left_by_month_and_no_day(
    as_carla: Client, publication: Any, other_publication: Any, read: Any
) -> None:
    assert "Nobody has said why yet" in read(as_carla.get("/staff/figures/farewells/")).one("main")
    for on, reason, words in (
        ("2007-03-02", "often", "Zu oft & <b>zu lang</b>"),
        ("2007-03-31", "often", ""),
        ("2007-02-01", "other", "Moved"),
    ):
        with time_machine.travel(on):
            farewells.say(publication, reason, words)
    farewells.say(other_publication, "content", "Of another list")
    page = read(as_carla.get("/staff/figures/farewells/?publication=update"))

    assert page("tbody th") == ["March 2007", "February 2007"]
    assert page('td[data-of="It comes too often"]') == ["2", "0"]
    assert page("ul.lines li") == ["Zu oft & <b>zu lang</b> It comes too often", "Moved Another reason"]


def test_the_health_page_says_that_many_ask_to_join(as_carla: Client, publication: Any, read: Any) -> None:
    assert read(as_carla.get("/staff/health/"))(".attention") == []
    Run.objects.create(schedule=joining.CROWDED, occurrence="2007-03-31")

    assert "0 still wait" in read(as_carla.get("/staff/health/")).one(".attention")


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


def test_staff_file_a_member_bring_two_together_and_take_their_data(
    as_carla: Client, carla: Any, make_members: Any, read: Any
) -> None:
    kept, gone = make_members(2)
    page = f"/staff/members/{kept.pk}/"
    as_carla.post(f"{page}tag/", {"tags": "Lima, volunteer"})
    assert read(as_carla.get(page)).values("#tags") == ["Lima, volunteer"]
    answer = as_carla.post(f"{page}data/")
    assert (answer.json()["email"], answer["Cache-Control"]) == (kept.email, "no-store")
    said = read(as_carla.post(f"{page}merge/", {"email": "nobody@members.example"}, follow=True)).one("#messages")
    assert said.startswith("No other member has that address")
    as_carla.post(f"{page}merge/", {"email": gone.email})
    assert list(Member.objects.all()) == [kept]
    done = Event.objects.filter(noun="member", noun_id=kept.pk, by=carla).values_list("verb", flat=True)
    assert list(done) == ["tagged", "exported data", "merged"]


def test_a_person_is_forgotten_by_who_is_sure(as_carla: Client, make_members: Any, read: Any) -> None:
    rosa, _ = make_members(2)
    page = f"/staff/members/{rosa.pk}/"
    assert "Tick that you are sure" in read(as_carla.post(f"{page}erase/", follow=True)).one("#messages")
    said = read(as_carla.post(f"{page}erase/", {"sure": "yes"}, follow=True)).one("#messages")
    assert (said.split(".")[0], Member.objects.count()) == ("Forgotten", 1)
    assert as_carla.get(page).status_code == 404
