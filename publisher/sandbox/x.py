"""X: the part of its API v2 that publishing needs, as strict as the real one where that is known.

A client whose base address is http://HOST:PORT/x finds POST /2/tweets, POST /2/media/upload,
POST /2/media/metadata, GET /2/users/me, GET /2/users/{id}/tweets, GET /2/tweets and DELETE /2/tweets/{id}.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from publisher.sandbox import errors, faults, oauth, rates, x_body, x_media, x_text, x_timeline
from publisher.sandbox.shapes import ID, Needed
from publisher.sandbox.store import Store, now

SCHEMA = (
    oauth.SCHEMA
    + x_media.SCHEMA
    + """
CREATE TABLE IF NOT EXISTS x_posts (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    handle TEXT NOT NULL,
    text TEXT NOT NULL,
    media TEXT NOT NULL,
    reply_to TEXT,
    created_at TEXT NOT NULL,
    deleted_at TEXT
);
CREATE INDEX IF NOT EXISTS x_posts_account ON x_posts (account, id);
"""
)

Reply = tuple[int, Any]
Endpoint = Callable[[Store, web.Request, dict[str, Any]], Awaitable[Reply]]

QUARTER_HOUR = 15 * 60
DAY = 24 * 60 * 60

SETTINGS = frozenset({"following", "mentionedUsers", "subscribers", "verified"})
POST = {
    "text": str,
    "media": {Needed("media_ids"): [ID, 1, 4], "tagged_user_ids": [ID, 0, 10]},
    "reply": {Needed("in_reply_to_tweet_id"): ID, "exclude_reply_user_ids": [ID, 0, 100]},
    "reply_settings": SETTINGS,
    "nullcast": bool,
    "made_with_ai": bool,
    "paid_partnership": bool,
    "share_with_followers": bool,
    "for_super_followers_only": bool,
}
# Real fields that the sandbox has no stage for. Refused rather than dropped: a poll that vanishes would pass.
NOT_HERE = {"poll", "geo", "quote_tweet_id", "community_id", "card_uri", "direct_message_deep_link", "edit_options"}
TOO_LONG = (
    "Your Tweet text is too long. For more information on how Twitter determines text length see "
    "https://github.com/twitter/twitter-text."
)


def routes(store: Store) -> list[web.RouteDef]:
    def door(method: str, path: str, operation: str, limit: int, endpoint: Endpoint) -> web.RouteDef:
        answer = faults.guarded(store, "x", operation, entrance(store, operation, limit, endpoint))
        return web.route(method, f"/x/2/{path}", answer)

    async def posts(request: web.Request) -> web.Response:
        return web.json_response([public(store, row) for row in every(store)])

    async def log(request: web.Request) -> web.Response:
        return web.json_response(store.log("x", request.query.get("who")))

    # The limits are per user and quarter of an hour, from X's page on rate limits.
    return [
        door("POST", "tweets", "post", 100, post),
        door("GET", "tweets", "figures", 900, x_timeline.posts),
        door("DELETE", "tweets/{id}", "delete", 50, delete),
        door("POST", "media/upload", "media", 500, x_media.upload),
        door("POST", "media/metadata", "metadata", 500, x_media.describe),
        door("GET", "users/me", "me", 75, x_timeline.me),
        door("GET", "users/{id}/tweets", "timeline", 900, x_timeline.timeline),
        web.get("/x/posts.json", posts),
        web.get("/x/log.json", log),
        web.get("/x/media/{id}", x_media.serving(store)),
    ]


def entrance(store: Store, operation: str, limit: int, endpoint: Endpoint) -> faults.Handler:
    """Who asks, and how often; then the endpoint. Every answer to a known account carries its limits."""

    async def answer(request: web.Request) -> web.Response:
        headers: dict[str, str] = {}
        try:
            account = await oauth.signer(store, request)
            used, reset = rates.count(store, f"x:{account['id']}", operation, seconds=QUARTER_HOUR)
            headers = errors.rate_headers(limit, used, reset)
            if used > limit:
                raise errors.x_refusal("rate_limited")
            status, body = await endpoint(store, request, account)
        except errors.Refusal as refusal:
            refusal.headers.update(headers)
            return refusal.response()
        return web.json_response(body, status=status, headers=headers)

    return answer


async def post(store: Store, request: web.Request, account: dict[str, Any]) -> Reply:
    wish = await x_body.read(request)
    if absent := sorted(NOT_HERE & set(wish)):
        raise errors.invalid(f"The sandbox does not support: {', '.join(absent)}")
    x_body.check(wish, POST)
    raw, new = await request.read(), _new_post(store, wish)
    _check_text(new["text"], new["media"])
    with store.transaction():
        x_media.check(store, account, new["media"])
        _check_reply(store, new["reply_to"])
        _check_new(store, account, new["text"])
        _keep(store, account, new, raw)
    number, handle = new["id"], account["handle"]
    shown, _ = x_text.rendered(new["text"], handle=handle, post_id=number, media=new["media"])
    return 201, {"data": {"id": str(number), "text": shown, "edit_history_tweet_ids": [str(number)]}}


def _new_post(store: Store, wish: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": store.new_id(),
        "text": x_text.normal(wish.get("text", "")),
        "media": [int(one) for one in wish.get("media", {}).get("media_ids", [])],
        "reply_to": wish.get("reply", {}).get("in_reply_to_tweet_id"),
    }


def _check_text(text: str, media: list[int]) -> None:
    if not text and not media:
        raise errors.invalid("Required properties: text or media")
    if text and x_text.weight(text) > x_text.LIMIT:
        raise errors.invalid(TOO_LONG)
    if text and not x_text.valid(text):
        raise errors.invalid("Your Tweet text contains invalid characters.")


def _check_reply(store: Store, parent: str | None) -> None:
    if parent and not store.row("SELECT 1 FROM x_posts WHERE id = ? AND deleted_at IS NULL", int(parent)):
        raise errors.invalid("You attempted to reply to a Tweet that is deleted or not visible to you.")


def _check_new(store: Store, account: dict[str, Any], text: str) -> None:
    """No second post with the same text within a day. A deleted one no longer counts: X's habit is unknown."""
    if account["repeats"] or not text:
        return
    if store.row(
        "SELECT 1 FROM x_posts WHERE account = ? AND text = ? AND created_at > ? AND deleted_at IS NULL",
        account["id"],
        text,
        now(ago=DAY),
    ):
        raise errors.x_refusal("duplicate")


def _keep(store: Store, account: dict[str, Any], post: dict[str, Any], raw: bytes) -> None:
    store.run(
        "INSERT INTO x_posts (id, account, handle, text, media, reply_to, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        *(post["id"], account["id"], account["handle"], post["text"], json.dumps(post["media"])),
        *(post["reply_to"], now()),
    )
    facts = {"id": str(post["id"]), "text": post["text"], "media": [str(one) for one in post["media"]]}
    store.record("x", who=account["handle"], what="post", body=raw, **facts)


async def delete(store: Store, request: web.Request, account: dict[str, Any]) -> Reply:
    wanted = request.match_info["id"]
    row = ID.fullmatch(wanted) and store.row("SELECT * FROM x_posts WHERE id = ? AND deleted_at IS NULL", int(wanted))
    if not row:
        raise errors.Refusal(404, errors.not_found("tweet", "id", wanted), {}, "application/problem+json")
    if row["account"] != account["id"]:
        raise errors.x_refusal("forbidden")
    with store.transaction():
        store.run("UPDATE x_posts SET deleted_at = ? WHERE id = ?", now(), row["id"])
        store.record("x", who=account["handle"], what="delete", id=str(row["id"]))
    return 200, {"data": {"deleted": True}}


def every(store: Store, account: str | None = None) -> list[dict[str, Any]]:
    """All posts, newest first, deleted ones among them."""
    rows = store.rows("SELECT * FROM x_posts ORDER BY id DESC")
    return [row | {"media": json.loads(row["media"])} for row in rows if account in (None, row["account"])]


def public(store: Store, row: dict[str, Any]) -> dict[str, Any]:
    """A post as the sandbox's own JSON shows it: the text as it was sent."""
    shown = {key: row[key] for key in ("handle", "text", "reply_to", "created_at", "deleted_at")}
    media = [x_media.public(store, number) for number in row["media"]]
    return {"id": str(row["id"])} | shown | {"media": media}
