"""Pictures on X: uploaded first, described, then named by a post within a day."""

import base64
import binascii
from typing import Any

from aiohttp import web

from publisher.sandbox import errors, images, x_body
from publisher.sandbox.shapes import ID, Needed
from publisher.sandbox.store import Store, now

SCHEMA = """
CREATE TABLE IF NOT EXISTS x_media (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    media_type TEXT NOT NULL,
    content BLOB NOT NULL,
    alt_text TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL
);
"""

LARGEST = 5 * 2**20
LIVES = 24 * 60 * 60
LONGEST_ALT = 1000

CATEGORIES = frozenset({"tweet_image", "tweet_video", "tweet_gif", "dm_image", "dm_video", "dm_gif", "subtitles"})
UPLOAD = {Needed("media"): str, Needed("media_category"): CATEGORIES, "additional_owners": str}
METADATA = {Needed("id"): ID, "metadata": {"alt_text": {Needed("text"): str}}}


async def upload(store: Store, request: web.Request, account: dict[str, Any]) -> tuple[int, Any]:
    """One picture in one request: multipart with the bytes, or JSON with base64."""
    content, category = await _uploaded(request)
    if category not in ("tweet_image", "tweet_gif"):
        raise errors.invalid(f"The sandbox takes pictures for posts only, not {category}.")
    if len(content) > LARGEST:
        raise errors.invalid(f"File size exceeds {LARGEST} bytes.")
    media_type = images.kind(content)
    if media_type is None:
        raise errors.invalid("media type unrecognized.")
    number = store.new_id()
    with store.transaction():
        store.run(
            "INSERT INTO x_media (id, account, media_type, content, created_at) VALUES (?, ?, ?, ?, ?)",
            *(number, account["id"], media_type, content, now()),
        )
        store.record("x", who=account["handle"], what="media", body=content, id=str(number))
    key = f"3_{number}"
    return 200, {"data": {"id": str(number), "media_key": key, "size": len(content), "expires_after_secs": LIVES}}


async def _uploaded(request: web.Request) -> tuple[bytes, str]:
    if request.content_type == "multipart/form-data":
        form = await request.post()
        fields = {name: "" if isinstance(value, web.FileField) else str(value) for name, value in form.items()}
        x_body.check(fields, UPLOAD)
        media = form["media"]
        content = media.file.read() if isinstance(media, web.FileField) else str(media).encode()
        return content, fields["media_category"]
    wish = await x_body.read(request)
    x_body.check(wish, UPLOAD)
    try:
        return base64.b64decode(wish["media"], validate=True), wish["media_category"]
    except binascii.Error:
        raise errors.invalid("[$.media] is not base64") from None


async def describe(store: Store, request: web.Request, account: dict[str, Any]) -> tuple[int, Any]:
    """Give a picture its alt text."""
    wish = await x_body.read(request)
    x_body.check(wish, METADATA)
    text = wish.get("metadata", {}).get("alt_text", {}).get("text", "")
    if len(text) > LONGEST_ALT:
        raise errors.invalid(f"[$.metadata.alt_text.text] is longer than {LONGEST_ALT} characters")
    check(store, account, [int(wish["id"])])
    with store.transaction():
        store.run("UPDATE x_media SET alt_text = ? WHERE id = ?", text, int(wish["id"]))
        store.record("x", who=account["handle"], what="metadata", body=text, id=wish["id"], alt_text=text)
    return 200, {"data": {"id": wish["id"], "associated_metadata": {"alt_text": {"text": text}}}}


def check(store: Store, account: dict[str, Any], media: list[int]) -> None:
    """Each must exist, belong to this account, and be younger than a day."""
    own = {
        row["id"]
        for row in store.rows(
            "SELECT id FROM x_media WHERE account = ? AND created_at > ?", account["id"], now(ago=LIVES)
        )
    }
    if not own.issuperset(media):
        wrong = f"[{','.join(str(number) for number in media)}]"
        raise errors.invalid("Your media IDs are invalid.", parameters={"media.media_ids": [wrong]})


def public(store: Store, number: int) -> dict[str, str]:
    row = store.row("SELECT media_type, alt_text FROM x_media WHERE id = ?", number) or {}
    return {"id": str(number), "url": f"/x/media/{number}"} | row


def serving(store: Store) -> Any:
    async def serve(request: web.Request) -> web.Response:
        wanted = request.match_info["id"]
        row = ID.fullmatch(wanted) and store.row("SELECT * FROM x_media WHERE id = ?", int(wanted))
        if not row:
            raise web.HTTPNotFound()
        return web.Response(body=row["content"], content_type=row["media_type"])

    return serve
