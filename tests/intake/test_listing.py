"""Listings as plain text, in every shape that one organisation has printed them in twenty years."""

from collections.abc import Callable
from datetime import date

import pytest

from publisher import intake
from publisher.intake import NotReadable, ParsedItem, ParsedSection, Reading, Unread

Page = Callable[..., Reading]
One = Callable[..., ParsedItem]


def facts(item: ParsedItem) -> tuple[object, ...]:
    return item.title, item.series, item.number, str(item.published_on), item.teaser


def test_an_item_is_a_title_a_date_line_and_a_teaser(one: One) -> None:
    item = one("• River talks resume\n\n    Update 120. 31 March 2007\n\n    Both sides met in Iquitos.\n")

    assert item == ParsedItem(
        title="River talks resume",
        teaser="Both sides met in Iquitos.",
        published_on=date(2007, 3, 31),
        date_label="31 March 2007",
        series="Update",
        number=120,
        byline=None,
        image_caption=None,
        link=None,
        line=1,
    )


def test_paragraphs_are_parted_by_a_blank_line_and_kept_as_printed(one: One) -> None:
    item = one("• A\n\n    5 March 2019\n\n    First,  with\u00a0odd spaces – and ‘quotes’. \u00a0\n\n    Second.\n")

    assert item.teaser == "First,  with\u00a0odd spaces – and ‘quotes’.\n\nSecond."


@pytest.mark.parametrize("bullet", ["•", "*", "-", "·", "–", "▪", "•\t", "•\u00a0", ""])
@pytest.mark.parametrize("indent", ["    ", "\t", "  ", ""])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_bullets_indents_and_line_ends_make_no_difference(page: Page, bullet: str, indent: str, newline: str) -> None:
    text = "".join(
        f"{bullet} {title}\n\n{indent}{day} March 2007\n\n{indent}Text of {title}.\n\n"
        for title, day in (("First news", "07"), ("Second news", "7"))
    )

    reading = page(text.replace("\n", newline))

    assert [facts(item) for item in reading.items] == [
        ("First news", None, None, "2007-03-07", "Text of First news."),
        ("Second news", None, None, "2007-03-07", "Text of Second news."),
    ]
    assert (reading.sections, reading.unread) == ((), ())


def test_a_listing_without_blank_lines_is_read_too(page: Page) -> None:
    reading = page("First\n31 March 2007\nText one.\nSecond\n28 February 2007\nText two.\n")

    assert [facts(item) for item in reading.items] == [
        ("First", None, None, "2007-03-31", "Text one."),
        ("Second", None, None, "2007-02-28", "Text two."),
    ]


def test_a_date_above_the_title_is_read_too(page: Page) -> None:
    reading = page("31 March 2007\n\nRain\n\nText one.\n\n28 February 2007\n\nSun\n\nText two.\n")

    assert [(item.title, item.date_label, item.teaser) for item in reading.items] == [
        ("Rain", "31 March 2007", "Text one."),
        ("Sun", "28 February 2007", "Text two."),
    ]


def test_wrapped_lines_are_joined_and_broken_ones_are_not(one: One) -> None:
    wrapped = "    The committee that visited the valley in February says that the well-\n    known spring is dry.\n"

    item = one(f"• A\n\n    31 March 2007\n\n{wrapped}\n    Tuesday\n    London\n")

    assert item.teaser == (
        "The committee that visited the valley in February says that the well-known spring is dry.\n\nTuesday\nLondon"
    )


def test_a_sentence_that_wraps_before_a_date_stays_a_sentence(one: One) -> None:
    item = one("• A\n\n    31 March 2007\n\n    The law was passed by the second chamber in\n    March 2007.\n")

    assert item.teaser == "The law was passed by the second chamber in March 2007."


@pytest.mark.parametrize(
    "title",
    [
        "Editorial: what comes next",
        "Report of 31 March 2007",
        "69 members vote",
        "Update on the river",
        "Villagers win.",
        "5 April 1992",
        "Update 12: the book",
        "“Never again”",
        "¿Qué pasó?",
    ],
)
def test_any_words_may_be_a_title(page: Page, title: str) -> None:
    reading = page(
        f"  • Other\n\n    30 March 2007\n\n    Other text.\n\n  • {title}\n\n    31 March 2007\n\n    Text.\n"
    )

    assert [(item.title, str(item.published_on)) for item in reading.items] == [
        ("Other", "2007-03-30"),
        (title, "2007-03-31"),
    ]


def test_a_title_of_two_lines_is_one_title(one: One) -> None:
    item = one("• A long road to\n    a small clinic\n\n    31 March 2007\n\n    Text.\n")

    assert (item.title, item.damage) == ("A long road to a small clinic", ())


def test_two_lines_that_may_be_caption_and_title_are_flagged(one: One) -> None:
    item = one("• Long road\n    Small clinic\n\n    31 March 2007\n\n    Text.\n")

    assert item.title == "Long road Small clinic"
    assert item.damage == ("The title stands on two lines; “Long road” may be a picture's caption.",)


@pytest.mark.parametrize(
    "head",
    [
        "  • The bridge at dusk\n\n    Bridge opens",
        "  • Bridge opens\n\n    Photo: The bridge at dusk",
        "  • Photo: The bridge at dusk\n    Bridge opens",
        "  • The bridge at dusk.\n    Bridge opens",
        "  The bridge at dusk\n\n  • Bridge opens",
        "    Picture: The bridge at dusk\n\n  • Bridge opens",
    ],
)
def test_a_caption_near_the_title_is_the_pictures(page: Page, head: str) -> None:
    before = "  • Other\n\n    30 March 2007\n\n    Other text.\n\n"

    reading = page(f"{before}{head}\n\n    31 March 2007\n\n    It opened.\n")

    other, bridge = reading.items
    assert (other.teaser, bridge.title, bridge.teaser) == ("Other text.", "Bridge opens", "It opened.")
    assert (bridge.image_caption or "").strip(".").endswith("The bridge at dusk")


def test_a_caption_between_paragraphs_without_bullets_is_found_by_its_missing_full_stop(page: Page) -> None:
    reading = page(
        "First\n\n31 March 2007\n\nText one.\n\nThe bridge at dusk\n\nSecond\n\n30 March 2007\n\nText two.\n"
    )

    assert [(item.title, item.image_caption, item.teaser) for item in reading.items] == [
        ("First", None, "Text one."),
        ("Second", "The bridge at dusk", "Text two."),
    ]


@pytest.mark.parametrize(
    ("text", "byline"),
    [
        ("• A\n\n    (By Rosa Vega)\n\n    31 March 2007\n\n    Text.\n", "By Rosa Vega"),
        (
            "• A\n\n    31 March 2007\n\n    (Rosa Vega and J. M. de la Cruz)\n\n    Text.\n",
            "Rosa Vega and J. M. de la Cruz",
        ),
        ("• A\n    (Rosa Vega, Lima)\n\n    31 March 2007\n\n    Text.\n", "Rosa Vega, Lima"),
        ("• A\n\n    31 March 2007\n\n    Text.\n\n    (by Rosa Vega)\n", "by Rosa Vega"),
        ("• A\n\n    31 March 2007\n\n    By Rosa Vega\n\n    Text.\n", "By Rosa Vega"),
    ],
)
def test_a_byline_on_its_own_line_is_no_part_of_the_text(one: One, text: str, byline: str) -> None:
    item = one(text)

    assert (item.title, item.byline, item.teaser) == ("A", byline, "Text.")


@pytest.mark.parametrize("remark", ["(see page 3)", "(continued)", "(The law was passed. It is now in force.)"])
def test_other_remarks_in_parentheses_stay_in_the_text(one: One, remark: str) -> None:
    item = one(f"• A\n\n    31 March 2007\n\n    {remark}\n\n    Text.\n")

    assert (item.byline, item.teaser) == (None, f"{remark}\n\nText.")


def test_an_empty_teaser_and_a_repeated_date_line_are_no_trouble(page: Page) -> None:
    day = "    Update 120. 31 March 2007\n\n"

    reading = page(f"  • A\n\n{day}  • B\n\n{day}{day}    Text.\n\n  • C\n\n{day}    More.\n\n{day}")

    assert [(item.title, item.teaser, item.damage) for item in reading.items] == [
        ("A", "", ()),
        ("B", "Text.", ()),
        ("C", "More.", ()),
    ]


def test_another_date_inside_a_text_is_flagged(one: One) -> None:
    item = one("  • A\n\n    31 March 2007\n\n    Public meeting\n\n    5 April 2007\n\n    All are welcome.\n")

    assert item.teaser == "Public meeting\n\n5 April 2007\n\nAll are welcome."
    assert item.damage == ("A second date is printed: “5 April 2007”.",)


def test_number_and_date_on_two_lines_belong_together(one: One) -> None:
    item = one("• A\n\n    Update 120\n    31 March 2007\n\n    Text.\n")

    assert (item.series, item.number, item.date_label, item.teaser) == ("Update", 120, "31 March 2007", "Text.")


def test_a_date_that_does_not_exist_keeps_its_item_and_is_flagged(one: One) -> None:
    item = one("• A\n\n    Update 121. 31 June 2007\n\n    Text.\n")

    assert (item.published_on, item.date_label, item.number) == (None, "31 June 2007", 121)
    assert item.damage == ("The date “31 June 2007” does not exist.",)


def test_a_list_inside_an_item_is_part_of_its_text(page: Page) -> None:
    reading = page(
        "  • A\n\n    31 March 2007\n\n    We ask for:\n\n    • water\n    • light\n\n    Soon.\n\n"
        "  • B\n\n    30 March 2007\n"
    )

    assert [(item.title, item.teaser) for item in reading.items] == [
        ("A", "We ask for:\n\n• water\n• light\n\nSoon."),
        ("B", ""),
    ]


def test_undated_blocks_are_sections_and_the_call_below_stays_with_its_section(page: Page) -> None:
    reading = page(
        "• A\n\n    31 March 2007\n\n    Text.\n\n"
        "  • Our aims\n\n    To help.\n\n    To learn.\n\n"
        "  • Why join us?\n\n    • News\n    • Friends\n\n    Join today"
    )

    assert [item.title for item in reading.items] == ["A"]
    assert reading.sections == (
        ParsedSection("Our aims", "To help.\n\nTo learn.", 7),
        ParsedSection("Why join us?", "• News\n• Friends\n\nJoin today", 13),
    )


def test_a_list_is_told_from_blocks_where_all_indentation_is_lost(page: Page) -> None:
    reading = page("• A\n\n31 March 2007\n\nText.\n\n• Why join us?\n\n• News\n• Friends\n\nJoin today")

    assert [(section.title, section.body) for section in reading.sections] == [
        ("Why join us?", "• News\n• Friends\n\nJoin today")
    ]


def test_an_undated_block_among_dated_ones_is_reported_with_its_line(page: Page) -> None:
    reading = page(
        "• A\n\n    31 March 2007\n\n    Text.\n\n  • Lost\n\n    Its date.\n\n"
        "  • B\n\n    30 March 2007\n\n    More.\n"
    )

    assert [item.title for item in reading.items] == ["A", "B"]
    assert reading.unread == (Unread(7, "• Lost\n\nIts date.", "It has no date, but stands between dated items."),)


def test_what_a_page_says_about_itself_is_reported_as_unread(page: Page) -> None:
    reading = page("News\n\n• A\n\n    31 March 2007\n\n    Text.\n\n    Read more »\n\nHome | Contact | Map\n")

    assert (reading.items[0].teaser, reading.items[0].image_caption) == ("Text.", None)
    assert [(one.line, one.text) for one in reading.unread] == [
        (1, "News"),
        (9, "Read more »"),
        (11, "Home | Contact | Map"),
    ]


def test_a_date_without_a_title_is_reported(page: Page) -> None:
    reading = page("31 March 2007\n")

    assert reading.items == ()
    assert reading.unread == (Unread(1, "31 March 2007", "There is a date, but no title."),)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"])
def test_pages_of_any_usual_encoding_are_read(one: One, encoding: str) -> None:
    text = "• Café “Perú”\n\n    31 March 2007\n\n    Mañana – sí.\n"

    item = one(text.encode(encoding))

    assert (item.title, item.teaser, item.damage) == ("Café “Perú”", "Mañana – sí.", ())


def test_files_of_two_encodings_joined_into_one_are_read(page: Page) -> None:
    parts = [
        "• Año\n\n    31 March 2007\n\n    Sí.\n\n".encode(),
        "• Niño\n\n    30 March 2007\n\n    Así.\n".encode("cp1252"),
    ]

    assert [item.title for item in page(b"".join(parts)).items] == ["Año", "Niño"]


@pytest.mark.parametrize("content", [b"", b" \n\t\r\n", b"\x89PNG\r\n\x1a\n\x00\x01\x02\x03" * 9])
def test_what_is_no_text_is_refused_in_a_sentence(page: Page, content: bytes) -> None:
    with pytest.raises(NotReadable, match=r"^.*\w.*\.$"):
        page(content)


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(NotReadable, match="There is no reader for the kind “carrier pigeon”"):
        intake.read(b"coo", address="x", kind="carrier pigeon")
