from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

SIGN_IN = "/staff/sign-in/"


def attempt(client: Client, password: str, name: str = "anne", address: str = "192.0.2.1") -> Any:
    return client.post(SIGN_IN, {"username": name, "password": password}, REMOTE_ADDR=address)


def test_anne_signs_in_and_comes_to_the_items(anne: Any, client: Client) -> None:
    response = attempt(client, "letters-to-lima")

    assert (response.status_code, response["Location"]) == (302, "/staff/items/")


def test_signing_in_leads_on_to_the_page_that_was_asked_for(anne: Any, client: Client) -> None:
    asked = client.get("/staff/digests/")
    assert asked["Location"] == "/staff/sign-in/?next=/staff/digests/"

    data = {"username": "anne", "password": "letters-to-lima", "next": "/staff/digests/"}
    assert client.post(asked["Location"], data)["Location"] == "/staff/digests/"


def test_the_staffs_own_address_leads_to_the_items_or_to_the_sign_in(anne: Any, client: Client) -> None:
    assert client.get("/staff/")["Location"] == "/staff/sign-in/?next=/staff/"
    client.force_login(anne)
    assert client.get("/staff/")["Location"] == "/staff/items/"


def test_where_there_is_nothing_the_archive_and_the_sign_in_are_offered(publication: Any, client: Client) -> None:
    missing = client.get("/staff/nowhere/")
    assert missing.status_code == 404
    for address in ("/", SIGN_IN):
        assert f'href="{address}"' in missing.content.decode()
        assert client.get(address).status_code == 200


def test_signing_in_never_leads_to_another_site(anne: Any, client: Client) -> None:
    data = {"username": "anne", "password": "letters-to-lima", "next": "https://evil.example/"}

    assert client.post(SIGN_IN, data)["Location"] == "/staff/items/"


def test_an_unknown_name_and_a_wrong_password_get_the_same_answer(anne: Any, client: Client) -> None:
    unknown, wrong = attempt(client, "letters-to-lima", name="anna"), attempt(client, "letters-to-cusco")

    token = ('value="anna"', 'value="anne"')
    assert unknown.status_code == wrong.status_code == 200
    assert body(unknown).replace(*token) == body(wrong)
    assert "do not fit together" in body(wrong)


def test_after_ten_failures_even_the_right_password_waits(anne: Any, client: Client) -> None:
    for _ in range(10):
        assert attempt(client, "wrong").status_code == 200

    throttled = attempt(client, "letters-to-lima")

    assert throttled.status_code == 429
    assert "Wait 15 minutes" in throttled.content.decode()
    assert client.get("/staff/items/").status_code == 302


def test_throttling_names_nobody_who_has_an_account(anne: Any, client: Client) -> None:
    for _ in range(10):
        attempt(client, "wrong", name="nobody")

    assert attempt(client, "wrong", name="nobody").status_code == 429


def test_failures_of_somebody_elsewhere_lock_nobody_out(anne: Any, client: Client) -> None:
    for _ in range(11):
        attempt(client, "wrong", address="203.0.113.9")

    assert attempt(client, "letters-to-lima").status_code == 302


def test_a_quarter_of_an_hour_later_anne_may_try_again(anne: Any, client: Client) -> None:
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        for _ in range(10):
            attempt(client, "wrong")
    with time_machine.travel(now + timedelta(minutes=15, seconds=1), tick=False):
        assert attempt(client, "letters-to-lima").status_code == 302


def test_signing_out_takes_a_post(as_anne: Client) -> None:
    assert as_anne.get("/staff/sign-out/").status_code == 405
    assert as_anne.get("/staff/items/").status_code == 200

    assert as_anne.post("/staff/sign-out/")["Location"] == SIGN_IN
    assert as_anne.get("/staff/items/").status_code == 302


@pytest.mark.parametrize("name", ["items", "digests"])
def test_lists_are_for_the_staff(db: Any, client: Client, name: str) -> None:
    assert client.get(reverse(name))["Location"].startswith(SIGN_IN)


@pytest.mark.parametrize("name", ["digest", "digest-preview", "proof", "proof-html", "sending"])
def test_a_digest_is_for_the_staff(proof: Any, client: Client, name: str) -> None:
    assert client.get(reverse(name, args=[proof.digest_id]))["Location"].startswith(SIGN_IN)


@pytest.mark.parametrize("name", ["digest-edit", "digest-review", "proof-approve", "sending-pause", "sending-cancel"])
def test_a_deed_is_for_the_staff_and_takes_a_post(proof: Any, client: Client, as_ben: Client, name: str) -> None:
    address = reverse(name, args=[proof.digest_id])

    assert client.post(address)["Location"].startswith(SIGN_IN)
    assert as_ben.get(address).status_code == 405
    proof.digest.refresh_from_db()
    assert proof.digest.state == "in_review"


def body(response: Any) -> str:
    """The page without its token, which differs each time."""
    text: str = response.content.decode()
    start = text.index('name="csrfmiddlewaretoken"')
    return text[:start] + text[text.index(">", start) :]
