"""Reading on Graph: the page, its posts, and what a token is worth."""

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

from aiohttp import web

from publisher.sandbox import accounts, errors, figures, graph_posts
from publisher.sandbox.behaviours import LAG
from publisher.sandbox.store import Store, now, printed

Account = dict[str, Any]
Asked = dict[str, Any]

PAGE_FIELDS = {"id", "name", "link", "username", "category", "is_published"}
POST_FIELDS = {"id", "message", "permalink_url", "created_time", "attachments", "is_published", "from"}
COUNTED_FIELDS = {"likes", "comments", "shares"}
SCOPES = ["pages_show_list", "pages_read_engagement", "pages_manage_posts", "public_profile"]

# One name, with its own fields in braces where it has any: attachments{media_type,url}.
FIELD = re.compile(r"([a-z_]+)(?:\.limit\(\d+\))?(?:\.summary\((?:true|1|total_count)\))?(\{[^{}]*\})?(?:,|$)")


async def page(store: Store, request: web.Request, account: Account, asked: Asked) -> dict[str, Any]:
    fields = _fields(asked, PAGE_FIELDS, "id,name", "Page")
    known = {
        "id": account["id"],
        "name": account["name"],
        "link": f"{request.scheme}://{request.host}/facebook/{account['id']}",
        "username": account["handle"],
        "category": "Nonprofit organization",
        "is_published": True,
    }
    return {name: known[name] for name in known if name in fields}


async def debug_token(store: Store, request: web.Request, account: Account, asked: Asked) -> dict[str, Any]:
    """What another token is worth; asked with a token that is itself good."""
    owner = accounts.by_token(store, "facebook", str(asked.get("input_token", "")))
    if owner is None:
        problem = {"code": 190, "message": "Invalid OAuth access token - Cannot parse access token"}
        return {"data": {"error": problem, "is_valid": False, "scopes": []}}
    ends = int(owner["credentials"].get("expires_at") or 0)
    return {
        "data": {
            "app_id": "1",
            "application": "Sandbox",
            "type": "PAGE",
            "profile_id": owner["id"],
            "expires_at": ends,
            "data_access_expires_at": 0,
            "is_valid": not 0 < ends < errors.in_seconds(0),
            "scopes": SCOPES,
        }
    }


async def post(store: Store, request: web.Request, account: Account, asked: Asked) -> dict[str, Any]:
    row = graph_posts.one(store, account, request.match_info["post"])
    fields = _fields(asked, POST_FIELDS | COUNTED_FIELDS, "created_time,message,id", "PagePost")
    return _shown(store, request, account, row, fields) | _counted(store, account, row, fields)


async def insights(store: Store, request: web.Request, account: Account, asked: Asked) -> dict[str, Any]:
    """How often a post was seen. A token without read_insights, which an account's `tasks` may lack, learns nothing."""
    row = graph_posts.one(store, account, request.match_info["post"])
    if "ANALYZE" not in str(account["credentials"].get("tasks", "ANALYZE")).split():
        raise errors.graph(200, message="(#200) Provide valid app ID or a token with read_insights")
    if asked.get("metric") != "post_media_view":
        raise errors.graph(100, message="(#100) The value must be a valid insights metric")
    number = f"{row['page']}_{row['id']}"
    views = figures.of(store, "facebook", number)["views"]
    named = {"name": "post_media_view", "period": "lifetime", "values": [{"value": views}]}
    return {"data": [{**named, "id": f"{number}/insights/post_media_view/lifetime"}]}


async def posts(store: Store, request: web.Request, account: Account, asked: Asked) -> dict[str, Any]:
    """The page's published posts, newest first; `after` from the cursors leads to the next page."""
    fields = _fields(asked, POST_FIELDS, "created_time,message,id", "PagePost")
    most = _limit(asked)
    rows = store.rows(
        "SELECT * FROM graph_posts WHERE page = ? AND published AND deleted_at IS NULL AND created_at >= ?"
        " AND created_at <= ? AND created_at <= ? AND id < ? ORDER BY id DESC LIMIT ?",
        *(account["id"], _moment(asked, "since") or "", _moment(asked, "until") or "9999"),
        *(now(ago=request.get(LAG, 0)), _after(asked), most),
    )
    found = [row | {"photos": json.loads(row["photos"])} for row in rows]
    if not found:
        return {"data": []}
    cursors = {"before": str(found[0]["id"]), "after": str(found[-1]["id"])}
    return {
        "data": [_shown(store, request, account, row, fields) for row in found],
        "paging": {"cursors": cursors},
    }


def _fields(asked: Asked, known: set[str], usual: str, kind: str) -> set[str]:
    wanted = str(asked.get("fields") or usual).replace(" ", "")
    names = [match[1] for match in FIELD.finditer(wanted)]
    if "".join(match[0] for match in FIELD.finditer(wanted)) != wanted:
        raise errors.graph(2500, message="Syntax error: the field list is malformed")
    if unknown := sorted(set(names) - known):
        raise errors.graph(
            100, message=f"(#100) Tried accessing nonexisting field ({unknown[0]}) on node type ({kind})"
        )
    return {*names, "id"}


def _limit(asked: Asked) -> int:
    value = str(asked.get("limit", 25))
    if not value.isdigit() or not 1 <= int(value) <= 100:
        raise errors.graph(100, message="(#100) limit must be a number from 1 to 100")
    return int(value)


def _after(asked: Asked) -> int:
    value = str(asked.get("after", 2**63 - 1))
    if not value.isdigit():
        raise errors.graph(100, message="(#100) Invalid cursor")
    return min(int(value), 2**63 - 1)


def _moment(asked: Asked, name: str) -> str | None:
    """Unix seconds, or ISO 8601 with its zone."""
    value = asked.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromtimestamp(int(value), UTC) if str(value).isdigit() else datetime.fromisoformat(str(value))
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise errors.graph(100, message=f"(#100) {name} is not a moment")
    return printed(moment)


def _shown(
    store: Store, request: web.Request, account: Account, row: dict[str, Any], fields: set[str]
) -> dict[str, Any]:
    number = f"{row['page']}_{row['id']}"
    # The real one leads to facebook.com, where this post is not; here a person can follow it.
    home = f"{request.scheme}://{request.host}/facebook/{row['page']}#{number}"
    known = {
        "id": number,
        "message": row["message"],
        "permalink_url": home,
        "created_time": row["created_at"][:19] + "+0000",
        "is_published": bool(row["published"]),
        "from": {"id": row["page"], "name": account["name"]},
        "attachments": {"data": _attachments(store, request, row)},
    }
    empty = {"message"} if not row["message"] else set()
    if not known["attachments"]["data"]:
        empty.add("attachments")
    return {name: known[name] for name in known if name in fields - empty}


def _counted(store: Store, account: Account, row: dict[str, Any], fields: set[str]) -> dict[str, Any]:
    """Likes and comments as summaries of empty lists; shares only where there are any, as Graph has it."""
    told = figures.of(store, "facebook", f"{account['id']}_{row['id']}")
    known: dict[str, Any] = {
        name: {"data": [], "summary": {"total_count": told[name], "can_comment": True}}
        for name in ("likes", "comments")
    }
    if told["reposts"]:
        known["shares"] = {"count": told["reposts"]}
    return {name: value for name, value in known.items() if name in fields}


def _attachments(store: Store, request: web.Request, row: dict[str, Any]) -> list[dict[str, Any]]:
    link = {"type": "share", "media_type": "link", "unshimmed_url": row["link"], "url": row["link"]}
    pictures = [graph_posts.picture(store, number) for number in row["photos"]]
    return ([link] if row["link"] else []) + [
        {
            "type": "photo",
            "media_type": "photo",
            "target": {"id": picture["id"]},
            "url": urljoin(f"{request.scheme}://{request.host}/", picture["url"]),
        }
        for picture in pictures
    ]
