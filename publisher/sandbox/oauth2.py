"""What consent on X gives: apps, codes and tokens, each good for one use, and who a token speaks for."""

import hashlib
import secrets
from typing import Any

from aiohttp import web

from publisher.sandbox import accounts, clock, errors
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

#: Seconds that each lives.
LIVES = {"code": 30, "access": 7200, "refresh": 180 * 86400, "mastodon_code": 600}
#: (method, end of the path) → the scope that it takes; the first that fits counts.
TAKES = (
    ("POST", "/media/upload", "media.write"),
    ("POST", "/media/metadata", "media.write"),
    ("POST", "/tweets", "tweet.write"),
    ("DELETE", "", "tweet.write"),
    ("GET", "/users/me", "users.read"),
    ("GET", "", "tweet.read"),
)


def add_app(store: Store, network: str, client_id: str, client_secret: str, redirect_uri: str) -> dict[str, str]:
    store.run("INSERT OR REPLACE INTO apps VALUES (?, ?, ?, ?)", network, client_id, client_secret, redirect_uri)
    return {"network": network, "client_id": client_id, "redirect_uri": redirect_uri}


def app(store: Store, network: str, client_id: str) -> dict[str, Any] | None:
    return store.row("SELECT * FROM apps WHERE network = ? AND client_id = ?", network, client_id)


def use(store: Store, kind: str, client: dict[str, Any], token: str) -> dict[str, Any]:
    """What this code or refresh token stands for. Used twice, it takes with it all that came of it."""
    with store.transaction():
        grant = store.row("SELECT * FROM x_grants WHERE hash = ? AND kind = ?", _hash(token), kind)
        if grant and grant["used"]:
            store.run(
                "UPDATE x_grants SET ends = 0 WHERE client_id = ? AND account = ?", grant["client_id"], grant["account"]
            )
        if not grant or grant["used"] or grant["ends"] < clock.time() or grant["client_id"] != client["client_id"]:
            name = "authorization code" if kind == "code" else "token"
            refusal = no("invalid_request", f"Value passed for the {name} was invalid.")
        else:
            refusal = None
            store.run("UPDATE x_grants SET used = 1 WHERE hash = ?", grant["hash"])
    if refusal:
        raise refusal
    return grant or {}


def new(store: Store, kind: str, client_id: str, account: str, scope: str, challenge: str) -> str:
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


def no(error: str, description: str, *, status: int = 400) -> errors.Refusal:
    return errors.Refusal(status, {"error": error, "error_description": description})
