"""The pages on which people agree, and the tokens that X gives for it: OAuth 2.0 with PKCE, as X plays it.

POST /control/apps {"network": "x", "client_id": …, "client_secret": …, "redirect_uri": …} registers an app. The
consent page is GET /x/i/oauth2/authorize, the tokens come from POST /x/2/oauth2/token.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode

from aiohttp import web

from publisher.sandbox import accounts, control, errors, faults, oauth2, pages
from publisher.sandbox.oauth2 import app
from publisher.sandbox.store import Store

SCOPES = {
    *("tweet.read", "tweet.write", "users.read", "media.write", "offline.access"),
    *("follows.read", "like.read", "list.read", "bookmark.read"),
}
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
        return web.json_response(oauth2.add_app(store, **wish), status=201)

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
        code = oauth2.new(
            store, "code", asked["client_id"], str(form["account"]), " ".join(given), asked["code_challenge"]
        )
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
        grant = oauth2.use(store, "code", client, str(form.get("code", "")))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest())
        if not hmac.compare_digest(challenge.decode().rstrip("="), grant["challenge"]):
            raise oauth2.no("invalid_request", "Value passed for the code verifier did not match the code challenge.")
        if form.get("redirect_uri") != client["redirect_uri"]:
            raise oauth2.no(
                "invalid_request", "Value passed for the redirect uri did not match the uri of the authorization."
            )
    elif form.get("grant_type") == "refresh_token":
        grant = oauth2.use(store, "refresh", client, str(form.get("refresh_token", "")))
    else:
        raise oauth2.no("unsupported_grant_type", "Value passed for the grant type was invalid.")
    about = (client["client_id"], grant["account"], grant["scope"], "")
    answer = {"token_type": "bearer", "expires_in": oauth2.LIVES["access"], "scope": grant["scope"]}
    answer["access_token"] = oauth2.new(store, "access", *about)
    if "offline.access" in grant["scope"].split():
        answer["refresh_token"] = oauth2.new(store, "refresh", *about)
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
        raise oauth2.no("unauthorized_client", "Missing valid authorization header", status=401)
    return found
