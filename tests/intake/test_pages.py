"""Listings as HTML: the same items, whatever the markup."""

from collections.abc import Callable
from datetime import date

import pytest

from publisher.intake import ParsedItem, ParsedSection, Reading

Page = Callable[..., Reading]

LIST = """
<ul><li><h3><a href="dam">Dam is full</a></h3><p>Update 120. 31 March 2007</p><p>It <b>rained</b>.</p><p>A lot.</p></li>
<li><h3><a href="/road">Road is open</a></h3><p>June / July 2009</p><p>(Rosa Vega)</p><p>At last:</p>
<ul><li>cars</li><li>buses</li></ul></li></ul>"""
DIVS = """
<h1>News</h1><div><h2><a href="dam">Dam is full</a></h2><div class="meta">Update 120. 31 March 2007</div>
<div>It <b>rained</b>.<br><br>A lot.</div></div><div><h2><a href="/road">Road is open</a></h2>
<span class="date">June / July 2009</span><p>(Rosa Vega)</p><p>At last:</p><ul><li>cars<li>buses</ul></div>"""
ROWS = """
<table><tr><th>News</th><th>Date</th><th>Text</th></tr>
<tr><td><a href="dam">Dam is full</a></td><td>Update 120. 31 March 2007</td><td><p>It rained.<p>A lot.</td></tr>
<tr><td><a href="/road">Road is open</a></td><td>June / July 2009</td><td>(Rosa Vega)<br><br>At last:
<ul><li>cars</li><li>buses</li></ul></td></tr></table>"""
DATE_FIRST = """
<table><tr><td>Update 120. 31 March 2007</td><td><a href="dam">Dam is full</a></td><td><p>It rained.<p>A lot.</td></tr>
<tr><td>June / July 2009</td><td><a href="/road">Road is open</a></td><td><p>(Rosa Vega)<p>At last:
<ul><li>cars</li><li>buses</li></ul></td></tr></table>"""
ARTICLES = """
<article><h2><a href="dam">Dam is full</a></h2><time datetime="2007-03-31">Update 120. 31 March 2007</time>
<p>It rained.</p><p>A lot.</p></article>
<article><h2><a href="/road">Road is open</a></h2><time>June / July 2009</time><p class="byline">Rosa Vega</p>
<p>At last:</p>
<ul><li>cars</li><li>buses</li></ul></article>"""
PLAIN = """
<p><strong><a href="dam">Dam is full</a></strong><br>Update 120. 31 March 2007<br>It rained.</p><p>A lot.</p>
<p><strong><a href="/road">Road is open</a></strong><br>June / July 2009<br>(Rosa Vega)</p><p>At last:</p>
<ul><li>cars</li><li>buses</li></ul>"""


@pytest.mark.parametrize("markup", [LIST, DIVS, ROWS, DATE_FIRST, ARTICLES, PLAIN])
def test_the_same_news_in_any_markup_gives_the_same_items(page: Page, markup: str) -> None:
    reading = page(f"<!doctype html><html><head><title>News</title></head><body>{markup}</body></html>")

    assert [
        (i.title, i.series, i.number, i.published_on, i.date_label, i.byline, i.teaser, i.link) for i in reading.items
    ] == [
        (
            "Dam is full", "Update", 120, date(2007, 3, 31), "31 March 2007", None,
            "It rained.\n\nA lot.", "https://news.example.org/archive/dam",
        ),
        (
            "Road is open", None, None, date(2009, 7, 31), "June / July 2009", "Rosa Vega",
            "At last:\n\n• cars\n• buses", "https://news.example.org/road",
        ),
    ]  # fmt: skip


def test_title_and_date_on_one_line_are_parted_where_the_title_is_a_link(page: Page) -> None:
    reading = page(
        '<ul><li><a href="a">One</a> – 31 March 2007</li><li><a href="b">Two</a> (28 Feb 2007)<p>Text.</p></li></ul>'
    )

    assert [(i.title, i.date_label, i.teaser) for i in reading.items] == [
        ("One", "31 March 2007", ""),
        ("Two", "28 Feb 2007", "Text."),
    ]


def test_a_picture_gives_its_address_alt_text_and_caption(page: Page) -> None:
    reading = page(
        '<ul><li><figure><img src="../dam.jpg" alt="A dam"><figcaption>The dam in May</figcaption></figure>'
        "<h3>Dam is full</h3><p>31 March 2007</p><p>It rained.</p></li></ul>"
    )

    item = reading.items[0]
    assert (item.title, item.image_caption, item.image_alt) == ("Dam is full", "The dam in May", "A dam")
    assert item.image_url == "https://news.example.org/dam.jpg"


def test_the_frame_of_a_page_is_no_news(page: Page) -> None:
    reading = page(
        '<body><header>Group</header><nav><ul><li><a href="/">Home</a></li><li><a href="/n">News</a></li></ul></nav>'
        f"{LIST}<h2>Our aims</h2><p>To help.</p>"
        "<h2>Why join?</h2><ul><li>News</li><li>Friends</li></ul><p>Join today</p>"
        '<div class="pagination"><a href="?2">Next</a></div><footer>© Group 2009</footer><script>31 March 2007</script>'
    )

    assert [item.title for item in reading.items] == ["Dam is full", "Road is open"]
    assert [(section.title, section.body) for section in reading.sections] == [
        ("Our aims", "To help."),
        ("Why join?", "• News\n• Friends\n\nJoin today"),
    ]
    assert reading.unread == ()


def test_a_page_that_calls_itself_a_menu_is_still_read(page: Page) -> None:
    reading = page(f'<div id="menu-content">{LIST}</div>')

    assert [item.title for item in reading.items] == ["Dam is full", "Road is open"]


@pytest.mark.parametrize("href", ["javascript:alert(1)", "mailto:a@example.org", "http://[bad", "data:text/html,x", ""])
def test_only_web_addresses_are_links(page: Page, href: str) -> None:
    reading = page(f'<ul><li><h3><a href="{href}">One</a></h3><p>31 March 2007</p></li></ul>')

    assert [(item.title, item.link) for item in reading.items] == [("One", None)]


ENTRY = """
<article class="h-entry">
  <h2 class="p-name"><a class="u-url" href="/archive/120#dam">Dam is full.</a></h2>
  <p class="label"><a class="u-uid" href="https://news.example.org/archive/120/dam">Update 120.
  <time class="dt-published" datetime="2007-03-31">31 March 2007</time></a></p>
  <p class="p-author">By Rosa Vega</p>
  <figure><img src="/media/dam.jpg" alt="A dam"><figcaption>The dam in May</figcaption></figure>
  <div class="p-summary">
    <p>It rained,  and rained:
       for days.</p>
    <p>Tuesday<br>Wednesday</p>
    <ul><li>one</li><li>two</li></ul>
  </div>
  <div class="e-content"><p>All &amp; <a href="/more">more</a><script>x</script></p></div>
</article>"""


def test_an_h_entry_is_read_exactly(page: Page) -> None:
    reading = page(f"<body><h1>Update 120</h1><p>31 March 2007</p>{ENTRY}<p>Postal address</p></body>")

    assert reading == Reading(
        items=(
            ParsedItem(
                title="Dam is full.",
                teaser="It rained,  and rained: for days.\n\nTuesday\nWednesday\n\n• one\n• two",
                published_on=date(2007, 3, 31),
                date_label="31 March 2007",
                series="Update",
                number=120,
                byline="By Rosa Vega",
                image_caption="The dam in May",
                link="https://news.example.org/archive/120#dam",
                body='<p>All &amp; <a href="https://news.example.org/more" rel="noopener noreferrer">more</a></p>',
                image_url="https://news.example.org/media/dam.jpg",
                image_alt="A dam",
                guid="https://news.example.org/archive/120/dam",
                line=2,
            ),
        ),
        sections=(),
        unread=(),
        kind="listing",
    )


def test_an_h_entry_keeps_a_date_that_does_not_exist_as_printed(page: Page) -> None:
    reading = page(
        '<div class="h-entry"><b class="p-name">A</b><span class="label">Update 121. 31 June 2007</span></div>'
    )

    item = reading.items[0]
    assert (item.title, item.number, item.date_label, item.published_on) == ("A", 121, "31 June 2007", None)
    assert item.damage == ("The date “31 June 2007” does not exist.",)


def test_an_h_entry_without_a_date_beside_a_good_one_is_reported(page: Page) -> None:
    reading = page(f'{ENTRY}<div class="h-entry"><b class="p-name">Lost</b></div>')

    assert [item.title for item in reading.items] == ["Dam is full."]
    assert [(one.text, one.why) for one in reading.unread] == [
        ("Lost", "It is marked up as an entry, but has no title or no date.")
    ]


def test_a_theme_that_calls_the_whole_page_an_entry_is_read_as_a_listing(page: Page) -> None:
    reading = page(f'<div class="hentry page"><h1 class="entry-title">News</h1>{LIST}</div>')

    assert [item.title for item in reading.items] == ["Dam is full", "Road is open"]


def test_sections_stand_in_html_as_in_text(page: Page) -> None:
    reading = page(f"{LIST}<h2>Our aims</h2><p>To help.</p>")

    assert reading.sections == (ParsedSection("Our aims", "To help.", 4),)
