"""What a person sees in the sandbox."""

from __future__ import annotations

from typing import Any

from lxml import html

from tests.sandbox.conftest import PNG, Client, Sandbox


def _page(sandbox: Sandbox, path: str) -> Any:
    answer = sandbox.get(path)
    assert answer.status_code == 200, answer.text
    return html.fromstring(answer.text)


def test_the_overview_of_an_empty_sandbox_says_what_to_do(sandbox: Sandbox) -> None:
    page = _page(sandbox, "/")
    assert "Nothing yet. Send a mail to the SMTP port" in page.text_content()
    assert [link.get("href") for link in page.cssselect("main ul a")] == ["/facebook/1001", "/x/@update_news"]


def test_the_overview_counts_what_arrived(sandbox: Sandbox, x: Client, page: Any) -> None:
    for text in ("Rivers reborn", "Peru New"):
        x.create_tweet(text=text)
    page("POST", "1001/feed", message="Rivers reborn")
    rows = _page(sandbox, "/").cssselect(".counts tbody tr")
    assert [[cell.text_content() for cell in row.cssselect("td")[:3]] for row in rows] == [
        ["Facebook", "post", "1"],
        ["X", "post", "2"],
    ]


def test_every_page_says_that_nothing_is_on_the_real_network(sandbox: Sandbox) -> None:
    notice = "Sandbox: nothing here is on the real network, and no mail here reached anybody."
    found = [_page(sandbox, path).cssselect(".notice")[0].text_content() for path in ("/", "/x/@update_news")]
    assert found == [notice, notice]


def test_a_timeline_shows_text_links_and_pictures_with_their_alt_text(sandbox: Sandbox, x: Client) -> None:
    media = x.request("POST", "/2/media/upload", data={"media_category": "tweet_image"}, files={"media": PNG})
    number = media.json()["data"]["id"]
    x.request("POST", "/2/media/metadata", json={"id": number, "metadata": {"alt_text": {"text": "A dam"}}})
    x.request(
        "POST",
        "/2/tweets",
        json={"text": "<b>Dams & rivers</b> https://example.org/dam", "media": {"media_ids": [number]}},
    )
    page = _page(sandbox, "/x/@update_news")
    [text] = page.cssselect(".text")
    assert text.text_content() == "<b>Dams & rivers</b> https://example.org/dam"
    assert [(link.get("href"), link.get("rel")) for link in text.cssselect("a")] == [
        ("https://example.org/dam", "nofollow noopener noreferrer")
    ]
    assert [(image.get("src"), image.get("alt")) for image in page.cssselect("img")] == [
        (f"/x/media/{number}", "A dam")
    ]
    assert sandbox.get(f"/x/media/{number}").content == PNG


def test_the_address_of_a_post_leads_to_it(sandbox: Sandbox, x: Client, page: Any) -> None:
    tweet = x.create_tweet(text="Rivers reborn").json()["data"]["id"]
    number = page("POST", "1001/feed", message="Rivers reborn").json()["id"]
    link = page("GET", number, fields="permalink_url").json()["permalink_url"]
    assert link == f"{sandbox.url}/facebook/1001#{number}"
    for path, anchor in (("/x/@update_news", tweet), ("/facebook/1001", number)):
        assert [post.get("id") for post in _page(sandbox, path).cssselect(".posts li")] == [anchor]


def test_a_page_shows_published_posts_and_no_script_link(sandbox: Sandbox, page: Any) -> None:
    page("POST", "1001/feed", message="Peru: javascript:alert(1) or https://example.org/peru.")
    page("POST", "1001/feed", message="Not yet", published="false")
    shown = _page(sandbox, "/facebook/1001")
    assert [text.text_content() for text in shown.cssselect(".text")] == [
        "Peru: javascript:alert(1) or https://example.org/peru."
    ]
    assert [link.get("href") for link in shown.cssselect(".text a")] == ["https://example.org/peru"]


def test_pages_need_no_script_and_allow_none(sandbox: Sandbox) -> None:
    answer = sandbox.get("/x/@update_news")
    assert html.fromstring(answer.text).cssselect("script, [onclick], [style]") == []
    assert answer.headers["Content-Security-Policy"] == "default-src 'self'; base-uri 'none'; form-action 'none'"


def test_an_account_that_is_not_registered_has_no_timeline(sandbox: Sandbox) -> None:
    assert [sandbox.get(path).status_code for path in ("/x/@nobody", "/facebook/7")] == [404, 404]
