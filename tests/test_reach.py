"""The demo talks to this machine only."""

from __future__ import annotations

import pytest

from publisher import reach
from publisher.lifecycle import Refusal

HERE = ["http://127.0.0.1:8000/x", "http://localhost/", "http://LOCALHOST/", "smtp://127.8.9.1:25", "http://[::1]:80/"]
ELSEWHERE = [
    "https://api.x.com",
    "http://localhost.example.org/",
    "http://127.0.0.1.example.org/",
    "http://127.0.0.1@example.org/",
    "http://example.org/127.0.0.1",
    "http://10.0.0.1/",
    "http://0.0.0.0/",
    "http://2130706433/",
    "http://127.1/",
    "smtp://mail.example.org:25",
    "/etc/passwd",
    "",
]


@pytest.mark.parametrize("address", HERE)
def test_the_demo_reaches_this_machine(settings, address):
    settings.LOOPBACK_ONLY = True
    assert reach.allowed(address) == address


@pytest.mark.parametrize("address", ELSEWHERE)
def test_the_demo_reaches_nothing_else(settings, address):
    settings.LOOPBACK_ONLY = True
    with pytest.raises(Refusal, match="This is the demo: it talks to this machine only"):
        reach.allowed(address)


@pytest.mark.parametrize("address", [*HERE, *ELSEWHERE])
def test_in_earnest_every_address_is_allowed(settings, address):
    settings.LOOPBACK_ONLY = False
    assert reach.allowed(address) == address


def test_what_is_no_address_is_said(settings):
    settings.LOOPBACK_ONLY = False
    with pytest.raises(Refusal, match="is not an address"):
        reach.allowed("http://[::1/")


def test_a_page_elsewhere_is_refused_before_anybody_is_asked_about_its_host(settings, monkeypatch):
    settings.LOOPBACK_ONLY = True
    monkeypatch.setattr("publisher.intake.fetch.resolve", lambda host, port: pytest.fail(f"asked about {host}"))
    with pytest.raises(Refusal, match=r"not to example\.org"):
        reach.page("https://example.org/")
