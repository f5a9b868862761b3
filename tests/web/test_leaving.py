"""Leaving works with one click from any mail program, and never by merely opening a link."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from publisher import links
from publisher.models import Subscription

pytestmark = pytest.mark.django_db

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
LEFT = b"You have left. No more letters will be sent to you.\n"


@pytest.fixture
def mail_program() -> Client:
    """Sends what RFC 8058 says and no more: no cookie, no origin, no token. CSRF is checked as in production."""
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def link(members: Any, publication: Any) -> str:
    """The way out in m0's letter."""
    return links.leaver(publication.pk)(members[0].pk).removeprefix("http://127.0.0.1:8000")


def states() -> list[str]:
    return list(Subscription.objects.order_by("member_id").values_list("state", flat=True))


def one_click(client: Client, link: str, kind: str) -> Any:
    if kind == FORM:
        return client.post(link, "List-Unsubscribe=One-Click", content_type=FORM)
    return client.post(link, ONE_CLICK)


@pytest.mark.parametrize("kind", [FORM, MULTIPART])
def test_one_post_from_a_mail_program_is_enough(mail_program: Client, link: str, kind: str) -> None:
    answer = one_click(mail_program, link, kind)
    assert (answer.status_code, answer["Content-Type"], answer.content) == (200, "text/plain; charset=utf-8", LEFT)
    assert ("Location" in answer, answer.cookies) == (False, {})
    assert states() == ["left", "active", "active", "active", "active"]


@pytest.mark.parametrize("kind", [FORM, MULTIPART])
def test_leaving_twice_is_leaving(mail_program: Client, link: str, kind: str) -> None:
    first, second = one_click(mail_program, link, kind), one_click(mail_program, link, kind)
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert states() == ["left", "active", "active", "active", "active"]


def test_a_person_opens_the_link_and_presses_the_one_button(mail_program: Client, link: str) -> None:
    page = mail_program.get(link).content.decode()
    assert ("Leave Update?" in page, page.count("<button"), page.count("<form")) == (True, 1, 1)
    answer = mail_program.post(link, {"List-Unsubscribe": "our button"})
    assert (answer.status_code, "Location" in answer, answer.cookies) == (200, False, {})
    assert "You have left Update" in answer.content.decode()
    assert states() == ["left", "active", "active", "active", "active"]


@pytest.mark.parametrize("method", ["get", "head", "options", "put", "patch", "delete"])
def test_a_scanner_that_opens_the_link_takes_nobody_off(mail_program: Client, link: str, method: str) -> None:
    getattr(mail_program, method)(link + "?List-Unsubscribe=One-Click")
    assert states() == ["active"] * 5


@pytest.mark.parametrize("body", ["", "List-Unsubscribe=", "List-Unsubscribe=No", "x=One-Click"])
def test_a_post_that_does_not_ask_to_leave_is_asked_back(mail_program: Client, link: str, body: str) -> None:
    answer = mail_program.post(link, body, content_type=FORM)
    assert (answer.status_code, "Leave Update?" in answer.content.decode()) == (400, True)
    assert states() == ["active"] * 5


def forged(link: str, members: Any, publication: Any) -> list[str]:
    token = link.split("/")[2]
    return [
        f"/leave/{token[:-1]}{'A' if token[-1] != 'A' else 'B'}/",
        f"/leave/{token[:-4]}/",
        f"/leave/{links.sign('confirm', members[0].pk, publication.pk)}/",
        f"/leave/{links.sign('leave', members[0].pk)}/",
        f"/leave/{members[0].pk}.{publication.pk}/",
        "/leave/%00/",
        "/leave/é/",
    ]


@pytest.mark.parametrize("kind", [FORM, MULTIPART])
def test_a_forged_link_looks_the_same_and_changes_nothing(
    mail_program: Client, link: str, members: Any, publication: Any, kind: str
) -> None:
    for wrong in forged(link, members, publication):
        answer, page = one_click(mail_program, wrong, kind), mail_program.get(wrong)
        assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; charset=utf-8")
        assert ("Location" in answer, answer.cookies, page.status_code) == (False, {}, 200)
        assert [b"nothing was changed" in said.content for said in (answer, page)] == [True, True]
    assert states() == ["active"] * 5


def test_the_link_of_a_member_who_was_erased_still_answers(mail_program: Client, link: str, members: Any) -> None:
    members[0].delete()
    assert (one_click(mail_program, link, FORM).status_code, states()) == (200, ["active"] * 4)


def test_a_link_of_years_ago_works_after_the_keys_were_changed(mail_program: Client, link: str, settings: Any) -> None:
    settings.KEYS = {**settings.KEYS, "links": ["a newer key", *settings.KEYS["links"]]}
    assert one_click(mail_program, link, FORM).content == LEFT
    assert states()[0] == "left"


def test_leaving_one_publication_leaves_the_others(
    mail_program: Client, link: str, members: Any, other_publication: Any
) -> None:
    other = Subscription.objects.create(member=members[0], publication=other_publication, state="active")
    one_click(mail_program, link, FORM)
    other.refresh_from_db()
    assert other.state == "active"


def test_the_token_stays_with_us(mail_program: Client, link: str) -> None:
    for answer in (mail_program.get(link), one_click(mail_program, link, FORM)):
        assert answer["Referrer-Policy"] == "no-referrer"
        assert "no-store" in answer["Cache-Control"]
