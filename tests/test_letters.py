"""The letter that members receive: what stands in it, how it looks to a mail program, and what cannot get in."""

import os
import quopri
from dataclasses import replace
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from publisher import colours, letters
from publisher.intake import read
from publisher.letters import Edition, Entry, Letter, Section, problems, render, render_mail
from publisher.merge import unknown_fields
from tests.letters_editions import BARE, ENTRIES, FORTY, LABEL, UPDATE_120
from tests.letters_reading import as_drawn, headings, links, parse, words

GOLDEN = Path(__file__).parent / "golden"

CORRECTION = replace(UPDATE_120, corrects="Update 120", label="4 April 2007", entries=ENTRIES[:1])
CONFIRM = {
    "organisation": "Alto Verde Support Group",
    "publication": "Update",
    "confirm_url": "https://altoverde.example/confirm/4k2-Zq",
}

# Pale yellow swallows white text, black is lost on a dark page, the third needs help on both.
ACCENTS = ("#8a1c1c", "#ffe680", "#000000", "#ffffff", "#777777", "#0057b8")

PLAIN_TAGS = set("body div table tbody tr td p h1 h2 a em br img ul li".split())  # noqa: SIM905  a list of words

SENTENCE = "The court has ordered work on the dam to stop until the villages upstream are consulted. "


def every_letter(accent: str = "#8a1c1c") -> dict[str, Letter]:
    editions = {"update": UPDATE_120, "bare": BARE, "forty": FORTY, "correction": CORRECTION}
    made = {name: render(replace(edition, accent=accent)) for name, edition in editions.items()}
    return made | {"confirm": render_mail("confirm", accent=accent, **CONFIRM)}


def with_entry(**changes: object) -> Letter:
    return render(replace(BARE, entries=(replace(ENTRIES[0], **changes),)))


@pytest.mark.parametrize(("part", "ending"), [("html", "html"), ("text", "txt")])
def test_update_120_is_what_was_looked_at(part: str, ending: str) -> None:
    """Whole mails, read as diffs in review. PUBLISHER_UPDATE_GOLDEN=1 writes them anew."""
    golden = GOLDEN / f"update-120.{ending}"
    made = getattr(render(UPDATE_120), part)
    if os.environ.get("PUBLISHER_UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(made, encoding="utf-8")
    assert made == golden.read_text(encoding="utf-8")


def test_the_subject_is_the_label_and_the_organisation_where_both_fit() -> None:
    long = "Society of the Friends of the Highland and Lowland Valleys of Alto Verde"
    assert render(UPDATE_120).subject == f"{LABEL} – Alto Verde Support Group"
    assert render(replace(UPDATE_120, organisation=long)).subject == LABEL
    assert render(replace(UPDATE_120, label="Update 120.\r\nBcc: x@y.example")).subject.splitlines() == [
        "Update 120. Bcc: x@y.example – Alto Verde Support Group"
    ]


def test_a_correction_says_what_it_corrects() -> None:
    letter = render(CORRECTION)
    assert letter.subject == "Correction to Update 120 – Alto Verde Support Group"
    assert headings(letter)[0] == "Correction to Update 120"
    assert letter.text.startswith("Alto Verde Support Group: Correction to Update 120\n4 April 2007\n")


@pytest.mark.parametrize("name", every_letter())
def test_every_heading_and_link_stands_in_the_text_too(name: str) -> None:
    letter = every_letter()[name]
    assert [heading for heading in headings(letter) if heading not in words(letter.text)] == []
    assert [link for link in links(letter) if link not in letter.text.split()] == []


def test_the_text_breaks_lines_but_never_a_link_or_a_field() -> None:
    link = "https://altoverde.example/" + "a-long-way-" * 12
    introduction = f"{'Good morning ' * 5}{{first_name|dear friend of the valleys}}, it has rained."
    text = render(
        replace(UPDATE_120, introduction=introduction, entries=(Entry("Rain", LABEL, SENTENCE * 3, more_url=link),))
    ).text
    assert "{first_name|dear friend of the valleys}" in text
    assert f"Read more: {link}" in text
    assert [line for line in text.splitlines() if len(line) > 76 and link not in line] == []


def test_the_text_reads_as_a_listing_with_the_same_items() -> None:
    reading = read(render(UPDATE_120).text.encode(), address="update-120.txt")
    assert [(item.title, f"{item.series} {item.number}. {item.date_label}", item.byline) for item in reading.items] == [
        (entry.title, entry.label, entry.byline) for entry in ENTRIES
    ]
    assert [item.teaser.partition("\n\nRead more: ")[0] for item in reading.items] == [
        entry.teaser for entry in ENTRIES
    ]
    assert [section.title for section in reading.sections][:2] == ["Our aims", "Why join the Support Group?"]


def test_merge_fields_of_the_letter_survive_as_they_are() -> None:
    letter = render(UPDATE_120)
    for part in (letter.html, letter.text):
        assert part.count("{first_name|friend}") == 1
        assert part.count("{unsubscribe_url}") == 1
        assert part.count("{view_url}") == 1
        assert unknown_fields(part) == ()


def test_hostile_text_is_only_text() -> None:
    hostile = '<script>alert("1")</script> & {{ 7*7 }} {% raw %} </td></mj-table> <!-- \x00\x0b ]]>'
    shown = '<script>alert("1")</script> & {{ 7*7 }} {% raw %} </td></mj-table> <!-- ]]>'
    address = "https://a.example/\"'<b>"
    letter = render(
        replace(
            UPDATE_120,
            organisation=hostile,
            label=hostile,
            introduction=hostile,
            join_label=hostile,
            postal_address=hostile,
            entries=(Entry(hostile, hostile, hostile, byline=hostile, image_url=address, image_alt=hostile),),
            sections=(Section(hostile, f"{hostile}\n\n• {hostile}"),),
        )
    )
    page = parse(letter)
    assert list(page.iter("script", "b")) == []
    assert {words(each.text_content()) for each in page.iter("h1", "h2")} == {shown}
    assert [words(image.get("alt")) for image in page.iter("img")] == [shown]
    assert words(letter.text).count(shown) == 14
    assert problems(letters.markup("update", context_of(UPDATE_120))) == []


def test_no_sign_is_lost_on_the_way_through_mrml() -> None:
    odd = "C:\\news e\u0301 👩\u200d🌾 10\u00a0km {a} soft\u00adhyphen"
    letter = with_entry(title=odd, image_alt=odd, more_url=f"https://a.example/?q=C:\\{odd[8:10]}")
    page = parse(render(replace(UPDATE_120, label=odd)))
    assert page.xpath("string(//title)") == f"{words(odd)} – Alto Verde Support Group"
    assert page.xpath("//@aria-label") == [f"{words(odd)} – Alto Verde Support Group"]
    assert parse(letter).xpath("//h2")[0].text_content() == odd
    assert parse(letter).xpath("//img/@alt") == [words(odd)]
    assert "https://a.example/?q=C:\\e\u0301" in links(letter)


def test_a_merge_field_in_an_items_text_is_never_filled() -> None:
    """Else a feed could print each member's own way out, or have it sent to its server by a click."""
    text = "Write {first_name|friend}, {unsubscribe_url}. {A set} of {braces}."
    spy = "https://spy.example/?u={unsubscribe_url}"
    letter = with_entry(title=text, teaser=text, more_url=spy, image_url=spy, image_caption=text)
    assert letter.html.count("{unsubscribe_url}") == letter.text.count("{unsubscribe_url}") == 1  # the letter's own
    assert "{first_name" not in letter.html + letter.text
    assert words(parse(letter).xpath("//h2")[0].text_content()) == text
    assert words(letter.text).count(text.replace("{first", "{\u2060first").replace("{unsub", "{\u2060unsub")) == 2
    assert "https://spy.example/?u=%7Bunsubscribe_url%7D" in links(letter)


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//spy.example", "http://[spy", ""]
)
def test_only_web_addresses_become_links(address: str) -> None:
    letter = with_entry(more_url=address, image_url=address)
    assert set(links(letter)) == {
        "https://altoverde.example",
        "https://altoverde.example/update/",
        "https://altoverde.example/preferences/",
        "{view_url}",
        "{unsubscribe_url}",
    }
    assert list(parse(letter).iter("img")) == []
    assert "Read more" not in letter.html + letter.text


def test_an_item_without_a_link_has_no_read_more() -> None:
    assert render(UPDATE_120).html.count("Read more") == render(UPDATE_120).text.count("Read more") == 4
    assert render(BARE).html.count("Read more") == 0


def test_an_empty_introduction_and_no_sections_leave_no_gap() -> None:
    full, bare = render(UPDATE_120), render(BARE)
    assert headings(full) == [LABEL, *(entry.title for entry in ENTRIES), "Our aims", "Why join the Support Group?"]
    assert headings(bare) == [LABEL, "Dates for your diary"]
    assert "Become a member" not in bare.html + bare.text
    assert "\n\n\n" not in full.text + bare.text


@pytest.mark.parametrize("name", every_letter())
def test_every_mail_names_its_language_and_itself(name: str) -> None:
    letter = every_letter()[name]
    page = parse(letter)
    assert page.get("lang") == "en"
    assert page.xpath("string(//title)") == letter.subject
    assert page.xpath("//meta[@name='color-scheme']/@content") == ["light dark"]
    assert page.xpath("//meta[@name='supported-color-schemes']/@content") == ["light dark"]
    assert page.xpath("//table[not(@role='presentation')]") == []


@pytest.mark.parametrize("name", every_letter())
def test_a_mail_holds_nothing_that_acts_or_loads(name: str) -> None:
    page = parse(every_letter()[name])
    body = {each.tag for each in page.body.iter() if isinstance(each.tag, str)}
    assert body - PLAIN_TAGS == set()
    assert {each.tag for each in page.head.iter() if isinstance(each.tag, str)} == {"head", "title", "meta", "style"}
    assert {name for each in page.iter() for name in each.attrib if name.startswith("on")} == set()
    assert "@import" not in every_letter()[name].html
    assert "position:" not in every_letter()[name].html


@pytest.mark.parametrize("name", every_letter())
def test_every_picture_has_its_words_and_its_size(name: str) -> None:
    pictures = list(parse(every_letter()[name]).iter("img"))
    assert [image for image in pictures if not all(image.get(each) for each in ("alt", "width", "height"))] == []


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ((1200, 800), ("536", "357")),
        ((800, 1600), ("200", "400")),
        ((90, 60), ("90", "60")),
        ((None, None), ("536", None)),
    ],
)
def test_a_picture_keeps_its_shape_and_is_never_enlarged(stored: tuple, shown: tuple) -> None:
    (image,) = parse(with_entry(image_width=stored[0], image_height=stored[1])).iter("img")
    assert (image.get("width"), image.get("height")) == shown


@pytest.mark.parametrize("scheme", ["light", "dark", "outlook"])
@pytest.mark.parametrize("accent", ACCENTS)
def test_every_word_can_be_read_on_its_ground(accent: str, scheme: str) -> None:
    drawn = [each for letter in every_letter(accent).values() for each in as_drawn(letter, scheme)]
    assert {each.background for each in drawn} >= {
        getattr(colours, "light" if scheme == "light" else "dark")(accent).page
    }
    assert [each for each in drawn if colours.contrast(each.colour, each.background) < colours.READABLE] == []


def test_a_colour_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a colour"):
        render(replace(UPDATE_120, accent="red;background:url(https://spy.example)"))


def test_forty_items_stay_below_the_size_at_which_mails_are_cut() -> None:
    """Gmail cuts a mail at 102 kB as it was transferred; a teaser of 400 letters is longer than most."""
    edition = replace(FORTY, entries=tuple(replace(each, teaser=SENTENCE * 5) for each in FORTY.entries))
    assert len(edition.entries) == 40
    assert len(quopri.encodestring(render(edition).html.encode())) < 80_000


def test_inboxes_show_the_first_headlines_behind_the_subject() -> None:
    (preview,) = parse(render(UPDATE_120)).xpath("//div[contains(@style, 'display:none')]")
    assert preview.text_content() == (
        "Court halts dam on the Río Claro · Coffee growers open their own mill ·"
        " Teachers’ strike enters its fifth week · Dates for your diary · …"
    )


def test_the_confirmation_holds_one_link_and_no_way_out_of_nothing() -> None:
    letter = render_mail("confirm", **CONFIRM)
    assert letter.subject == "Please confirm that you want Update from Alto Verde Support Group"
    assert links(letter) == [CONFIRM["confirm_url"]]
    assert "{" not in letter.text


def test_a_mail_that_lacks_a_value_is_not_made() -> None:
    with pytest.raises(UndefinedError, match="confirm_url"):
        render_mail("confirm", organisation="Alto Verde Support Group", publication="Update")


def context_of(edition: Edition) -> dict[str, object]:
    return {
        "edition": edition,
        "subject": edition.subject,
        "language": "en",
        "light": colours.light(edition.accent),
        "dark": colours.dark(edition.accent),
    }


@pytest.mark.parametrize("edition", [UPDATE_120, BARE, FORTY, CORRECTION])
def test_the_templates_use_only_what_mjml_knows(edition: Edition) -> None:
    assert problems(letters.markup("update", context_of(edition))) == []
    assert problems(letters.markup("confirm", CONFIRM | context_of(edition))) == []


def test_what_mrml_swallows_in_silence_is_named() -> None:
    mail = letters.markup("update", context_of(BARE))
    line = mail[: mail.index('<mj-section padding="24')].count("\n") + 1
    assert problems(mail.replace('<mj-section padding="24', '<mj-section pading="24')) == [
        f"line {line}: <mj-section> has no attribute 'pading'"
    ]
    assert problems("<mjml><mj-body><mj-section><mj-txt /></mj-section></mj-body></mjml>") == [
        "line 1: <mj-txt> does not belong in <mj-section>"
    ]
    assert problems("<mjml><mj-body><mj-table /></mj-body></mjml>") == [
        "line 1: <mj-table> does not belong in <mj-body>"
    ]
    assert problems(
        "<mjml><mj-head><mj-attributes><mj-all colour='red' /><mj-txt /></mj-attributes></mj-head></mjml>"
    ) == [
        "line 1: <mj-all> has no attribute 'colour'",
        "line 1: <mj-txt> does not belong in <mj-attributes>",
    ]
    assert problems("<mjml><mj-head><mj-raw><script>x</script></mj-raw></mj-head></mjml>") == [
        "line 1: <script> is not among the HTML that our mails use"
    ]
    assert problems("<mjml><mj-head>") != []
