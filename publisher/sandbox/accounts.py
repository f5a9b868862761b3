"""The accounts that exist in the sandbox. What is not registered here is nobody: 401 on X, 190 on Graph."""

import base64
import hashlib
import json
import re
from typing import Any

from aiohttp import web

from publisher.sandbox import control
from publisher.sandbox.store import Store, now

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    network TEXT NOT NULL,
    id TEXT NOT NULL,
    handle TEXT NOT NULL,
    name TEXT NOT NULL,
    token TEXT NOT NULL UNIQUE,
    credentials TEXT NOT NULL,
    created_at TEXT NOT NULL,
    repeats INTEGER NOT NULL,
    PRIMARY KEY (network, id)
);
CREATE TABLE IF NOT EXISTS given_tokens (
    token TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    id TEXT NOT NULL,
    credentials TEXT NOT NULL
);
"""

# Per network: the credentials it needs, those it may have, and which of them names the account in a request.
CREDENTIALS = {
    "x": (
        {"consumer_key", "consumer_secret", "access_token", "access_token_secret"},
        set(),
        "access_token",
    ),
    "facebook": ({"page_id", "page_token"}, {"app_secret", "version", "expires_at", "tasks"}, "page_token"),
    # What the app was given, and the most characters its server takes, where they are not the usual ones.
    "mastodon": ({"access_token"}, {"server", "scopes", "max_characters"}, "access_token"),
    # Beside the password: how long the first token of a session lives, and what stands in the account's way.
    "bluesky": ({"app_password"}, {"identifier", "language", "access_seconds", "status"}, "app_password"),
}
KEYS = {"network", "handle", "page_id", "name", "credentials", "repeats"}
HANDLE = re.compile(r"[A-Za-z0-9_.-]{1,50}")
PATHS = {
    "x": "/x/@{handle}",
    "facebook": "/facebook/{id}",
    "mastodon": "/mastodon/@{handle}",
    "bluesky": "/bluesky/@{handle}",
}


def routes(store: Store) -> list[web.RouteDef]:
    async def register(request: web.Request) -> web.Response:
        try:
            account = add(store, await control.payload(request, KEYS))
        except control.Wrong as wrong:
            return control.refused(wrong)
        return web.json_response(public(account), status=201)

    async def listing(request: web.Request) -> web.Response:
        return web.json_response([public(account) for account in every(store)])

    return [web.post("/control/accounts", register), web.get("/control/accounts", listing)]


def add(store: Store, wish: dict[str, Any]) -> dict[str, Any]:
    """Register an account, or give a known one new credentials; its posts stay.

    One that `repeats` may say the same twice: a network notices a duplicate often, and not always.
    """
    network, credentials = _checked(wish)
    named = str(wish.get("handle") or wish.get("page_id") or credentials.get("page_id") or "")
    # @name@server: the sandbox is the server.
    handle = named.lstrip("@").partition("@")[0]
    if not HANDLE.fullmatch(handle):
        raise control.Wrong("Give the account a handle (or page_id) of letters, digits, _, - and dots.")
    identity = _identity(network, handle, credentials)
    token = credentials[CREDENTIALS[network][2]]
    other = store.row("SELECT * FROM accounts WHERE token = ? AND id != ?", token, identity)
    if other:
        raise control.Wrong(f"This token already belongs to {other['handle']}.")
    store.run(
        "INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        network,
        identity,
        handle,
        str(wish.get("name") or handle),
        token,
        json.dumps(credentials),
        now(),
        bool(wish.get("repeats")),
    )
    return by_id(store, network, identity) or {}


def _checked(wish: dict[str, Any]) -> tuple[str, dict[str, str]]:
    network, credentials = wish.get("network"), wish.get("credentials")
    if network not in CREDENTIALS:
        raise control.Wrong(f"The network must be one of: {', '.join(CREDENTIALS)}.")
    if not isinstance(credentials, dict):
        raise control.Wrong("The credentials must be an object of strings.")
    known = {key: str(value) for key, value in credentials.items() if value not in (None, "")}
    if network == "facebook":
        known.setdefault("page_id", str(wish.get("page_id") or ""))
    needed, possible, _ = CREDENTIALS[network]
    if missing := sorted(key for key in needed if not known.get(key)):
        raise control.Wrong(f"Missing credentials: {', '.join(missing)}.")
    if unknown := sorted(set(known) - needed - possible):
        raise control.Wrong(f"Unknown credentials: {', '.join(unknown)}.")
    return network, known


def _identity(network: str, handle: str, credentials: dict[str, str]) -> str:
    if network == "facebook":
        return credentials["page_id"]
    return did(handle) if network == "bluesky" else x_id(handle)


def did(handle: str) -> str:
    """The identifier of a handle on Bluesky, as long as those of the real directory."""
    return "did:plc:" + base64.b32encode(hashlib.sha256(handle.lower().encode()).digest()).decode().lower()[:24]


def x_id(handle: str) -> str:
    """The numeric id of a handle: always the same, so that a demo that starts again finds its posts."""
    return str(1_000_000_000 + int(hashlib.sha256(handle.lower().encode()).hexdigest(), 16) % 8_999_999_999)


def every(store: Store, network: str | None = None) -> list[dict[str, Any]]:
    found = store.rows("SELECT * FROM accounts ORDER BY network, handle")
    return [_read(account) for account in found if network in (None, account["network"])]


def by_id(store: Store, network: str, identity: str) -> dict[str, Any] | None:
    found = store.row("SELECT * FROM accounts WHERE network = ? AND id = ?", network, identity)
    return _read(found) if found else None


def by_token(store: Store, network: str, token: str) -> dict[str, Any] | None:
    found = store.row("SELECT * FROM accounts WHERE network = ? AND token = ?", network, token)
    return _read(found) if found else _by_given(store, network, token)


def give(store: Store, network: str, identity: str, token: str, **credentials: str) -> None:
    """A further token for an account, that came of consent; `credentials` are what differs for it."""
    values = (token, network, identity, json.dumps(credentials))
    store.run("INSERT OR REPLACE INTO given_tokens VALUES (?, ?, ?, ?)", *values)


def _by_given(store: Store, network: str, token: str) -> dict[str, Any] | None:
    given = store.row("SELECT * FROM given_tokens WHERE network = ? AND token = ?", network, token)
    account = by_id(store, network, given["id"]) if given else None
    if given is None or account is None:
        return None
    return account | {"token": token, "credentials": account["credentials"] | json.loads(given["credentials"])}


def by_handle(store: Store, network: str, handle: str) -> dict[str, Any] | None:
    found = store.row("SELECT * FROM accounts WHERE network = ? AND lower(handle) = lower(?)", network, handle)
    return _read(found) if found else None


def _read(account: dict[str, Any]) -> dict[str, Any]:
    return account | {"credentials": json.loads(account["credentials"])}


def public(account: dict[str, Any]) -> dict[str, str]:
    """What may be shown of an account: everything but its secrets."""
    shown = {key: account[key] for key in ("network", "id", "handle", "name", "created_at")}
    return shown | {"page": PATHS[account["network"]].format(**account)}
