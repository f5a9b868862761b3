"""Bluesky: an account's server (PDS), as strict as the reference one in what publishing needs.

A client whose base address is http://HOST:PORT/bluesky finds under /xrpc/ com.atproto.server.createSession,
refreshSession and getSession, com.atproto.repo.putRecord, createRecord, deleteRecord, getRecord, listRecords and
uploadBlob, and app.bsky.feed.getPosts, getAuthorFeed and app.bsky.actor.getProfile.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from publisher.sandbox import (
    bluesky_blobs,
    bluesky_errors,
    bluesky_reading,
    bluesky_repo,
    bluesky_sessions,
    errors,
    faults,
    rates,
)
from publisher.sandbox.bluesky_sessions import ACCESS, REFRESH
from publisher.sandbox.store import Store

SCHEMA = bluesky_sessions.SCHEMA + bluesky_blobs.SCHEMA + bluesky_repo.SCHEMA

Endpoint = Callable[[Store, web.Request, Any], Awaitable[dict[str, Any]]]

FIVE_MINUTES, HOUR, DAY = 300, 3600, 24 * 3600
# What is counted together, how often and within how many seconds: from the guide on rate limits. A write that
# makes a record is three of 5,000 points.
SIGN_INS = (("session", 30, FIVE_MINUTES), ("session-day", 300, DAY))
WRITES = (("write", 1666, HOUR), ("write-day", 11_666, DAY))
CALLS = (("call", 3000, FIVE_MINUTES),)
Limits = tuple[tuple[str, int, int], ...]


def routes(store: Store) -> list[web.RouteDef]:
    def door(method: str, name: str, operation: str, scope: str | None, limits: Limits, endpoint: Endpoint) -> Any:
        answer = faults.guarded(store, "bluesky", operation, entrance(store, scope, limits, endpoint))
        return web.route(method, f"/bluesky/xrpc/{name}", answer)

    async def posts(request: web.Request) -> web.Response:
        return web.json_response([bluesky_repo.public(row) for row in bluesky_repo.every(store)])

    async def log(request: web.Request) -> web.Response:
        return web.json_response(store.log("bluesky", request.query.get("who")))

    server, repo, feed = "com.atproto.server", "com.atproto.repo", "app.bsky.feed"
    return [
        door("POST", f"{server}.createSession", "session", None, SIGN_INS, bluesky_sessions.create),
        door("POST", f"{server}.refreshSession", "refresh", REFRESH, CALLS, bluesky_sessions.refresh),
        door("GET", f"{server}.getSession", "me", ACCESS, CALLS, bluesky_sessions.read),
        door("POST", f"{repo}.putRecord", "post", ACCESS, WRITES, bluesky_repo.put),
        door("POST", f"{repo}.createRecord", "post", ACCESS, WRITES, bluesky_repo.create),
        door("POST", f"{repo}.uploadBlob", "media", ACCESS, CALLS, bluesky_blobs.upload),
        door("POST", f"{repo}.deleteRecord", "delete", ACCESS, WRITES, bluesky_repo.delete),
        door("GET", f"{repo}.getRecord", "record", None, CALLS, bluesky_repo.get),
        door("GET", f"{repo}.listRecords", "timeline", None, CALLS, bluesky_repo.listing),
        door("GET", f"{feed}.getPosts", "figures", ACCESS, CALLS, bluesky_reading.posts),
        door("GET", f"{feed}.getAuthorFeed", "timeline", ACCESS, CALLS, bluesky_reading.feed),
        door("GET", "app.bsky.actor.getProfile", "profile", ACCESS, CALLS, bluesky_reading.profile),
        web.get("/bluesky/posts.json", posts),
        web.get("/bluesky/log.json", log),
        web.get("/bluesky/blob/{did}/{cid}", bluesky_blobs.serving(store)),
        web.route("*", "/bluesky/xrpc/{rest:.*}", nothing_here),
    ]


async def nothing_here(request: web.Request) -> web.Response:
    return bluesky_errors.xrpc("not_implemented").response()


def entrance(store: Store, scope: str | None, limits: Limits, endpoint: Endpoint) -> faults.Handler:
    """Who asks, and how often; then the endpoint. `scope` is the kind of token it takes, None: anybody may ask."""

    async def answer(request: web.Request) -> web.Response:
        headers: dict[str, str] = {}
        try:
            account = bluesky_sessions.owner(store, request, scope) if scope else None
            headers = _counted(store, account["id"] if account else await _asker(request), limits)
            body = await endpoint(store, request, account)
        except errors.Refusal as refusal:
            refusal.headers.update(headers)
            return refusal.response()
        return web.json_response(body, headers=headers)

    return answer


async def _asker(request: web.Request) -> str:
    """Sign-ins are counted by the name that is tried, whoever it is; questions of anybody together."""
    if request.method != "POST":
        return "anybody"
    try:
        return str((await request.json()).get("identifier"))
    except (ValueError, AttributeError):
        return "nobody"


def _counted(store: Store, who: str, limits: Limits) -> dict[str, str]:
    """The headers about the first of the limits, or about the one that is used up: then it is a refusal."""
    told: dict[str, str] = {}
    for operation, limit, seconds in limits:
        used, reset = rates.count(store, f"bluesky:{who}", operation, seconds=seconds)
        headers = bluesky_errors.rate_headers(limit, used, reset, seconds)
        if used > limit:
            raise bluesky_errors.xrpc("rate_limited", headers=headers)
        told = told or headers
    return told
