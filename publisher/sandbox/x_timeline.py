"""Reading on X: who am I, and what have I posted."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from publisher.sandbox import accounts, errors, figures, x_text
from publisher.sandbox.behaviours import LAG
from publisher.sandbox.shapes import ID
from publisher.sandbox.store import Store, now, printed

# The fields X knows. Those without data here are accepted and simply absent, as for a post that has none.
POST_FIELDS = frozenset(
    (
        *("article", "article_title", "attachments", "author_id", "card_uri", "community_id"),
        *("context_annotations", "conversation_id", "created_at", "display_text_range", "edit_controls"),
        *("edit_history_tweet_ids", "entities", "geo", "id", "in_reply_to_user_id", "lang"),
        *("media_metadata", "note_tweet", "paid_partnership", "possibly_sensitive", "public_metrics"),
        *("referenced_tweets", "reply_settings", "source", "text", "withheld"),
    )
)
USER_FIELDS = frozenset(
    (
        *("created_at", "description", "entities", "id", "location", "name", "profile_image_url"),
        *("protected", "public_metrics", "url", "username", "verified", "verified_type", "withheld"),
    )
)
LISTS = {"tweet.fields": POST_FIELDS, "post.fields": POST_FIELDS, "user.fields": USER_FIELDS}
TIMELINE = {
    *("max_results", "start_time", "end_time", "since_id", "until_id", "pagination_token", "exclude"),
    *("tweet.fields", "post.fields", "user.fields"),
}


async def me(store: Store, request: web.Request, account: dict[str, Any]) -> tuple[int, Any]:
    asked = _query(request, {"user.fields", "tweet.fields", "post.fields"})
    user = {"id": account["id"], "name": account["name"], "username": account["handle"]}
    if "created_at" in asked.get("user.fields", ()):
        user["created_at"] = account["created_at"]
    return 200, {"data": user}


async def timeline(store: Store, request: web.Request, account: dict[str, Any]) -> tuple[int, Any]:
    """An account's posts, newest first, in pages; its tokens say where the next page begins."""
    asked = _query(request, TIMELINE)
    wanted = request.match_info["id"]
    owner = accounts.by_id(store, "x", wanted)
    if owner is None:
        return 200, {"errors": [errors.not_found("user", "id", wanted)]}
    most = _number(asked, "max_results", 10, 5, 100)
    rows = _found(store, owner, asked, lag=request.get(LAG, 0), most=most + 1)
    page, more = rows[:most], rows[most:]
    if not page:
        return 200, {"meta": {"result_count": 0}}
    meta = {"result_count": len(page), "newest_id": str(page[0]["id"]), "oldest_id": str(page[-1]["id"])}
    if more:
        meta["next_token"] = f"t{page[-1]['id']}"
    fields = asked.get("tweet.fields", frozenset()) | asked.get("post.fields", frozenset())
    return 200, {"data": [_post(row, fields) for row in page], "meta": meta}


async def posts(store: Store, request: web.Request, account: dict[str, Any]) -> tuple[int, Any]:
    """Up to 100 posts by their ids; a problem for each that is not there, beside those that are."""
    asked = _query(request, {"ids", "tweet.fields", "post.fields"})
    ids = asked.get("ids", "").split(",")
    if not 1 <= len(ids) <= 100 or not all(ID.fullmatch(one) for one in ids):
        raise errors.invalid(
            "The `ids` query parameter must be 1 to 100 post ids", parameters={"ids": [asked.get("ids", "")]}
        )
    fields = asked.get("tweet.fields", frozenset()) | asked.get("post.fields", frozenset())
    standing = {one: _standing(store, one) for one in ids}
    data = [_post(row, fields) | _metrics(store, row, fields) for row in standing.values() if row]
    problems = [errors.not_found("tweet", "ids", one) for one, row in standing.items() if not row]
    return 200, ({"data": data} if data else {}) | ({"errors": problems} if problems else {})


def _standing(store: Store, number: str) -> dict[str, Any] | None:
    return store.row("SELECT * FROM x_posts WHERE id = ? AND deleted_at IS NULL", min(int(number), 2**63 - 1))


def _metrics(store: Store, row: dict[str, Any], fields: frozenset[str]) -> dict[str, Any]:
    if "public_metrics" not in fields:
        return {}
    told = figures.of(store, "x", str(row["id"]))
    counts = {"repost_count": told["reposts"], "reply_count": told["comments"], "like_count": told["likes"]}
    return {"public_metrics": {**counts, "quote_count": 0, "bookmark_count": 0, "impression_count": told["views"]}}


def _query(request: web.Request, allowed: set[str]) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    for name, value in request.query.items():
        if name not in allowed:
            raise errors.invalid(
                f"The query parameter [{name}] is not one of [{','.join(sorted(allowed))}]",
                parameters={name: [value]},
            )
        asked[name] = _list(name, value) if name in LISTS else value
    return asked


def _list(name: str, value: str) -> frozenset[str]:
    given = frozenset(value.split(","))
    if unknown := sorted(given - LISTS[name]):
        raise errors.invalid(
            f"The `{name}` query parameter value [{unknown[0]}] is not one of [{','.join(sorted(LISTS[name]))}]",
            parameters={name: [value]},
        )
    return given


def _number(asked: Mapping[str, Any], name: str, usual: int, least: int, most: int) -> int:
    value = str(asked.get(name, usual))
    if not value.isdigit() or not least <= int(value) <= most:
        raise errors.invalid(
            f"The `{name}` query parameter value [{value}] is not between {least} and {most}",
            parameters={name: [value]},
        )
    return int(value)


def _found(
    store: Store, owner: dict[str, Any], asked: dict[str, Any], *, lag: float, most: int
) -> list[dict[str, Any]]:
    """One more than a page holds, so that the caller sees whether there is another page."""
    beginning, end = _moment(asked, "start_time"), _moment(asked, "end_time")
    before = asked.get("pagination_token", "").removeprefix("t") or asked.get("until_id")
    return store.rows(
        "SELECT * FROM x_posts WHERE account = ? AND deleted_at IS NULL AND created_at >= ? AND created_at < ?"
        " AND created_at <= ? AND id > ? AND id < ? AND (? OR reply_to IS NULL) ORDER BY id DESC LIMIT ?",
        *(owner["id"], beginning or "", end or "9999", now(ago=lag)),
        *(_id(asked, "since_id", asked.get("since_id"), 0), _id(asked, "until_id", before, 2**63 - 1)),
        *("replies" not in asked.get("exclude", "").split(","), most),
    )


def _moment(asked: dict[str, Any], name: str) -> str | None:
    value = asked.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise errors.invalid(
            f"The `{name}` query parameter value [{value}] is not a valid date-time (RFC3339)",
            parameters={name: [value]},
        )
    return printed(moment)


def _id(asked: dict[str, Any], name: str, value: str | None, usual: int) -> int:
    if value is None:
        return usual
    if not ID.fullmatch(value):
        raise errors.invalid(
            f"The `{name}` query parameter value [{value}] does not match ^[0-9]{{1,19}}$",
            parameters={name: [value]},
        )
    return min(int(value), 2**63 - 1)


def _post(row: dict[str, Any], fields: frozenset[str]) -> dict[str, Any]:
    media = json.loads(row["media"])
    text, entities = x_text.rendered(row["text"], handle=row["handle"], post_id=row["id"], media=media)
    number = str(row["id"])
    possible = {
        "created_at": row["created_at"],
        "author_id": row["account"],
        "entities": entities,
        "attachments": {"media_keys": [f"3_{one}" for one in media]} if media else {},
    }
    extra = {name: value for name, value in possible.items() if name in fields and value}
    return {"id": number, "text": text, "edit_history_tweet_ids": [number]} | extra
