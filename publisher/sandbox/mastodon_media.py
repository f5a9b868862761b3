"""Pictures on Mastodon: uploaded with their description, prepared by the server, then named by one post."""

from typing import Any

from aiohttp import web

from publisher.sandbox import images, mastodon_errors
from publisher.sandbox.behaviours import LOOKS
from publisher.sandbox.shapes import ID
from publisher.sandbox.store import Store, now

SCHEMA = """
CREATE TABLE IF NOT EXISTS mastodon_media (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    media_type TEXT NOT NULL,
    content BLOB NOT NULL,
    alt_text TEXT NOT NULL,
    looks INTEGER NOT NULL,
    post INTEGER,
    created_at TEXT NOT NULL
);
"""

Reply = tuple[int, Any, dict[str, str]]

LARGEST = 16 * 2**20
LONGEST_ALT = 1500
MOST = 4
TYPES = {"image/jpeg", "image/png", "image/gif", "image/webp"}


async def upload(store: Store, request: web.Request, account: dict[str, Any], asked: dict[str, Any]) -> Reply:
    """200 where it is ready at once. With a fault it is prepared first: `looks` is how often one has to look."""
    file, alt = asked.get("file"), str(asked.get("description", ""))
    if not isinstance(file, web.FileField):
        raise mastodon_errors.refusal("no_media")
    content = file.file.read()
    if images.kind(content) not in TYPES:
        raise mastodon_errors.refusal("media_type")
    if len(alt) > LONGEST_ALT:
        raise mastodon_errors.refusal("description")
    number, looks = store.new_id(), request.get(LOOKS, 0)
    with store.transaction():
        store.run(
            "INSERT INTO mastodon_media (id, account, media_type, content, alt_text, looks, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(number, account["id"], images.kind(content), content, alt, looks, now()),
        )
        store.record("mastodon", who=account["handle"], what="media", body=content, id=str(number), alt_text=alt)
    return 202 if looks else 200, attachment(store, request, str(number)), {}


async def look(store: Store, request: web.Request, account: dict[str, Any], asked: dict[str, Any]) -> Reply:
    """206 while it is prepared. One that is in a post already is not found, as it is nobody's to change."""
    row = _row(store, request.match_info["id"])
    if row is None or row["account"] != account["id"] or row["post"]:
        raise mastodon_errors.refusal("not_found")
    if row["looks"] < 0:
        raise mastodon_errors.refusal("processing_failed")
    store.run("UPDATE mastodon_media SET looks = max(0, looks - 1) WHERE id = ?", row["id"])
    return 206 if row["looks"] > 1 else 200, attachment(store, request, str(row["id"])), {}


def check(store: Store, account: dict[str, Any], media: list[str]) -> None:
    """Each must exist, belong to this account, stand in no post, and be ready."""
    if len(media) > MOST:
        raise mastodon_errors.refusal("too_many_media")
    rows = [_row(store, number) for number in media]
    if any(row is None or row["account"] != account["id"] or row["post"] for row in rows):
        raise mastodon_errors.refusal("media_gone")
    if any(row and row["looks"] for row in rows):
        raise mastodon_errors.refusal("not_ready")


def attach(store: Store, media: list[str], post: int) -> None:
    for number in media:
        store.run("UPDATE mastodon_media SET post = ? WHERE id = ?", post, int(number))


def attachment(store: Store, request: web.Request, number: str) -> dict[str, Any]:
    row = _row(store, number) or {}
    address = f"{request.scheme}://{request.host}/mastodon/media/{number}"
    return {
        "id": number,
        "type": "image",
        "url": None if row["looks"] else address,
        "preview_url": address,
        "remote_url": None,
        "meta": {},
        "description": row["alt_text"] or None,
        "blurhash": None,
    }


def public(store: Store, number: str) -> dict[str, str]:
    row = _row(store, number) or {}
    return {"id": number, "url": f"/mastodon/media/{number}"} | {key: row[key] for key in ("media_type", "alt_text")}


def serving(store: Store) -> Any:
    async def serve(request: web.Request) -> web.Response:
        row = _row(store, request.match_info["id"])
        if row is None:
            raise web.HTTPNotFound()
        return web.Response(body=row["content"], content_type=row["media_type"])

    return serve


def _row(store: Store, number: str) -> dict[str, Any] | None:
    return store.row("SELECT * FROM mastodon_media WHERE id = ?", int(number)) if ID.fullmatch(number) else None
