"""What holds for every page, whatever stands on it."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from publisher import intake
from publisher.intake import NotReadable, Reading, dates, fetch, labels, lines, listing

WORDS = st.text(alphabet="abc ABC.!?éñ’•-*()\u00a0/|:,&", min_size=1, max_size=40)
DATES = st.sampled_from(
    ["31 March 2007", "June / July 2009", "Update 120. 31 March 2007", "UPDATE 098. 31 June 2003", "Aug - Sep 12"]
)
LINES = st.builds(
    lambda indent, bullet, text, end: f"{indent}{bullet}{text}{end}",
    st.sampled_from(["", "  ", "    ", "\t"]),
    st.sampled_from(["", "", "• ", "* ", "- "]),
    st.one_of(
        WORDS, DATES, st.sampled_from(["(By Rosa Vega)", "Photo: A dam", "Read more", "Our aims", "Long text. " * 30])
    ),
    st.sampled_from(["\n", "\n\n", "\r\n"]),
)
PAGES = st.lists(LINES, min_size=1, max_size=30).map("".join)
TAGS = st.sampled_from(
    ["<ul>", "<li>", "</li>", "</ul>", "<p>", "</p>", "<h2>", "</h2>", "<br>", "<a href='x'>", "</a>", "<table>",
     "<tr>", "<td>", "</table>", "<article class='h-entry'>", "</article>", "<b class='p-name'>", "<i class='label'>",
     "<img src='x'>", "<!--", "<nav>"]
)  # fmt: skip
MARKUP = st.lists(st.one_of(TAGS, WORDS, DATES), min_size=1, max_size=40).map(lambda parts: "<html>" + "".join(parts))


def read_or_refuse(content: bytes, kind: str | None = None) -> Reading | None:
    try:
        return intake.read(content, address="https://example.org/", kind=kind)
    except NotReadable:
        return None


@given(st.binary(max_size=400), st.sampled_from([None, *intake.KINDS]))
def test_bytes_of_any_kind_are_read_or_refused(content: bytes, kind: str | None) -> None:
    read_or_refuse(content, kind)


@given(st.text(max_size=300), st.sampled_from([None, *intake.KINDS]))
def test_text_of_any_kind_is_read_or_refused(text: str, kind: str | None) -> None:
    read_or_refuse(text.encode("utf-8", "surrogatepass"), kind)


@given(MARKUP)
def test_markup_of_any_kind_is_read_or_refused(text: str) -> None:
    read_or_refuse(text.encode())


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_of_any_shape_is_read_or_refused(answer: object) -> None:
    read_or_refuse(json.dumps([{"title": answer, "date": answer, "_embedded": answer}]).encode(), "wordpress")


@given(PAGES)
def test_a_page_read_twice_says_the_same(text: str) -> None:
    assert read_or_refuse(text.encode()) == read_or_refuse(text.encode())


def words_of(text: str | None) -> set[str]:
    return set(re.findall(r"[^\W_]+", (text or "").lower()))


def told(reading: Reading) -> set[str]:
    """Every word that a reading tells: in an item, a section, what is unread, or what is flagged."""
    found: set[str] = set()
    for item in reading.items:
        found |= words_of(f"{item.title} {item.teaser} {item.byline} {item.image_caption} {' '.join(item.damage)}")
        found |= words_of(f"{item.date_label} {item.series} {item.number} {(item.number or 0):03d}")
    for section in reading.sections:
        found |= words_of(section.title) | words_of(section.body)
    for one in reading.unread:
        found |= words_of(one.text)
    return found


@given(PAGES)
def test_every_line_of_a_listing_is_accounted_for(text: str) -> None:
    printed = lines.of_text(text)
    if not printed:
        return

    reading = listing.read_lines(printed)

    for line in printed:
        assert words_of(line.text) <= told(reading), line


@given(st.text(max_size=120))
def test_any_line_is_a_date_line_or_not(text: str) -> None:
    label = labels.read(text)

    assert label is None or label.published_on or label.problem
    assert dates.read(text) is None or label is not None


@given(st.text(max_size=60))
def test_any_address_is_parsed_or_refused(address: str) -> None:
    try:
        url = fetch.parse(address)
    except fetch.FetchRefused:
        return
    assert url.scheme in ("http", "https")
    assert "@" not in url.netloc
