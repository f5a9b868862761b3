"""What holds for every page: the policy of its headers, nothing inline, one filled button, states in words."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from publisher import colours
from publisher.web import look


@pytest.fixture
def addresses(proof: Any, channels: Any) -> list[str]:
    item = proof.digest.entries.first().item
    digest = [reverse(name, args=[proof.digest_id]) for name in ("digest", "proof", "sending")]
    return ["/staff/items/", reverse("item", args=[item.pk]), "/staff/digests/", *digest]


def test_no_page_has_a_script_or_a_style_of_its_own(as_ben: Client, addresses: list[str], read: Any) -> None:
    for address in [*addresses, "/staff/sign-in/", "/staff/nothing/"]:
        page = read(as_ben.get(address, follow=True))

        assert page("style") == [], address
        assert page("script") == [""] * len(page("script")), address
        assert page("[style]") == [], address
        assert [name for name in attributes(page) if name.startswith("on") or name.startswith("hx-on")] == [], address


def test_every_page_forbids_what_is_not_ours(as_ben: Client, addresses: list[str]) -> None:
    for address in addresses:
        headers = as_ben.get(address).headers

        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"


def test_a_page_has_at_most_one_filled_button_and_one_heading(as_ben: Client, addresses: list[str], read: Any) -> None:
    for address in addresses:
        page = read(as_ben.get(address))

        assert len(page(".filled")) <= 1, address
        assert len(page("h1")) == 1, address


def test_a_state_is_always_a_word(as_ben: Client, addresses: list[str], read: Any) -> None:
    for address in addresses:
        assert "" not in read(as_ben.get(address))(".state"), address


def test_pages_say_when_only_the_sandbox_is_connected(
    as_ben: Client, addresses: list[str], read: Any, settings: Any
) -> None:
    assert read(as_ben.get(addresses[0]))(".notconnected") == []

    settings.SANDBOX_URL = "http://127.0.0.1:9000"

    for address in addresses:
        page = read(as_ben.get(address))
        assert page.values(".notconnected a", "href") == ["http://127.0.0.1:9000/mail/"], address


@pytest.mark.parametrize("colour", ["8a1c1c", "ffffff", "000000", "ffd800", "3355ff", "7f7f7f"])
def test_any_accent_can_be_read_in_light_and_in_dark(client: Client, colour: str) -> None:
    sheet = client.get(f"/accent/{colour}.css")

    light, on_light, dark, on_dark = re.findall(r"#[0-9a-f]{6}", sheet.content.decode())
    pairs = [(light, look.LIGHT), (light, on_light), (dark, look.DARK), (dark, on_dark)]
    assert [pair for pair in pairs if colours.contrast(*pair) < 4.5] == []
    assert sheet["Content-Type"] == "text/css; charset=utf-8"


@pytest.mark.parametrize("colour", ["red", "8a1c1", "8A1C1C", "8a1c1c;}*{display:none}"])
def test_nothing_but_a_colour_becomes_a_style_sheet(client: Client, db: Any, colour: str) -> None:
    assert client.get(f"/accent/{colour}.css").status_code == 404


def test_an_address_with_nothing_there_says_what_to_do(client: Client, db: Any, read: Any) -> None:
    page = read(client.get("/staff/nothing/"))

    assert (page.status, page.one("h1")) == (404, "There is nothing at this address")


def test_a_form_that_was_too_old_says_that_nothing_changed(anne: Any, read: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(anne)

    page = read(client.post("/staff/items/queue/"))

    assert (page.status, page.one("h1")) == (403, "This form was too old")


def test_what_breaks_says_to_look_before_repeating(
    as_ben: Client, proof: Any, monkeypatch: pytest.MonkeyPatch, read: Any
) -> None:
    as_ben.raise_request_exception = False
    monkeypatch.setattr("publisher.digests.why_not", lambda *_: 1 / 0)

    page = read(as_ben.get(reverse("proof", args=[proof.digest_id])))

    assert (page.status, page.one("h1")) == (500, "Something broke on our side")
    assert "ZeroDivisionError" not in page.one("main")


def test_what_people_typed_is_text_and_never_markup(as_ben: Client, make_item: Any, read: Any) -> None:
    make_item("<script>alert(1)</script>", teaser="<img src=x onerror=alert(1)>")

    page = read(as_ben.get("/staff/items/"))

    assert page(".items h2") == ["<script>alert(1)</script>"]
    assert page(".items img") == page(".items script") == []


def attributes(page: Any) -> set[str]:
    return {name for found in page.tree.iter() if isinstance(found.tag, str) for name in found.attrib}
