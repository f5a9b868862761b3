"""Bluesky's feeds: posts with what readers did with them, and a timeline as a reader sees it."""

import zlib
from typing import Any

from aiohttp import web

from publisher.sandbox import accounts, bluesky_repo
from publisher.sandbox.behaviours import LAG
from publisher.sandbox.bluesky_errors import invalid
from publisher.sandbox.store import Store, now

Account = dict[str, Any]

MOST_POSTS = 25


async def posts(store: Store, request: web.Request, account: Account) -> dict[str, Any]:
    """Those of the asked that stand; what is gone is left out."""
    wanted = request.query.getall("uris", [])
    if not 1 <= len(wanted) <= MOST_POSTS:
        raise invalid(f"Error: uris must not have more than {MOST_POSTS} elements")
    standing = {bluesky_repo.address(row): row for row in bluesky_repo.every(store) if not row["deleted_at"]}
    return {"posts": [view(standing[address]) for address in wanted if address in standing]}


async def feed(store: Store, request: web.Request, account: Account) -> dict[str, Any]:
    """An account's posts, newest first, as the service that makes feeds knows them: possibly later."""
    owner = _one(store, request.query.get("actor", ""))
    rows = [
        row
        for row in bluesky_repo.every(store, owner["id"])
        if not row["deleted_at"] and row["created_at"] <= now(ago=request.get(LAG, 0))
    ]
    return {"feed": [{"post": view(row)} for row in rows[: int(request.query.get("limit", "50"))]]}


async def profile(store: Store, request: web.Request, account: Account) -> dict[str, Any]:
    owner = _one(store, request.query.get("actor", ""))
    return {"did": owner["id"], "handle": owner["handle"], "displayName": owner["name"]}


def view(row: dict[str, Any]) -> dict[str, Any]:
    """A post with its counts, which are made of its address: any, and always the same."""
    address = bluesky_repo.address(row)
    number = zlib.crc32(address.encode())
    return {
        "uri": address,
        "cid": row["cid"],
        "author": {"did": row["did"], "handle": row["handle"]},
        "record": row["value"],
        "indexedAt": row["created_at"],
        "likeCount": number % 40,
        "repostCount": number // 40 % 10,
        "quoteCount": number // 400 % 3,
        "replyCount": number // 1200 % 5,
    }


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A post as the timeline's page takes it."""
    post = bluesky_repo.public(row)
    return {
        "id": row["rkey"],
        "at": row["created_at"],
        "pieces": pieces(row["value"]),
        "link": post["link"],
        "pictures": [{"url": one["url"], "alt": one["alt_text"], "here": True} for one in post["media"]],
    }


def pieces(record: dict[str, Any]) -> list[tuple[str, str | None]]:
    """The text in order, as (text, None) and (link text, address): only what has a facet is a link."""
    text, position = record["text"].encode(), 0
    found: list[tuple[str, str | None]] = []
    for facet in record.get("facets") or []:
        start, end = facet["index"]["byteStart"], facet["index"]["byteEnd"]
        found += [(text[position:start].decode(), None), (text[start:end].decode(), facet["features"][0].get("uri"))]
        position = end
    return [piece for piece in [*found, (text[position:].decode(), None)] if piece[0]]


def _one(store: Store, wanted: str) -> Account:
    found = accounts.by_id(store, "bluesky", wanted) or accounts.by_handle(store, "bluesky", wanted)
    if found is None:
        raise invalid("Profile not found")
    return found
