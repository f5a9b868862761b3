"""The sandbox's pages: what arrived, and each timeline as a follower sees it.

`render` is for every room: its own Jinja2 environment, with everything escaped.
"""

import re
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from publisher.sandbox import (
    accounts,
    bluesky_reading,
    bluesky_repo,
    faults,
    graph_posts,
    mastodon,
    mastodon_media,
    mastodon_text,
    x,
    x_media,
    x_text,
)
from publisher.sandbox.store import Store

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "sandbox"

environment = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

NEWEST = 200
# Where an address in running text ends: white space, or the punctuation of the sentence around it.
ADDRESS = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)\]'’”]")
NAMES = {"x": "X", "facebook": "Facebook", "mastodon": "Mastodon", "bluesky": "Bluesky"}
ROOMS = {"x": "X", "graph": "Facebook", "mastodon": "Mastodon", "bluesky": "Bluesky", "mail": "Mail"}


def render(template: str, *, status: int = 200, **context: Any) -> web.Response:
    """A page from templates/sandbox/; base.html has the blocks `title` and `content`."""
    html = environment.get_template(template).render(**context)
    return web.Response(text=html, status=status, content_type="text/html")


def in_words(at: str) -> str:
    """31 March 2027, 09:00 UTC."""
    moment = datetime.fromisoformat(at)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def shortly(at: str) -> str:
    """31 Mar, 09:00: for a table, where the year and the zone only fill the line."""
    moment = datetime.fromisoformat(at)
    return f"{moment.day} {moment:%b, %H:%M}"


def web_address(text: str) -> str | None:
    """The text, if it is an address that may become a link; never javascript: or the like."""
    return text if urlsplit(text).scheme in ("http", "https") else None


environment.filters["in_words"] = in_words
environment.filters["shortly"] = shortly
environment.filters["web_address"] = web_address


def routes(store: Store) -> list[web.RouteDef]:
    async def overview(request: web.Request) -> web.Response:
        arrived = store.rows("SELECT room, what, count(*) AS count, max(at) AS last FROM log GROUP BY room, what")
        people = [accounts.public(account) for account in accounts.every(store)]
        return render(
            "overview.html", arrived=arrived, accounts=people, faults=faults.ordered(store), names=NAMES, rooms=ROOMS
        )

    async def on_x(request: web.Request) -> web.Response:
        account = accounts.by_handle(store, "x", request.match_info["handle"])
        rows = [row for row in x.every(store, account["id"]) if not row["deleted_at"]] if account else []
        return timeline(account, [_x_post(store, row) for row in rows[:NEWEST]])

    async def on_facebook(request: web.Request) -> web.Response:
        account = accounts.by_id(store, "facebook", request.match_info["page"])
        rows = graph_posts.every(store, account["id"]) if account else []
        seen = [row for row in rows if row["published"] and not row["deleted_at"]]
        return timeline(account, [_facebook_post(store, row) for row in seen[:NEWEST]])

    async def on_mastodon(request: web.Request) -> web.Response:
        account = accounts.by_handle(store, "mastodon", request.match_info["handle"])
        rows = mastodon.every(store, account["id"]) if account else []
        seen = [row for row in rows if row["visibility"] in ("public", "unlisted") and not row["deleted_at"]]
        return timeline(account, [_mastodon_post(store, row) for row in seen[:NEWEST]])

    async def on_bluesky(request: web.Request) -> web.Response:
        account = accounts.by_handle(store, "bluesky", request.match_info["handle"])
        rows = [row for row in bluesky_repo.every(store, account["id"]) if not row["deleted_at"]] if account else []
        return timeline(account, [bluesky_reading.shown(row) for row in rows[:NEWEST]])

    return [
        web.get("/", overview),
        web.get("/x/@{handle}", on_x),
        web.get("/facebook/{page}", on_facebook),
        web.get("/mastodon/@{handle}", on_mastodon),
        web.get("/bluesky/@{handle}", on_bluesky),
    ]


def timeline(account: dict[str, Any] | None, posts: list[dict[str, Any]]) -> web.Response:
    if account is None:
        return render("nobody.html", status=404)
    return render("timeline.html", account=accounts.public(account), posts=posts, network=NAMES[account["network"]])


def _x_post(store: Store, row: dict[str, Any]) -> dict[str, Any]:
    pictures = [x_media.public(store, number) for number in row["media"]]
    return {
        "id": row["id"],
        "at": row["created_at"],
        "pieces": x_text.pieces(row["text"]),
        "link": None,
        "pictures": [{"url": one["url"], "alt": one["alt_text"], "here": True} for one in pictures],
    }


def _facebook_post(store: Store, row: dict[str, Any]) -> dict[str, Any]:
    pictures = [graph_posts.picture(store, number) for number in row["photos"]]
    return {
        "id": f"{row['page']}_{row['id']}",
        "at": row["created_at"],
        "pieces": linked(row["message"]),
        "link": row["link"],
        "pictures": [
            {"url": one["url"], "alt": one["alt_text"], "here": one["url"].startswith("/")} for one in pictures
        ],
    }


def _mastodon_post(store: Store, row: dict[str, Any]) -> dict[str, Any]:
    pictures = [mastodon_media.public(store, number) for number in row["media"]]
    return {
        "id": str(row["id"]),
        "at": row["created_at"],
        "pieces": mastodon_text.pieces(row["text"]),
        "link": None,
        "pictures": [{"url": one["url"], "alt": one["alt_text"], "here": True} for one in pictures],
    }


def linked(text: str) -> list[tuple[str, str | None]]:
    """The text in order, as (text, None) and (address, address)."""
    found: list[tuple[str, str | None]] = []
    position = 0
    for match in ADDRESS.finditer(text):
        found += [(text[position : match.start()], None), (match[0], match[0])]
        position = match.end()
    return [piece for piece in [*found, (text[position:], None)] if piece[0]]
