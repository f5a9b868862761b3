"""What a post shows: the item's own picture as its network takes it, else a card of its words."""

from __future__ import annotations

import io
from datetime import date
from typing import Any

import pytest
from PIL import Image

from publisher import cards, drawing, networks, pictures
from publisher.models import Campaign, Picture
from publisher.networks.base import PictureRules

pytestmark = pytest.mark.django_db


@pytest.fixture
def photograph(db: Any) -> Picture:
    content = io.BytesIO()
    Image.effect_noise((900, 600), 80).convert("RGB").save(content, "JPEG")
    return pictures.keep(content.getvalue())


@pytest.fixture
def small(monkeypatch: Any) -> PictureRules:
    """X, as if it took little."""
    rules = PictureRules(largest=60_000, longest_side=400)
    monkeypatch.setattr(networks.network_class("x"), "pictures", rules)
    monkeypatch.setattr(networks.network_class("x"), "longest_alt", 24)
    return rules


def test_an_item_without_a_picture_has_a_card_of_its_title_and_series(digest):
    entry = digest.entries.get(position=2)
    picture, alt = cards.illustration(entry, "x")

    assert alt == "Books cross the lake. 31 March 2007."
    assert (picture.width, picture.height, picture.media_type) == (1200, 630, "image/png")
    assert bytes(picture.content) == drawing.draw(
        drawing.Sheet("Andean Reading Rooms", "Books cross the lake", "31 March 2007", "#8a1c1c")
    )


def test_where_the_link_stands_beside_the_text_the_linked_page_is_shown(digest, make_item):
    assert cards.illustration(digest.entries.get(position=2), "facebook") == (None, "")
    assert cards.illustration(make_item("Rooms", link=""), "facebook")[1] == "Rooms. Update. 20 March 2007."


def test_a_card_on_its_own_says_the_series_and_the_day(items):
    assert cards.of(items[0]).alt == "A reading room opens. Update. 20 March 2007."


def test_an_items_own_picture_goes_out_as_each_network_takes_it(items, photograph, small):
    items[0].picture, items[0].image_alt = photograph, "Children read on the steps of the house"
    picture, alt = cards.illustration(items[0], "x")
    whole, words = cards.illustration(items[0], "facebook")

    assert (picture.width, picture.height, len(picture.content) <= small.largest) == (400, 267, True)
    assert (alt, whole, words) == ("Children read on the…", photograph, "Children read on the steps of the house")
    assert cards.illustration(items[0], "x")[0] == picture
    assert Picture.objects.count() == 2


def test_a_files_name_is_no_description(items, photograph):
    items[0].picture, items[0].image_alt = photograph, "IMG_2041.jpg"

    assert cards.illustration(items[0], "x") == (photograph, "")


def test_a_network_that_takes_no_pictures_gets_none(items, photograph, monkeypatch):
    monkeypatch.setattr(networks.network_class("x"), "pictures", None)
    items[0].picture = photograph

    assert cards.illustration(items[0], "x") == (None, "")
    assert cards.illustration(items[1], "x") == (None, "")


def test_a_title_that_cannot_be_drawn_leaves_its_place_to_the_series(make_item):
    item = make_item("读书室开放了")
    card = cards.of(item)

    assert (card.sheet.title, card.sheet.label, card.alt) == (
        "Update. 20 March 2007",
        "",
        "读书室开放了. Update. 20 March 2007.",
    )
    assert cards.missing(item.title).startswith("The card cannot show “读书室开放了”:")
    assert cards.missing("x" * 90).startswith("A word of the title is wider than the card:")
    assert cards.missing("A reading room opens") == ""


def test_a_campaign_invites_with_its_name_hashtag_and_period(publication):
    campaign = Campaign(
        publication=publication,
        hashtag="EITI2016",
        name="Global Conference",
        starts_on=date(2016, 2, 23),
        ends_on=date(2016, 2, 26),
    )
    picture, alt = cards.illustration(campaign, "x")

    assert (alt, picture.width) == ("Global Conference #EITI2016. 23 to 26 February 2016.", 1200)
