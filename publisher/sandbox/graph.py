"""The Graph API: the part that publishing on a Page needs, as strict as the real one where that is known.

A client whose base address is http://HOST:PORT/graph finds, under each version that lives,
POST /{page}/feed and /{page}/photos, GET /{page}/published_posts and /{page}/feed, GET /me, /{page} and
/{page}_{post}, GET /debug_token, DELETE /{page}_{post}.
"""

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from publisher.sandbox import accounts, errors, faults, graph_posts, graph_reading, rates
from publisher.sandbox.store import Store

SCHEMA = graph_posts.SCHEMA

# Versions as they stood in November 2026; v21.0 ends on 21 January 2027. A list, not dates: the sandbox
# should not begin to refuse on a morning of its own choosing.
ALIVE = ("v21.0", "v22.0", "v23.0", "v24.0", "v25.0", "v26.0")

# What any call may carry beside its own parameters.
ALWAYS = {"access_token", "appsecret_proof", "pretty", "method", "format", "debug"}

HOUR = 3600
CALLS_PER_HOUR = 4800

Endpoint = Callable[[Store, web.Request, dict[str, Any], dict[str, Any]], Awaitable[Any]]


def routes(store: Store) -> list[web.RouteDef]:
    def door(method: str, path: str, operation: str, allowed: set[str], endpoint: Endpoint) -> web.RouteDef:
        answer = faults.guarded(store, "facebook", operation, entrance(store, allowed, endpoint))
        return web.route(method, f"/graph/{{version}}/{path}", answer)

    async def posts(request: web.Request) -> web.Response:
        return web.json_response([graph_posts.public(store, row) for row in graph_posts.every(store)])

    async def log(request: web.Request) -> web.Response:
        return web.json_response(store.log("graph", request.query.get("who")))

    reading, listing = {"fields"}, {"fields", "limit", "since", "until", "after"}
    post = {"message", "link", "published", "attached_media"}
    photo = {"source", "url", "caption", "message", "published", "alt_text_custom"}
    return [
        web.get("/graph/posts.json", posts),
        web.get("/graph/log.json", log),
        web.get("/graph/photo/{id}", graph_posts.serving(store)),
        door("GET", "me", "me", reading, graph_reading.page),
        door("GET", "debug_token", "debug_token", {"input_token"}, graph_reading.debug_token),
        door("POST", r"{page:\d+}/feed", "post", post, graph_posts.post),
        door("POST", r"{page:\d+}/photos", "photo", photo, graph_posts.photo),
        door("GET", r"{page:\d+}/{edge:feed|published_posts}", "timeline", listing, graph_reading.posts),
        door("GET", r"{page:\d+}", "page", reading, graph_reading.page),
        door("GET", r"{post:\d+_\d+}", "object", reading, graph_reading.post),
        door("GET", r"{post:\d+_\d+}/insights", "insights", {"metric"}, graph_reading.insights),
        door("DELETE", r"{post:\d+_\d+}", "delete", set(), graph_posts.delete),
        web.route("*", "/graph/{rest:.*}", nothing_here),
    ]


async def nothing_here(request: web.Request) -> web.Response:
    return errors.graph(2500, message=f"Unknown path components: /{request.match_info['rest']}").response()


def entrance(store: Store, allowed: set[str], endpoint: Endpoint) -> faults.Handler:
    """Version, token, proof, page and parameters; then the endpoint."""

    async def answer(request: web.Request) -> web.Response:
        headers = {"facebook-api-version": request.match_info["version"]}
        try:
            _check_version(request.match_info["version"])
            asked = await _parameters(request)
            account = signer(store, request, asked)
            headers |= _usage(store, account)
            _check_page(store, request, account)
            _check_names(asked, allowed)
            body = await endpoint(store, request, account, asked)
        except errors.Refusal as refusal:
            refusal.headers.update(headers)
            return refusal.response()
        return web.json_response(body, headers=headers)

    return answer


def _check_version(version: str) -> None:
    if not version.startswith("v") or not version[1:].replace(".", "", 1).isdigit():
        raise errors.graph(2500, message=f"Unknown path components: /{version}")
    number = float(version[1:])
    if number > float(ALIVE[-1][1:]):
        raise errors.graph(2500, message=f"Unknown path components: /{version}")
    if version not in ALIVE:
        raise errors.graph(2635)


async def _parameters(request: web.Request) -> dict[str, Any]:
    """Query and body together, as Graph takes them: a form, multipart, or JSON."""
    asked: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json" and request.can_read_body:
        try:
            asked |= await request.json()
        except (ValueError, TypeError):
            raise errors.graph(100, message="(#100) The body is not a JSON object") from None
    elif request.can_read_body:
        asked |= dict(await request.post())
    return asked


def signer(store: Store, request: web.Request, asked: dict[str, Any]) -> dict[str, Any]:
    """The page whose token this is, its proof checked where the page has an app secret."""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    token = str(asked.get("access_token") or (bearer if scheme.lower() == "bearer" else ""))
    if not token:
        raise errors.graph(104)
    account = accounts.by_token(store, "facebook", token)
    if account is None:
        raise errors.graph(190)
    if 0 < float(account["credentials"].get("expires_at") or 0) < errors.in_seconds(0):
        raise errors.graph(190, 463)
    _check_proof(account, token, asked.get("appsecret_proof"))
    return account


def _check_proof(account: dict[str, Any], token: str, proof: Any) -> None:
    secret = account["credentials"].get("app_secret")
    if secret and proof is None:
        message = "API calls from the server require an appsecret_proof argument"
        raise errors.graph(100, message=message, kind="GraphMethodException")
    expected = hmac.new((secret or "").encode(), token.encode(), hashlib.sha256).hexdigest()
    if proof is not None and not (secret and hmac.compare_digest(expected, str(proof))):
        message = "Invalid appsecret_proof provided in the API argument"
        raise errors.graph(100, message=message, kind="GraphMethodException")


def _usage(store: Store, account: dict[str, Any]) -> dict[str, str]:
    """The headers by which Graph says how much of the hour's allowance is used, in per cent."""
    used, _ = rates.count(store, f"facebook:{account['id']}", "call", seconds=HOUR)
    share = {"call_count": min(100, used * 100 // CALLS_PER_HOUR), "total_cputime": 0, "total_time": 0}
    business = {account["id"]: [{"type": "pages", **share, "estimated_time_to_regain_access": 0}]}
    if used > CALLS_PER_HOUR:
        raise errors.graph(32)
    return {"X-App-Usage": json.dumps(share), "X-Business-Use-Case-Usage": json.dumps(business)}


def _check_page(store: Store, request: web.Request, account: dict[str, Any]) -> None:
    """A page's token acts on that page alone."""
    wanted = request.match_info.get("page") or request.match_info.get("post", "").partition("_")[0]
    if wanted and wanted != account["id"]:
        known = accounts.by_id(store, "facebook", wanted)
        raise errors.graph(200) if known else errors.graph(100, 33, kind="GraphMethodException")


def _check_names(asked: dict[str, Any], allowed: set[str]) -> None:
    """Graph itself ignores most of what it does not know; the sandbox says so instead of losing it."""
    if unknown := sorted(name for name in asked if name.split("[")[0] not in allowed | ALWAYS):
        raise errors.graph(100, message=f"(#100) Unknown parameter: {', '.join(unknown)}")
