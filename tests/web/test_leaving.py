"""Leaving works with one click from any mail program, and never by merely opening a link."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from publisher import links
from publisher.delivery import sending as sending_
from publisher.models import Event, Subscription

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
        "/leave/é/",
    ]


def multipart(end: str, head: str = "") -> bytes:
    part = f'Content-Disposition: form-data; name="List-Unsubscribe"{end}{head}{end}One-Click{end}'
    return f"--b{end}{part}--b--{end}".encode()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (f"{FORM}; charset=us-ascii", b"List-Unsubscribe=One-Click"),
        (f"{FORM}; charset=zlib", b"List-Unsubscribe=One-Click"),
        (FORM, b"List-Unsubscribe=One-Click\r\n"),
        (FORM, b"list-unsubscribe=one-click"),
        ("", b"List-Unsubscribe=One-Click"),
        ("text/plain", b"List-Unsubscribe: One-Click"),
        (f"{MULTIPART}; boundary=b; charset=utf-16", multipart("\r\n")),
        (f"{MULTIPART}; boundary=b", multipart("\r\n", "Content-Type: text/plain; charset=us-ascii\r\n")),
        (f"{MULTIPART}; boundary=b", multipart("\n")),
        (f"{MULTIPART}; boundary=b", b"List-Unsubscribe=One-Click"),
    ],
)
def test_what_a_mail_program_calls_its_bytes_keeps_nobody(
    mail_program: Client, link: str, kind: str, body: bytes
) -> None:
    answer = mail_program.generic("POST", link, body, content_type=kind)
    assert (answer.status_code, answer.content, states()[0]) == (200, LEFT, "left")


def test_without_its_last_slash_the_link_is_not_sent_elsewhere(mail_program: Client, link: str) -> None:
    answer = one_click(mail_program, link.removesuffix("/"), FORM)
    assert (answer.status_code, answer.content, states()[0]) == (200, LEFT, "left")


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


def test_who_has_the_link_may_leave_everything_and_is_shown_nothing_of_it(
    mail_program: Client, link: str, members: Any, other_publication: Any
) -> None:
    for member in members[:2]:
        Subscription.objects.create(member=member, publication=other_publication, state="active")
    shown = [mail_program.get(link), mail_program.post(link, {"List-Unsubscribe": "our button"})]
    assert Subscription.objects.filter(publication=other_publication, state="left").count() == 0

    shown.append(mail_program.post(link, {"List-Unsubscribe": "our button", "everything": "yes"}))

    assert ["Peru New" in page.content.decode() for page in shown] == [False] * 3
    assert "You have left everything" in shown[2].content.decode()
    left = Subscription.objects.filter(state="left").values_list("member", "publication__slug")
    assert sorted(left) == [(members[0].pk, "peru-new"), (members[0].pk, "update")]


def test_the_token_stays_with_us(mail_program: Client, link: str) -> None:
    for answer in (mail_program.get(link), one_click(mail_program, link, FORM)):
        assert answer["Referrer-Policy"] == "no-referrer"
        assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("kind", [FORM, MULTIPART])
def test_cookies_of_anybodys_change_nothing_and_are_not_answered(mail_program: Client, link: str, kind: str) -> None:
    mail_program.cookies.load({"sessionid": "of-somebody-else", "csrftoken": "of-nobody"})
    mail_program.cookies["messages"] = "broken"
    for method in (mail_program.get, lambda address: one_click(mail_program, address, kind)):
        answer = method(link)
        assert (answer.status_code, "Set-Cookie" in answer.headers, answer.cookies) == (200, False, {})
    assert states()[0] == "left"


def test_a_reason_may_be_given_and_is_kept_without_the_person(
    mail_program: Client, link: str, publication: Any
) -> None:
    left = mail_program.post(link, {"List-Unsubscribe": "our button"}).content.decode()
    assert ("tell us why" in left, left.count('type="radio"')) == (True, 6)
    events = Event.objects.count()

    thanked = mail_program.post(link, {"reason": "often", "words": "Twice a week!"}).content.decode()

    assert ("Thank you" in thanked, Event.objects.count()) == (True, events)
    assert list(publication.farewells.values_list("reason", "words")) == [("often", "Twice a week!")]


@pytest.mark.parametrize("reason", ["", "m0@members.example"])
def test_only_a_reason_that_is_offered_is_kept_and_it_moves_nobody(
    mail_program: Client, link: str, publication: Any, reason: str
) -> None:
    mail_program.post(link, {"reason": reason})
    mail_program.post("/leave/forged/", {"reason": "often"})
    assert (publication.farewells.count(), states()) == (0, ["active"] * 5)


def test_who_leaves_while_a_digest_is_sent_gets_no_letter_of_it(
    mail_program: Client, link: str, sending: Any, connected: Any
) -> None:
    assert one_click(mail_program, link, FORM).status_code == 200
    assert sending_.send_batch(sending) == 5
    mailed = [address for entry in connected.json("/mail/log.json") for address in entry["rcpt_to"]]
    assert sorted(mailed) == [f"m{n}@members.example" for n in range(1, 5)]
    assert sending.deliveries.get(state="skipped").address == "m0@members.example"


def test_the_page_to_leave_speaks_the_language_that_was_chosen(mail_program: Client, link: str) -> None:
    assert "¿Dejar de recibir Update?" in mail_program.get(link + "?lang=es").content.decode()
    answer = mail_program.post(link, {"List-Unsubscribe": "our button", "lang": "es"})
    assert "Ya no recibirá Update" in answer.content.decode()
