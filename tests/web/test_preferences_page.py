"""The preference page, without a cookie, a sign-in or a script."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from publisher import joining, preferences
from publisher.models import Digest, LinkRequest, MeasuringConsent, Notice, Subscription

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publisher.web.public.preferences.EVENLY", 0)


@pytest.fixture
def browser() -> Client:
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def rosa(members: Any) -> Any:
    return members[0]


@pytest.fixture
def link(rosa: Any) -> str:
    return f"/preferences/{preferences.token(rosa)}/"


def test_the_link_is_asked_for_with_one_answer_for_all(browser: Client, rosa: Any) -> None:
    known, stranger = (browser.post("/preferences/", {"email": email}) for email in (rosa.email, "x0@members.example"))
    assert list(LinkRequest.objects.values_list("email", flat=True)) == [rosa.email, "x0@members.example"]
    joining.answer()

    assert (known.status_code, stranger.status_code) == (200, 200)
    assert known.content.replace(b"m0@", b"x0@") == stranger.content
    assert list(Notice.objects.values_list("address", flat=True)) == [rosa.email]


@pytest.mark.parametrize("typed", ["", "nonsense"])
def test_what_is_no_address_is_asked_for_again(browser: Client, typed: str, read: Any) -> None:
    page = read(browser.post("/preferences/", {"email": typed}))

    assert (page.status, page.values("input[type=email]", "aria-invalid")) == (422, ["true"])


def test_a_network_asks_only_so_often(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publisher.web.public.preferences.TIMES", 2)

    assert [browser.post("/preferences/", {"email": f"x{n}@y.example"}).status_code for n in range(3)] == [
        200,
        200,
        429,
    ]


def test_the_page_shows_what_is_received_and_saves_what_is_chosen(
    browser: Client, link: str, rosa: Any, other_publication: Any, read: Any
) -> None:
    page = read(browser.get(link))
    assert page("legend") == ["Letters to m0@members.example"]
    before = dict(zip(page("fieldset label"), page.values("input[name=publication]", "checked"), strict=True))
    assert before == {"Peru New Andean Reading Rooms": None, "Update Andean Reading Rooms": "checked"}

    chosen = {"do": "save", "publication": [other_publication.pk], "language": "es", "plain_text": "on"}
    saved = read(browser.post(link, chosen))

    rosa.refresh_from_db()
    assert (rosa.language, rosa.plain_text, saved.one("p[role=status]")) == ("es", True, "Guardado.")
    states = Subscription.objects.filter(member=rosa).values_list("publication__slug", "state")
    assert dict(states) == {"update": "left", "peru-new": "active"}


def test_a_member_agrees_to_be_measured_where_the_publication_asks(
    browser: Client, link: str, publication: Any, read: Any
) -> None:
    assert read(browser.get(link))("label.measured") == []
    publication.measure = "persons"
    publication.save()
    page = read(browser.get(link))
    assert "Andean Reading Rooms may keep which links in Update I follow" in page.one("label.measured")
    (shown,) = page.values("input[name=shown]")

    chosen = {"do": "save", "publication": [publication.pk], "measured": [publication.pk], "shown": [shown]}
    saved = read(browser.post(link, chosen))

    assert saved.values("input[name=measured]", "checked") == ["checked"]
    assert (MeasuringConsent.objects.get().worded_id, MeasuringConsent.objects.get().how) == (
        int(str(shown)),
        "preference page",
    )


def test_what_is_wrong_is_said_in_their_language(browser: Client, link: str, rosa: Any, read: Any) -> None:
    said = [
        read(browser.post(f"{link}?lang=es", {"do": "address", "email": email})).one("[role=alert]")
        for email in (rosa.email, "nonsense")
    ]
    assert said == [
        "Esa es la dirección a la que ya llegan sus envíos.",
        "«nonsense» no es una dirección de correo electrónico. Revísela, por favor.",
    ]


def test_opening_the_page_changes_nothing_and_tells_nobody(browser: Client, link: str) -> None:
    for answer in (browser.get(link), browser.head(link), browser.get(f"{link}?do=leave")):
        assert (answer.status_code, answer.cookies) == (200, {})
        assert (answer["Referrer-Policy"], "no-store" in answer["Cache-Control"]) == ("no-referrer", True)
    assert set(Subscription.objects.values_list("state", flat=True)) == {"active"}


def test_leaving_everything_is_one_button(browser: Client, link: str, rosa: Any, read: Any) -> None:
    page = read(browser.post(link, {"do": "leave"}))

    assert page.one("p[role=status]") == "You have left everything. No more letters will be sent to you."
    assert list(Subscription.objects.order_by("member").values_list("state", flat=True)) == ["left"] + ["active"] * 4


def test_a_new_address_is_confirmed_by_a_button_behind_the_link_that_went_there(
    browser: Client, link: str, rosa: Any, read: Any
) -> None:
    page = read(browser.post(link, {"do": "address", "email": "new@members.example"}))
    assert "new@members.example" in page.one("p[role=status]")
    text = Notice.objects.get().text
    change = text[text.index("/preferences/address/") :].split()[0]

    opened = browser.get(change)
    rosa.refresh_from_db()
    assert (opened.status_code, rosa.email) == (200, "m0@members.example")
    assert read(browser.post(change)).one("p[role=status]") == "Your letters come to this address from now on."
    rosa.refresh_from_db()
    assert rosa.email == "new@members.example"
    assert [browser.get(each).status_code for each in (change, link)] == [404, 404]


def test_a_new_address_that_is_none_is_said_on_the_page(browser: Client, link: str, read: Any) -> None:
    page = read(browser.post(link, {"do": "address", "email": "nonsense"}))

    assert (page.status, "is not an e-mail address" in page.one("[role=alert]")) == (422, True)
    assert Notice.objects.count() == 0


def test_a_friend_is_written_to_in_the_name_of_a_confirmed_member(
    browser: Client, link: str, rosa: Any, digest: Any, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.web.public.friends.EVENLY", 0)
    Digest.objects.update(state="sent", number=120)
    rosa.subscriptions.get().consents.create(how="form", confirmed_at="2007-01-01T00:00Z")
    (form,) = read(browser.get(link)).values("form[action]", "action")

    browser.post(form, {"email": "ines@friends.example", "from": link.split("/")[2]})

    assert "Name0 thought that you would like to read this." in Notice.objects.get().text


def test_their_own_data_is_a_file(browser: Client, link: str) -> None:
    answer = browser.get(f"{link}my-data.json")

    assert (answer["Content-Type"], json.loads(answer.content)["email"]) == ("application/json", "m0@members.example")
    assert "attachment" in answer["Content-Disposition"]


def test_the_lasting_link_of_a_letter_opens_nothing_here(
    browser: Client, rosa: Any, publication: Any, read: Any
) -> None:
    from publisher import links

    token = links.sign("leave", rosa.pk, publication.pk)
    for address in (f"/preferences/{token}/", f"/preferences/{token}/my-data.json", f"/preferences/address/{token}/"):
        answer = browser.get(address)
        assert (answer.status_code, b"members.example" in answer.content) == (404, False)
    # And what it does open shows nothing of the person.
    shown = browser.get(f"/leave/{token}/").content.decode()
    assert ("members.example" in shown, "Name0" in shown) == (False, False)
