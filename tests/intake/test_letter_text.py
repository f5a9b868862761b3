"""The text part of our own letter is a listing too: reading it gives the same items back."""

from __future__ import annotations

from pathlib import Path

from publisher import intake
from tests.letters_editions import UPDATE_120

LETTER = Path(__file__).parent.parent / "golden" / "update-120.txt"


def test_the_items_of_a_letter_come_back_from_its_text() -> None:
    reading = intake.read(LETTER.read_bytes(), address="update-120.txt", content_type="text/plain")

    assert [(item.title, item.series, item.number, item.date_label) for item in reading.items] == [
        (entry.title, "Update", 120, "31 March 2007") for entry in UPDATE_120.entries
    ]
    assert [item.link for item in reading.items] == [entry.more_url for entry in UPDATE_120.entries]
    assert [item.byline for item in reading.items] == [entry.byline for entry in UPDATE_120.entries]
    assert ["".join(item.teaser.split()) for item in reading.items] == [
        "".join(entry.teaser.split()) for entry in UPDATE_120.entries
    ]


def test_the_footer_of_a_letter_is_reported_and_is_no_section() -> None:
    reading = intake.read(LETTER.read_bytes(), address="update-120.txt", content_type="text/plain")

    assert [section.title for section in reading.sections] == [section.title for section in UPDATE_120.sections]
    assert "--" in [line.text.strip() for line in reading.unread]
    assert not any("unsubscribe" in section.body.casefold() for section in reading.sections)
