"""The REST answers of a WordPress site."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from publisher.intake import NotReadable, ParsedItem, Reading

Page = Callable[..., Reading]


def post(**changes: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "date": "2007-03-31T23:30:00",
        "date_gmt": "2007-04-01T04:30:00",
        "guid": {"rendered": "https://news.example.org/?p=7"},
        "status": "publish",
        "link": "https://news.example.org/dam/",
        "title": {"rendered": "Dam &amp; river: who&#8217;s <em>who</em>"},
        "excerpt": {"rendered": "<p>It rained. A lot [&hellip;]</p>\n"},
        "content": {
            "rendered": '<p>It rained.</p><iframe src="https://example.com"></iframe><p><a href="../x">More</a></p>'
        },
        "_embedded": {
            "author": [{"name": "Rosa Vega"}],
            "wp:featuredmedia": [
                {
                    "source_url": "https://news.example.org/dam.jpg",
                    "alt_text": "A dam",
                    "caption": {"rendered": "<p>The dam in May</p>"},
                }
            ],
            "wp:term": [
                [{"taxonomy": "category", "name": "Dams &amp; rivers"}, {"code": "rest_forbidden"}],
                [{"taxonomy": "post_tag", "name": "EITI2016"}],
            ],
        },
    } | changes


def test_a_post_is_read_with_author_picture_and_the_sites_own_day(page: Page) -> None:
    reading = page(json.dumps([post()]))

    assert reading.kind == "wordpress"
    assert reading.items == (
        ParsedItem(
            title="Dam & river: who’s who",
            teaser="It rained. A lot…",
            published_on=date(2007, 3, 31),
            date_label="31 March 2007",
            series=None,
            number=None,
            byline="Rosa Vega",
            image_caption="The dam in May",
            link="https://news.example.org/dam/",
            body='<p>It rained.</p><p><a href="https://news.example.org/x" rel="noopener noreferrer">More</a></p>',
            image_url="https://news.example.org/dam.jpg",
            image_alt="A dam",
            tags=("Dams & rivers", "EITI2016"),
            guid="https://news.example.org/?p=7",
        ),
    )


def test_a_post_without_embedded_things_or_excerpt_is_read_too(page: Page) -> None:
    bare = post(excerpt={"rendered": ""}, _embedded={"author": [{"code": "rest_user_invalid_id"}]})

    item = page(json.dumps(bare)).items[0]

    assert (item.teaser, item.byline, item.image_url) == ("It rained.", None, None)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": "draft"}, "Post 2 is not published (“draft”)."),
        ({"title": {"rendered": " "}}, "Post 2 has no title."),
        ({"title": None}, "Post 2 has no title."),
    ],
)
def test_what_is_no_public_post_is_reported(page: Page, changes: dict[str, Any], why: str) -> None:
    reading = page(json.dumps([post(), post(**changes)]))

    assert len(reading.items) == 1
    assert [(one.line, one.why) for one in reading.unread] == [(2, why)]


def test_a_site_without_posts_is_no_error(page: Page) -> None:
    assert page("[]") == Reading((), (), (), "wordpress")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ('{"code": "rest_no_route", "message": "No route was found", "data": {}}', "answers: No route was found"),
        ('{"version": "https://jsonfeed.org/version/1.1"}', "holds no WordPress posts"),
        ('[{"id": 1}]', "holds no WordPress posts"),
        ('[{"title": ', "cannot be read"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_other_json_is_refused_in_a_sentence(page: Page, answer: str, sentence: str) -> None:
    with pytest.raises(NotReadable, match=sentence):
        page(answer, kind="wordpress")


@pytest.mark.parametrize("junk", [None, 7, [], {}, {"rendered": 7}, "\ud800"])
@pytest.mark.parametrize("field", ["date", "link", "guid", "excerpt", "content", "_embedded"])
def test_fields_of_the_wrong_kind_cost_no_more_than_themselves(page: Page, field: str, junk: Any) -> None:
    assert [item.title for item in page(json.dumps([post(**{field: junk})])).items] == ["Dam & river: who’s who"]
