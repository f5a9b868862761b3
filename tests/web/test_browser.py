"""The approval in a real browser: with and without JavaScript, by keyboard alone, light and dark, wide and narrow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from publisher import connecting, digests, post_sets, posting, segments, uploads
from publisher.models import Delivery, Digest, MembersOfDay, Post
from tests import consenting

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from axe_playwright_python.sync_playwright import Axe  # noqa: E402 - it needs Playwright, which may be missing

pytestmark = pytest.mark.browser

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 375)]


def chromium(driver: Any) -> str | None:
    """The browser to drive: the one that is named, the system's, or Playwright's own."""
    candidates = (os.environ.get("PLAYWRIGHT_CHROMIUM"), "/usr/bin/chromium", driver.chromium.executable_path)
    return next((path for path in candidates if path and Path(path).exists()), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        # Playwright keeps an event loop in this thread, by which Django would take the tests for asynchronous code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        with playwright.sync_playwright() as driver:
            path = chromium(driver)
            if path is None:
                message = "no Chromium: set PLAYWRIGHT_CHROMIUM to one, or run `playwright install chromium`"
                if os.environ.get("PUBLISHER_REQUIRE_BROWSER") == "1":
                    pytest.fail(message)
                pytest.skip(message)
            running = driver.chromium.launch(executable_path=path, args=FLAGS)
            yield running
            running.close()


@pytest.fixture
def desk(browser: Any, live_server: Any) -> Iterator[Callable[..., Any]]:
    """desk("ben", javascript=False, …): somebody at a browser of their own, signed in. No page may log an error."""
    opened, errors = [], []

    def sit_down(name: str, *, javascript: bool = True, scheme: str = "light", width: int = 1280) -> Any:
        context = browser.new_context(
            base_url=live_server.url,
            java_script_enabled=javascript,
            color_scheme=scheme,
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
        )
        opened.append(context)
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda problem: errors.append(str(problem)))
        page.goto("/staff/sign-in/")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill("letters-to-lima")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Items", exact=True).wait_for()
        return page

    yield sit_down
    for context in opened:
        context.close()
    assert errors == []


def to(name: str, digest: Any) -> str:
    return reverse(name, args=[digest.pk])


def titles(page: Any) -> list[str]:
    found: list[str] = page.locator(".entries h3").all_inner_texts()
    return found


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_anne_composes_and_ben_approves(
    desk: Any, anne: Any, ben: Any, items: Any, members: Any, channels: Any, javascript: bool
) -> None:
    anne_page = desk("anne", javascript=javascript)
    anne_page.get_by_role("button", name="Compose the next Update").click()
    anne_page.get_by_label("Date").fill("2007-03-31")
    anne_page.get_by_label("Introduction").fill("Dear {first_name|friend},")
    anne_page.get_by_role("button", name="Save date and introduction").click()
    playwright.expect(anne_page.locator("#messages")).to_have_text("Saved.")
    anne_page.get_by_role("button", name="Move “Books cross the lake” up").click()
    playwright.expect(anne_page.locator(".entries h3").first).to_have_text("Books cross the lake")
    anne_page.get_by_role("button", name="Send to review").click()
    anne_page.get_by_role("heading", name="Update 120. 31 March 2007").wait_for()
    playwright.expect(anne_page.get_by_role("button", name="Approve")).to_have_count(0)

    ben_page = desk("ben", javascript=javascript)
    ben_page.get_by_role("link", name="Digests").click()
    ben_page.get_by_role("link", name="Update 120. 31 March 2007").click()
    letter = ben_page.frame_locator("iframe")
    playwright.expect(letter.get_by_text("Dear friend,")).to_be_visible()
    ben_page.get_by_role("button", name="Approve").click()
    playwright.expect(ben_page.locator("#messages")).to_contain_text("You approved")

    digest = Digest.objects.get()
    assert (digest.state, digest.number, digest.date.isoformat()) == ("approved", 120, "2007-03-31")
    assert digest.introduction == "Dear {first_name|friend},"
    assert list(digest.entries.values_list("title", flat=True)) == [
        "Books cross the lake",
        "A reading room opens",
        "The mule library turns ten",
    ]


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "none"])
def test_what_was_typed_goes_to_review_without_being_saved_first(
    desk: Any, anne: Any, digest: Any, javascript: bool
) -> None:
    page = desk("anne", javascript=javascript)
    page.goto(to("digest", digest))
    page.get_by_label("Introduction").fill("Dear {first_nam|friend},")
    page.get_by_role("button", name="Send to review").click()
    playwright.expect(page.locator(".messages .error")).to_contain_text("Did you mean {first_name|friend}?")
    playwright.expect(page.get_by_label("Introduction")).to_have_value("Dear {first_nam|friend},")
    page.get_by_label("Introduction").fill("Dear {first_name|friend},")
    page.get_by_role("button", name="Move “Books cross the lake” up").click()
    playwright.expect(page.locator(".entries h3").first).to_have_text("Books cross the lake")
    page.get_by_label("Introduction").fill("Dear {first_name|friend}, spring has come.")
    page.get_by_label("Date").press("Enter")  # saves, and sends nothing anywhere
    playwright.expect(page.locator("#messages")).to_have_text("Saved.")
    page.get_by_label("Introduction").fill("Dear {first_name|friend}, it is spring.")
    page.get_by_role("button", name="Send to review").click()
    page.get_by_role("heading", name="Update 120. 31 March 2007").wait_for()
    assert page.url.endswith(to("proof", digest))
    digest.refresh_from_db()
    assert (digest.state, digest.introduction) == ("in_review", "Dear {first_name|friend}, it is spring.")


def test_ben_approves_by_keyboard_alone(desk: Any, ben: Any, proof: Any) -> None:
    page = desk("ben")
    page.goto(to("proof", proof.digest))
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the content"
    page.keyboard.press("Enter")

    for _ in range(20):
        page.keyboard.press("Tab")
        if focused(page) == "Approve":
            break
    page.keyboard.press("Enter")

    playwright.expect(page.locator("#messages")).to_contain_text("You approved")
    proof.digest.refresh_from_db()
    assert proof.digest.state == "approved"


def test_moving_an_entry_keeps_the_focus_the_folds_and_the_place(desk: Any, anne: Any, digest: Any) -> None:
    page = desk("anne")
    page.goto(to("digest", digest))
    page.evaluate("document.body.dataset.sameDocument = 'yes'")
    page.locator(".entries details").last.locator("summary").click()
    up = page.get_by_role("button", name="Move “The mule library turns ten” up")
    up.focus()
    before = page.evaluate("scrollY")

    page.keyboard.press("Enter")
    playwright.expect(page.locator(".entries h3").nth(1)).to_have_text("The mule library turns ten")
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".entries h3").first).to_have_text("The mule library turns ten")

    assert focused(page) == "↑Move “The mule library turns ten” up"
    assert page.locator(".entries details[open]").count() == 1
    assert page.evaluate("[document.body.dataset.sameDocument, scrollY]") == ["yes", before]


def test_queueing_in_the_list_moves_no_other_row(desk: Any, anne: Any, make_item: Any) -> None:
    for name in ("One", "Two", "Three"):
        make_item(name, state="received")
    page = desk("anne")
    page.goto("/staff/items/?state=received")

    page.get_by_role("button", name="Queue “Two”").click()

    playwright.expect(page.locator("#messages")).to_have_text("“Two” is queued for the next Update.")
    assert page.locator(".items h2").all_inner_texts() == ["One", "Two", "Three"]
    assert page.locator(".items .state").all_inner_texts() == ["received", "queued", "received"]
    assert focused(page) == "Two"


def test_an_item_is_edited_in_its_row(desk: Any, anne: Any, make_item: Any) -> None:
    item = make_item("Peruís new room", state="received")
    page = desk("anne")

    page.get_by_role("link", name="Edit “Peruís new room”").click()
    page.get_by_label("Title", exact=True).fill("Peru’s new room")
    page.keyboard.press("Enter")

    playwright.expect(page.locator(".items h2")).to_have_text("Peru’s new room")
    item.refresh_from_db()
    assert item.title == "Peru’s new room"


def test_the_sending_page_follows_along_until_all_is_settled(
    desk: Any, ben: Any, proof: Any, members: Any, django_db_blocker: Any
) -> None:
    digest = sent_by(ben, proof)
    page = desk("ben")
    page.goto(to("sending", digest))
    page.locator("summary", has_text="Cancel it for good").click()
    page.get_by_label("Why?").fill("Half a reas")
    playwright.expect(page.locator(".counts tfoot td")).to_have_text("5")

    digest.deliveries.update(state="sent")
    digests.finish(digest)

    playwright.expect(page.locator(".pagehead .state")).to_have_text("sent")
    playwright.expect(page.locator("#again")).to_have_count(0)
    assert page.locator("progress").get_attribute("value") == "5"


def test_what_somebody_is_typing_survives_the_page_asking_again(desk: Any, ben: Any, proof: Any, members: Any) -> None:
    digest = sent_by(ben, proof)
    page = desk("ben")
    page.goto(to("sending", digest))
    page.locator("summary", has_text="Cancel it for good").click()
    page.get_by_label("Why?").press_sequentially("Half a reas")

    Delivery.objects.filter(pk=digest.deliveries.first().pk).update(state="sent")

    playwright.expect(page.locator("progress")).to_have_attribute("value", "1")
    assert page.get_by_label("Why?").input_value() == "Half a reas"
    assert page.evaluate("document.activeElement.id") == "why"


def test_what_is_unknown_is_ticked_and_settled_while_the_page_asks_again(
    desk: Any, ben: Any, proof: Any, members: Any
) -> None:
    digest = sent_by(ben, proof)
    first, second, third, *_ = digest.deliveries.order_by("id")
    digest.deliveries.filter(pk__in=[first.pk, second.pk]).update(state="unknown", phase="dot", reply="It broke off.")
    page = desk("ben", width=375)
    page.goto(to("sending", digest))
    page.get_by_label(f"Tick the letter to {second.address}").check()
    page.locator(f"#known-{second.pk} summary").click()
    page.locator("#all-unknown summary").click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375

    page.locator("#why-ticked").fill("She wrote back.")
    Delivery.objects.filter(pk=third.pk).update(state="sent")
    playwright.expect(page.locator("progress")).to_have_attribute("value", "3")
    page.get_by_role("button", name="Those ticked arrived").click()

    playwright.expect(page.locator("#messages")).to_have_text("1 letter is called sent.")
    assert set(digest.deliveries.filter(state="sent").values_list("pk", flat=True)) == {second.pk, third.pk}


def test_an_x_account_and_a_facebook_page_are_connected_without_javascript_and_post(
    desk: Any, anne: Any, publication: Any, sandbox: Any, settings: Any, live_server: Any
) -> None:
    settings.BASE_URL = live_server.url
    settings.NETWORK_APPS = consenting.APPS
    addresses = {"x": f"{sandbox.url}/x", "facebook": f"{sandbox.url}/graph"}
    settings.NETWORK_URLS = {**settings.NETWORK_URLS, **addresses}
    consenting.register(sandbox, connecting.back())
    page = desk("anne", javascript=False)
    for label, allowed in (("X", "update_news is connected"), ("Facebook", "Update is connected")):
        page.get_by_role("navigation").get_by_role("link", name="Channels").click()
        page.get_by_role("link", name=label, exact=True).click()
        page.get_by_role("button", name=f"Connect on {label}").click()
        page.get_by_role("button", name=f"Go to {label}").click()
        page.get_by_role("heading", name=f"An app asks for your {label} account").wait_for()
        page.get_by_role("button", name="Allow").click()
        playwright.expect(page.locator("#messages")).to_contain_text(allowed)
        playwright.expect(page.locator(".pagehead .state")).to_have_text("in order")

    for channel in publication.channels.all():
        text = f"A reading room opens, says {channel.network}"
        post = Post.objects.create(
            channel=channel, purpose="digest", state="approved", text=text, due_at=timezone.now()
        )
        posting.publish(post)
    shown = [one["text"] for network in ("x", "graph") for one in sandbox.json(f"/{network}/posts.json")]
    assert shown == ["A reading room opens, says x", "A reading room opens, says facebook"]


@pytest.mark.parametrize(("scheme", "width"), LOOKS[::3], ids=[f"{scheme} {width}" for scheme, width in LOOKS[::3]])
def test_the_pages_of_accounts_are_for_everybody(
    desk: Any, anne: Any, connected: Any, channels: Any, settings: Any, scheme: str, width: int
) -> None:
    settings.NETWORK_APPS = consenting.APPS
    channels[0].__class__.objects.filter(network="x").update(paused=True, attention="X has suspended the account.")
    page = desk("anne", scheme=scheme, width=width)
    connect = reverse("channel-connect", args=["update", "x"])
    for address in (reverse("channels"), reverse("channel", args=[channels[0].pk]), connect, f"{connect}?channel=1"):
        page.goto(address)
        looks_right(page, address, width)
    page.get_by_role("button", name="Connect on X").click()
    looks_right(page, "the step to X", width)


def looks_right(page: Any, address: str, width: int) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, f"{address}: {found.generate_report()}"
    assert page.evaluate("document.documentElement.scrollWidth") <= width, address


@pytest.mark.parametrize(("scheme", "width"), LOOKS, ids=[f"{scheme} {width}" for scheme, width in LOOKS])
def test_every_page_can_be_used_by_everybody(
    desk: Any, ben: Any, anne: Any, make_item: Any, channels: Any, members: Any, proof: Any, scheme: str, width: int
) -> None:
    """axe finds nothing, and nothing is wider than the screen."""
    make_item("Looks damaged", state="received", flags=["“Peruís” looks damaged."], source_says={"teaser": "New."})
    digest = sent_by(ben, proof)
    Delivery.objects.filter(pk=digest.deliveries.first().pk).update(state="unknown", phase="dot")
    Delivery.objects.filter(pk=digest.deliveries.last().pk).update(state="failed", code=550, reply="550 Nobody")
    draft = digests.compose(digest.publication, by=anne, items=[make_item("Next one"), make_item("And another")])
    review = digests.compose(digest.publication, by=anne, items=[make_item("In review")])
    digests.proof(review, by=anne)
    sets = [post_sets.compose(digest.publication, [make_item(title)], by=anne) for title in ("A card", "A call")]
    Post.objects.filter(pk=sets[0].posts.first().pk).update(state="unknown", intent_at=timezone.now())
    post_sets.proof(sets[1], by=anne)
    page = desk("ben", scheme=scheme, width=width)
    item = reverse("item", args=[draft.entries.first().item_id])

    pages = ["/staff/items/", item, "/staff/digests/", to("digest", draft), to("digest", review)]
    pages += [to("proof", review), to("sending", digest), to("sending", digest) + "letters/failed/"]
    pages.append("/staff/sign-in/")
    pages[:0] = ["/staff/sets/", to("post-set", sets[0]), to("post-set-proof", sets[1])]
    if (scheme, width) in LOOKS[::3]:
        pages[:0] = about_members(digest, members[0], anne)
    for address in pages:
        if address == "/staff/sign-in/":
            page.get_by_role("button", name="Sign out").click()
        page.goto(address)
        # A letter runs no script, so axe cannot look into its frame: its own tests do.
        found = Axe().run(page, options={"iframes": False})
        assert found.violations_count == 0, f"{address}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_on_a_phone_each_figure_says_what_it_is(desk: Any, anne: Any, members: Any) -> None:
    """Where the names of the columns have no room, each cell has its own."""
    page = desk("anne", width=390)
    named = "cells => cells.map(e => getComputedStyle(e, '::before').content.replaceAll('\"', '').trim())"
    page.goto(reverse("members"))
    states = ["Waiting for confirmation:", "Active:", "Left:", "Suppressed:"]
    assert page.locator("td.number").evaluate_all(named) == states
    page.goto(reverse("member-kept"))
    assert page.locator("tbody tr").first.locator("td").evaluate_all(named) == ["For:", "Why:", "Overdue:"]
    page.goto(reverse("figures-readers"))
    after = named.replace("before", "after")
    assert page.locator("tbody tr").first.locator("td").evaluate_all(after) == ["joined", "left", "bounced"]


def about_members(digest: Any, member: Any, anne: Any) -> list[str]:
    """The pages of members, lists, segments, what is kept and readers, with something on each."""
    of = digest.publication
    digest.clicks.create(entry=digest.entries.first(), day=of.today(), by="person", count=3)
    MembersOfDay.objects.create(publication=of, day="2016-05-01", joined=4)
    content = [b"email;Wer\nrosa@members.example;Rosa\nno address;Luis\n"]
    upload = uploads.put(of, content, name="a.csv", what="members", by=anne)
    segment = segments.add(of, "Spanish", {"languages": ["es"]}, by=anne)
    each = {"member": member.pk, "member-list": upload.pk, "member-segment": segment.pk}
    pages = ["members", "member-lists", "member-segments", "member-kept", "figures-readers"]
    return [*map(reverse, pages), *(reverse(name, args=[pk]) for name, pk in each.items())]


def sent_by(ben: Any, proof: Any) -> Any:
    """Update 120 on its way: approved, its audience frozen, all of it queued."""
    digests.approve(proof, by=ben)
    Digest.objects.filter(pk=proof.digest_id).update(start_at=timezone.now())
    digest = Digest.objects.get(pk=proof.digest_id)
    digests.start(digest)
    digests.prepare(digest)
    digest.refresh_from_db()
    return digest


def focused(page: Any) -> str:
    text: str = page.evaluate("document.activeElement.textContent.trim().replace(/\\s+/g, ' ')")
    return text
