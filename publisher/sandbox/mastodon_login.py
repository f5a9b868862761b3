"""Mastodon's OAuth as a server plays it: an app is made by whoever asks, a person agrees, a code is good for a token.

A client whose base address is http://HOST:PORT/mastodon finds POST /api/v1/apps, GET /oauth/authorize and
POST /oauth/token.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Any
from uuid import uuid4

from aiohttp import web

from publisher.sandbox import accounts, control, errors, faults, oauth2
from publisher.sandbox.consents import back_to, consent_page, of_app
from publisher.sandbox.store import Store

SCOPES = {"read", "write", "profile", "read:accounts", "read:statuses", "write:media", "write:statuses"}


def routes(store: Store) -> list[web.RouteDef]:
    async def register(request: web.Request) -> web.Response:
        form = dict(await request.post())
        if not (form.get("client_name") and form.get("redirect_uris")):
            return web.json_response({"error": "Validation failed: Application name can't be blank"}, status=422)
        names = {"client_id": uuid4().hex, "client_secret": secrets.token_urlsafe(32)}
        oauth2.add_app(store, "mastodon", redirect_uri=str(form["redirect_uris"]), **names)
        return web.json_response({"id": "1", "name": str(form["client_name"]), "website": None, **names})

    async def consent(request: web.Request) -> web.Response:
        try:
            asked = _asked(store, dict(request.query))
        except control.Wrong as wrong:
            return consent_page(refused=str(wrong), status=400)
        people, scopes = accounts.every(store, "mastodon"), asked["scope"].split()
        return consent_page(network="Mastodon", asked=asked, people=people, scopes=scopes, choose="radio")

    async def decide(request: web.Request) -> web.Response:
        form = await request.post()
        try:
            asked = _asked(store, of_app(form))
        except control.Wrong as wrong:
            return consent_page(refused=str(wrong), status=400)
        if form.get("allow") != "yes" or not form.get("account"):
            words = "The resource owner or authorization server denied the request."
            return back_to(asked, error="access_denied", error_description=words)
        given = [name for name in asked["scope"].split() if name not in form.getall("without", [])]
        about = (asked["client_id"], str(form["account"]), " ".join(given), asked.get("code_challenge", ""))
        return back_to(asked, code=oauth2.new(store, "mastodon_code", *about))

    async def token(request: web.Request) -> web.Response:
        try:
            return web.json_response(_token(store, dict(await request.post())))
        except errors.Refusal as refusal:
            return refusal.response()

    return [
        web.post("/mastodon/api/v1/apps", faults.guarded(store, "mastodon", "apps", register)),
        web.get("/mastodon/oauth/authorize", consent),
        web.post("/mastodon/oauth/authorize", decide),
        web.post("/mastodon/oauth/token", faults.guarded(store, "mastodon", "token", token)),
    ]


def _asked(store: Store, asked: dict[str, str]) -> dict[str, str]:
    ours = oauth2.app(store, "mastodon", asked.get("client_id", ""))
    if ours is None:
        raise control.Wrong("Client authentication failed due to unknown client.")
    if asked.get("redirect_uri") != ours["redirect_uri"]:
        raise control.Wrong("The redirect uri included is not valid.")
    if asked.get("response_type") != "code" or not asked.get("scope") or set(asked["scope"].split()) - SCOPES:
        raise control.Wrong("The requested scope is invalid, unknown, or malformed.")
    return {"state": "", **asked}


def _token(store: Store, form: dict[str, Any]) -> dict[str, Any]:
    ours = oauth2.app(store, "mastodon", str(form.get("client_id", "")))
    if ours is None or not hmac.compare_digest(ours["client_secret"], str(form.get("client_secret", ""))):
        raise oauth2.no("invalid_client", "Client authentication failed due to unknown client.", status=401)
    if form.get("grant_type") != "authorization_code" or form.get("redirect_uri") != ours["redirect_uri"]:
        raise oauth2.no("invalid_grant", "The provided authorization grant is invalid.")
    grant = oauth2.use(store, "mastodon_code", ours, str(form.get("code", "")))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest())
    if grant["challenge"] and not hmac.compare_digest(challenge.decode().rstrip("="), grant["challenge"]):
        raise oauth2.no("invalid_grant", "The provided authorization grant is invalid.")
    made = secrets.token_urlsafe(32)
    accounts.give(store, "mastodon", grant["account"], made, scopes=grant["scope"])
    store.record("mastodon", who=grant["account"], what="token")
    return {"access_token": made, "token_type": "Bearer", "scope": grant["scope"], "created_at": 0}
