"""What readers can do with the archive: search it, follow it, become a member, pass it on."""

from __future__ import annotations

from datetime import date
from typing import Any

import feedparser
import pytest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from lxml import etree

from publisher.models import Correction, Digest, Entry, Item, Notice

pytestmark = pytest.mark.django_db
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def past(publication: Any, make_item: Any) -> Any:
    """past(118, "A title", "A teaser"): an Update that was sent, with one item."""

    def make(number: int, title: str, teaser: str = "What there is to say.", state: str = "sent") -> Any:
        started = timezone.now() if state == "sent" else None
        digest = Digest.objects.create(
            publication=publication, number=number, date=date(2007, 3, number % 28 + 1), state=state, started_at=started
        )
        add(digest, make_item(f"{title} {number}"), 1, title, teaser)
        return digest

    return make


def add(digest: Any, item: Any, position: int, title: str, teaser: str) -> None:
    words = {"title": title, "teaser": teaser}
    Entry.objects.create(digest=digest, publication=digest.publication, item=item, position=position, **words)


def found(client: Any, asked: str, read: Any) -> list[str]:
    return [label.split(".")[0] for label in read(client.get("/update/", {"q": asked}))(".issues h3")]


# ---- Search


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ("lake", [120, 118]),
        ("LAKE boat", [118]),
        ("lucía", [119]),
        ("LUCIA", [119]),
        ("ΑΘΉΝΑ", [119]),
        ("120", [120]),
        ("update 119", [119]),
        ("12", []),
        ("100%", [120]),
        ("%", [120]),
        ("_", []),
        ("'; drop table", []),
        ("secret", []),
        ("  ", [120, 119, 118]),
    ],
)
def test_every_word_is_looked_for_in_title_teaser_and_number(
    client: Any, past: Any, read: Any, asked: str, numbers: list[int]
) -> None:
    past(118, "Books cross the lake", "By boat.")
    past(119, "Lucía writes", "From αθήνα.")
    past(120, "The Lake again", "It is 100% full.")
    past(121, "secret lake", state="draft")

    assert found(client, asked, read) == [f"Update {number}" for number in numbers]


def test_a_search_shows_the_items_that_were_found_alone(client: Any, past: Any, make_item: Any, read: Any) -> None:
    digest = past(118, "Books cross the lake")
    add(digest, make_item("Other"), 2, "Other news", "None.")

    assert read(client.get("/update/", {"q": "lake"}))(".headlines li") == ["Books cross the lake"]


def test_what_was_withdrawn_is_found_no_more(client: Any, past: Any, read: Any) -> None:
    past(118, "Books cross the lake")
    Item.objects.update(state="withdrawn")

    assert found(client, "lake", read) == []


def test_a_search_asks_the_database_as_often_for_many_as_for_one(
    client: Any, past: Any, django_assert_num_queries: Any
) -> None:
    past(118, "Lake")
    client.get("/update/?q=lake")  # what is read once for a process is read now
    for number in (119, 120, 121):
        past(number, "Lake")
    with django_assert_num_queries(3):
        client.get("/update/?q=lake")


# ---- The feed


def test_a_reader_of_feeds_gets_the_past_updates(client: Any, past: Any) -> None:
    past(118, "Books cross the lake", "By <b>boat</b> & mule.")
    past(119, "Lucía writes", "One\n\n• two\n• three")
    past(121, "secret", state="draft")
    answer = client.get("/update/feed.atom")

    feed = feedparser.parse(answer.content)
    assert (answer["Content-Type"], feed.bozo, feed.version) == ("application/atom+xml; charset=utf-8", False, "atom10")
    assert feed.feed.title == "Update – Andean Reading Rooms"
    assert [entry.title.split(".")[0] for entry in feed.entries] == ["Update 119", "Update 118"]
    assert feed.entries[1].link == "http://127.0.0.1:8000/update/118/"
    assert "By &lt;b&gt;boat&lt;/b&gt; &amp; mule." in feed.entries[1].content[0].value
    assert "<li>two</li>" in feed.entries[0].content[0].value
    assert b"secret" not in answer.content


def test_the_feed_keeps_the_rules_of_rfc_4287(client: Any, past: Any) -> None:
    for number in (118, 119):
        past(number, f"An item with a \x0b of {number}")
    root = etree.fromstring(client.get("/update/feed.atom").content)

    def one(parent: Any, name: str) -> str:
        (found,) = parent.findall(f"{ATOM}{name}")
        return str(found.text)

    entries = root.findall(f"{ATOM}entry")
    assert (root.tag, len(entries)) == (f"{ATOM}feed", 2)
    # §4.1.1: one id, title, updated; an author, since no entry has one (§4.1.2); one self; one alternate of a kind.
    for part in (root, *entries):
        assert one(part, "title")
        assert one(part, "id").startswith("tag:update.reading-rooms.example,2005:updates")
        assert parse_datetime(one(part, "updated")) is not None
        kinds = [(link.get("rel"), link.get("type")) for link in part.findall(f"{ATOM}link")]
        assert len(kinds) == len(set(kinds))
        assert ("alternate", "text/html") in kinds
    assert one(root.find(f"{ATOM}author"), "name") == "Andean Reading Rooms"
    assert root.find(f"{ATOM}link[@rel='self']").get("href") == "http://127.0.0.1:8000/update/feed.atom"
    ids = [one(part, "id") for part in (root, *entries)]
    assert len(set(ids)) == 3
    assert one(root, "updated") == max(one(entry, "updated") for entry in entries)
    assert [content.get("type") for content in root.iter(f"{ATOM}content")] == ["html", "html"]


def test_an_empty_feed_is_a_feed_and_an_unchanged_one_is_not_sent_again(
    client: Any, publication: Any, past: Any
) -> None:
    assert feedparser.parse(client.get("/update/feed.atom").content).bozo is False
    past(118, "Books cross the lake")
    tag = client.get("/update/feed.atom")["ETag"]

    assert client.get("/update/feed.atom", headers={"if-none-match": tag}).status_code == 304


def test_a_correction_makes_an_entry_newer(client: Any, past: Any, anne: Any) -> None:
    entry = past(118, "Books cross the lake").entries.get()
    before = feedparser.parse(client.get("/update/feed.atom").content).entries[0].updated
    note = "It was the other lake."
    fields = {"item": entry.item, "made_by": anne, "state": "public", "public_at": timezone.now()}
    made = Correction.objects.create(note=note, **fields)
    made.entries.add(entry)

    after = feedparser.parse(client.get("/update/feed.atom").content).entries[0]
    assert (after.updated > before, "the other lake" in after.content[0].value) == (True, True)


def test_the_archive_tells_where_its_feed_is(client: Any, publication: Any, read: Any) -> None:
    page = read(client.get("/update/"))

    assert page.values("link[type='application/atom+xml']", "href") == ["http://127.0.0.1:8000/update/feed.atom"]


def test_the_feed_asks_the_database_as_often_for_many_as_for_one(
    client: Any, past: Any, django_assert_num_queries: Any
) -> None:
    for number in (118, 119, 120):
        past(number, "Lake")
    with django_assert_num_queries(4):
        client.get("/update/feed.atom")


# ---- Becoming a member, and a friend


def test_become_a_member_says_the_publications_own_words(client: Any, publication: Any, read: Any) -> None:
    publication.membership = "We are few.\n\n• Ten a year\n• <b>No more</b>"
    publication.save()
    page = read(client.get("/update/member/"))
    assert (page(".introduction p"), page(".introduction li")) == (["We are few."], ["Ten a year", "<b>No more</b>"])
    assert page.values(".filled", "href") == ["/update/subscribe/"]

    publication.join_url = "https://reading-rooms.example/join"
    publication.save()
    assert read(client.get("/update/member/")).values(".filled", "href") == ["https://reading-rooms.example/join"]


def test_a_friend_is_written_to_once_with_the_same_answer(
    client: Any, past: Any, monkeypatch: pytest.MonkeyPatch, read: Any
) -> None:
    monkeypatch.setattr("publisher.web.public.friends.EVENLY", 0)
    past(118, "Books cross the lake")
    first, second, robot = (
        client.post("/update/118/1/friend/", {"email": "ines@friends.example", **more})
        for more in ({}, {}, {"website": "https://pills.example"})
    )

    assert first.content == second.content == robot.content
    assert "ines" not in read(first).one("main")
    assert list(Notice.objects.values_list("subject", flat=True)) == ["Books cross the lake – Andean Reading Rooms"]
    assert client.post("/update/118/friend/", {"email": "nonsense"}).status_code == 422
    assert client.get("/update/118/2/friend/").status_code == 404
