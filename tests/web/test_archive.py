"""The public archive: everything that was sent, and nothing else."""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from publisher import digests, intake, links
from publisher.items import queue, receive
from publisher.models import Delivery, Digest, Item, Picture

ISSUE = "/update/120/"
SUMMARY = "Since early January, 10 &lt; 12 &amp; “so on”. A second paragraph with {braces} and {unsubscribe_url}."
HIDDEN = ["draft", "in_review", "approved", "preparing", "paused", "cancelled"]

pytestmark = pytest.mark.django_db


def go_out(digest: Digest, number: int, state: str = "sent") -> Digest:
    Digest.objects.filter(pk=digest.pk).update(number=number, state=state)
    digest.refresh_from_db()
    return digest


@pytest.fixture
def picture(db: Any) -> Picture:
    return Picture.objects.create(sha256="a" * 64, media_type="image/jpeg", width=800, height=500, content=b"the bytes")


@pytest.fixture
def items(make_item: Any, picture: Picture) -> list[Item]:
    """All that an item can be: with everything, with little, with words that look like markup."""
    return [
        make_item(
            "Setbacks for the “Ojo que Llora” <monument> & its keepers",
            teaser="Since early January, 10 < 12 & “so on”.\n\nA second paragraph with {braces} and {unsubscribe_url}.",
            byline="Anne Rowe, in Lima",
            picture=picture,
            image_alt="A stone in a labyrinth",
            image_caption="The monument in March. Photo: B. Ortiz",
            published_on=date(2007, 3, 20),
        ),
        make_item(
            "Books cross the lake", link="", body="<p>All of <b>the story</b>.</p>", published_on=date(2007, 3, 12)
        ),
        make_item("The mule library turns ten", link="", teaser="Ten years.", published_on=date(2007, 2, 28)),
    ]


@pytest.fixture
def sent(digest: Digest) -> Digest:
    """Update 120 of 31 March 2007, gone out."""
    return go_out(digest, 120)


def page(client: Any, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def headings(html: str) -> list[str]:
    return [
        re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", found)).strip()
        for found in re.findall(r"<h[1-3].*?</h[1-3]>", html, re.S)
    ]


def test_importing_our_own_page_gives_the_same_items_back(client: Any, sent: Digest) -> None:
    reading = intake.read(client.get(ISSUE).content, address=links.digest_url(sent), content_type="text/html")
    fields = ("title", "teaser", "series", "number", "published_on", "date_label", "byline", "image_caption", "link")
    assert [tuple(getattr(item, name) for name in fields) for item in reading.items] == [
        (
            entry.title,
            entry.teaser,
            "Update",
            120,
            date(2007, 3, 31),
            "31 March 2007",
            entry.byline or None,
            entry.image_caption or None,
            entry.link or None,
        )
        for entry in sent.entries.all()
    ]
    assert (reading.sections, reading.unread) == ((), ())
    assert [item.damage for item in reading.items] == [(), (), ()]
    assert (reading.items[0].image_url, reading.items[0].image_alt) == (
        links.picture_url(sent.entries.first().picture),
        "A stone in a labyrinth",
    )


@pytest.mark.parametrize(
    "teaser",
    [
        "One.\n\n• first\n• second\n\nLast.",
        "Only one.",
        "A list:\n• first\n• second",
        "Broken\non purpose.\n\nRecently\xa0\xa0spaced  out.",
        "",
    ],
)
def test_a_teaser_of_any_shape_comes_back_from_our_own_page(
    client: Any, make_item: Any, publication: Any, teaser: str
) -> None:
    digest = digests.compose(publication, by=None, date=date(2007, 3, 31), items=[make_item("One", teaser=teaser)])
    go_out(digest, 120)
    assert [item.teaser for item in intake.read(client.get(ISSUE).content, address="https://a.example/").items] == [
        teaser
    ]


def test_the_pages_the_reader_was_made_for_come_back_from_our_own(client: Any, publication: Any) -> None:
    folder = Path(os.environ.get("PUBLISHER_SEEDS") or Path(__file__).parents[3] / "shared" / "seeds")
    if not folder.is_dir():
        pytest.skip("the pages that the reader was made for are not part of the project; name them in PUBLISHER_SEEDS")
    printed = [item for file in sorted(folder.iterdir()) for item in intake.read(file.read_bytes(), address="").items]
    reading = intake.Reading(tuple(printed), (), (), "listing")
    received = receive(publication, reading).new
    for item in received:
        queue(item, by=None)
    go_out(digests.compose(publication, by=None, date=date(2007, 3, 31), items=received), 120)
    ours = intake.read(client.get(ISSUE).content, address="https://a.example/").items
    fields = ("title", "teaser", "byline", "image_caption", "link")
    assert [tuple(getattr(item, name) for name in fields) for item in ours] == [
        tuple(getattr(item, name) for name in fields) for item in printed
    ]


@pytest.mark.parametrize("state", HIDDEN)
def test_what_has_not_gone_out_is_nowhere(client: Any, digest: Digest, state: str) -> None:
    go_out(digest, 120, state)
    pages = [page(client, "/"), page(client, "/update/")]
    assert [client.get(address).status_code for address in (ISSUE, "/update/120/1/")] == [404, 404]
    assert [text for text in ("Update 120", "Setbacks", "Books cross") for html in pages if text in html] == []


def test_a_pause_on_the_way_breaks_no_link_in_a_letter_that_somebody_has(
    client: Any, digest: Digest, members: Any
) -> None:
    go_out(digest, 120, "paused")
    Delivery.objects.create(digest=digest, member=members[0], address=members[0].email, state="sent")
    Delivery.objects.create(digest=digest, member=members[1], address=members[1].email, state="queued")
    assert headings(page(client, ISSUE))[0] == "Update 120. 31 March 2007"


def test_a_paused_digest_that_nobody_received_stays_hidden(client: Any, digest: Digest, members: Any) -> None:
    go_out(digest, 120, "paused")
    Delivery.objects.create(digest=digest, member=members[1], address=members[1].email, state="queued")
    assert client.get(ISSUE).status_code == 404


def test_the_archive_prints_what_was_approved_not_what_the_item_says_today(client: Any, sent: Digest) -> None:
    Item.objects.update(title="Changed at the source", teaser="Changed", byline="Changed")
    html = page(client, ISSUE) + page(client, "/update/120/1/") + page(client, "/update/")
    assert "Changed" not in html
    assert html.count("Books cross the lake") >= 2


def test_a_withdrawn_item_leaves_the_archive(client: Any, sent: Digest) -> None:
    Item.objects.filter(title="Books cross the lake").update(state="withdrawn")
    whole = page(client, ISSUE)
    assert [text for text in (whole, page(client, "/"), page(client, "/update/")) if "Books cross" in text] == []
    assert "1 item of this issue was withdrawn after it was sent." in whole
    gone = client.get("/update/120/2/")
    assert (gone.status_code, "Books cross" in gone.content.decode()) == (410, False)
    assert client.get("/update/120/1/").status_code == 200


def test_greetings_are_for_nobody_in_particular(client: Any, sent: Digest) -> None:
    Digest.objects.update(introduction="Dear {first_name|friend},\n\nRead {view_url} or go {unsubscribe_url}.")
    html = page(client, ISSUE)
    assert "<p>Dear friend,</p>" in html
    assert [field for field in ("first_name", "{view_url}", "go {unsubscribe_url}") if field in html] == []


def test_words_of_staff_and_sources_are_never_markup(client: Any, sent: Digest) -> None:
    sent.entries.update(
        title="<script>alert(1)</script>", teaser="<img src=x onerror=alert(1)>", image_alt='" onload="x'
    )
    html = page(client, ISSUE) + page(client, "/update/120/1/")
    assert [bad for bad in ("<script", "<img src=x", '" onload="') if bad in html] == []


def test_a_body_that_no_proof_held_is_on_no_page(client: Any, sent: Digest) -> None:
    """The source's own whole text, and what somebody writes into it after the sending: neither was approved."""
    html = page(client, ISSUE) + page(client, "/update/120/2/")
    Item.objects.update(body="<p>All of it, after <b>the sending</b>.</p>")
    html += page(client, ISSUE) + page(client, "/update/120/2/")
    assert [text for text in ("the story", "All of it", "the sending") if text in html] == []
    assert html.count("What there is to say of “Books cross the lake”.</p>") == 4


def test_an_item_has_a_page_for_the_networks_cards(client: Any, sent: Digest) -> None:
    html = page(client, "/update/120/1/")
    cards = dict(re.findall(r'<meta (?:property|name)="([^"]+)" content="([^"]*)">', html))
    assert cards == {
        "viewport": "width=device-width, initial-scale=1",
        "color-scheme": "light dark",
        "description": SUMMARY,
        "og:type": "article",
        "og:site_name": "Andean Reading Rooms",
        "og:title": "Setbacks for the “Ojo que Llora” &lt;monument&gt; &amp; its keepers",
        "og:description": SUMMARY,
        "og:url": "http://127.0.0.1:8000/update/120/1/",
        "article:published_time": "2007-03-31",
        "og:image": f"http://127.0.0.1:8000/pictures/{'a' * 64}.jpg",
        "og:image:width": "800",
        "og:image:height": "500",
        "og:image:alt": "A stone in a labyrinth",
        "twitter:card": "summary_large_image",
    }
    assert re.findall(r'<link rel="canonical" href="([^"]+)">', html) == ["http://127.0.0.1:8000/update/120/1/"]


def test_read_more_leads_where_there_is_more(client: Any, sent: Digest) -> None:
    first = sent.entries.first()
    more = re.findall(r'<p class="more"><a href="([^"]+)"', page(client, ISSUE))
    assert more == [first.link]


def test_the_archive_lists_issues_by_year_and_goes_back_by_number(
    client: Any, publication: Any, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr("publisher.web.public.archive.PAGE", 3)
    for number, day in enumerate([date(2006, 11, 30), date(2007, 1, 31), date(2007, 3, 31), date(2007, 5, 31)], 118):
        Digest.objects.create(publication=publication, number=number, date=day, state="sent")
    with django_assert_num_queries(3):
        newest = page(client, "/update/")
    assert headings(newest) == [
        "All issues",
        "2007",
        "Update 121. 31 May 2007",
        "Update 120. 31 March 2007",
        "Update 119. 31 January 2007",
    ]
    assert 'href="/update/?before=119"' in newest
    assert headings(page(client, "/update/?before=119")) == ["Earlier issues", "2006", "Update 118. 30 November 2006"]
    assert [client.get(f"/update/?before={wrong}").status_code for wrong in ("x", "-1", "9" * 30)] == [404, 404, 404]


def test_each_publication_shows_only_its_own(client: Any, sent: Digest, other_publication: Any) -> None:
    Digest.objects.create(publication=other_publication, number=57, date=date(2007, 3, 30), state="sent")
    assert headings(page(client, "/")) == [
        "Newsletters",
        "Peru New",
        "Peru New 57. 30 March 2007",
        "Update",
        "Update 120. 31 March 2007",
    ]
    assert headings(page(client, "/peru-new/")) == ["All issues", "2007", "Peru New 57. 30 March 2007"]
    assert client.get("/peru-new/120/").status_code == 404


@pytest.mark.parametrize("count", [1, 3])
def test_an_issue_takes_as_many_queries_as_it_may(
    client: Any, publication: Any, make_item: Any, picture: Picture, django_assert_num_queries: Any, count: int
) -> None:
    made = [make_item(f"Item {n}", picture=picture) for n in range(count)]
    go_out(digests.compose(publication, by=None, items=made), 120)
    with django_assert_num_queries(8):
        page(client, ISSUE)


def test_a_first_visit_finds_a_sentence_and_no_cookie(client: Any, publication: Any) -> None:
    assert "The first Update has not gone out yet." in page(client, "/update/")
    answer = client.get("/")
    assert (answer.status_code, answer.cookies) == (200, {})
    assert "The first issue has not gone out yet." in answer.content.decode()


def test_pages_are_read_not_written(client: Any, sent: Digest) -> None:
    assert {client.post(address).status_code for address in ("/", "/update/", ISSUE, "/update/120/1/")} == {405}
