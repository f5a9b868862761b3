"""The card as followers see it: its size, its colours at some points, and that the words fit."""

from __future__ import annotations

import io
import re

import pytest
from PIL import Image, ImageChops

from publisher import colours, drawing
from publisher.drawing import Sheet

LONG = "The mule library and its readers " * 20
SHEET = Sheet("Andean Reading Rooms", "Books cross the lake", "Update 120. 31 March 2007", "#8a1c1c")
#: As they stand on the card, from the top: the places of masthead, title and label.
MASTHEAD, TITLE, LABEL = (60, 120), (136, 500), (530, 590)


def drawn(sheet: Sheet) -> Image.Image:
    return Image.open(io.BytesIO(drawing.draw(sheet))).convert("RGB")


def ink(image: Image.Image, rows: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """The box of what is drawn between these rows; None where there is paper alone."""
    part = image.crop((0, rows[0], image.width, rows[1]))
    paper = Image.new("RGB", part.size, drawing.PAPER)
    return ImageChops.difference(part, paper).getbbox()


def test_a_card_has_the_size_that_networks_show_and_the_colour_of_the_publication():
    image = drawn(SHEET)

    assert (image.size, image.getpixel((600, 8)), image.getpixel((20, 300))) == (
        (1200, 630),
        colours.channels("#8a1c1c"),
        colours.channels(drawing.PAPER),
    )


def test_masthead_title_and_label_stand_one_below_the_other_within_the_margins():
    image = drawn(SHEET)
    boxes = [ink(image, rows) for rows in (MASTHEAD, TITLE, LABEL)]

    assert all(box and box[0] >= drawing.MARGIN - 4 and box[2] <= 1200 - drawing.MARGIN + 4 for box in boxes)
    assert ink(image, (595, 630)) is None


@pytest.mark.parametrize("title", ["Opens", "A reading room opens in Puno and another one on the island", LONG])
def test_a_title_is_as_large_as_it_fits(title):
    image = drawn(Sheet("", title, "", "#8a1c1c"))
    left, top, right, bottom = ink(image, (20, drawing.RULE_Y - 2))

    assert (left >= drawing.MARGIN - 4, right <= 1200 - drawing.MARGIN + 4) == (True, True)
    assert (top + 20 >= drawing.TOP, bottom + 20 <= drawing.RULE_Y - 2) == (True, True)


def test_lines_are_parted_between_words_and_evened_out():
    lines, size = drawing.fitted("A reading room opens in Puno and another one on the island of the sun")

    assert " ".join(lines) == "A reading room opens in Puno and another one on the island of the sun"
    assert (size, min(len(line.split()) for line in lines) > 1) == (max(drawing.SIZES), True)


def test_a_title_beyond_the_smallest_letters_ends_at_a_word():
    lines, size = drawing.fitted(LONG)
    shown = " ".join(lines)

    assert (size, shown.endswith("…")) == (min(drawing.SIZES), True)
    assert re.match(re.escape(shown.removesuffix("…")) + r"\b", LONG)


@pytest.mark.parametrize(
    "title",
    ["¿Qué leerán los niños de Ñuñoa?", "Um avô à janela: «coração»", "Příliš žluťoučký kůň", "Thư viện trường học",
     "Читальня в горах", "Η βιβλιοθήκη", "Résumé – “naïve” № 5 · €20"],
)  # fmt: skip
def test_the_font_has_the_letters_of(title):
    assert (drawing.unshown(title), bool(drawing.fitted(title)[0])) == ("", True)


@pytest.mark.parametrize(
    ("title", "unshown"),
    [("读书室开放了", "读书室开放了"), ("قاعة قراءة", "قاعةرء"), ("חדר קריאה", "חדרקיאה"), ("पुस्तकालय", "पसतकालय"),
     ("Lima 利马 2007", "利马")],
)  # fmt: skip
def test_letters_that_the_font_has_not_are_named_and_no_boxes_drawn(title, unshown):
    assert (drawing.unshown(title), drawing.fitted(title)[0]) == (unshown, [])
    assert ink(drawn(Sheet("", title, "", "#8a1c1c")), TITLE) is None


def test_emoji_are_passed_over():
    assert drawing.fitted("Rooms open 🎉👩🏽‍🏫 today") == drawing.fitted("Rooms open today")


def test_a_word_wider_than_the_card_is_not_cut():
    assert drawing.fitted("x" * 90)[0] == []


def test_an_accent_written_as_a_sign_of_its_own_is_drawn_as_one_letter():
    assert drawing.draw(Sheet("", "Nin\u0303os", "", "#8a1c1c")) == drawing.draw(Sheet("", "Niños", "", "#8a1c1c"))


def test_the_same_words_give_the_same_bytes():
    first = drawing.draw(SHEET)
    drawing.draw.cache_clear()

    assert drawing.draw(SHEET) == first
    assert drawing.draw(Sheet("Andean Reading Rooms", "Books cross a lake", SHEET.label, "#8a1c1c")) != first


@pytest.mark.parametrize("accent", ["#8a1c1c", "#ffe000", "#00ff88", "#ffffff", "#000000"])
def test_the_label_can_be_read_whatever_the_accent(accent):
    image = drawn(Sheet("", "", "Update 120. 31 March 2007", accent))
    pixels = image.crop((drawing.MARGIN, *LABEL[:1], 700, LABEL[1])).getcolors(maxcolors=2**16)
    darkest = min((colour for _, colour in pixels), key=sum)

    assert colours.contrast("#{:02x}{:02x}{:02x}".format(*darkest), drawing.PAPER) >= colours.READABLE


def test_what_stands_on_one_line_is_made_smaller_and_then_ends_at_a_word():
    image = drawn(Sheet("The Association of the Friends of the Reading Rooms " * 4, "", "", "#8a1c1c"))
    box = ink(image, MASTHEAD)

    assert box is not None
    assert box[2] <= 1200 - drawing.MARGIN + 4
