"""Joining by the public form: a mail, a button, and nothing that tells a stranger who receives what."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from publisher import asking, joining, links, members
from publisher.models import Asked, Consent, ConsentWording, JoinRequest, Member, Notice, Subscription

pytestmark = pytest.mark.django_db

PAGE = "/update/subscribe/"
WORDING = (
    "I would like to receive Update from Andean Reading Rooms by e-mail. "
    "I can leave at any time, with one click in every letter."
)


@pytest.fixture
def visitor(publication: Any) -> Client:
    """Has no cookie and gets none. CSRF is checked as in production."""
    return Client(enforce_csrf_checks=True)


def hidden(html: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]+)">', html))


def fill_in(visitor: Client, page: str = PAGE, **fields: str) -> dict[str, str]:
    return {**hidden(visitor.get(page).content.decode()), "email": "rosa@members.example", **fields}


def ask(visitor: Client, after: float = 10, address: str = "192.0.2.7", page: str = PAGE, **fields: str) -> Any:
    """Open the form, take some seconds to fill it in, press the button; and a worker does what is to be done."""
    with time_machine.travel(timezone.now(), tick=False) as now:
        filled = fill_in(visitor, page, **fields)
        now.shift(timedelta(seconds=after))
        answer = visitor.post(page.partition("?")[0], filled, REMOTE_ADDR=address)
        joining.answer()
    return answer


def test_a_visitor_asks_gets_a_mail_and_confirms(visitor: Client, publication: Any) -> None:
    answer = ask(visitor, first_name="  Rosa  María ")
    assert (answer.status_code, "Please look into your inbox" in answer.content.decode()) == (200, True)
    subscription = Subscription.objects.get()
    consent = Consent.objects.get()
    assert (subscription.state, subscription.member.email, subscription.member.first_name) == (
        "pending",
        "rosa@members.example",
        "Rosa María",
    )
    assert (consent.words, consent.how, consent.network, consent.basis) == (
        WORDING,
        "subscribe page",
        "192.0.2.0/24",
        "consent",
    )
    letter = Notice.objects.get()
    link = links.confirm_url(subscription)
    assert (letter.address, link in letter.text, link in letter.html) == ("rosa@members.example", True, True)
    confirmed = visitor.post(link)
    assert (confirmed.status_code, "You are subscribed" in confirmed.content.decode()) == (200, True)
    subscription.refresh_from_db()
    assert subscription.state == "active"


def test_the_words_of_consent_that_are_kept_are_those_that_were_shown(visitor: Client, publication: Any) -> None:
    assert WORDING in visitor.get(PAGE).content.decode()
    filled = fill_in(visitor)
    publication.organisation = "Another Name"
    publication.save()
    with time_machine.travel(timezone.now() + timedelta(minutes=3)):
        visitor.post(PAGE, filled)
        joining.answer()
    assert Consent.objects.get().words == WORDING
    assert "Another Name" in visitor.get(PAGE).content.decode()
    assert list(ConsentWording.objects.order_by("pk").values_list("version", "language", "ours")) == [
        (1, "en", True),
        (2, "en", True),
    ]


def test_the_answer_is_the_same_whatever_we_know_of_the_address(visitor: Client, publication: Any) -> None:
    answers = {}
    for state in ("new", "pending", "active", "left", "suppressed", "erased"):
        address = "someone@members.example"
        Member.objects.all().delete()
        Asked.objects.all().delete()
        if state not in {"new", "erased"}:
            member = Member.objects.create(email=address)
            Subscription.objects.create(member=member, publication=publication, state=state)
        if state in {"suppressed", "erased"}:
            members.suppress(address, "erased")
        answer = ask(visitor, email=address)
        del answer.headers["Expires"]  # the moment of the answer
        answers[state] = (answer.status_code, answer.content, sorted(answer.headers.items()), answer.cookies.output())
    assert [state for state, answer in answers.items() if answer != answers["new"]] == []


@pytest.mark.parametrize(
    "wrong", ["", "rosa", "rosa@", "@members.example", "a b@c.example", "rosa@members.example\nBcc: x@y.example"]
)
def test_an_address_that_is_none_is_said_so_and_nothing_typed_is_lost(visitor: Client, wrong: str) -> None:
    answer = ask(visitor, email=wrong, first_name="Rosa & María")
    html = answer.content.decode()
    assert (answer.status_code, 'aria-invalid="true"' in html, 'id="email-problem"' in html) == (422, True, True)
    assert 'value="Rosa &amp; María"' in html
    assert wrong.partition("\n")[0] in html
    assert (Member.objects.count(), Notice.objects.count()) == (0, 0)


def test_a_form_put_right_goes_through(visitor: Client) -> None:
    html = ask(visitor, email="rosa").content.decode()
    with time_machine.travel(timezone.now() + timedelta(seconds=30)):
        visitor.post(PAGE, {**hidden(html), "email": "rosa@members.example"})
        joining.answer()
    assert Member.objects.get().email == "rosa@members.example"


def test_a_robot_gets_the_same_answer_and_no_mail(visitor: Client) -> None:
    robot, person = ask(visitor, website="https://casino.example"), None
    assert (JoinRequest.objects.count(), Member.objects.count(), Notice.objects.count()) == (0, 0, 0)
    person = ask(visitor)
    assert (robot.status_code, robot.content) == (person.status_code, person.content)


def test_who_is_too_fast_for_a_person_is_asked_to_press_again(visitor: Client) -> None:
    answer = ask(visitor, after=0.3)
    assert (answer.status_code, "Please press the button once more." in answer.content.decode()) == (422, True)
    assert Member.objects.count() == 0
    again = {**hidden(answer.content.decode()), "email": "rosa@members.example"}
    with time_machine.travel(timezone.now() + timedelta(seconds=5)):
        assert visitor.post(PAGE, again).status_code == 200
        joining.answer()
    assert Member.objects.count() == 1


@pytest.mark.parametrize("form", ["", "forged", "of another publication", "of the day before"])
def test_a_form_that_was_not_shown_just_now_is_shown_again(visitor: Client, other_publication: Any, form: str) -> None:
    sealed = {"": "", "forged": hidden(visitor.get(PAGE).content.decode())["form"] + "x"}
    sealed["of another publication"] = hidden(visitor.get("/peru-new/subscribe/").content.decode())["form"]
    with time_machine.travel(timezone.now() - timedelta(hours=25)):
        sealed["of the day before"] = hidden(visitor.get(PAGE).content.decode())["form"]
    with time_machine.travel(timezone.now() + timedelta(seconds=5)):
        answer = visitor.post(PAGE, {"form": sealed[form], "email": "rosa@members.example"})
    assert (answer.status_code, Member.objects.count()) == (422, 0)
    assert 'value="rosa@members.example"' in answer.content.decode()


def test_of_one_network_only_so_many_are_asked_within_an_hour_and_nobody_is_told(visitor: Client) -> None:
    answers = [ask(visitor, email=f"p{n:02}@members.example", address=f"198.51.100.{n}") for n in range(22)]
    assert {(answer.status_code, len(answer.content)) for answer in answers} == {(200, len(answers[0].content))}
    assert (Notice.objects.count(), JoinRequest.objects.count()) == (20, 2)
    ask(visitor, address="203.0.113.9")
    assert Notice.objects.filter(address="rosa@members.example").count() == 1
    # Whoever came too late is asked when there is room again.
    with time_machine.travel(timezone.now() + timedelta(hours=1, minutes=1), tick=False):
        joining.answer()
    assert (Notice.objects.count(), JoinRequest.objects.count()) == (23, 0)


def test_of_all_only_so_many_are_asked_within_an_hour(visitor: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(asking, "MOST_OF_ALL", 3)
    for n in range(5):
        ask(visitor, email=f"p{n}@members.example", address=f"198.51.{n}.1")
    assert (Notice.objects.count(), JoinRequest.objects.count()) == (3, 2)


def test_the_line_of_one_network_has_an_end(visitor: Client, monkeypatch: Any, publication: Any) -> None:
    monkeypatch.setattr(joining, "MOST_WAIT", 3)
    for n, network in enumerate(["192.0.2.0/24"] * 5 + ["198.51.100.0/24"]):
        joining.ask(publication, f"p{n}@members.example", language="en", worded=None, how="test", network=network)
    assert sorted(JoinRequest.objects.values_list("email", flat=True)) == [
        f"p{n}@members.example" for n in (0, 1, 2, 5)
    ]


def test_a_header_of_the_client_does_not_make_it_another_network(visitor: Client, settings: Any) -> None:
    def pressed(n: int, forwarded: str) -> str:
        filled = fill_in(visitor, email=f"p{n}@members.example")
        with time_machine.travel(timezone.now() + timedelta(seconds=9)):
            visitor.post(PAGE, filled, headers={"X-Forwarded-For": forwarded})
        return JoinRequest.objects.latest("pk").network

    assert pressed(1, "10.0.9.1") == "127.0.0.0/24"
    # Behind our own proxy its word counts, and only the last: what stands before it came from the client.
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert pressed(2, "10.0.9.1, 203.0.113.5") == "203.0.113.0/24"
    assert pressed(3, "10.0.9.1, 2001:db8:1:2ff::7") == "2001:db8:1:200::/56"
    with time_machine.travel(timezone.now() + timedelta(seconds=20)):
        joining.answer()
    assert Consent.objects.latest("pk").network == "2001:db8:1::/48"


def test_a_scanner_that_opens_the_link_confirms_nothing(visitor: Client, publication: Any) -> None:
    ask(visitor)
    link = links.confirm_url(Subscription.objects.get())
    pages = [visitor.get(link), visitor.head(link)]
    assert [page.status_code for page in pages] == [200, 200]
    assert (pages[0].content.decode().count("<button"), pages[0]["Referrer-Policy"]) == (1, "no-referrer")
    assert Subscription.objects.get().state == "pending"


def test_confirming_twice_is_confirming(visitor: Client) -> None:
    ask(visitor)
    link = links.confirm_url(Subscription.objects.get())
    assert [visitor.post(link).status_code for _ in range(2)] == [200, 200]
    assert Subscription.objects.get().state == "active"


def test_a_link_that_is_not_ours_confirms_nothing(visitor: Client, members: Any, publication: Any) -> None:
    left = members[0].subscriptions.get()
    Subscription.objects.filter(pk=left.pk).update(state="left")
    waiting = members[1].subscriptions.get()
    Subscription.objects.filter(pk=waiting.pk).update(state="pending")
    wrong = [
        links.confirm_url(left),
        links.leaver(publication.pk)(members[1].pk).replace("/leave/", "/confirm/"),
        f"/confirm/{links.sign('leave', waiting.pk)}/",
        f"/confirm/{links.sign('confirm', waiting.pk)}x/",
        "/confirm/1/",
    ]
    assert [(visitor.get(link).status_code, visitor.post(link).status_code) for link in wrong] == [(404, 404)] * 5
    states = dict(Subscription.objects.values_list("pk", "state"))
    assert (states[left.pk], states[waiting.pk]) == ("left", "pending")


def test_no_page_of_joining_sets_a_cookie(visitor: Client) -> None:
    answers = [visitor.get(PAGE), ask(visitor), ask(visitor, email="")]
    link = links.confirm_url(Subscription.objects.get())
    answers += [visitor.get(link), visitor.post(link), visitor.get("/confirm/x/")]
    assert [answer.cookies.output() for answer in answers] == [""] * 6
    assert ["no-store" in answer["Cache-Control"] for answer in answers] == [True] * 6


# In Spanish, from another site, with the latest Update


def test_in_spanish_all_of_it_is_spanish(visitor: Client, publication: Any) -> None:
    shown = visitor.get(f"{PAGE}?lang=es").content.decode()
    assert ('<html lang="es">' in shown, "Suscribirse a Update" in shown, "Subscribe" in shown) == (True, True, False)
    asked = ask(visitor, page=f"{PAGE}?lang=es").content.decode()
    assert ("Mire su bandeja de entrada" in asked, "inbox" in asked) == (True, False)
    letter, consent = Notice.objects.get(), Consent.objects.get()
    assert letter.subject == "Confirme que desea recibir Update de Andean Reading Rooms"
    assert ("Sí, envíenme Update" in letter.text, "Sí, envíenme Update" in letter.html) == (True, True)
    assert [word for word in ("Please", "Someone", "confirm that") if word in letter.text + letter.html] == []
    assert (consent.worded.language, consent.words.startswith("Deseo recibir Update")) == ("es", True)
    subscription = Subscription.objects.get()
    assert subscription.member.language == "es"
    pages = [visitor.get(links.confirm_url(subscription)), visitor.post(links.confirm_url(subscription))]
    assert ['<html lang="es">' in page.content.decode() for page in pages] == [True, True]
    assert "Ya está suscrito" in pages[1].content.decode()


def test_a_page_speaks_its_publications_language_and_leads_to_the_other(visitor: Client, publication: Any) -> None:
    publication.language = "es"
    publication.save()
    spanish, english = visitor.get(PAGE).content.decode(), visitor.get(f"{PAGE}?lang=en").content.decode()
    assert ('href="?lang=en"' in spanish, '<html lang="es">' in spanish) == (True, True)
    assert ('href="?lang=es"' in english, '<html lang="en">' in english, f'{PAGE}?lang=en"' in english) == (True,) * 3
    assert '<html lang="es">' in visitor.get(f"{PAGE}?lang=qu").content.decode()


EMBEDDED = f"{PAGE}embedded/"


def test_the_form_on_another_site_asks_once_its_words_are_known(visitor: Client, publication: Any) -> None:
    ask(visitor, email="first@members.example")
    fields = {"email": "rosa@members.example", "lang": "en", "wording": "1", "website": ""}
    answer = visitor.post(EMBEDDED, fields, headers={"Origin": "https://reading-rooms.example"})
    joining.answer()
    consent = Consent.objects.latest("pk")
    assert (answer.status_code, answer.cookies.output()) == (200, "")
    assert (consent.subscription.member.email, consent.how, consent.words) == (
        "rosa@members.example",
        "form on the organisation’s site",
        WORDING,
    )


@pytest.mark.parametrize("wording", ["", "2", "one", "9" * 9])
def test_a_form_whose_words_nobody_knows_shows_ours_first(visitor: Client, publication: Any, wording: str) -> None:
    fields = {"email": "rosa@members.example", "first_name": "Rosa", "wording": wording}
    answer = visitor.post(EMBEDDED, fields)
    html = answer.content.decode()
    assert (answer.status_code, WORDING in html, 'value="rosa@members.example"' in html) == (200, True, True)
    assert JoinRequest.objects.count() == 0
    with time_machine.travel(timezone.now() + timedelta(seconds=9)):
        visitor.post(PAGE, {**hidden(html), "email": "rosa@members.example"})
    assert JoinRequest.objects.get().worded.text == WORDING


def test_opening_the_address_of_the_form_leads_to_the_page(visitor: Client, publication: Any) -> None:
    assert visitor.get(EMBEDDED).headers["Location"] == PAGE
