"""Mastodon: the part of its API that publishing needs, as strict as a server where that is known, and stricter.

A client whose base address is http://HOST:PORT/mastodon finds POST /api/v1/statuses, POST /api/v2/media,
GET /api/v1/media/{id}, GET /api/v1/accounts/verify_credentials, GET /api/v1/accounts/{id}/statuses,
GET and DELETE /api/v1/statuses/{id}, GET /api/v1/statuses, GET /api/v1/apps/verify_credentials, GET /api/v2/instance.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from publisher.sandbox import accounts, clock, errors, faults, mastodon_errors, mastodon_media, mastodon_reading, rates
from publisher.sandbox.mastodon_reading import public, shown
from publisher.sandbox.mastodon_text import LIMIT, length, normal
from publisher.sandbox.store import Store, now

SCHEMA = (
    mastodon_media.SCHEMA
    + """
CREATE TABLE IF NOT EXISTS mastodon_posts (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    handle TEXT NOT NULL,
    text TEXT NOT NULL,
    media TEXT NOT NULL,
    visibility TEXT NOT NULL,
    reblog INTEGER NOT NULL DEFAULT 0,
    favourites INTEGER NOT NULL DEFAULT 0,
    reblogs INTEGER NOT NULL DEFAULT 0,
    replies INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    deleted_at TEXT
);
CREATE INDEX IF NOT EXISTS mastodon_posts_account ON mastodon_posts (account, id);
CREATE TABLE IF NOT EXISTS mastodon_keys (
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    post INTEGER NOT NULL,
    ends REAL NOT NULL,
    PRIMARY KEY (account, key)
);
"""
)

Reply = tuple[int, Any, dict[str, str]]
Endpoint = Callable[[Store, web.Request, dict[str, Any], dict[str, Any]], Awaitable[Reply]]

MINUTE, HOUR = 60, 60 * 60
# How often a token may ask, from rack_attack.rb and rate_limiter.rb: in all, and by what it does.
IN_ALL = ("call", 300, 5 * MINUTE)
RATES = {
    "post": ("post", 300, 3 * HOUR),
    "media": ("media", 30, 30 * MINUTE),
    "delete": ("delete", 30, 30 * MINUTE),
}
# For how long a key is remembered.
KEY_LIVES = HOUR

VISIBILITIES = {"public", "unlisted", "private", "direct"}
POST = {"status", "media_ids[]", "sensitive", "visibility", "language"}
# Real fields that the sandbox has no stage for. Refused rather than dropped: a warning that vanishes would pass.
NOT_HERE = {"spoiler_text", "in_reply_to_id", "scheduled_at", "poll", "quoted_status_id"}


def routes(store: Store) -> list[web.RouteDef]:
    def door(method: str, path: str, operation: str, allowed: set[str], endpoint: Endpoint) -> web.RouteDef:
        answer = faults.guarded(store, "mastodon", operation, entrance(store, operation, allowed, endpoint))
        return web.route(method, f"/mastodon/api/{path}", answer)

    async def posts(request: web.Request) -> web.Response:
        return web.json_response([public(store, row) for row in every(store)])

    async def log(request: web.Request) -> web.Response:
        return web.json_response(store.log("mastodon", request.query.get("who")))

    reading = mastodon_reading
    listing = {"limit", "max_id", "since_id", "min_id", "exclude_reblogs", "exclude_replies"}
    return [
        door("POST", "v1/statuses", "post", POST, post),
        door("DELETE", "v1/statuses/{id}", "delete", set(), delete),
        door("GET", "v1/statuses/{id}", "status", set(), reading.status),
        door("GET", "v1/statuses", "statuses", {"id[]"}, reading.statuses),
        door("POST", "v2/media", "media", {"file", "description"}, mastodon_media.upload),
        door("GET", "v1/media/{id}", "media_status", set(), mastodon_media.look),
        door("GET", "v1/accounts/verify_credentials", "me", set(), reading.me),
        door("GET", "v1/accounts/{id}/statuses", "timeline", listing, reading.timeline),
        door("GET", "v1/apps/verify_credentials", "app", set(), reading.app),
        door("GET", "v2/instance{slash:/?}", "instance", set(), reading.instance),
        web.get("/mastodon/posts.json", posts),
        web.get("/mastodon/log.json", log),
        web.get("/mastodon/media/{id}", mastodon_media.serving(store)),
    ]


def entrance(store: Store, operation: str, allowed: set[str], endpoint: Endpoint) -> faults.Handler:
    """Who asks, how often, and with what; then the endpoint. Every answer to a known account carries its limits."""

    async def answer(request: web.Request) -> web.Response:
        headers: dict[str, str] = {}
        try:
            account = signer(store, request)
            headers, spent = _counted(store, account, operation)
            if spent:
                raise mastodon_errors.refusal("rate_limited")
            asked = await _asked(request, allowed)
            status, body, more = await endpoint(store, request, account, asked)
        except errors.Refusal as refusal:
            refusal.headers.update(headers)
            return refusal.response()
        return web.json_response(body, status=status, headers=headers | more)

    return answer


def signer(store: Store, request: web.Request) -> dict[str, Any]:
    """The account whose token this is: in the header alone, as an address is written down in many places."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    account = accounts.by_token(store, "mastodon", token) if scheme == "Bearer" else None
    if account is None:
        raise mastodon_errors.refusal("unauthorized")
    return account


def _counted(store: Store, account: dict[str, Any], operation: str) -> tuple[dict[str, str], bool]:
    """The headers of the limit that is nearest, and whether it is passed."""
    nearest: tuple[int, int, int] | None = None
    for name, limit, seconds in filter(None, (IN_ALL, RATES.get(operation))):
        used, reset = rates.count(store, f"mastodon:{account['id']}", name, seconds=seconds)
        if nearest is None or limit - used < nearest[0] - nearest[1]:
            nearest = (limit, used, reset)
    assert nearest is not None
    limit, used, reset = nearest
    return mastodon_errors.rate_headers(limit, used, reset - clock.time()), used > limit


async def _asked(request: web.Request, allowed: set[str]) -> dict[str, Any]:
    """Query and form together; what may come more than once as a list. What Mastodon would overlook is refused."""
    form = await request.post() if request.can_read_body else None
    asked: dict[str, Any] = {}
    for source in filter(None, (request.query, form)):
        for name in set(source):
            asked[name] = source.getall(name) if name.endswith("[]") else source[name]
    asked.pop("lang", None)
    if absent := sorted(NOT_HERE & set(asked)):
        raise errors.Refusal(400, {"error": f"The sandbox does not support: {', '.join(absent)}"})
    if unknown := sorted(set(asked) - allowed):
        raise errors.Refusal(400, {"error": f"Mastodon does not know: {', '.join(unknown)}"})
    return asked


async def post(store: Store, request: web.Request, account: dict[str, Any], asked: dict[str, Any]) -> Reply:
    key = request.headers.get("Idempotency-Key", "")
    with store.transaction():
        row = _kept_under(store, account, key) if key else None
        if row is None:
            new = _new_post(store, asked)
            _check(store, account, new)
            row = _keep(store, account, new, await request.read(), key)
    return 200, shown(store, request, row), {}


def _kept_under(store: Store, account: dict[str, Any], key: str) -> dict[str, Any] | None:
    """The post of an earlier request with this key. One that was deleted since is not made again: 404."""
    known = store.row(
        "SELECT post FROM mastodon_keys WHERE account = ? AND key = ? AND ends > ?", account["id"], key, clock.time()
    )
    return mastodon_reading.found(store, str(known["post"]), account) if known else None


def _new_post(store: Store, asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": store.new_id(),
        "text": normal(str(asked.get("status", ""))),
        "media": [str(one) for one in asked.get("media_ids[]", [])],
        "visibility": asked.get("visibility") or "public",
    }


def _check(store: Store, account: dict[str, Any], new: dict[str, Any]) -> None:
    if new["visibility"] not in VISIBILITIES:
        raise errors.Refusal(422, {"error": f"'{new['visibility']}' is not a valid visibility"})
    mastodon_media.check(store, account, new["media"])
    if not new["text"] and not new["media"]:
        raise mastodon_errors.refusal("blank")
    if length(new["text"]) > LIMIT:
        raise mastodon_errors.refusal("too_long")


def _keep(store: Store, account: dict[str, Any], new: dict[str, Any], raw: bytes, key: str) -> dict[str, Any]:
    store.run(
        "INSERT INTO mastodon_posts (id, account, handle, text, media, visibility, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        *(new["id"], account["id"], account["handle"], new["text"], json.dumps(new["media"]), new["visibility"], now()),
    )
    mastodon_media.attach(store, new["media"], new["id"])
    if key:
        ends = clock.time() + KEY_LIVES
        store.run("INSERT OR REPLACE INTO mastodon_keys VALUES (?, ?, ?, ?)", account["id"], key, new["id"], ends)
    facts = {"id": str(new["id"]), "text": new["text"], "media": new["media"], "key": key}
    store.record("mastodon", who=account["handle"], what="post", body=raw, **facts)
    return mastodon_reading.found(store, str(new["id"]), account)


async def delete(store: Store, request: web.Request, account: dict[str, Any], asked: dict[str, Any]) -> Reply:
    row = mastodon_reading.found(store, request.match_info["id"], account)
    with store.transaction():
        store.run("UPDATE mastodon_posts SET deleted_at = ? WHERE id = ?", now(), row["id"])
        store.record("mastodon", who=account["handle"], what="delete", id=str(row["id"]))
    # With its text, so that it can be written anew.
    return 200, shown(store, request, row) | {"text": row["text"]}, {}


def every(store: Store, account: str | None = None) -> list[dict[str, Any]]:
    """All posts, newest first, deleted ones among them."""
    rows = store.rows("SELECT * FROM mastodon_posts ORDER BY id DESC")
    return [row | {"media": json.loads(row["media"])} for row in rows if account in (None, row["account"])]
