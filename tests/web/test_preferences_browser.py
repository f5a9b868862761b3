"""Changing, leaving and reading in a real browser: read by axe on every page, and used without JavaScript."""

from __future__ import annotations

from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

from publisher import joining, links, preferences  # noqa: E402
from publisher.models import Digest, Farewell, MeasuringConsent, Notice, Publication, Subscription  # noqa: E402
from tests.web.test_browser import browser as browser  # noqa: E402
from tests.web.test_joining_browser import looked_at  # noqa: E402
from tests.web.test_joining_browser import visit as visit  # noqa: E402

pytestmark = pytest.mark.browser

LOOKS = [(True, "light", 1280), (True, "dark", 375), (False, "light", 375)]


@pytest.fixture
def own_address(settings: Any, live_server: Any) -> None:
    """The links in mails lead to the pages that run here."""
    settings.BASE_URL = live_server.url


def mailed(kind: str) -> str:
    """The link in the last mail of this kind."""
    text = Notice.objects.filter(kind=kind).latest("pk").text
    return next(word for word in text.split() if "/preferences/" in word)


@pytest.mark.parametrize(("javascript", "scheme", "width"), LOOKS)
def test_a_member_changes_what_comes_and_where(
    visit: Any, members: Any, other_publication: Any, own_address: None, javascript: bool, scheme: str, width: int
) -> None:
    Publication.objects.update(measure="persons")
    page = visit(javascript=javascript, scheme=scheme, width=width)
    page.goto("/preferences/")
    looked_at(page, javascript)
    page.get_by_label("Your e-mail address").fill("m0@members.example")
    page.get_by_role("button", name="Mail me the link").click()
    page.get_by_role("heading", name="Please look into your inbox").wait_for()
    looked_at(page, javascript)
    joining.answer()

    page.goto(mailed("preferences"))
    looked_at(page, javascript)
    page.get_by_role("checkbox", name="may keep which links in Update I follow").check()
    page.get_by_role("checkbox", name="Peru New").check()
    page.get_by_label("Plain text only").check()
    page.get_by_role("button", name="Save").click()
    playwright.expect(page.locator("p[role=status]")).to_have_text("Saved.")
    looked_at(page, javascript)
    page.get_by_label("Your new e-mail address").fill("rosa@members.example")
    page.get_by_role("button", name="Mail a link there").click()
    page.get_by_text("A mail is on its way to rosa@members.example").wait_for()

    page.goto(mailed("address"))
    looked_at(page, javascript)
    page.get_by_role("button", name="Use this address").click()
    page.get_by_text("Your letters come to this address from now on.").wait_for()
    looked_at(page, javascript)
    member = members[0]
    member.refresh_from_db()
    states = Subscription.objects.filter(member=member).values_list("publication__slug", "state")
    assert (member.email, member.plain_text) == ("rosa@members.example", True)
    assert dict(states) == {"update": "active", "peru-new": "active"}
    assert MeasuringConsent.objects.get().subscription.member == member
    page.goto("/preferences/nonsense/")
    looked_at(page, javascript)


@pytest.mark.parametrize(("javascript", "scheme", "width"), LOOKS)
def test_a_member_leaves_says_why_and_leaves_everything(
    visit: Any, members: Any, publication: Any, javascript: bool, scheme: str, width: int
) -> None:
    page = visit(javascript=javascript, scheme=scheme, width=width)
    page.goto(f"/leave/{links.sign('leave', members[0].pk, publication.pk)}/")
    looked_at(page, javascript)
    page.get_by_role("button", name="Leave").click()
    page.get_by_role("heading", name="You have left Update").wait_for()
    looked_at(page, javascript)
    page.get_by_label("It comes too often").check()
    page.get_by_label("In your own words").fill("Twice a week!")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Thank you").wait_for()
    looked_at(page, javascript)
    assert list(Farewell.objects.values_list("reason", "words")) == [("often", "Twice a week!")]

    page.goto(f"/leave/{links.sign('leave', members[2].pk, publication.pk)}/")
    page.get_by_label("Leave everything else too").check()
    page.get_by_role("button", name="Leave").click()
    page.get_by_role("heading", name="You have left everything").wait_for()
    looked_at(page, javascript)

    page.goto(f"/preferences/{preferences.token(members[1])}/")
    page.get_by_role("button", name="Leave everything").click()
    page.get_by_text("You have left everything.").wait_for()
    looked_at(page, javascript)
    states = Subscription.objects.order_by("member").values_list("state", flat=True)
    assert list(states) == ["left", "left", "left", "active", "active"]
    page.goto("/leave/nonsense/")
    looked_at(page, javascript)


@pytest.mark.parametrize(("javascript", "scheme", "width"), LOOKS)
def test_a_reader_searches_and_passes_on_what_they_found(
    visit: Any, digest: Any, publication: Any, javascript: bool, scheme: str, width: int
) -> None:
    Digest.objects.update(state="sent", number=120)
    publication.membership = "We are few.\n\n• Ten a year"
    publication.save()
    page = visit(javascript=javascript, scheme=scheme, width=width)
    page.goto("/update/")
    page.get_by_label("Search past issues").fill("LAKE")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("heading", name="Issues with “LAKE”").wait_for()
    looked_at(page, javascript)
    page.get_by_role("link", name="Update 120").click()
    looked_at(page, javascript)
    page.get_by_role("link", name="Send it to a friend").click()
    looked_at(page, javascript)
    page.get_by_label("Your friend’s e-mail address").fill("ines@friends.example")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Thank you.").wait_for()
    looked_at(page, javascript)
    assert Notice.objects.get().address == "ines@friends.example"
    for address in ("/update/member/", "/update/120/1/", "/update/?q=nothing+of+it", "/"):
        page.goto(address)
        looked_at(page, javascript)
