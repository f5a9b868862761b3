"""Words in a real browser: a post is counted while it is typed, and everybody can read the pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from axe_playwright_python.sync_playwright import Axe  # noqa: E402 - it needs Playwright, which may be missing

from publisher import campaigns, wordings  # noqa: E402
from tests.web.test_browser import browser as browser  # noqa: E402
from tests.web.test_browser import desk as desk  # noqa: E402

pytestmark = pytest.mark.browser


def test_a_post_is_counted_while_it_is_typed_and_nothing_is_saved_by_that(
    desk: Any, anne: Any, channels: Any, proof: Any
) -> None:
    post = proof.digest.posts.filter(channel=channels[0], purpose="item").first()
    page = desk("anne")
    page.goto(reverse("digest", args=[proof.digest.pk]))
    page.locator(f"#text-{post.pk} summary").click()

    page.locator(f"#post-text-{post.pk}").fill("Water " * 50)

    playwright.expect(page.locator(f"#length-{post.pk} .length")).to_contain_text("299 of 280")
    playwright.expect(page.locator(f"#length-{post.pk} .attention")).to_contain_text("this has 299. Shorten it.")
    post.refresh_from_db()
    assert "Water Water" not in post.text


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 375)])
def test_the_pages_can_be_read_by_everybody(
    desk: Any, anne: Any, publication: Any, channels: Any, proof: Any, scheme: str, width: int
) -> None:
    today = publication.today()
    wordings.change(publication, "x", "item", "Read: {link}\n{title}", by=anne)
    campaign = campaigns.add(publication, "WaterWeek", today, today + timedelta(days=3), by=anne, live=True)
    campaigns.join(campaign, [proof.digest.entries.first().item], by=anne)
    campaigns.invite(campaign, by=anne)
    post = proof.digest.posts.first()
    page = desk("anne", scheme=scheme, width=width)
    for address in (
        reverse("wordings"),
        reverse("wording", args=["update", "x", "item"]),
        reverse("campaigns"),
        reverse("campaign", args=[campaign.pk]),
        reverse("post-words", args=[post.pk]),
    ):
        page.goto(address)
        page.get_by_role("heading", level=1).wait_for()
        found = Axe().run(page)
        assert found.violations_count == 0, f"{address}\n{found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
