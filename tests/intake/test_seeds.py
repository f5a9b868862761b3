"""The pages that the reader was made for: thirty items, each right in every field.

The pages belong to others and are not part of the project, so teasers stand here as their first and last
two words and the beginning of their SHA-256.
"""

from hashlib import sha256
from pathlib import Path

import pytest

from publisher import intake
from publisher.intake import ParsedItem, folder

# title, series, number, published_on, date_label, the teaser's first words, its last words, its SHA-256
EXPECTED = [
    (
        "2016 EITI Global Conference - Follow the Peru Support Group for ongoing coverage of the event",
        None,
        None,
        "2016-02-23",
        "23 February 2016",
        "The Extractive",
        "our Website.",
        "4b0ba8c0beecbefe",
    ),
    (
        "Las Bambas: community tension amid 'secret' presidential visit",
        None,
        None,
        "2016-02-20",
        "20 February 2016",
        "There is",
        "the land.",
        "47487242fd4f61c7",
    ),
    (
        "Oil spills alarm Amazon populations",
        None,
        None,
        "2016-02-20",
        "20 February 2016",
        "Peru’s 42-year",
        "17 February",
        "02e871abe3757318",
    ),
    (
        "Maxima Acuna faces new acts of harassment.",
        None,
        None,
        "2016-02-15",
        "15 February 2016",
        "On 10",
        "her family.",
        "d403370d6da69c71",
    ),
    (
        "Candidates opine on ILO 169",
        None,
        None,
        "2016-02-15",
        "15 February 2016",
        "When asked",
        "there should.",
        "6717b2dc011eaecd",
    ),
    (
        "Death of a great campaigner",
        None,
        None,
        "2016-02-15",
        "15 February 2016",
        "It is",
        "many years.",
        "1856e9cc95c2842e",
    ),
    (
        "Report criticises shortcomings in honouring Convention 169 commitments",
        None,
        None,
        "2016-02-15",
        "15 February 2016",
        "A report",
        "identifies recommendations.",
        "1bbcd4d6663320a8",
    ),
    (
        "Dodgy funding sources?",
        None,
        None,
        "2016-02-07",
        "07 February 2016",
        "Political parties",
        "outside Peru.",
        "7e2a60a05193d4f4",
    ),
    (
        "PSG 'presente' in EITI forum",
        None,
        None,
        "2016-02-07",
        "07 February 2016",
        "The Extractive",
        "in practice.",
        "29371453c93b6a81",
    ),
    (
        "Acuna under the spotlight, again",
        None,
        None,
        "2016-02-07",
        "07 February 2016",
        "Recently we",
        "for plagiarism.",
        "1fdaeeb1a60846bf",
    ),
    (
        "Scientific flaws in Amazonian mega river navigation project",
        None,
        None,
        "2019-03-05",
        "5 March 2019",
        "An interdisciplinary",
        "and ecosystems.",
        "6e89ba092699ad72",
    ),
    (
        "Coffee producers squeezed",
        None,
        None,
        "2019-03-05",
        "5 March 2019",
        "Coffee producers,",
        "cocaine paste.",
        "7f75547ca848a45e",
    ),
    (
        "Study recommends ending the use of police by extractive industries",
        None,
        None,
        "2019-03-05",
        "5 March 2019",
        "The Instituto",
        "in 1995.",
        "be3d6ca4c36db69c",
    ),
    (
        "IACHR session calls for effective protection for human rights defenders",
        None,
        None,
        "2019-03-05",
        "5 March 2019",
        "On 14",
        "crisis point.",
        "bc146c73200ac4c4",
    ),
    (
        "Odebrecht witnesses spill more beans on Peruvian bribes",
        None,
        None,
        "2019-02-24",
        "24 February 2019",
        "It has",
        "and municipal.",
        "4436d641bd7e7872",
    ),
    (
        "Government launches assault on illegal mining in Madre de Dios",
        None,
        None,
        "2019-02-24",
        "24 February 2019",
        "Last Tuesday,",
        "two years.",
        "41b0d243d4b710b7",
    ),
    (
        "Consultation opens on measures to apply new Law on Climate Change",
        None,
        None,
        "2019-02-24",
        "24 February 2019",
        "Seven national",
        "Amazon region.",
        "224b2071d961c645",
    ),
    (
        "Rains bring massive damage to southern Peru",
        None,
        None,
        "2019-02-16",
        "16 February 2019",
        "This year’s",
        "bridges) destroyed.",
        "d82f40f29bb1318f",
    ),
    (
        "Castillo's appointment a welcome change",
        None,
        None,
        "2019-02-16",
        "16 February 2019",
        "Cardinal Juan",
        "University (PUCP).",
        "a18b4078138280a1",
    ),
    (
        "Indefinite strike under way at La Corona, Cajamarca",
        None,
        None,
        "2019-02-10",
        "10 February 2019",
        "South African",
        "a solution.",
        "2c0630a9811db878",
    ),
    (
        "Setbacks for Reparations Process: Debate over Ojo que Llora Monument",
        "Update",
        119,
        "2007-01-31",
        "31 January 2007",
        "Since early",
        "'honour terrorists.'",
        "7aec58be2d7802e4",
    ),
    (
        "69 Congresspersons vote to support TRC Recommendations",
        "Update",
        119,
        "2007-01-31",
        "31 January 2007",
        "On the",
        "different party.",
        "7fa5034bcb5c3c9c",
    ),
    (
        "Cocaine Figures Up",
        "Update",
        118,
        "2006-11-30",
        "30 November 2006",
        "In its",
        "the ascendant.",
        "6c642d9b41c27a7f",
    ),
    (
        "Amnesty International Call for Urgent Action",
        "Update",
        118,
        "2006-11-30",
        "30 November 2006",
        "AI report",
        "at home.",
        "50af630f66134abd",
    ),
    (
        "Peruvian NGO attacked for promoting transparency",
        "Update",
        117,
        "2006-09-30",
        "30 September 2006",
        "A Peruvian",
        "high-level corruption.",
        "0ab541d54562db77",
    ),
    (
        "Protests at Peruís biggest goldmine",
        "Update",
        117,
        "2006-09-30",
        "30 September 2006",
        "At a",
        "social spending.",
        "53fc9f3b743f7900",
    ),
    (
        "British Council leave Peru",
        "Update",
        117,
        "2006-09-30",
        "30 September 2006",
        "In a",
        "29th September.",
        "ea0999054e43bacf",
    ),
    (
        "Ex-Ambassador appointed chairman of Monterrico Metals",
        "Update",
        117,
        "2006-09-30",
        "30 September 2006",
        "The British",
        "his appointment.",
        "9036fa7fa2b0944e",
    ),
    (
        "Montesinos sentenced to 20 years in prison",
        "Update",
        117,
        "2006-09-30",
        "30 September 2006",
        "Peru's former",
        "years ago.",
        "0ffb652f9421959f",
    ),
    (
        "US-Peruvian Free Trade Agreement",
        None,
        None,
        "2006-07-31",
        "31 July 2006",
        "US President",
        "this year.",
        "2f61711eefee7a06",
    ),
]
SECTIONS = ["PSG Aims", "Historical Overview", "Human Rights", "Why join the PSG?"]


def row(item: ParsedItem) -> tuple[object, ...]:
    words = item.teaser.split()
    return (
        item.title,
        item.series,
        item.number,
        str(item.published_on),
        item.date_label,
        " ".join(words[:2]),
        " ".join(words[-2:]),
        sha256(item.teaser.encode()).hexdigest()[:16],
    )


def test_the_pages_give_thirty_items_right_in_every_field(seeds: list[Path]) -> None:
    items = [item for file in folder.read(seeds[0].parent) if file.reading for item in file.reading.items]

    assert [row(item) for item in items] == EXPECTED
    assert {(item.byline, item.image_caption, item.link, item.body) for item in items} == {(None, None, None, "")}


def test_nine_are_numbered_and_twenty_one_are_not(seeds: list[Path]) -> None:
    numbers = [item.number for item in folder.merge(folder.read(seeds[0].parent)).items]

    assert sorted(n for n in numbers if n) == [117] * 5 + [118] * 2 + [119] * 2
    assert numbers.count(None) == 21


def test_their_standing_sections_are_kept_once_and_nothing_is_unread(seeds: list[Path]) -> None:
    reading = folder.merge(folder.read(seeds[0].parent))

    assert [section.title for section in reading.sections] == SECTIONS
    assert reading.unread == ()
    why_join = reading.sections[-1].body.split("\n\n")
    assert [line[:2] for line in why_join[0].split("\n")] == ["• ", "• ", "• "]
    assert why_join[1] == "Become a member"


def test_only_the_one_damaged_title_is_flagged(seeds: list[Path]) -> None:
    items = folder.merge(folder.read(seeds[0].parent)).items

    assert [(item.title, item.damage) for item in items if item.damage] == [
        (
            "Protests at Peruís biggest goldmine",
            ("The title looks damaged by an old encoding at “Peruís” (perhaps “Peru’s”).",),
        )
    ]


@pytest.mark.parametrize("joint", [b"", b"\n", b"\r\n\r\n"], ids=["nothing", "newline", "blank line"])
def test_the_pages_joined_into_one_give_the_same_items(seeds: list[Path], joint: bytes) -> None:
    joined = joint.join(path.read_bytes() for path in seeds)

    reading = intake.read(joined, address="file:///joined.txt")

    assert [row(item) for item in reading.items] == EXPECTED
    assert [section.title for section in reading.sections] == SECTIONS * 3
