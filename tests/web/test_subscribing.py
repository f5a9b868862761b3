"""Joining by the public form: a mail, a button, and nothing that tells a stranger who receives what."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from publisher import links, members
from publisher.models import Consent, Member, Notice, Subscription
from publisher.web.public import subscribing

pytestmark = pytest.mark.django_db

PAGE = "/update/subscribe/"
WORDING = (
    "I would like to receive Update from Andean Reading Rooms by e-mail. "
    "I can leave at any time, with one click in every letter."
)


@pytest.fixture(autouse=True)
def _nobody_has_asked_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr(subscribing, "EVENLY", 0)


@pytest.fixture
def visitor(publication: Any) -> Client:
    """Has no cookie and gets none. CSRF is checked as in production."""
    return Client(enforce_csrf_checks=True)


def hidden(html: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]+)">', html))


def fill_in(visitor: Client, **fields: str) -> dict[str, str]:
    return {**hidden(visitor.get(PAGE).content.decode()), "email": "rosa@members.example", **fields}


def ask(visitor: Client, after: float = 10, address: str = "192.0.2.7", **fields: str) -> Any:
    """Open the form, take some seconds to fill it in, and press the button."""
    with time_machine.travel(timezone.now(), tick=False) as now:
        filled = fill_in(visitor, **fields)
        now.shift(timedelta(seconds=after))
        return visitor.post(PAGE, filled, REMOTE_ADDR=address)


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
    assert (consent.wording, consent.how, consent.ip, consent.basis) == (
        WORDING,
        "subscribe page",
        "192.0.2.7",
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
    assert Consent.objects.get().wording == WORDING


def test_the_answer_is_the_same_whatever_we_know_of_the_address(visitor: Client, publication: Any) -> None:
    answers = {}
    for state in ("new", "pending", "active", "left", "suppressed", "erased"):
        address = "someone@members.example"
        Member.objects.all().delete()
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
    assert Member.objects.get().email == "rosa@members.example"


def test_a_robot_gets_the_same_answer_and_no_mail(visitor: Client) -> None:
    robot, person = ask(visitor, website="https://casino.example"), None
    assert (Member.objects.count(), Notice.objects.count()) == (0, 0)
    person = ask(visitor)
    assert (robot.status_code, robot.content) == (person.status_code, person.content)


def test_who_is_too_fast_for_a_person_is_asked_to_press_again(visitor: Client) -> None:
    answer = ask(visitor, after=0.3)
    assert (answer.status_code, "Please press the button once more." in answer.content.decode()) == (422, True)
    assert Member.objects.count() == 0
    again = {**hidden(answer.content.decode()), "email": "rosa@members.example"}
    with time_machine.travel(timezone.now() + timedelta(seconds=5)):
        assert visitor.post(PAGE, again).status_code == 200
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


def test_one_network_may_ask_only_so_often(visitor: Client) -> None:
    statuses = [ask(visitor, email=f"p{n}@members.example", address=f"198.51.100.{n}").status_code for n in range(22)]
    assert statuses == [200] * 20 + [429] * 2
    assert Member.objects.count() == 20
    assert ask(visitor, address="203.0.113.9").status_code == 200
    refused = ask(visitor, address="198.51.100.200").content.decode()
    assert ("Please try again in an hour." in refused, 'value="rosa@members.example"' in refused) == (True, True)


def test_a_header_of_the_client_does_not_make_it_another_network(visitor: Client, settings: Any) -> None:
    def pressed(n: int, forwarded: str) -> int:
        filled = fill_in(visitor, email=f"p{n}@members.example")
        with time_machine.travel(timezone.now() + timedelta(seconds=9)):
            return visitor.post(PAGE, filled, headers={"X-Forwarded-For": forwarded}).status_code

    assert [pressed(n, f"10.0.{n}.1") for n in range(21)][-1] == 429
    # Behind our own proxy its word counts, and only the last: what stands before it came from the client.
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert [pressed(n, f"10.0.{n}.1, 192.0.2.1") for n in range(21)][-1] == 429
    assert pressed(99, "10.0.0.1, 203.0.113.5") == 200
    assert Consent.objects.latest("pk").ip == "203.0.113.5"


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
