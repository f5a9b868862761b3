"""Past Updates in the archive: numbered as printed, shown to everybody, mailed and posted to nobody."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.test import Client

from publisher import archiving
from publisher.models import Delivery, Digest, Item, Notice, Post


@pytest.fixture
def page(tmp_path: Any) -> str:
    """Two numbers of “Update”, one of another series, and news without a number."""
    entries = [
        ("Update 118. 31 December 2006", "Books cross the lake"),
        ("Update 119. 31 January 2007", "The mule library turns ten"),
        ("Update 119. 31 January 2007", "A reading room opens"),
        ("Peru New 57. 31 January 2007", "Not of this series"),
        ("Update 120. 31 March 2007", "Not past yet"),
    ]
    text = "\n\n".join(
        f"  \u2022 {title}\n\n    {label}\n\n    What there is to say of it." for label, title in entries
    )
    file = tmp_path / "old.txt"
    file.write_text(text)
    return str(file)


def test_looking_stores_nothing_and_says_what_would_come_in(page: str, publication: Any) -> None:
    found = archiving.look(page, publication)
    assert [(past.number, past.date, past.why_not.split(":")[0]) for past in found] == [
        (118, date(2006, 12, 31), ""),
        (119, date(2007, 1, 31), ""),
        (120, date(2007, 3, 31), "is not past"),
    ]
    assert not Item.objects.exists()


def test_past_numbers_come_into_the_archive_and_reach_nobody(
    page: str, publication: Any, members: Any, channels: Any, anne: Any
) -> None:
    made = list(archiving.bring(page, publication, by=anne))
    assert [(d.number, d.date, d.state, d.archived, d.entries.count()) for d in made] == [
        (118, date(2006, 12, 31), "sent", True, 1),
        (119, date(2007, 1, 31), "sent", True, 2),
    ]
    assert (Delivery.objects.count(), Post.objects.count(), Notice.objects.count()) == (0, 0, 0)
    publication.refresh_from_db()
    assert publication.next_number == 120
    shown = Client().get("/update/119/").content.decode()
    assert "The mule library turns ten" in shown
    assert "Not of this series" not in shown


def test_a_past_number_says_nothing_that_is_said_today(page: str, publication: Any, anne: Any, digest: Any) -> None:
    publication.sections.create(title="Where we are", body="By the lake.", shown=True)
    list(archiving.bring(page, publication, by=anne))
    type(digest).objects.filter(pk=digest.pk).update(number=121, state="sent")
    said = ["Where we are" in Client().get(f"/update/{number}/").content.decode() for number in (119, 121)]
    assert said == [False, True]


def test_bringing_them_again_changes_nothing(page: str, publication: Any, anne: Any) -> None:
    list(archiving.bring(page, publication, by=anne))
    assert list(archiving.bring(page, publication, by=anne)) == []
    assert [past.why_not for past in archiving.look(page, publication)][:2] == ["is here already"] * 2
    assert Digest.objects.count() == 2


def test_a_number_that_is_used_here_stays_as_it_is(page: str, publication: Any, anne: Any, digest: Any) -> None:
    Digest.objects.filter(pk=digest.pk).update(number=119)
    assert [made.number for made in archiving.bring(page, publication, by=anne)] == [118]
