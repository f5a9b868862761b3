"""Mastodon's answers, as its own code writes them, for the tests of its adapter."""

from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qs

from publisher.networks.base import Outgoing
from tests.networks.conftest import Asked, Script, reply

LINK = "https://example.org/water"
POST = Outgoing(f"Clean water at last\n\n{LINK}", LINK, key="post-7")
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
SHOWN = (
    '<p>Clean water at last</p><p><a href="https://example.org/water" target="_blank" rel="nofollow noopener" '
    'translate="no"><span class="invisible">https://</span><span class="ellipsis">example.org</span>'
    '<span class="invisible">/water</span></a></p>'
)


def status(
    number: str, content: str = SHOWN, at: str = "2026-11-22T10:00:05.000Z", **more: object
) -> dict[str, object]:
    url = f"https://mastodon.example/@psg/{number}"
    return {"id": number, "created_at": at, "content": content, "url": url, **more}


CREATED = reply(200, status("109348"))
ME = {
    "id": "42",
    "username": "psg",
    "acct": "psg",
    "display_name": "Peru Support Group",
    "url": "https://m.example/@psg",
}
MINE = reply(200, ME)


def said(code: int, words: str, **headers: str) -> bytes:
    return reply(code, {"error": words}, **headers)


def limited(**headers: str) -> bytes:
    return said(429, "Too many requests", Date=format_datetime(NOW, usegmt=True), **headers)


def page(*posts: dict[str, object], more: bool = False) -> bytes:
    return reply(200, list(posts), **({"Link": '<https://m.example/?max_id=1>; rel="next"'} if more else {}))


def form(asked: Asked) -> dict[str, list[str]]:
    return parse_qs(asked.body.decode(), strict_parsing=True)


def asked_for(script: Script) -> list[tuple[str, str]]:
    return [(asked.method, asked.path) for asked in script.asked]
