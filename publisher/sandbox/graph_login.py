"""Facebook's login: the dialog on which a person agrees, tokens of the person and of their pages, debug_token.

The person is one invented user, who has a role on every page that is registered. A client whose base address is
http://HOST:PORT/graph finds the dialog at /{version}/dialog/oauth.
"""

import hashlib
import hmac
import json
import secrets
from typing import Any

from aiohttp import web

from publisher.sandbox import accounts, clock, control, errors, faults, graph, graph_reading
from publisher.sandbox.consents import back_to, consent_page, of_app
from publisher.sandbox.oauth2 import app
from publisher.sandbox.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS graph_grants (
    token TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    pages TEXT NOT NULL,
    ends REAL NOT NULL,
    used INTEGER NOT NULL DEFAULT 0
);
"""

SCOPES = {"pages_show_list", "pages_manage_posts", "pages_read_engagement", "pages_manage_engagement", "read_insights"}
LIVES = {"code": 600, "short": 2 * 3600, "long": 5183944}
TASKS = ["ADVERTISE", "ANALYZE", "CREATE_CONTENT", "MESSAGING", "MODERATE", "MANAGE"]


def routes(store: Store) -> list[web.RouteDef]:
    async def dialog(request: web.Request) -> web.Response:
        try:
            asked = _asked(store, dict(request.query))
        except control.Wrong as wrong:
            return consent_page(refused=str(wrong), status=400)
        people, scopes = accounts.every(store, "facebook"), asked["scope"].split(",")
        return consent_page(network="Facebook", asked=asked, people=people, scopes=scopes, choose="checkbox")

    async def decide(request: web.Request) -> web.Response:
        form = await request.post()
        try:
            asked = _asked(store, of_app(form))
        except control.Wrong as wrong:
            return consent_page(refused=str(wrong), status=400)
        if form.get("allow") != "yes":
            return back_to(
                asked, error="access_denied", error_reason="user_denied", error_description="Permissions error"
            )
        scope = [name for name in asked["scope"].split(",") if name not in form.getall("without", [])]
        return back_to(
            asked, code=_new(store, "code", asked["client_id"], scope, [str(p) for p in form.getall("account", [])])
        )

    def door(method: str, path: str, operation: str, endpoint: Any) -> web.RouteDef:
        async def answer(request: web.Request) -> web.Response:
            try:
                graph._check_version(request.match_info["version"])
                return web.json_response(await endpoint(store, request))
            except errors.Refusal as refusal:
                return refusal.response()

        return web.route(method, f"/graph/{{version}}/{path}", faults.guarded(store, "facebook", operation, answer))

    return [
        web.get("/graph/{version}/dialog/oauth", dialog),
        web.post("/graph/{version}/dialog/oauth", decide),
        door("POST", "oauth/access_token", "token", _access_token),
        door("GET", "me/accounts", "accounts", _accounts),
        _debug_door(store),
    ]


def _debug_door(store: Store) -> web.RouteDef:
    """debug_token as an app asks it; a page's token asks the way it always did."""
    by_page = graph.entrance(store, {"input_token"}, graph_reading.debug_token)

    async def answer(request: web.Request) -> web.StreamResponse:
        token = request.query.get("access_token", "")
        client, bar, secret = token.partition("|")
        ours = app(store, "facebook", client) if bar else None
        if ours is None:
            return await by_page(request)
        if not hmac.compare_digest(ours["client_secret"], secret):
            return errors.graph(190).response()
        return web.json_response({"data": _told(store, ours, request.query.get("input_token", ""))})

    return web.get("/graph/{version}/debug_token", faults.guarded(store, "facebook", "debug_token", answer))


def _told(store: Store, ours: dict[str, Any], token: str) -> dict[str, Any]:
    person = store.row("SELECT * FROM graph_grants WHERE token = ? AND kind != 'code'", token)
    page = accounts.by_token(store, "facebook", token)
    if person:
        alive, scopes, ends = person["ends"] > clock.time(), json.loads(person["scope"]), int(person["ends"])
        return {**_about(ours, "USER", ends), "is_valid": alive, "scopes": scopes, "user_id": "77"}
    if page:
        ends = int(page["credentials"].get("expires_at") or 0)
        return {**_about(ours, "PAGE", ends), "is_valid": not 0 < ends < clock.time(), "scopes": sorted(SCOPES)}
    return {"error": {"code": 190, "message": "Invalid OAuth access token"}, "is_valid": False, "scopes": []}


def _about(ours: dict[str, Any], kind: str, ends: int) -> dict[str, Any]:
    return {"app_id": ours["client_id"], "application": "Sandbox", "type": kind, "expires_at": ends}


def _asked(store: Store, asked: dict[str, str]) -> dict[str, str]:
    ours = app(store, "facebook", asked.get("client_id", ""))
    if ours is None:
        raise control.Wrong("Invalid App ID: the app is not registered.")
    if asked.get("redirect_uri") != ours["redirect_uri"]:
        raise control.Wrong("URL blocked: the address to come back to is not exactly the one that is registered.")
    if not asked.get("state") or asked.get("response_type", "code") != "code":
        raise control.Wrong("response_type has to be code, and a state is needed.")
    if not asked.get("scope") or set(asked["scope"].split(",")) - SCOPES:
        raise control.Wrong("Invalid scopes.")
    return asked


async def _access_token(store: Store, request: web.Request) -> dict[str, Any]:
    """A code for a short token, a short token for one of sixty days."""
    form = dict(await request.post())
    ours = app(store, "facebook", str(form.get("client_id", "")))
    if ours is None or not hmac.compare_digest(ours["client_secret"], str(form.get("client_secret", ""))):
        raise errors.graph(101, message="Error validating application. Cannot get application info.")
    if form.get("grant_type") == "fb_exchange_token":
        return _given(store, "long", ours, _person(store, str(form.get("fb_exchange_token", ""))))
    grant = store.row("SELECT * FROM graph_grants WHERE token = ? AND kind = 'code'", str(form.get("code", "")))
    if not grant or grant["used"] or grant["ends"] < clock.time() or grant["client_id"] != ours["client_id"]:
        raise errors.graph(100, message="This authorization code has been used, or has expired.")
    if form.get("redirect_uri") != ours["redirect_uri"]:
        raise errors.graph(100, message="Error validating verification code: redirect_uri differs.")
    store.run("UPDATE graph_grants SET used = 1 WHERE token = ?", grant["token"])
    return _given(store, "short", ours, grant)


def _given(store: Store, kind: str, ours: dict[str, Any], grant: dict[str, Any]) -> dict[str, Any]:
    token = _new(store, kind, ours["client_id"], json.loads(grant["scope"]), json.loads(grant["pages"]))
    return {"access_token": token, "token_type": "bearer", "expires_in": LIVES[kind]}


def _new(store: Store, kind: str, client_id: str, scope: list[str], pages: list[str]) -> str:
    token = f"EAA{secrets.token_hex(24)}"
    ends = clock.time() + LIVES[kind]
    values = (token, kind, client_id, json.dumps(scope), json.dumps(pages), ends)
    store.run("INSERT INTO graph_grants VALUES (?, ?, ?, ?, ?, ?, 0)", *values)
    return token


def _person(store: Store, token: str) -> dict[str, Any]:
    grant = store.row("SELECT * FROM graph_grants WHERE token = ? AND kind != 'code'", token)
    if not grant or grant["ends"] < clock.time():
        raise errors.graph(190)
    return grant


async def _accounts(store: Store, request: web.Request) -> dict[str, Any]:
    """The pages that the person has shown to the app, each with its own token: of a long-lived one it has no end."""
    grant = _person(store, request.query.get("access_token", ""))
    ours = app(store, "facebook", grant["client_id"]) or {}
    proof = hmac.new(ours["client_secret"].encode(), grant["token"].encode(), hashlib.sha256).hexdigest()
    if request.query.get("appsecret_proof") != proof:
        raise errors.graph(100, message="API calls from the server require an appsecret_proof argument")
    if "pages_show_list" not in json.loads(grant["scope"]):
        return {"data": []}
    found = [accounts.by_id(store, "facebook", page) for page in json.loads(grant["pages"])]
    return {"data": [_page(store, page, ours) for page in found if page]}


def _page(store: Store, page: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """A token of this app's: whoever uses it may prove that they have the app's secret."""
    token = f"EAAP{secrets.token_hex(24)}"
    accounts.give(store, "facebook", page["id"], token, app_secret=ours["client_secret"])
    tasks = [task for task in TASKS if task in page["credentials"].get("tasks", " ".join(TASKS)).split()]
    return {"id": page["id"], "name": page["name"], "access_token": token, "tasks": tasks}
