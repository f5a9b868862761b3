"""Pictures on Bluesky: uploaded first, known by the hash of their bytes, kept once a record names them."""

import base64
import hashlib
from typing import Any

from aiohttp import web

from publisher.sandbox import images
from publisher.sandbox.bluesky_errors import invalid, xrpc
from publisher.sandbox.bluesky_lexicon import LARGEST_IMAGE
from publisher.sandbox.store import Store, now

SCHEMA = """
CREATE TABLE IF NOT EXISTS bluesky_blobs (
    did TEXT NOT NULL,
    cid TEXT NOT NULL,
    media_type TEXT NOT NULL,
    content BLOB NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (did, cid)
);
"""

RAW, DAG_CBOR = b"\x55", b"\x71"


def cid(codec: bytes, content: bytes) -> str:
    """A content id of version 1. Those of records are of their JSON here, and not of the CBOR of the real ones."""
    digest = b"\x01" + codec + b"\x12\x20" + hashlib.sha256(content).digest()
    return "b" + base64.b32encode(digest).decode().rstrip("=").lower()


async def upload(store: Store, request: web.Request, account: dict[str, Any]) -> dict[str, Any]:
    content = await request.read()
    if not content:
        raise invalid("A request body is expected but none was provided")
    # As the real one: what the bytes are wins over what is said of them.
    media_type = images.kind(content) or request.content_type
    name = cid(RAW, content)
    with store.transaction():
        store.run(
            "INSERT OR REPLACE INTO bluesky_blobs VALUES (?, ?, ?, ?, ?)",
            *(account["id"], name, media_type, content, now()),
        )
        store.record("bluesky", who=account["handle"], what="media", body=content, id=name)
    return {"blob": {"$type": "blob", "ref": {"$link": name}, "mimeType": media_type, "size": len(content)}}


def check(store: Store, account: dict[str, Any], record: dict[str, Any]) -> None:
    """Each picture that a record names was uploaded by this account, is what is said of it, and is no larger."""
    for image in pictures(record):
        blob = image["image"]
        name = blob["ref"]["$link"]
        found = store.row("SELECT * FROM bluesky_blobs WHERE did = ? AND cid = ?", account["id"], name)
        if found is None:
            raise xrpc("blob_not_found", f"Could not find blob: {name}")
        size = len(found["content"])
        if size > LARGEST_IMAGE:
            sentence = f"This file is too large. It is {size / 2**20:.1f}MB but the maximum size is 976.56KB."
            raise xrpc("blob_too_large", sentence)
        if blob.get("mimeType") != found["media_type"]:
            sentence = f"Referenced Mimetype does not match stored blob. Expected: {found['media_type']}"
            raise xrpc("invalid_mime_type", sentence)
        if not found["media_type"].startswith("image/"):
            raise xrpc("invalid_mime_type")


def pictures(record: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (record.get("embed") or {}).get("images") or []
    return found


def public(record: dict[str, Any], did: str) -> list[dict[str, str]]:
    """The pictures of a record, and where a browser finds them."""
    return [
        {
            "id": image["image"]["ref"]["$link"],
            "url": f"/bluesky/blob/{did}/{image['image']['ref']['$link']}",
            "alt_text": image["alt"],
        }
        for image in pictures(record)
    ]


def serving(store: Store) -> Any:
    async def serve(request: web.Request) -> web.Response:
        wanted = request.match_info
        row = store.row("SELECT * FROM bluesky_blobs WHERE did = ? AND cid = ?", wanted["did"], wanted["cid"])
        if row is None or not images.kind(row["content"]):
            raise web.HTTPNotFound()
        return web.Response(body=row["content"], content_type=row["media_type"])

    return serve
