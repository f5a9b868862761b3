"""Writing on a Page: posts, photos, and taking posts away."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from publisher.sandbox import errors, images
from publisher.sandbox.store import Store, now

SCHEMA = """
CREATE TABLE IF NOT EXISTS graph_posts (
    id INTEGER PRIMARY KEY,
    page TEXT NOT NULL,
    message TEXT NOT NULL,
    link TEXT NOT NULL,
    photos TEXT NOT NULL,
    published INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    deleted_at TEXT
);
CREATE TABLE IF NOT EXISTS graph_photos (
    id INTEGER PRIMARY KEY,
    page TEXT NOT NULL,
    url TEXT NOT NULL,
    media_type TEXT NOT NULL,
    content BLOB NOT NULL,
    alt_text TEXT NOT NULL,
    published INTEGER NOT NULL,
    created_at TEXT NOT NULL
);
"""

DAY = 24 * 60 * 60
LONGEST_MESSAGE = 63206
LARGEST_PHOTO = 4 * 2**20
UNREADABLE = (
    "Your photos couldn't be uploaded. Photos should be less than 4 MB and saved as JPG, PNG, GIF, TIFF, HEIF "
    "or WebP files."
)

Account = dict[str, Any]
Asked = dict[str, Any]


async def post(store: Store, request: web.Request, account: Account, asked: Asked) -> dict[str, str]:
    """A post of words, a link or photos uploaded before; unpublished ones stay out of the timeline."""
    message, link = str(asked.get("message", "")), str(asked.get("link", ""))
    photos = _attached(asked)
    if not (message or link or photos):
        raise errors.graph(100, 1349125, "Missing message or attachment")
    if link and not _is_address(link):
        raise errors.graph(100, message="(#100) link URL is not properly formatted")
    with store.transaction():
        _check_photos(store, account, photos)
        number = _keep(store, account, message=message, link=link, photos=photos, published=_published(asked))
        store.db.executemany("UPDATE graph_photos SET published = 1 WHERE id = ?", [(one,) for one in photos])
    return {"id": f"{account['id']}_{number}"}


async def photo(store: Store, request: web.Request, account: Account, asked: Asked) -> dict[str, str]:
    """A photo: published, with a post of its own; unpublished, to be attached to one."""
    url, content, media_type = _picture(asked)
    published, alt = _published(asked), str(asked.get("alt_text_custom", ""))
    number = store.new_id()
    caption = str(asked.get("caption") or asked.get("message") or "")
    with store.transaction():
        store.run(
            "INSERT INTO graph_photos VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            *(number, account["id"], url, media_type, content, alt, published, now()),
        )
        facts = {"id": str(number), "alt_text": alt, "url": url}
        store.record("graph", who=account["id"], what="photo", body=content, **facts)
        if not published:
            return {"id": str(number)}
        own = _keep(store, account, message=caption, link="", photos=[number], published=True)
    return {"id": str(number), "post_id": f"{account['id']}_{own}"}


async def delete(store: Store, request: web.Request, account: Account, asked: Asked) -> dict[str, bool]:
    row = one(store, account, request.match_info["post"])
    with store.transaction():
        store.run("UPDATE graph_posts SET deleted_at = ? WHERE id = ?", now(), row["id"])
        store.record("graph", who=account["id"], what="delete", id=f"{row['page']}_{row['id']}")
    return {"success": True}


def _keep(store: Store, account: Account, *, message: str, link: str, photos: list[int], published: bool) -> int:
    _check_message(store, account, message)
    number = store.new_id()
    store.run(
        "INSERT INTO graph_posts (id, page, message, link, photos, published, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        *(number, account["id"], message, link, json.dumps(photos), published, now()),
    )
    facts = {"text": message, "link": link, "photos": [str(one) for one in photos], "published": published}
    store.record("graph", who=account["id"], what="post", body=message, id=f"{account['id']}_{number}", **facts)
    return number


def _check_message(store: Store, account: Account, message: str) -> None:
    """Not too long, and not the words of another post of the last day that still stands."""
    if len(message) > LONGEST_MESSAGE:
        raise errors.graph(100, message="(#100) The message is too long")
    if (
        message
        and not account["repeats"]
        and store.row(
            "SELECT 1 FROM graph_posts WHERE page = ? AND message = ? AND created_at > ? AND deleted_at IS NULL",
            *(account["id"], message, now(ago=DAY)),
        )
    ):
        raise errors.graph(506, 1455006)


def _attached(asked: Asked) -> list[int]:
    """attached_media as JSON, or as the form fields attached_media[0], attached_media[1] …"""
    value = asked.get("attached_media", "[]")
    indexed = [asked[name] for name in sorted(asked) if name.startswith("attached_media[")]
    try:
        listed = json.loads(value) if isinstance(value, str) else value
        found = [json.loads(one) if isinstance(one, str) else one for one in [*listed, *indexed]]
        return [int(one["media_fbid"]) for one in found]
    except (ValueError, TypeError, KeyError):
        raise errors.graph(100, message="(#100) attached_media must be an array of media_fbid") from None


def _check_photos(store: Store, account: Account, photos: list[int]) -> None:
    free = {
        row["id"] for row in store.rows("SELECT id FROM graph_photos WHERE page = ? AND NOT published", account["id"])
    }
    if wrong := [str(number) for number in photos if number not in free]:
        raise errors.graph(100, message=f"(#100) Not an unpublished photo of this Page: {', '.join(wrong)}")


def _picture(asked: Asked) -> tuple[str, bytes, str]:
    """The address or the bytes of the photo. An address is noted and not fetched: the sandbox calls nobody."""
    source, url = asked.get("source"), str(asked.get("url", ""))
    if isinstance(source, web.FileField):
        content = source.file.read()
        media_type = images.kind(content)
        if media_type is None or len(content) > LARGEST_PHOTO:
            raise errors.graph(100, 1366046, UNREADABLE)
        return "", content, media_type
    if not url:
        raise errors.graph(324, message="(#324) Requires upload file")
    if not _is_address(url):
        raise errors.graph(100, message="(#100) url should represent a valid URL")
    return url, b"", ""


def _is_address(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not re.search(r"\s", text)


def _published(asked: Asked) -> bool:
    return str(asked.get("published", "true")).lower() in ("true", "1")


def one(store: Store, account: Account, wanted: str) -> dict[str, Any]:
    """The page's own post of this id; Graph's 100/33 where there is none."""
    number = int(wanted.partition("_")[2])
    row = store.row(
        "SELECT * FROM graph_posts WHERE id = ? AND page = ? AND deleted_at IS NULL",
        *(min(number, 2**63 - 1), account["id"]),
    )
    if row is None:
        raise errors.graph(100, 33, kind="GraphMethodException")
    return row | {"photos": json.loads(row["photos"])}


def every(store: Store, page: str | None = None) -> list[dict[str, Any]]:
    """All posts, newest first, unpublished and deleted ones among them."""
    rows = store.rows("SELECT * FROM graph_posts ORDER BY id DESC")
    return [row | {"photos": json.loads(row["photos"])} for row in rows if page in (None, row["page"])]


def picture(store: Store, number: int) -> dict[str, Any]:
    """What is known of a photo: where its bytes are, and its alt text."""
    row = store.row("SELECT url, alt_text, media_type FROM graph_photos WHERE id = ?", number) or {}
    return {"id": str(number)} | row | {"url": row.get("url") or f"/graph/photo/{number}"}


def public(store: Store, row: dict[str, Any]) -> dict[str, Any]:
    """A post as the sandbox's own JSON shows it."""
    shown = {key: row[key] for key in ("page", "link", "created_at", "deleted_at")}
    photos = [picture(store, number) for number in row["photos"]]
    return {"id": f"{row['page']}_{row['id']}", "text": row["message"], "photos": photos} | {
        **shown,
        "published": bool(row["published"]),
    }


def serving(store: Store) -> Any:
    async def serve(request: web.Request) -> web.Response:
        wanted = request.match_info["id"]
        row = wanted.isdigit() and store.row("SELECT * FROM graph_photos WHERE id = ?", min(int(wanted), 2**63 - 1))
        if not row or not row["content"]:
            raise web.HTTPNotFound()
        return web.Response(body=row["content"], content_type=row["media_type"])

    return serve
