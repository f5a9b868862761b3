"""The epoch's page in a real browser: read by axe in every look, and confirmed without JavaScript."""

from __future__ import annotations

from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from axe_playwright_python.sync_playwright import Axe  # noqa: E402 - it needs Playwright, which may be missing

from publisher import epoch  # noqa: E402
from tests.web.test_browser import LOOKS  # noqa: E402
from tests.web.test_browser import browser as browser  # noqa: E402
from tests.web.test_browser import desk as desk  # noqa: E402

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_the_page_can_be_read_by_everybody(desk: Any, ben: Any, sending: Any, scheme: str, width: int) -> None:
    epoch.file().unlink()
    page = desk("ben", scheme=scheme, width=width)
    page.get_by_role("link", name="See what to do").click()
    page.get_by_role("heading", name="May anything be sent?").wait_for()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_ben_confirms_and_the_banner_is_gone(desk: Any, ben: Any, sending: Any) -> None:
    epoch.file().unlink()
    page = desk("ben", javascript=False)
    page.get_by_role("link", name="See what to do").click()
    page.get_by_label("What did you compare?").fill("the log of the mail server, up to 14:10")
    page.get_by_role("button", name="This is the one that goes on").click()
    playwright.expect(page.locator("#messages")).to_contain_text("Confirmed.")
    playwright.expect(page.get_by_role("alert")).to_have_count(0)
    sending.refresh_from_db()
    assert sending.state == "paused"
