"""Wordings are data with fixed fields; whatever stands in them, a post fits, and has its link whole and once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wcwidth import iter_graphemes

from publisher.networks import NETWORKS, network_class
from publisher.networks.text import check_wording, render, shorten
from publisher.networks.wording import KINDS, complaint, default

LINK = "https://example.org/the-link?from=update&n=120"
OTHER_LINK = "https://www.example.org/news/2007/03/clean-water-at-last"
NEWS = {"title": "Clean water at last", "teaser": "The court ruled. It is late.", "link": LINK, "hashtags": ["Peru"]}


def worded(wording: str, **more: Any) -> str:
    return render("item", "x", wording=wording, **{**NEWS, **more})


def test_a_wording_puts_the_fields_where_it_names_them() -> None:
    assert worded("Read on: {link} {hashtags}\n\n{title}. {teaser}") == (
        f"Read on: {LINK} #Peru\n\nClean water at last. The court ruled. It is late."
    )


def test_a_line_whose_fields_are_all_empty_is_left_out_with_its_words() -> None:
    wording = "{title}\nIn short: {teaser}\nTags: {hashtags} {label}\n{link}"

    assert worded(wording, teaser="", hashtags=[]) == f"Clean water at last\n{LINK}"
    assert worded(wording, teaser="", label="Update 120") == f"Clean water at last\nTags: #Peru Update 120\n{LINK}"


def test_a_fallback_stands_where_a_field_is_empty() -> None:
    assert worded("{title}\n{teaser|Read the whole of it.}\n{link}", teaser="") == (
        f"Clean water at last\nRead the whole of it.\n{LINK}"
    )


def test_a_value_that_looks_like_a_field_is_text() -> None:
    assert worded("{title}\n{link}", title="{teaser} {{ 7*7 }} {link}") == f"{{teaser}} {{{{ 7*7 }}}} {{link}}\n{LINK}"


def test_a_teaser_that_ends_with_the_post_s_own_link_does_not_show_it_twice() -> None:
    assert worded("{teaser}\n{link}", teaser=f"All of it stands at {LINK}") == f"All of it stands at\n{LINK}"


def test_a_network_that_takes_the_link_beside_the_text_gets_no_line_for_it() -> None:
    wording = "{title}\nRead on: {link}"

    assert render("item", "facebook", wording=wording, **NEWS) == "Clean water at last"
    assert render("item", "facebook", wording=wording, with_picture=True, **NEWS) == (
        f"Clean water at last\nRead on: {LINK}"
    )


def test_a_hashtag_that_stands_in_the_text_is_not_said_again() -> None:
    assert worded("{title} {hashtags}\n{link}", title="Water for #peru", hashtags=["Peru", "Perugia"]) == (
        f"Water for #peru #Perugia\n{LINK}"
    )
    long = "Water runs. " * 25 + "It is #Peru."
    assert worded("{teaser}\n{hashtags}\n{link}", teaser=long).endswith(f"runs.\n#Peru\n{LINK}")


def test_an_invitation_keeps_its_hashtag_whatever_gives_way() -> None:
    text = render("campaign", "x", title="Word " * 80, label="23 to 26 February 2016", hashtags=["EITI2016"])

    assert text.startswith("Follow #EITI2016, 23 to 26 February 2016\nWord Word")
    assert text.endswith("Word…")
    assert render("campaign", "x", title="On #EITI2016", label="May", hashtags=["EITI2016"]) == (
        "Follow #EITI2016, May\nOn #EITI2016"
    )


THERE_ARE = "there are {title}, {label}, {teaser}, {hashtags}, {link}."

TOUCHED = "{link} needs a blank or a new line before and after it: what touches a link becomes part of it."


@pytest.mark.parametrize(
    ("wording", "says"),
    [
        ("", "A wording needs words, or at least a field."),
        ("{titel} {link}", f"There is no field {{titel}} here: {THERE_ARE}"),
        ("{headlines} {link}", f"There is no field {{headlines}} here: {THERE_ARE}"),
        ("{{ title }} {link}", f"There is no field {{ title }} here: {THERE_ARE}"),
        ("{% if title %} {link}", f"There is no field {{% if title %}} here: {THERE_ARE}"),
        ("{title.__class__} {link}", f"There is no field {{title.__class__}} here: {THERE_ARE}"),
        ("{title {link}", f"A “{{” is left over: a field stands between two braces, and {THERE_ARE}"),
        ("{title} {link} }", f"A “}}” is left over: a field stands between two braces, and {THERE_ARE}"),
        ("{title\n} {link}", f"A “{{” is left over: a field stands between two braces, and {THERE_ARE}"),
        ("{link} {title} {link}", "{link} stands here more than once: once is enough."),
        ("({link})", TOUCHED),
        ("{title}{link}", TOUCHED),
        ("{title}\n{teaser}", "On X the link stands in the text: the wording needs a {link}."),
        ("a" * 190 + " {link}", "This leaves 66 of the 280 characters that X takes for the news itself: "
            "shorten it until 80 are left."),
    ],
)  # fmt: skip
def test_a_wording_that_cannot_work_is_refused_with_a_sentence(wording: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        check_wording(wording, "item", "x")


def test_where_the_link_stands_beside_the_text_a_wording_needs_none() -> None:
    check_wording("{title}\n{teaser}", "item", "facebook")


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("purpose", KINDS)
def test_the_house_s_own_wordings_are_accepted(purpose: str, network: str) -> None:
    check_wording(default(purpose, network), purpose, network)


GRAPHEMES = ("é", "e\u0301", "👨‍👩‍👧", "🇵🇪", "👋🏽", "日本", "1\ufe0f\u20e3", "ก็")
WORDS = ("Water ", "ends. ", " ", "\n\n", "“Yes.” ", "Dr. ", "(", "…", "{link}", "{title}", "\r\n", "#")
LINKS = (OTHER_LINK, f" {OTHER_LINK} ", f" {LINK} ", "example.org ")
PIECES = st.sampled_from(GRAPHEMES + WORDS + LINKS)
TEXTS = st.builds(lambda pieces, times: "".join(pieces) * times, st.lists(PIECES, max_size=15), st.sampled_from([1, 9]))
TAGS = st.lists(st.sampled_from(["Peru", "clean water", "EITI2016", "Perú", "水"]), max_size=8)
#: Fields and words of a wording, in any order; the link is put among them as staff have to.
PARTS = st.lists(
    st.sampled_from(["{title}", "{label}", "{teaser|…}", "{hashtags}", "Read:", "\n", "– ", "“"]), max_size=8
)
WORDINGS = st.one_of(
    st.none(), st.builds(lambda before, after: f"{' '.join(before)} {{link}}\n{''.join(after)}", PARTS, PARTS)
)


@settings(deadline=None, max_examples=40)
@given(TEXTS, TEXTS, TAGS, WORDINGS, st.sampled_from(list(NETWORKS)))
def test_a_post_fits_and_has_its_link_whole_and_once(
    title: str, teaser: str, tags: list[str], wording: str | None, network: str
) -> None:
    adapter = network_class(network)
    fields = {"title": title, "label": "Update 120", "teaser": teaser, "hashtags": tags, "link": LINK}

    text = render("item", network, wording=wording, with_picture=True, **fields)

    assert adapter.measure(text) <= adapter.limit
    assert text.split().count(LINK) == 1
    assert render("item", network, wording=wording, with_picture=True, **fields) == text


@settings(deadline=None, max_examples=40)
@given(TEXTS, st.sampled_from(list(NETWORKS)), st.integers(0, 300))
def test_what_is_shortened_has_no_cut_character_and_is_not_shortened_again(text: str, network: str, limit: int) -> None:
    measure = network_class(network).measure
    short = shorten(text, limit, measure)

    kept = short.removesuffix("…").rstrip() if short != text else text
    ends, at = {0}, 0
    for grapheme in iter_graphemes(text):
        at += len(grapheme)
        ends.add(at)
    assert text.startswith(kept)
    assert len(kept) in ends
    assert not any(link.start() < len(kept) < link.end() for link in re.finditer(r"https?://\S+", text))
    assert measure(short) <= limit
    assert shorten(short, limit, measure) == short


def test_braces_are_the_only_thing_a_wording_may_not_say() -> None:
    assert complaint("<b>{title}</b> & %s $x #{label} {link}", "item") is None
