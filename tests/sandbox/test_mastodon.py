"""Mastodon in the sandbox: as a client with a token meets it, and as strict as a server."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import requests

from publisher.sandbox import accounts, mastodon_errors, mastodon_text
from tests.sandbox.conftest import PNG, Sandbox

TOKEN = {"access_token": "token-of-update"}


@pytest.fixture
def toot(sandbox: Sandbox) -> Any:
    """Call the API with the account's token: toot("POST", "v1/statuses", status="…")."""
    wish = {"network": "mastodon", "handle": "@update@news.example", "name": "Update", "credentials": TOKEN}
    accounts.add(sandbox.store, wish)

    def call(method: str, path: str, *, token: str = TOKEN["access_token"], key: str = "", **fields: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}", **({"Idempotency-Key": key} if key else {})}
        files = {name: fields.pop(name) for name in list(fields) if name == "file"} or None
        sent = {"params": fields} if method == "GET" else {"data": fields, "files": files}
        return requests.request(
            method, f"{sandbox.url}/mastodon/api/{path}", headers=headers, timeout=5, allow_redirects=False, **sent
        )

    return call


def texts(sandbox: Sandbox) -> list[str]:
    return [line["text"] for line in sandbox.json("/mastodon/log.json") if line["what"] == "post"]


def refused(answer: requests.Response) -> str:
    """The name of a refusal, by its status and words."""
    known = {value: name for name, value in mastodon_errors.WORDS.items()}
    return known[answer.status_code, answer.json()["error"]]


def test_a_post_is_kept_shown_and_listed(sandbox: Sandbox, toot: Any) -> None:
    status = toot("POST", "v1/statuses", status="Rivers & dams\n#Water https://example.org/" + "a" * 40).json()
    assert status["content"] == (
        f'<p>Rivers &amp; dams<br /><a href="{sandbox.url}/mastodon/tags/water" class="mention hashtag" rel="tag">'
        f'#<span>Water</span></a> <a href="https://example.org/{"a" * 40}" target="_blank" rel="nofollow noopener" '
        f'translate="no"><span class="invisible">https://</span><span class="ellipsis">example.org/{"a" * 18}</span>'
        f'<span class="invisible">{"a" * 22}</span></a></p>'
    )
    assert (status["url"], status["visibility"]) == (f"{sandbox.url}/mastodon/@update#{status['id']}", "public")
    me = toot("GET", "v1/accounts/verify_credentials").json()
    assert [one["id"] for one in toot("GET", f"v1/accounts/{me['id']}/statuses").json()] == [status["id"]]
    [post] = sandbox.json("/mastodon/posts.json")
    assert (post["id"], post["handle"], post["deleted_at"]) == (status["id"], "update", None)


def test_a_key_gives_the_same_post_for_an_hour(sandbox: Sandbox, toot: Any) -> None:
    first, again, other, without = (
        toot("POST", "v1/statuses", status="Rivers", key=key).json()["id"] for key in ("k", "k", "l", "")
    )
    assert first == again
    assert len({first, other, without}) == 3
    assert texts(sandbox) == ["Rivers"] * 3
    requests.post(f"{sandbox.url}/control/clock", json={"ahead": 3601}, timeout=5)
    assert toot("POST", "v1/statuses", status="Rivers", key="k").json()["id"] != first


def test_a_key_whose_post_is_gone_makes_no_other(sandbox: Sandbox, toot: Any) -> None:
    number = toot("POST", "v1/statuses", status="Rivers", key="k").json()["id"]
    toot("DELETE", f"v1/statuses/{number}")
    assert refused(toot("POST", "v1/statuses", status="Rivers", key="k")) == "not_found"
    assert texts(sandbox) == ["Rivers"]


def test_a_key_is_not_used_up_by_a_refusal(toot: Any) -> None:
    assert refused(toot("POST", "v1/statuses", status="a" * 501, key="k")) == "too_long"
    assert toot("POST", "v1/statuses", status="a" * 500, key="k").status_code == 200


@pytest.mark.parametrize(
    ("scheme", "token"), [("Bearer", "another"), ("bearer", TOKEN["access_token"]), ("Basic", "x")]
)
def test_only_the_token_in_the_header_counts(sandbox: Sandbox, toot: Any, scheme: str, token: str) -> None:
    answer = requests.post(
        f"{sandbox.url}/mastodon/api/v1/statuses?access_token={TOKEN['access_token']}",
        data={"status": "Rivers"},
        headers={"Authorization": f"{scheme} {token}"},
        timeout=5,
    )
    assert refused(answer) == "unauthorized"
    assert texts(sandbox) == []


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("a" * 500, 500),
        ("👩‍👩‍👧e\u0301", 2),
        ("https://example.org/" + "a" * 900, 23),
        ("@ana@m.example www.example.org", 20),
    ],
)
def test_a_text_has_its_length(text: str, length: int) -> None:
    assert mastodon_text.length(text) == length


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"status": " "}, "blank"),
        ({"status": "a" * 501}, "too_long"),
        ({"status": "Rivers", "media_ids[]": ["77"]}, "media_gone"),
        ({"status": "Rivers", "media_ids[]": ["1", "2", "3", "4", "5"]}, "too_many_media"),
    ],
)
def test_what_is_not_right_is_refused_and_not_kept(sandbox: Sandbox, toot: Any, fields: Any, name: str) -> None:
    assert refused(toot("POST", "v1/statuses", **fields)) == name
    assert texts(sandbox) == []


@pytest.mark.parametrize("field", ["spoiler_text", "scheduled_at", "statsu"])
def test_what_would_be_lost_is_refused(sandbox: Sandbox, toot: Any, field: str) -> None:
    answer = toot("POST", "v1/statuses", status="Rivers", **{field: "x"})
    assert (answer.status_code, field in answer.json()["error"]) == (400, True)
    assert texts(sandbox) == []


def test_a_picture_is_for_one_post_of_its_owner(sandbox: Sandbox, toot: Any) -> None:
    accounts.add(sandbox.store, {"network": "mastodon", "handle": "peru", "credentials": {"access_token": "of-peru"}})
    number = toot("POST", "v2/media", file=PNG, description="A dam").json()["id"]
    post = {"status": "Rivers", "media_ids[]": [number]}
    assert refused(toot("POST", "v1/statuses", token="of-peru", **post)) == "media_gone"
    [media] = toot("POST", "v1/statuses", **post).json()["media_attachments"]
    assert media["description"] == "A dam"
    assert requests.get(media["url"], timeout=5).content == PNG
    assert refused(toot("POST", "v1/statuses", **post)) == "media_gone"


def test_a_picture_may_need_its_time(sandbox: Sandbox, toot: Any) -> None:
    sandbox.fault("mastodon", "preparing", "media")
    taken = toot("POST", "v2/media", file=PNG)
    number = taken.json()["id"]
    assert (taken.status_code, taken.json()["url"]) == (202, None)
    assert refused(toot("POST", "v1/statuses", status="Rivers", **{"media_ids[]": [number]})) == "not_ready"
    assert [toot("GET", f"v1/media/{number}").status_code for _ in range(2)] == [206, 200]
    assert toot("POST", "v1/statuses", status="Rivers", **{"media_ids[]": [number]}).status_code == 200


@pytest.mark.parametrize(("behaviour", "status"), [("preparing_forever", 206), ("preparing_failed", 422)])
def test_a_picture_may_never_be_ready(sandbox: Sandbox, toot: Any, behaviour: str, status: int) -> None:
    sandbox.fault("mastodon", behaviour, "media")
    number = toot("POST", "v2/media", file=PNG).json()["id"]
    assert [toot("GET", f"v1/media/{number}").status_code for _ in range(3)] == [status] * 3


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"description": "A dam"}, "no_media"),
        ({"file": b"<svg/>"}, "media_type"),
        ({"file": PNG, "description": "a" * 1501}, "description"),
    ],
)
def test_what_is_no_picture_is_refused(toot: Any, fields: Any, name: str) -> None:
    assert refused(toot("POST", "v2/media", **fields)) == name


def test_a_timeline_is_read_in_pages_without_boosts_and_deleted_posts(sandbox: Sandbox, toot: Any) -> None:
    numbers = [toot("POST", "v1/statuses", status=f"Item {n}").json()["id"] for n in range(5)]
    sandbox.store.run("UPDATE mastodon_posts SET reblog = 1 WHERE id = ?", int(numbers[2]))
    toot("DELETE", f"v1/statuses/{numbers[3]}")
    me = toot("GET", "v1/accounts/verify_credentials").json()["id"]
    path = f"v1/accounts/{me}/statuses"
    first = toot("GET", path, limit=2, exclude_reblogs=1)
    assert [one["id"] for one in first.json()] == [numbers[4], numbers[1]]
    assert first.links["next"]["url"].endswith(f"/{path}?max_id={numbers[1]}")
    rest = toot("GET", path, limit=2, exclude_reblogs=1, max_id=numbers[1])
    assert ([one["id"] for one in rest.json()], rest.links) == ([numbers[0]], {})


def test_only_the_author_deletes_and_only_once(sandbox: Sandbox, toot: Any) -> None:
    accounts.add(sandbox.store, {"network": "mastodon", "handle": "peru", "credentials": {"access_token": "of-peru"}})
    number = toot("POST", "v1/statuses", status="Rivers").json()["id"]
    assert refused(toot("DELETE", f"v1/statuses/{number}", token="of-peru")) == "not_found"
    assert toot("DELETE", f"v1/statuses/{number}").json()["text"] == "Rivers"
    assert refused(toot("DELETE", f"v1/statuses/{number}")) == "not_found"
    assert [line["what"] for line in sandbox.json("/mastodon/log.json")] == ["post", "delete"]


def test_several_posts_are_given_at_once_with_their_figures(sandbox: Sandbox, toot: Any) -> None:
    one, two = (toot("POST", "v1/statuses", status=text).json()["id"] for text in ("One", "Two"))
    sandbox.store.run("UPDATE mastodon_posts SET favourites = 7, reblogs = 3, replies = 1 WHERE id = ?", int(two))
    found = toot("GET", "v1/statuses", **{"id[]": [two, "77", one]}).json()
    figures = [[each[f"{name}_count"] for name in ("favourites", "reblogs", "replies")] for each in found]
    assert ([each["id"] for each in found], figures) == ([two, one], [[7, 3, 1], [0, 0, 0]])
    assert toot("GET", "v1/statuses", **{"id[]": ["1"] * 21}).status_code == 422


def test_limits_are_counted_and_say_when_they_end(sandbox: Sandbox, toot: Any) -> None:
    answers = [toot("DELETE", "v1/statuses/1") for _ in range(31)]
    assert [answer.status_code for answer in answers] == [404] * 30 + [429]
    last = answers[-1]
    reset = datetime.fromisoformat(last.headers["X-RateLimit-Reset"])
    assert (last.headers["X-RateLimit-Limit"], last.headers["X-RateLimit-Remaining"]) == ("30", "0")
    assert 0 < reset.timestamp() - datetime.now().timestamp() <= 1801
    assert toot("GET", "v1/accounts/verify_credentials").headers["X-RateLimit-Limit"] == "300"


@pytest.mark.parametrize("name", sorted(mastodon_errors.WORDS))
def test_each_refusal_can_be_ordered(sandbox: Sandbox, toot: Any, name: str) -> None:
    sandbox.fault("mastodon", name, "post")
    assert refused(toot("POST", "v1/statuses", status="Rivers")) == name
    assert texts(sandbox) == []


def test_a_server_tells_what_it_takes_and_what_an_app_was_given(sandbox: Sandbox, toot: Any) -> None:
    given = {**TOKEN, "scopes": "read write:statuses", "max_characters": "300"}
    accounts.add(sandbox.store, {"network": "mastodon", "handle": "update", "credentials": given})
    for path in ("v2/instance", "v2/instance/"):
        assert toot("GET", path).json()["configuration"]["statuses"]["max_characters"] == 300
    assert toot("GET", "v1/apps/verify_credentials").json()["scopes"] == ["read", "write:statuses"]


def test_a_timeline_is_a_page_that_shows_what_followers_see(sandbox: Sandbox, toot: Any) -> None:
    toot("POST", "v1/statuses", status="For followers", visibility="private")
    number = toot("POST", "v1/statuses", status="<b>Rivers</b> https://example.org/dam").json()["id"]
    page = sandbox.get("/mastodon/@update").text
    assert ("&lt;b&gt;Rivers&lt;/b&gt;" in page, "For followers" in page, f'id="{number}"' in page) == (
        True,
        False,
        True,
    )
    assert '<a href="https://example.org/dam" rel="nofollow noopener noreferrer">' in page
