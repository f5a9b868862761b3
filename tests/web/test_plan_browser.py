"""The plan and a channel's timetable in a real browser: read by axe in every look, and used without JavaScript."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from axe_playwright_python.sync_playwright import Axe  # noqa: E402 - it needs Playwright, which may be missing

from publisher import slots  # noqa: E402
from publisher.models import Channel, Post  # noqa: E402
from publisher.slots import Rules  # noqa: E402
from publisher.timetable import Quiet  # noqa: E402
from tests.web.test_browser import LOOKS  # noqa: E402
from tests.web.test_browser import browser as browser  # noqa: E402
from tests.web.test_browser import desk as desk  # noqa: E402

pytestmark = pytest.mark.browser


@pytest.fixture
def planned(channels: Any, make_item: Any, anne: Any) -> Any:
    """Three posts in the plan of the X account, one of them held; it keeps quiet at night."""
    slots.set_rules(channels[0], Rules(((0, time(9)), (3, time(17, 30))), Quiet(time(22), time(7))), by=anne)
    for title in ("First", "Second", "Held"):
        Post.objects.create(channel=channels[0], item=make_item(title), purpose="item", state="approved", text=title)
    slots.place(Post.objects.all(), timezone.now())
    Post.objects.filter(text="Held").update(state="held", outcome="It waits for the picture.")
    return Post.objects.order_by("due_at")


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_the_pages_can_be_read_by_everybody(desk: Any, anne: Any, planned: Any, scheme: str, width: int) -> None:
    page = desk("anne", scheme=scheme, width=width)
    for address in ("/staff/plan/", reverse("channel-times", args=[planned[0].channel_id])):
        page.goto(address)
        for summary in page.locator("main summary").all():
            summary.click()
        found = Axe().run(page)
        assert found.violations_count == 0, f"{address}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_on_a_phone_the_seven_days_are_below_each_other(desk: Any, anne: Any, planned: Any) -> None:
    page = desk("anne", width=390)
    page.goto("/staff/plan/")
    fits = "e => e.parentElement.scrollWidth <= e.parentElement.clientWidth && e.getBoundingClientRect().right <= 390"
    assert page.locator("table.week").evaluate(fits)
    named = "cells => cells.map(e => getComputedStyle(e, '::before').content.slice(1, 4))"
    days = [each.due_at.strftime("%a") for each in planned if each.state == "approved"]
    assert page.locator("table.week td:visible").evaluate_all(named) == days


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_anne_sets_a_timetable_and_moves_a_post(desk: Any, anne: Any, planned: Any, javascript: bool) -> None:
    page = desk("anne", javascript=javascript)
    page.get_by_role("link", name="Plan", exact=True).click()
    page.get_by_role("link", name="X · reading_rooms").click()
    page.get_by_label("A new time 3").fill("12:15")
    page.get_by_label("Saturday new time 3").check()
    page.get_by_label("Minutes between two posts, at least").fill("15")
    page.get_by_role("button", name="Save").click()
    playwright.expect(page.locator("#messages")).to_contain_text("posts by this timetable from now on")
    playwright.expect(page.get_by_label("Saturday 12:15")).to_be_checked()
    kept = slots.rules_of(Channel.objects.get(pk=planned[0].channel_id))
    assert (kept.weekly, kept.spacing) == (((0, time(9)), (3, time(17, 30)), (5, time(12, 15))), timedelta(minutes=15))

    post = Post.objects.get(text="First")
    page.goto("/staff/plan/")
    page.locator(f"#time-{post.pk} summary").click()
    chosen = page.locator(f"#free-{post.pk} option").first.get_attribute("value")
    page.locator(f"#time-{post.pk}").get_by_role("button", name="Move it").click()
    playwright.expect(page.locator("#messages")).to_contain_text("“First” goes out on x reading_rooms")
    assert Post.objects.get(pk=post.pk).due_at.isoformat() == chosen
