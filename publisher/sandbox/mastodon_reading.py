"""Reading on Mastodon: who am I, what have I posted, what does this server take."""

import json
from typing import Any

from aiohttp import web

from publisher.sandbox import accounts, errors, mastodon_errors, mastodon_media
from publisher.sandbox.behaviours import LAG
from publisher.sandbox.mastodon_text import LIMIT, URL_LENGTH, rendered, tags
from publisher.sandbox.shapes import ID
from publisher.sandbox.store import Store, now

Reply = tuple[int, Any, dict[str, str]]

USUAL, MOST = 20, 40
MOST_AT_ONCE = 20
SCOPES = ("read", "write")


async def me(store: Store, request: web.Request, account: dict[str, Any], asked: dict[str, Any]) -> Reply:
    return 200, person(request, account), {}


async def app(store: Store, request: web.Request, account: dict[str, Any], asked: dict[str, Any]) -> Reply:
    scopes = account["credentials"].get("scopes", " ".join(SCOPES)).split()
    return 200, {"id": "1", "name": "Publisher", "website": None, "scopes": scopes, "redirect_uris": []}, {}


async def instance(store: Store, request: web.Request, account: dict[str, Any], asked: dict[str, Any]) -> Reply:
    configuration = {
        "statuses": {
            "max_characters": int(account["credentials"].get("max_characters", LIMIT)),
            "max_media_attachments": 4,
            "characters_reserved_per_url": URL_LENGTH,
        },
        "media_attachments": {
            "description_limit": mastodon_media.LONGEST_ALT,
            "image_size_limit": mastodon_media.LARGEST,
            "supported_mime_types": sorted(mastodon_media.TYPES),
        },
    }
    facts = {"domain": request.host, "title": "Sandbox", "version": "4.5.0", "api_versions": {"mastodon": 7}}
    return 200, facts | {"configuration": configuration}, {}


async def timeline(store: Store, request: web.Request, account: dict[str, Any], asked: dict[str, Any]) -> Reply:
    """An account's posts, newest first; a header says where the next page begins."""
    owner = accounts.by_id(store, "mastodon", request.match_info["id"])
    if owner is None:
        raise mastodon_errors.refusal("not_found")
    most = min(_number(asked, "limit", USUAL), MOST)
    rows = _listed(store, owner, asked, lag=request.get(LAG, 0), most=most)
    headers = {}
    if len(rows) == most:
        address = f"{home(request)}/api/v1/accounts/{owner['id']}/statuses?max_id={rows[-1]['id']}"
        headers["Link"] = f'<{address}>; rel="next", <{address}>; rel="prev"'
    return 200, [shown(store, request, row) for row in rows], headers


async def status(store: Store, request: web.Request, account: dict[str, Any], asked: dict[str, Any]) -> Reply:
    return 200, shown(store, request, found(store, request.match_info["id"])), {}


async def statuses(store: Store, request: web.Request, account: dict[str, Any], asked: dict[str, Any]) -> Reply:
    """Several at once; those that are gone are left out."""
    wanted = asked.get("id[]", [])
    if len(wanted) > MOST_AT_ONCE:
        raise errors.Refusal(422, {"error": f"Limit of {MOST_AT_ONCE} statuses"})
    rows = [row for number in wanted if (row := standing(store, number))]
    return 200, [shown(store, request, row) for row in rows], {}


def standing(store: Store, number: str) -> dict[str, Any] | None:
    row = ID.fullmatch(number) and store.row(
        "SELECT * FROM mastodon_posts WHERE id = ? AND deleted_at IS NULL", int(number)
    )
    return row | {"media": json.loads(row["media"])} if row else None


def found(store: Store, number: str, owner: dict[str, Any] | None = None) -> dict[str, Any]:
    """A post that stands, of this account where one is given; 404 for all else, as for what one may not see."""
    row = standing(store, number)
    if row is None or (owner and row["account"] != owner["id"]):
        raise mastodon_errors.refusal("not_found")
    return row


def _number(asked: dict[str, Any], name: str, usual: int) -> int:
    value = str(asked.get(name, usual))
    if not ID.fullmatch(value):
        raise errors.Refusal(400, {"error": f"{name} is not a number"})
    return min(int(value), 2**63 - 1)


def _listed(
    store: Store, owner: dict[str, Any], asked: dict[str, Any], *, lag: float, most: int
) -> list[dict[str, Any]]:
    rows = store.rows(
        "SELECT * FROM mastodon_posts WHERE account = ? AND deleted_at IS NULL AND created_at <= ?"
        " AND id < ? AND id > ? AND (? OR NOT reblog) ORDER BY id DESC LIMIT ?",
        *(owner["id"], now(ago=lag), _number(asked, "max_id", 2**63 - 1), _number(asked, "since_id", 0)),
        *(asked.get("exclude_reblogs") not in ("1", "true", "True"), most),
    )
    return [row | {"media": json.loads(row["media"])} for row in rows]


def home(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}/mastodon"


def person(request: web.Request, account: dict[str, Any]) -> dict[str, Any]:
    handle = account["handle"]
    return {
        "id": account["id"],
        "username": handle,
        "acct": handle,
        "display_name": account["name"],
        "locked": False,
        "bot": False,
        "created_at": account["created_at"],
        "note": "",
        "url": f"{home(request)}/@{handle}",
    }


def shown(store: Store, request: web.Request, row: dict[str, Any]) -> dict[str, Any]:
    """A status as the API gives it. What it cannot have here is there and empty, as on a server."""
    account = accounts.by_id(store, "mastodon", row["account"]) or {}
    number, address = str(row["id"]), f"{home(request)}/@{row['handle']}"
    nothing = dict.fromkeys(("in_reply_to_id", "in_reply_to_account_id", "language", "card", "poll", "edited_at"))
    return nothing | {
        "id": number,
        "created_at": row["created_at"],
        "sensitive": False,
        "spoiler_text": "",
        "visibility": row["visibility"],
        "uri": f"{home(request)}/users/{row['handle']}/statuses/{number}",
        "url": f"{address}#{number}",
        "replies_count": row["replies"],
        "reblogs_count": row["reblogs"],
        "favourites_count": row["favourites"],
        "content": rendered(row["text"], home=home(request)),
        "reblog": {"id": "1"} if row["reblog"] else None,
        "account": person(request, account),
        "media_attachments": [mastodon_media.attachment(store, request, one) for one in row["media"]],
        "mentions": [],
        "tags": [{"name": tag.lower(), "url": f"{home(request)}/tags/{tag.lower()}"} for tag in tags(row["text"])],
        "emojis": [],
    }


def public(store: Store, row: dict[str, Any]) -> dict[str, Any]:
    """A post as the sandbox's own JSON shows it: the text as it was sent."""
    told = {key: row[key] for key in ("handle", "text", "visibility", "created_at", "deleted_at")}
    return {"id": str(row["id"])} | told | {"media": [mastodon_media.public(store, one) for one in row["media"]]}
