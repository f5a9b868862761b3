"""Connecting an X account by OAuth 2.0 with PKCE. Source: X's documentation of August 2026.

The access token lives for two hours; the refresh token is good for one use, and gives the next.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests

from publisher.networks import consent, http
from publisher.networks.base import Refused, brief, quoting
from publisher.networks.consent import Begun, Candidate, Field

LABEL = "X"
SCOPES = ("tweet.read", "tweet.write", "users.read", "media.write", "offline.access")
#: Names of the credentials that we keep; `X` reads the first.
ACCESS, REFRESH, ENDS, USER = "oauth2_token", "oauth2_refresh_token", "oauth2_ends", "user_id"
APP_WRONG = "X does not know the app: look at PUBLISHER_X_CLIENT_ID and PUBLISHER_X_CLIENT_SECRET."
GONE = "X no longer accepts the account's consent: connect the account again."


class Consent:
    needs = ("client_id",)
    asks: tuple[Field, ...] = ()
    says = (
        "X shows who is signed in there and asks whether this app may read and write posts. "
        "Sign in on X as the account that is to post, before you go on."
    )

    def __init__(self, *, app: Mapping[str, str], address: str) -> None:
        self._app, self._address = app, address.rstrip("/")
        self._session = http.Session()
        self._hidden: list[str] = []
        self._keep_secret(app.get("client_secret", ""))

    def begin(self, *, back: str, state: str, asked: Mapping[str, str]) -> Begun:
        kept, challenge = consent.verifier()
        query = {
            "response_type": "code",
            "client_id": self._app["client_id"],
            "redirect_uri": back,
            "scope": " ".join(SCOPES),
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return Begun(consent.address(f"{self._pages()}/i/oauth2/authorize", **query), {"verifier": kept})

    def finish(self, *, back: str, answer: Mapping[str, str], kept: Mapping[str, Any]) -> list[Candidate]:
        code = consent.code(answer, LABEL)
        self._keep_secret(code, kept["verifier"])
        credentials = self._tokens(
            "X does not take the code, which is good for 30 seconds: begin anew.",
            grant_type="authorization_code",
            code=code,
            redirect_uri=back,
            code_verifier=kept["verifier"],
        )
        handle, number = self._account(credentials[ACCESS])
        return [Candidate(handle, frozenset({handle.casefold()}), {**credentials, USER: number})]

    def ends(self, credentials: Mapping[str, Any]) -> datetime | None:
        return datetime.fromisoformat(credentials[ENDS]) if credentials.get(REFRESH) else None

    def renew(self, credentials: Mapping[str, Any]) -> dict[str, Any]:
        self._keep_secret(credentials[REFRESH])
        renewed = self._tokens(GONE, grant_type="refresh_token", refresh_token=credentials[REFRESH])
        return {**credentials, **renewed}

    def _tokens(self, refused: str, **form: str) -> dict[str, Any]:
        """POST /2/oauth2/token: tokens with all scopes, or a failure."""
        client, secret = self._app["client_id"], self._app.get("client_secret")
        sent = {"data": form, "auth": (client, secret)} if secret else {"data": {**form, "client_id": client}}
        response, answer = self._ask(partial(self._session.post, f"{self._address}/2/oauth2/token", **sent))
        if response.status_code != 200:
            words = brief(str(answer.get("error_description") or answer.get("error") or ""), self._hidden)
            wrong_app = response.status_code == 401 or answer.get("error") in ("invalid_client", "unauthorized_client")
            raise Refused(quoting(APP_WRONG if wrong_app else refused, words), kind="credentials")
        if lacking := consent.missing(SCOPES, str(answer.get("scope", "")).split(), LABEL):
            raise lacking
        credentials = {
            ACCESS: consent.text(answer, "access_token", LABEL),
            REFRESH: consent.text(answer, "refresh_token", LABEL),
            ENDS: consent.end(answer.get("expires_in")).isoformat(),
        }
        self._keep_secret(credentials[ACCESS], credentials[REFRESH])
        return credentials

    def _account(self, token: str) -> tuple[str, str]:
        """Its name, and its number, which stays where the name is changed."""
        headers = {"Authorization": f"Bearer {token}"}
        response, answer = self._ask(partial(self._session.get, f"{self._address}/2/users/me", headers=headers))
        me = answer.get("data")
        if response.status_code != 200 or not isinstance(me, dict):
            raise Refused(f"X answered {response.status_code} and did not say whose account this is: begin anew.")
        return consent.text(me, "username", LABEL), consent.text(me, "id", LABEL)

    def _ask(self, call: Callable[[], object]) -> tuple[requests.Response, dict[str, Any]]:
        return consent.ask(self._session, LABEL, self._hidden, call)

    def _keep_secret(self, *secrets: str) -> None:
        self._hidden += filter(None, secrets)
        http.keep_secret(self._hidden)

    def _pages(self) -> str:
        """Where people are asked; a stand-in for X asks beside its API."""
        return "https://x.com" if urlsplit(self._address).hostname == "api.x.com" else self._address
