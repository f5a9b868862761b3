"""Importing from the command line: the pages it was made for, and what is said of them."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from publisher import items
from publisher.models import Event, Item, Publication, Source
from tests.intake.test_seeds import EXPECTED

FIELDS = {"title", "teaser", "published_on", "date_label", "series", "number", "byline", "image_caption", "link"}
PAGE = """A reading room opens

Update 119. 31 January 2007

Four hundred books, and people queued for them.

Books cross the lake

20 February 2007

By boat, because there is no road to “PeruÃ­”.
"""


@pytest.fixture
def seeds() -> Path:
    folder = Path(os.environ.get("PUBLISHER_SEEDS") or Path(__file__).parents[3] / "shared" / "seeds")
    if not folder.is_dir():
        pytest.skip("the pages that the reader was made for are not part of the project; name them in PUBLISHER_SEEDS")
    return folder


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "news.txt"
    file.write_text(PAGE)
    return file


def brief(item: dict[str, Any]) -> tuple[Any, ...]:
    words = item["teaser"].split()
    told = (" ".join(words[:2]), " ".join(words[-2:]), sha256(item["teaser"].encode()).hexdigest()[:16])
    return (item["title"], item["series"], item["number"], item["published_on"], item["date_label"], *told)


def test_the_pages_it_was_made_for_give_thirty_items_with_no_database_at_all(elsewhere, seeds, tmp_path):
    found = elsewhere("items", "import", seeds, "--dry-run", "--json").json()
    assert [brief(item) for item in found] == EXPECTED
    assert len(found) == 30
    assert {frozenset(item) for item in found} == {frozenset(FIELDS)}
    assert {(item["byline"], item["image_caption"], item["link"]) for item in found} == {(None, None, None)}
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["keys"]


def test_a_dry_run_leaves_the_database_untouched(publisher, publication, page):
    Publication.objects.update(next_number=1)
    before = list(Publication.objects.values())
    found = publisher("items", "import", page, "--dry-run", "--json")
    assert [item["title"] for item in found.json()] == ["A reading room opens", "Books cross the lake"]
    assert [model.objects.count() for model in (Item, Source, Event)] == [0, 0, 0]
    assert list(Publication.objects.values()) == before
    assert f"{page}:7: Books cross the lake: The teaser looks damaged by an old encoding" in found.err
    assert "2 items (nothing stored)" in publisher("items", "import", page, "--dry-run").out


def test_an_import_says_what_it_did_and_does_it_once(publisher, publication, page):
    Publication.objects.update(next_number=1)
    (told,) = publisher("items", "import", page, "--json").json()
    books = Item.objects.get(title="Books cross the lake")
    assert told == {
        "page": str(page),
        "new": list(Item.objects.order_by("pk").values_list("pk", flat=True)),
        "updated": [],
        "flagged": [],
        "to_look_at": [{"id": books.pk, "title": books.title, "why": books.flags}],
        "unchanged": 0,
        "sections": [],
        "unread": [],
        "proposed_number": 120,
    }
    (again,) = publisher("items", "import", page, "--json").json()
    assert (again["new"], again["unchanged"]) == ([], 2)
    plain = publisher("items", "import", page)
    assert "The numbers printed there suggest 120 as the next one: import with --take-number to set it." in plain.out
    assert Publication.objects.get().next_number == 1


def test_an_import_queues_what_no_earlier_update_printed_and_takes_the_number(publisher, publication, page, anne):
    Publication.objects.update(next_number=1)
    told = publisher("items", "import", page, "--queue", "--take-number", "--by", "anne")
    assert "The next number is 120, as the numbers printed there suggest." in told.out
    assert "import with --take-number" not in told.out + told.err
    assert dict(Item.objects.values_list("title", "state")) == {
        "A reading room opens": "received",
        "Books cross the lake": "queued",
    }
    assert Publication.objects.get().next_number == 120
    assert sorted(Event.objects.exclude(by=None).values_list("noun", "verb", "by__username")) == [
        ("item", "moved", "anne"),
        ("publication", "edited", "anne"),
    ]


def test_an_import_says_which_items_somebody_must_look_at_and_why(publisher, publication, page):
    told = " ".join(publisher("items", "import", page).err.split())
    books = Item.objects.get(title="Books cross the lake")
    assert f"{page}: item {books.pk}, “Books cross the lake”: The teaser looks damaged by an old encoding" in told
    assert "A reading room opens" not in told


def test_what_could_not_be_read_is_said_with_its_line(publisher, publication, tmp_path):
    (tmp_path / "a.txt").write_text(PAGE)
    (tmp_path / "b.jpg").write_bytes(b"\x00\x01\x02" * 90)
    for dry in ([], ["--dry-run"]):
        answer = publisher("items", "import", tmp_path, *dry)
        assert answer.status == 0
        assert f"{tmp_path}/b.jpg:1: not read: This is not text" in answer.err
    assert Item.objects.count() == 2


def test_the_list_tells_what_staff_should_look_at(publisher, make_item, other_publication):
    make_item("Damaged", state="received", flags=["“Peruís” looks damaged."], published_on="2007-03-01")
    make_item("Changed", source_says={"title": "Changed there"}, printed_series="Update", printed_number=119)
    make_item("Another series", publication=other_publication)
    told = publisher("items", "list", "--publication", "update", "--json").json()
    assert [(i["title"], i["state"], i["series"], i["number"], i["flags"], i["source_says"]) for i in told] == [
        ("Changed", "queued", "Update", 119, [], {"title": "Changed there"}),
        ("Damaged", "received", None, None, ["“Peruís” looks damaged."], {}),
    ]
    plain = publisher("items", "list", "--publication", "update").out
    assert "Its source says otherwise now." in plain
    assert "Another series" not in plain
    queued = publisher("items", "list", "--publication", "update", "--state", "queued", "--json").json()
    assert [item["title"] for item in queued] == ["Changed"]


def test_items_are_queued_set_aside_and_withdrawn(publisher, make_item, anne):
    one, two = make_item("One", state="received"), make_item("Two", state="received")
    for words in [("queue", one.pk, two.pk), ("set-aside", one.pk), ("withdraw", two.pk, "--why", "not true")]:
        assert publisher("items", *words, "--by", "anne").status == 0
    assert list(Item.objects.order_by("pk").values_list("state", flat=True)) == ["set_aside", "withdrawn"]
    answer = publisher("items", "queue", two.pk, "--by", "anne")
    assert (answer.status, answer.err) == (1, "“Two” is withdrawn: it cannot become queued.\n")


def test_a_number_that_was_given_away_meanwhile_is_not_taken_back(publication, page, anne):
    from publisher.cli import items as door

    proposed = items.Received(proposed_number=120)
    Publication.objects.update(next_number=125)
    door._take_number(publication, proposed, anne)
    assert Publication.objects.get().next_number == 125
