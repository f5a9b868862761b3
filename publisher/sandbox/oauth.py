"""OAuth 1.0a as a server checks it (RFC 5849): HMAC-SHA1 over what was really requested, each nonce once."""

import base64
import hashlib
import hmac
import re
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from aiohttp import web

from publisher.sandbox import accounts, clock, errors, oauth2
from publisher.sandbox.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS x_nonces (
    nonce TEXT NOT NULL,
    token TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (nonce, token)
);
"""

# X refuses clocks that are further off than this; a nonce must be remembered for as long.
CLOCK_MAY_DIFFER = 300

NEEDED = ("oauth_consumer_key", "oauth_token", "oauth_nonce", "oauth_timestamp", "oauth_signature")
PAIR = re.compile(r'\s*([a-z_]+)="([^"]*)"\s*')


async def signer(store: Store, request: web.Request) -> dict[str, Any]:
    """The account whose keys signed this request, or whose access token it carries.

    Raises a 401 without a reason in its body, as X does; the reason stands in the header X-Sandbox-Reason,
    for the person who is looking for a mistake.
    """
    if request.headers.get("Authorization", "").lower().startswith("bearer "):
        return oauth2.bearer(store, request)
    said = _header(request)
    account = accounts.by_token(store, "x", said["oauth_token"])
    if account is None or account["credentials"]["consumer_key"] != said["oauth_consumer_key"]:
        raise _unauthorized("unknown key or token")
    if said.get("oauth_signature_method") != "HMAC-SHA1" or said.get("oauth_version", "1.0") != "1.0":
        raise _unauthorized("signature method or version")
    secrets = account["credentials"]
    pairs = _pairs(said, request.raw_path, await _form(request))
    key = f"{_q(secrets['consumer_secret'])}&{_q(secrets['access_token_secret'])}"
    expected = signature(request.method, address(request), pairs, key)
    if not hmac.compare_digest(expected, said["oauth_signature"]):
        raise _unauthorized("signature")
    _take_nonce(store, said)
    return account


def _header(request: web.Request) -> dict[str, str]:
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "oauth":
        raise _unauthorized("no OAuth 1.0a header")
    pairs = [PAIR.fullmatch(part) for part in rest.split(",")]
    if None in pairs:
        raise _unauthorized("malformed OAuth header")
    said = {unquote(pair[1]): unquote(pair[2]) for pair in pairs if pair}
    if missing := [name for name in NEEDED if not said.get(name)]:
        raise _unauthorized(f"missing {', '.join(missing)}")
    return said


def address(request: web.Request) -> str:
    """The URL as the client asked for it: its own Host header, its own path; without the query."""
    url = f"{request.scheme}://{request.headers.get('Host', '').lower()}{request.raw_path.partition('?')[0]}"
    return re.sub(r"^(http://[^/]+):80(?=/|$)|^(https://[^/]+):443(?=/|$)", r"\1\2", url)


async def _form(request: web.Request) -> str:
    # Of the bodies only a form is signed; JSON and multipart are not.
    return await request.text() if request.content_type == "application/x-www-form-urlencoded" else ""


def _pairs(said: dict[str, str], target: str, form: str) -> list[tuple[str, str]]:
    """RFC 5849 §3.4.1.3: the parameters of the header, of the query and of a form."""
    header = [(name, value) for name, value in said.items() if name not in ("oauth_signature", "realm")]
    query = target.partition("?")[2]
    return [*header, *parse_qsl(query, keep_blank_values=True), *parse_qsl(form, keep_blank_values=True)]


def signature(method: str, url: str, pairs: list[tuple[str, str]], key: str) -> str:
    """RFC 5849 §3.4.2: HMAC-SHA1 over method, address and the sorted parameters."""
    joined = "&".join(f"{name}={value}" for name, value in sorted((_q(n), _q(v)) for n, v in pairs))
    base = "&".join((method.upper(), _q(url), _q(joined)))
    return base64.b64encode(hmac.new(key.encode(), base.encode(), hashlib.sha1).digest()).decode()


def _q(text: str) -> str:
    return quote(text, safe="-._~")


def _take_nonce(store: Store, said: dict[str, str]) -> None:
    now = int(clock.time())
    at = int(said["oauth_timestamp"]) if said["oauth_timestamp"].isdigit() else 0
    if abs(now - at) > CLOCK_MAY_DIFFER:
        raise _unauthorized("timestamp")
    store.run("DELETE FROM x_nonces WHERE at < ?", now - 2 * CLOCK_MAY_DIFFER)
    fresh = store.db.execute(
        "INSERT OR IGNORE INTO x_nonces VALUES (?, ?, ?)", (said["oauth_nonce"], said["oauth_token"], at)
    ).rowcount
    if not fresh:
        raise _unauthorized("nonce used before")


def _unauthorized(reason: str) -> errors.Refusal:
    return errors.x_refusal("unauthorized", {"X-Sandbox-Reason": reason})
