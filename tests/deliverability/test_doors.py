"""The same findings in a terminal and on the page: with what to copy, and without a question before somebody asks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.conftest import publisher as publisher

from .nameserver import Zone


@pytest.fixture(autouse=True)
def a_relay(settings: Any, zone: Zone, tmp_path: Any) -> None:
    settings.SMTP_URL, settings.SANDBOXED = "smtp://127.0.0.1:1", ()
    settings.DKIM_FOLDER = str(tmp_path)
    settings.LOOPBACK_ONLY = True


def test_a_terminal_shows_what_to_copy(publisher: Any, publication: Any, zone: Zone) -> None:
    zone.drop("_dmarc.reading-rooms.example", "TXT")

    told = publisher("check", "--deliverability", "--address", "198.51.100.7")

    assert told.status == 1
    assert "198.51.100.7 may send for reading-rooms.example" in told.out
    assert '_dmarc.reading-rooms.example. IN TXT "v=DMARC1; p=none; rua=mailto:dmarc@reading-rooms.example"' in told.out


def test_json_has_each_finding_with_its_verdict(publisher: Any, publication: Any, settings: Any, zone: Zone) -> None:
    settings.BASE_URL = "https://localhost:1"

    told = publisher("check", "--deliverability", "--address", "198.51.100.7", "--dns", settings.DNS_SERVERS, "--json")

    assert {one["name"]: one["verdict"] for one in told.json()} == {
        "HTTPS": "could not be asked",
        "PTR": "in order",
        "SPF for 127.0.0.1": "in order",
        "DKIM": "could not be asked",
        "DMARC": "in order",
        "Alignment": "in order",
        "Bounces": "in order",
        "Letter": "could not be asked",
    }


def test_a_server_that_cannot_be_asked_is_refused_in_words(publisher: Any, publication: Any) -> None:
    told = publisher("check", "--deliverability", "--dns", "localhost.example")

    assert (told.status, told.out) == (1, "")
    assert "This is the demo" in told.err


def test_the_page_asks_nobody_before_somebody_wants_to_know(
    client: Any, anne: Any, publication: Any, zone: Zone
) -> None:
    client.force_login(anne)

    assert "Look now" in client.get("/staff/health/").text
    assert zone.asked == []


def test_the_page_shows_what_to_put_into_the_dns(client: Any, anne: Any, publication: Any, zone: Zone) -> None:
    zone.drop("_dmarc.reading-rooms.example", "TXT")
    client.force_login(anne)

    page = client.post("/staff/health/look/").text

    assert (
        "_dmarc.reading-rooms.example. IN TXT &#34;v=DMARC1; p=none; rua=mailto:dmarc@reading-rooms.example&#34;"
        in page
    )
    assert '<th scope="row">Publication update</th>' in page


def test_who_is_not_signed_in_sees_no_health(client: Any, publication: Any, zone: Zone) -> None:
    assert [client.get("/staff/health/").status_code, client.post("/staff/health/look/").status_code] == [302, 302]
    assert zone.asked == []
