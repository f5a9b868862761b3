"""RSS and Atom."""

import random
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from publisher.intake import NotReadable, ParsedItem, Reading

Page = Callable[..., Reading]

RSS = """<?xml version="1.0" encoding="UTF-8"?>
<!-- made by hand -->
<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>River news</title>
<item><title>Dam &amp; river: who&#8217;s who</title><link>/dam</link><guid isPermaLink="false">tag:1</guid>
<pubDate>Sat, 31 Mar 2007 23:30:00 -0500</pubDate><dc:creator>Rosa Vega</dc:creator>
<description>&lt;p&gt;It rained.&lt;/p&gt;&lt;p&gt;A lot [&amp;hellip;]&lt;/p&gt;
&lt;p&gt;The post Dam appeared first on River news.&lt;/p&gt;</description>
<content:encoded><![CDATA[<p>It rained.
<script>alert(1)</script><a href="/more">More</a> about <!DOCTYPE html>.</p>]]></content:encoded>
<category>Rivers</category><category>EITI2016</category><category>Rivers</category>
<media:content url="/dam.jpg" medium="image"/></item>
<item><title>Road</title><description>Open.</description></item>
<item><description>No title.</description><guid>tag:3</guid></item>
</channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>River news</title>
<entry><title type="text">2 &lt; 3</title><id>urn:1</id><link href="https://news.example.org/1"/>
<published>2007-03-31T01:00:00+02:00</published><author><name>Rosa Vega</name></author>
<content type="html">&lt;p&gt;First.&lt;/p&gt;&lt;p&gt;Second.&lt;/p&gt;</content></entry></feed>"""


def test_an_rss_item_is_read_with_its_text_link_picture_and_day(page: Page) -> None:
    assert page(RSS).items[0] == ParsedItem(
        title="Dam & river: who’s who",
        teaser="It rained.\n\nA lot…",
        published_on=date(2007, 3, 31),
        date_label="31 March 2007",
        series=None,
        number=None,
        byline="Rosa Vega",
        image_caption=None,
        link="https://news.example.org/dam",
        body='<p>It rained.\n<a href="https://news.example.org/more" rel="noopener noreferrer">More</a> about .</p>',
        image_url="https://news.example.org/dam.jpg",
        tags=("Rivers", "EITI2016"),
        guid="tag:1",
    )


def test_an_item_without_a_date_is_flagged_and_one_without_a_title_reported(page: Page) -> None:
    reading = page(RSS)

    assert [(item.title, item.teaser, item.damage) for item in reading.items[1:]] == [
        ("Road", "Open.", ("The feed gives no date.",))
    ]
    assert [(one.line, one.text, one.why) for one in reading.unread] == [(3, "tag:3", "Entry 3 has no title.")]


def test_an_atom_entry_is_read_with_its_first_paragraph_as_teaser(page: Page) -> None:
    item = page(ATOM).items[0]

    assert (item.title, item.teaser, item.byline, item.guid) == ("2 < 3", "First.", "Rosa Vega", "urn:1")
    assert (item.published_on, item.body) == (date(2007, 3, 31), "<p>First.</p><p>Second.</p>")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_a_feed_is_read_in_the_encoding_that_it_declares(page: Page, encoding: str) -> None:
    rss = "<rss version='2.0'><channel><item><title>Mañana</title></item></channel></rss>"
    xml = f'<?xml version="1.0" encoding="{encoding}"?>{rss}'

    assert [item.title for item in page(xml.encode(encoding)).items] == ["Mañana"]


LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
BODY = "<rss version='2.0'><channel><item><title>&a9;&x;</title></item></channel></rss>"


@pytest.mark.parametrize(
    "prolog",
    [
        f'<!DOCTYPE rss [<!ENTITY a0 "ha">{LAUGHS}]>',
        '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE rss [<!ENTITY x SYSTEM "http://127.0.0.1/">]>',
        '<!DOCTYPE rss [<!ENTITY % p SYSTEM "http://127.0.0.1/x.dtd"> %p;]>',
        '<!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://example.org/rss.dtd">',
        "<!doctype rss>",
        '<!-- <![CDATA[ --><!DOCTYPE rss [<!ENTITY x "y">]><!-- ]]> -->',
        "<?x <!-- ?><!DOCTYPE rss><?x --> ?>",
        '<!-- <!DOCTYPE rss [<!ENTITY x "y">]>',
    ],
    ids=[
        "billion laughs",
        "file",
        "http",
        "parameter",
        "public",
        "lower case",
        "hidden by CDATA",
        "hidden by a PI",
        "open comment",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_types_and_entities_are_refused(page: Page, prolog: str, encoding: str) -> None:
    with pytest.raises(NotReadable, match="DTD"):
        page(f'<?xml version="1.0" encoding="{encoding}"?>{prolog}{BODY}'.encode(encoding))


def test_content_that_names_a_file_is_not_that_file(page: Page, tmp_path: Path) -> None:
    (tmp_path / "secret.xml").write_text(ATOM)

    with pytest.raises(NotReadable, match="no RSS or Atom feed"):
        page(str(tmp_path / "secret.xml"), kind="feed")


def test_a_feed_without_end_is_refused(page: Page) -> None:
    with pytest.raises(NotReadable, match="more than 5000 entries"):
        page("<rss version='2.0'><channel>" + "<item><title>x</title></item>" * 5001 + "</channel></rss>")


def test_a_million_open_comments_take_no_time(page: Page) -> None:
    assert page("<rss version='2.0'>" + "<!--" * 1_000_000).items == ()


def test_a_thousand_broken_feeds_are_read_or_refused(page: Page) -> None:
    chance = random.Random(7)
    outcomes = set()
    for _ in range(1000):
        content = bytearray(chance.choice([RSS, ATOM]).encode())
        for _ in range(chance.randint(1, 30)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        try:
            outcomes.add(page(bytes(content[: chance.randint(20, len(content))]), kind="feed").kind)
        except NotReadable:
            outcomes.add("refused")

    assert outcomes == {"feed", "refused"}
