"""The pages after the posting in a real browser: readable for everybody, light and dark, wide and narrow."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from publisher import corrections
from publisher.models import Digest, Measure
from tests.web.test_browser import browser as browser
from tests.web.test_browser import desk as desk
from tests.web.test_browser import looks_right

pytestmark = pytest.mark.browser


@pytest.fixture
def out(digest: Digest, channels: Any, make_post: Any) -> Any:
    """Two items of Update 120 on two networks, a day ago, with figures; one of them wrong."""
    Digest.objects.filter(pk=digest.pk).update(number=120, state="sent")
    ago = timezone.now() - timedelta(days=1, hours=1)
    entries = list(digest.entries.all())[:2]
    for n, (entry, channel) in enumerate((entry, channel) for entry in entries for channel in channels):
        post = make_post(channel, entry.item, digest=digest, published_at=ago)
        for hours, likes in ((1, 2 + n), (6, 9 + 3 * n), (24, 31)):
            Measure.objects.create(
                post=post, at=ago + timedelta(hours=hours), likes=likes, reposts=n, views=900 * hours
            )
    return post


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 375)], ids=["light and wide", "dark and narrow"]
)
def test_the_pages_after_the_posting_are_for_everybody(
    desk: Any, anne: Any, out: Any, digest: Digest, scheme: str, width: int
) -> None:
    page = desk("anne", scheme=scheme, width=width)
    correct = reverse("item-correct", args=[out.item_id])
    page.goto(correct)
    page.get_by_label("What was wrong, and what is right?").fill("We wrote that 300 books came. It was 30.")
    page.locator(f"#post-{out.pk}").get_by_label("Leave it and post an erratum").check()
    page.get_by_role("button", name="Draft the correction").click()
    page.get_by_text("Drafted. Somebody who may approve").wait_for()
    assert corrections.waiting().count() == 1

    for address in (reverse("figures"), correct, reverse("post-removal", args=[out.pk])):
        page.goto(address)
        looks_right(page, address, width)
