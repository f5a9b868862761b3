"""Signing in on Bluesky: an app password gives two tokens, one of two hours and one that renews both once."""

import base64
import hashlib
import hmac
import json
from typing import Any

from aiohttp import web

from publisher.sandbox import accounts, clock
from publisher.sandbox.bluesky_errors import invalid, xrpc
from publisher.sandbox.store import Store, now

SCHEMA = """
CREATE TABLE IF NOT EXISTS bluesky_renewals (
    id INTEGER PRIMARY KEY,
    did TEXT NOT NULL,
    used_at TEXT
);
"""

# Nothing is kept from anybody here: the signature shows that a token was made here and not made up.
SIGNING = b"the sandbox signs this"
ACCESS, REFRESH = "com.atproto.appPass", "com.atproto.refresh"
LIVES = {ACCESS: 2 * 3600, REFRESH: 60 * 24 * 3600}

Account = dict[str, Any]


async def create(store: Store, request: web.Request, account: None) -> dict[str, Any]:
    wish = await body(request)
    identifier, password = wish.get("identifier"), wish.get("password")
    if not isinstance(identifier, str) or not isinstance(password, str):
        raise invalid('Input must have the property "identifier"')
    found = accounts.by_token(store, "bluesky", password)
    if found is None or identifier.lower() not in (found["id"], found["handle"].lower()):
        raise xrpc("wrong_password")
    if status(found) == "takendown":
        raise xrpc("taken_down")
    with store.transaction():
        store.record("bluesky", who=found["handle"], what="session")
        return shown(request, found) | tokens(store, found)


async def refresh(store: Store, request: web.Request, account: Account) -> dict[str, Any]:
    with store.transaction():
        used = store.run(
            "UPDATE bluesky_renewals SET used_at = ? WHERE id = ? AND used_at IS NULL", now(), account["renewal"]
        )
        if not used:
            raise xrpc("expired_token", "Token has been revoked")
        return shown(request, account) | tokens(store, account)


async def read(store: Store, request: web.Request, account: Account) -> dict[str, Any]:
    return shown(request, account)


def shown(request: web.Request, account: Account) -> dict[str, Any]:
    """Who somebody is, with the document that names the server that keeps the account: this one."""
    service = {
        "id": "#atproto_pds",
        "type": "AtprotoPersonalDataServer",
        "serviceEndpoint": f"{request.scheme}://{request.host}/bluesky",
    }
    known = {"did": account["id"], "handle": account["handle"], "active": not status(account)}
    document = {"@context": ["https://www.w3.org/ns/did/v1"], "id": account["id"], "service": [service]}
    return known | ({"status": status(account)} if status(account) else {}) | {"didDoc": document}


def status(account: Account) -> str:
    """ "", or what stands in the way: takendown, suspended, deactivated."""
    return str(account["credentials"].get("status") or "")


def tokens(store: Store, account: Account) -> dict[str, str]:
    number = store.new_id()
    store.run("INSERT INTO bluesky_renewals (id, did) VALUES (?, ?)", number, account["id"])
    life = float(account["credentials"].get("access_seconds") or LIVES[ACCESS])
    return {
        "accessJwt": _token(account, ACCESS, life),
        "refreshJwt": _token(account, REFRESH, LIVES[REFRESH], jti=str(number)),
    }


def owner(store: Store, request: web.Request, scope: str) -> Account:
    """Whose token this is. One for renewing opens nothing else, and the other renews nothing."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind != "Bearer" or not token:
        raise xrpc("auth_missing")
    said = _read(token)
    account = accounts.by_id(store, "bluesky", str(said.get("sub")))
    if account is None:
        raise xrpc("invalid_token")
    if said.get("scope") != scope:
        raise xrpc("invalid_token", "Bad token scope")
    if said["exp"] <= clock.time():
        raise xrpc("expired_token")
    return account | {"renewal": int(said.get("jti") or 0)}


def may_write(account: Account) -> None:
    names = {"takendown": "taken_down", "suspended": "suspended", "deactivated": "deactivated"}
    if status(account):
        raise xrpc(names[status(account)])


async def body(request: web.Request) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise invalid(f"Wrong request encoding (Content-Type): {request.content_type}")
    try:
        found = json.loads(await request.read())
    except ValueError:
        raise invalid("The request body is not valid JSON") from None
    if not isinstance(found, dict):
        raise invalid("Input must be an object")
    return found


def _token(account: Account, scope: str, lives: float, **more: str) -> str:
    began = clock.time()
    said = {"scope": scope, "sub": account["id"], "iat": int(began), "exp": began + lives, "aud": "did:web:sandbox"}
    whole = f"{_packed({'typ': 'at+jwt', 'alg': 'HS256'})}.{_packed(said | {'exp': int(said['exp'])} | more)}"
    return f"{whole}.{_signature(whole)}"


def _read(token: str) -> dict[str, Any]:
    whole, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(whole).encode()):
        raise xrpc("invalid_token")
    packed = whole.partition(".")[2]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    return found


def _packed(said: dict[str, Any]) -> str:
    return _base64(json.dumps(said).encode())


def _signature(whole: str) -> str:
    return _base64(hmac.new(SIGNING, whole.encode(), hashlib.sha256).digest())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
