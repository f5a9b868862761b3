"""What posts say and how long they are: nothing too long, no link cut, no character broken."""

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twitter_text import parse_tweet
from wcwidth import iter_graphemes

from publisher.networks.text import compose, render, shorten, weigh

LINK = "https://www.example.org/news/2007/03/clean-water-at-last?from=update&n=120"
TITLE = "Clean water at last"
TEASER = (
    "The village has had no clean water since the mine opened in 1994. Dr. A. Flores of the clinic welcomed the "
    "ruling. “It is late,” she said. The mayor spoke of a beginning. The company has not answered our questions, "
    "nor those of the court.\n\nA second village waits for its own ruling, which is due before the summer."
)


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("", 0),
        ("a" * 280, 280),
        ("“Perú” – it’s", 13),
        ("…", 2),
        ("• item", 7),
        ("日本語", 6),
        ("Cafe\u0301", 4),
        ("👨‍👩‍👧‍👦", 2),
        ("👋🏽🇵🇪", 4),
        (LINK, 23),
        (f"a {LINK} b", 27),
        ("update.py", 23),
        ("www.gob.pe/mines", 23),
        ("write to a@example.org", 22),
        # Top-level domains that are newer than the parser's table: X counts them as URLs.
        ("https://a.kids", 23),
        ("https://foo.music", 23),
        ("see https://a.kids and https://b.music/x", 4 + 23 + 5 + 23),
        ("a.kids", 23),
        ("https://foo.music/" + "a" * 30, 48),
        ("ends.Then", 23),
        ("at 3.30 p.m. on 31.3.2007", 25),
        ("write to a@b.kids", 17),
    ],
)
def test_x_weighs_a_text(text, weight):
    assert weigh(text) == weight


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("aé日👩\u200d🏽🇵\u0301 .:/-@x\n") | st.characters(codec="utf-8"), max_size=60))
def test_x_never_weighs_less_than_its_own_parser(text):
    assert weigh(text) >= parse_tweet(text).weightedLength


def test_a_post_is_title_teaser_tags_and_link():
    text = compose(TITLE, "Short and good.", LINK, ["Peru", "#water", "clean air", ""], network="x")

    assert text == f"{TITLE}\n\nShort and good.\n\n#Peru #water #cleanair\n{LINK}"


def test_a_teaser_that_is_too_long_ends_at_a_sentence():
    text = compose(TITLE, TEASER, LINK, ["Peru"], network="x")

    assert text == (
        f"{TITLE}\n\nThe village has had no clean water since the mine opened in 1994. Dr. A. Flores of the "
        f"clinic welcomed the ruling. “It is late,” she said. The mayor spoke of a beginning.\n\n#Peru\n{LINK}"
    )
    assert weigh(text) <= 280


def test_a_teaser_of_one_long_sentence_ends_at_a_word():
    teaser = "The village " + "has had no clean water, " * 20

    text = compose(TITLE, teaser, LINK, [], network="x")

    assert text == f"{TITLE}\n\nThe village {'has had no clean water, ' * 9}has…\n\n{LINK}"
    assert weigh(text) == 279


def test_without_room_for_the_teaser_the_title_stands_alone():
    title = " ".join(["Water"] * 42)

    assert compose(title, TEASER, LINK, [], network="x") == f"{title}\n\n{LINK}"


def test_tags_go_before_the_title_is_shortened():
    title = " ".join(["Water"] * 42)

    text = compose(title, "", LINK, ["one", "two"], network="x")

    assert text == f"{title}\n\n{LINK}"


def test_a_title_that_is_too_long_ends_at_a_word():
    text = compose("Water " * 60, TEASER, LINK, ["Peru"], network="x")

    assert text == f"{('Water ' * 42).strip()}…\n\n{LINK}"
    assert weigh(text) <= 280


def test_facebook_takes_all_of_it_and_the_link_beside_it():
    text = compose(TITLE, TEASER, LINK, ["Peru"], network="facebook")

    assert text == f"{TITLE}\n\n{TEASER}\n\n#Peru"


def test_facebook_has_the_link_in_the_text_of_a_picture():
    text = render("item", "facebook", title=TITLE, link=LINK, with_picture=True)

    assert text == f"{TITLE}\n\n{LINK}"


def test_facebook_s_limit_is_kept():
    text = compose(TITLE, "Word " * 20_000, LINK, [], network="facebook")

    assert 63_190 <= len(text) <= 63_206


def test_an_item_of_a_digest_carries_its_label():
    text = render("item", "x", title=TITLE, label="Update 120. 31 March 2007", teaser="Short.", link=LINK)

    assert text == f"{TITLE}\nUpdate 120. 31 March 2007\n\nShort.\n\n{LINK}"


def test_nothing_is_escaped():
    text = render("item", "x", title="Bread & <roses>", teaser='{{ title }} "quoted"', link="https://e.org/?a=1&b=2")

    assert text == 'Bread & <roses>\n\n{{ title }} "quoted"\n\nhttps://e.org/?a=1&b=2'


HEADLINES = ["Clean water at last", "The court hears the miners", "A school for Pampa Alta"]


def test_a_digest_lists_its_headlines():
    text = render("digest", "x", label="Update 120. 31 March 2007", headlines=HEADLINES, link=LINK)

    assert text == (
        "Update 120. 31 March 2007\n\n• Clean water at last\n• The court hears the miners\n"
        f"• A school for Pampa Alta\n\n{LINK}"
    )


def test_a_digest_of_many_items_counts_the_rest():
    text = render("digest", "x", label="Update 120. 31 March 2007", headlines=HEADLINES * 5, link=LINK)

    assert text == (
        "Update 120. 31 March 2007\n\n• Clean water at last\n• The court hears the miners\n"
        "• A school for Pampa Alta\n• Clean water at last\n• The court hears the miners\n"
        "• A school for Pampa Alta\n• Clean water at last\n• The court hears the miners\n… and 7 more\n\n"
        f"{LINK}"
    )
    assert weigh(text) <= 280


def test_what_cannot_be_made_to_fit_is_said():
    with pytest.raises(ValueError, match="at most 280"):
        compose(TITLE, "", "https://example.org/" + "a" * 5000, [], network="x")


@pytest.mark.parametrize(
    ("text", "limit", "shortened"),
    [
        ("It fits.", 8, "It fits."),
        ("One. Two three.", 14, "One."),
        ("One! “Two?” Three four.", 20, "One! “Two?”"),
        ("See Mr. Smith and others today", 20, "See Mr. Smith and…"),
        ("By A. Smith and many others", 15, "By A. Smith…"),
        ("It cost 3.50 and no more", 12, "It cost…"),
        ("e.g. this. Then that and more", 14, "e.g. this."),
        ("Wait... and see what comes", 15, "Wait... and…"),
        ("A heading\n\nand a paragraph below", 20, "A heading"),
        ("Two words, here", 11, "Two words…"),
        ("An (aside) and", 6, "An…"),
        ("Unbreakablewordhere", 10, "Unbreakab…"),
        ("Word", 1, ""),
        ("Word", 0, ""),
        ("https://example.org/water", 20, ""),
        ("See https://example.org/water for more", 33, "See https://example.org/water …"),
        ("See https://example.org/water for more", 20, "See…"),
        ("e\u0301" * 6, 6, "e\u0301e\u0301…"),
        ("👨‍👩‍👧👨‍👩‍👧", 9, "👨‍👩‍👧…"),
        ("🇬🇧🇵🇪🇬🇧", 4, "🇬🇧…"),
        ("👋🏽👋🏽", 3, "👋🏽…"),
        ("1\ufe0f\u20e32\ufe0f\u20e3", 5, "1\ufe0f\u20e3…"),
    ],
)
def test_a_text_is_shortened_where_a_reader_would(text, limit, shortened):
    assert shorten(text, limit, len) == shortened


PIECES = st.sampled_from(
    [
        "Water ",
        "ends. ",
        "é",
        "e\u0301",
        "👨‍👩‍👧",
        "🇵🇪",
        "👋🏽",
        "日本",
        " ",
        "\n\n",
        "“Yes.” ",
        "Dr. ",
        "(",
        "…",
        LINK,
        f" {LINK} ",
    ]
)


@settings(deadline=None)
@given(st.lists(PIECES, max_size=60).map("".join), st.integers(0, 60))
def test_a_shortened_text_is_whole_characters_and_whole_links(text, limit):
    short = shorten(text, limit, len)

    assert len(short) <= limit or short == text
    kept = short.removesuffix("…").rstrip() if short != text else text
    assert text.startswith(kept)
    boundaries = {0}
    for grapheme in iter_graphemes(text):
        boundaries.add(max(boundaries) + len(grapheme))
    assert len(kept) in boundaries
    assert not any(link.start() < len(kept) < link.end() for link in re.finditer(re.escape(LINK), text))
    assert unicodedata.is_normalized("NFC", short) or not unicodedata.is_normalized("NFC", text)
