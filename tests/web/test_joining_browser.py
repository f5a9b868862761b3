"""Joining in a real browser: in both languages, read by axe on every page, and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from axe_playwright_python.sync_playwright import Axe  # noqa: E402 - it needs Playwright, which may be missing

from publisher import farewells, joining, links  # noqa: E402
from publisher.models import Digest, Notice, Publication, Subscription  # noqa: E402
from publisher.web.public import subscribing  # noqa: E402
from tests.web.test_browser import browser as browser  # noqa: E402
from tests.web.test_browser import desk as desk  # noqa: E402

pytestmark = pytest.mark.browser

WORDS = {
    "en": (
        "Your e-mail address",
        "Subscribe",
        "Please look into your inbox",
        "Yes, subscribe me",
        "You are subscribed",
    ),
    "es": (
        "Su dirección de correo electrónico",
        "Suscribirse",
        "Mire su bandeja de entrada, por favor",
        "Sí, quiero suscribirme",
        "Ya está suscrito",
    ),
}


@pytest.fixture
def visit(browser: Any, live_server: Any, monkeypatch: Any, settings: Any) -> Iterator[Callable[..., Any]]:
    """visit(javascript=False): a visitor at a browser of their own, faster than people are."""
    monkeypatch.setattr(subscribing, "FASTEST", 0)
    settings.SANDBOX_URL = "http://127.0.0.1:9000"  # so that what the pages say then is read by axe too
    opened = []

    def come(*, javascript: bool, scheme: str = "light", width: int = 1280) -> Any:
        context = browser.new_context(
            base_url=live_server.url,
            java_script_enabled=javascript,
            color_scheme=scheme,
            viewport={"width": width, "height": 900},
        )
        opened.append(context)
        context.set_default_timeout(10_000)
        return context.new_page()

    yield come
    for context in opened:
        context.close()


def looked_at(page: Any, javascript: bool) -> None:
    """axe is a script, so it looks where scripts run; no page is wider than its screen."""
    if javascript:
        found = Axe().run(page)
        assert found.violations_count == 0, f"{page.url}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page.url


@pytest.mark.parametrize(
    ("language", "javascript", "scheme", "width"),
    [("en", True, "light", 1280), ("es", True, "dark", 375), ("en", False, "light", 375), ("es", False, "light", 1280)],
)
def test_somebody_joins_and_confirms(
    visit: Any, digest: Any, settings: Any, live_server: Any, language: str, javascript: bool, scheme: str, width: int
) -> None:
    settings.BASE_URL = live_server.url
    Digest.objects.update(state="sent", number=120)
    label, button, heading, yes, done = WORDS[language]
    page = visit(javascript=javascript, scheme=scheme, width=width)
    page.goto("/update/subscribe/")
    if language == "es":
        page.get_by_role("link", name="Español").click()
    looked_at(page, javascript)
    page.get_by_label(label).fill("rosa@members.example")
    page.get_by_role("button", name=button).click()
    page.get_by_role("heading", name=heading).wait_for()
    looked_at(page, javascript)
    joining.answer()
    assert Notice.objects.get().text.count("/confirm/") == 1
    page.goto(links.confirm_url(Subscription.objects.get()))
    looked_at(page, javascript)
    page.get_by_role("button", name=yes).click()
    page.get_by_role("heading", name=done).wait_for()
    looked_at(page, javascript)
    assert Subscription.objects.get().state == "active"
    page.goto("/confirm/nonsense/")
    looked_at(page, javascript)


def test_staff_copy_the_form_and_see_a_member(desk: Any, anne: Any, members: Any) -> None:
    page = desk("anne")
    Publication.objects.update(measure="persons")
    farewells.say(Publication.objects.get(), "often", "Twice a week!")
    for address in ("/staff/figures/farewells/", "/staff/health/"):
        page.goto(address)
        assert Axe().run(page).violations_count == 0
    page.goto("/staff/joining/update/")
    assert Axe().run(page).violations_count == 0
    page.get_by_role("button", name="Copy the form in English").click()
    playwright.expect(page.locator("section [role=status]").first).not_to_be_empty()
    page.goto("/staff/members/")
    assert Axe().run(page).violations_count == 0
    page.get_by_label("Find a member by their address").fill("m1@members.example")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("heading", name="Name1").wait_for()
    assert Axe().run(page).violations_count == 0
