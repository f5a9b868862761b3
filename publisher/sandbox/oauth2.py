"""OAuth 2.0 with PKCE as X plays it: the page on which a person agrees, codes and tokens, each good for one use.

POST /control/apps {"network": "x", "client_id": …, "client_secret": …, "redirect_uri": …} registers an app. The
consent page is GET /x/i/oauth2/authorize, the tokens come from POST /x/2/oauth2/token.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode

from aiohttp import web

from publisher.sandbox import accounts, clock, control, errors, faults
from publisher.sandbox.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS apps (
    network TEXT NOT NULL,
    client_id TEXT NOT NULL,
    client_secret TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    PRIMARY KEY (network, client_id)
);
CREATE TABLE IF NOT EXISTS x_grants (
    hash TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    client_id TEXT NOT NULL,
    account TEXT NOT NULL,
    scope TEXT NOT NULL,
    challenge TEXT NOT NULL,
    ends REAL NOT NULL,
    used INTEGER NOT NULL DEFAULT 0
);
"""

SCOPES = {
    *("tweet.read", "tweet.write", "users.read", "media.write", "offline.access"),
    *("follows.read", "like.read", "list.read", "bookmark.read"),
}
#: Seconds that each lives.
LIVES = {"code": 30, "access": 7200, "refresh": 180 * 86400}
#: (method, end of the path) → the scope that it takes; the first that fits counts.
TAKES = (
    ("POST", "/media/upload", "media.write"),
    ("POST", "/media/metadata", "media.write"),
    ("POST", "/tweets", "tweet.write"),
    ("DELETE", "", "tweet.write"),
    ("GET", "/users/me", "users.read"),
    ("GET", "", "tweet.read"),
)
#: What the person says on the page, beside what the app has asked.
ANSWERS = ("allow", "account", "without")
#: A page that leads back to another address: with the form-action of the other pages a browser would stop there.
PAGE_POLICY = "default-src 'self'; base-uri 'none'"


def routes(store: Store) -> list[web.RouteDef]:
    async def register(request: web.Request) -> web.Response:
        try:
            wish = await control.payload(request, {"network", "client_id", "client_secret", "redirect_uri"})
        except control.Wrong as wrong:
            return control.refused(wrong)
        return web.json_response(add_app(store, **wish), status=201)

    async def consent(request: web.Request) -> web.Response:
        try:
            asked = _asked(store, dict(request.query))
        except control.Wrong as wrong:
            return consent_page(refused=str(wrong), status=400)
        people = accounts.every(store, "x")
        return consent_page(network="X", asked=asked, people=people, scopes=asked["scope"].split(), choose="radio")

    async def decide(request: web.Request) -> web.Response:
        form = await request.post()
        try:
            asked = _asked(store, of_app(form))
        except control.Wrong as wrong:
            return consent_page(refused=str(wrong), status=400)
        if form.get("allow") != "yes" or not form.get("account"):
            return back_to(asked, error="access_denied")
        given = [name for name in asked["scope"].split() if name not in form.getall("without", [])]
        code = _new(store, "code", asked["client_id"], str(form["account"]), " ".join(given), asked["code_challenge"])
        return back_to(asked, code=code)

    async def token(request: web.Request) -> web.Response:
        try:
            return web.json_response(_tokens(store, request, dict(await request.post())))
        except errors.Refusal as refusal:
            return refusal.response()

    return [
        web.post("/control/apps", register),
        web.get("/x/i/oauth2/authorize", consent),
        web.post("/x/i/oauth2/authorize", decide),
        web.post("/x/2/oauth2/token", faults.guarded(store, "x", "token", token)),
    ]


def consent_page(*, status: int = 200, **context: Any) -> web.Response:
    from publisher.sandbox import pages

    known = {"refused": "", "network": "", "asked": {}, "people": [], "scopes": [], "choose": "radio"}
    page = pages.render("consent.html", status=status, **known | context)
    page.headers["Content-Security-Policy"] = PAGE_POLICY
    return page


def of_app(form: Mapping[str, Any]) -> dict[str, str]:
    """What the app has asked, which the page carries along."""
    return {name: str(value) for name, value in form.items() if name not in ANSWERS}


def back_to(asked: dict[str, str], **answer: str) -> web.Response:
    query = urlencode({**answer, "state": asked["state"]})
    return web.Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{query}"})


def add_app(store: Store, network: str, client_id: str, client_secret: str, redirect_uri: str) -> dict[str, str]:
    store.run("INSERT OR REPLACE INTO apps VALUES (?, ?, ?, ?)", network, client_id, client_secret, redirect_uri)
    return {"network": network, "client_id": client_id, "redirect_uri": redirect_uri}


def app(store: Store, network: str, client_id: str) -> dict[str, Any] | None:
    return store.row("SELECT * FROM apps WHERE network = ? AND client_id = ?", network, client_id)


def _asked(store: Store, asked: dict[str, str]) -> dict[str, str]:
    """The query of the consent page, checked. What is wrong is shown here: nobody is sent to an unknown address."""
    ours = app(store, "x", asked.get("client_id", ""))
    if ours is None:
        raise control.Wrong("This app is not registered.")
    if asked.get("redirect_uri") != ours["redirect_uri"]:
        raise control.Wrong("The address to come back to is not exactly the one that is registered.")
    if asked.get("response_type") != "code" or not asked.get("state"):
        raise control.Wrong("response_type has to be code, and a state is needed.")
    if asked.get("code_challenge_method") != "S256" or len(asked.get("code_challenge", "")) != 43:
        raise control.Wrong("A code_challenge by S256 is needed.")
    if not asked.get("scope") or set(asked["scope"].split()) - SCOPES:
        raise control.Wrong("These scopes are not known.")
    return asked


def _tokens(store: Store, request: web.Request, form: dict[str, Any]) -> dict[str, Any]:
    client = _client(store, request, form)
    if form.get("grant_type") == "authorization_code":
        grant = _use(store, "code", client, str(form.get("code", "")))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest())
        if not hmac.compare_digest(challenge.decode().rstrip("="), grant["challenge"]):
            raise _no("invalid_request", "Value passed for the code verifier did not match the code challenge.")
        if form.get("redirect_uri") != client["redirect_uri"]:
            raise _no(
                "invalid_request", "Value passed for the redirect uri did not match the uri of the authorization."
            )
    elif form.get("grant_type") == "refresh_token":
        grant = _use(store, "refresh", client, str(form.get("refresh_token", "")))
    else:
        raise _no("unsupported_grant_type", "Value passed for the grant type was invalid.")
    about = (client["client_id"], grant["account"], grant["scope"], "")
    answer = {"token_type": "bearer", "expires_in": LIVES["access"], "scope": grant["scope"]}
    answer["access_token"] = _new(store, "access", *about)
    if "offline.access" in grant["scope"].split():
        answer["refresh_token"] = _new(store, "refresh", *about)
    store.record("x", who=grant["account"], what="token", grant=form["grant_type"])
    return answer


def _client(store: Store, request: web.Request, form: dict[str, Any]) -> dict[str, Any]:
    """A confidential client shows its secret in the header, a public one names itself in the form."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    try:
        name, _, secret = base64.b64decode(rest).decode().partition(":") if scheme == "Basic" else ("", "", "")
    except ValueError:
        name, secret = "", ""
    found = app(store, "x", unquote(name) or str(form.get("client_id", "")))
    if found is None or not hmac.compare_digest(found["client_secret"], unquote(secret)):
        raise _no("unauthorized_client", "Missing valid authorization header", status=401)
    return found


def _use(store: Store, kind: str, client: dict[str, Any], token: str) -> dict[str, Any]:
    """What this code or refresh token stands for. Used twice, it takes with it all that came of it."""
    with store.transaction():
        grant = store.row("SELECT * FROM x_grants WHERE hash = ? AND kind = ?", _hash(token), kind)
        if grant and grant["used"]:
            store.run(
                "UPDATE x_grants SET ends = 0 WHERE client_id = ? AND account = ?", grant["client_id"], grant["account"]
            )
        if not grant or grant["used"] or grant["ends"] < clock.time() or grant["client_id"] != client["client_id"]:
            name = "authorization code" if kind == "code" else "token"
            refusal = _no("invalid_request", f"Value passed for the {name} was invalid.")
        else:
            refusal = None
            store.run("UPDATE x_grants SET used = 1 WHERE hash = ?", grant["hash"])
    if refusal:
        raise refusal
    return grant or {}


def _new(store: Store, kind: str, client_id: str, account: str, scope: str, challenge: str) -> str:
    token = secrets.token_urlsafe(32)
    values = (_hash(token), kind, client_id, account, scope, challenge, clock.time() + LIVES[kind])
    store.run("INSERT INTO x_grants VALUES (?, ?, ?, ?, ?, ?, ?, 0)", *values)
    return token


def bearer(store: Store, request: web.Request) -> dict[str, Any]:
    """The account whose access token this is, if the token lives and its scope allows what is asked."""
    token = request.headers["Authorization"].partition(" ")[2]
    grant = store.row("SELECT * FROM x_grants WHERE hash = ? AND kind = 'access'", _hash(token))
    account = accounts.by_id(store, "x", grant["account"]) if grant and grant["ends"] > clock.time() else None
    if grant is None or account is None:
        raise errors.x_refusal("unauthorized", {"X-Sandbox-Reason": "unknown or ended access token"})
    needed = next(s for method, end, s in TAKES if request.method == method and request.path.endswith(end))
    if needed not in grant["scope"].split():
        raise errors.x_refusal("forbidden", {"X-Sandbox-Reason": f"lacks {needed}"})
    return account


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _no(error: str, description: str, *, status: int = 400) -> errors.Refusal:
    return errors.Refusal(status, {"error": error, "error_description": description})
