"""Connecting a Mastodon account by OAuth 2.0: the app is made at the account's own server, then the person is asked.

Sources: Mastodon's documentation of the methods apps, oauth and accounts (4.3), and its own code. The token has no end
of its own; it ends when the person takes the app out of their settings.
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
from publisher.networks.mastodon_answers import is_id

LABEL = "Mastodon"
SCOPES = ("read:accounts", "read:statuses", "write:media", "write:statuses")
#: How the app is called on the server's page, and in the person's settings.
OUR_NAME = "Publisher"


class Consent:
    needs: tuple[str, ...] = ()
    asks = (Field("server", "Server", "Where the account is, such as mastodon.example.", secret=False),)
    says = (
        "The server shows who is signed in there and asks whether this app may post and read what the account posted. "
        "Sign in there as the account that is to post, before you go on."
    )

    def __init__(self, *, app: Mapping[str, str], address: str, resolve: http.Resolve | None = None) -> None:
        self._address = address.rstrip("/")
        self._session = http.Session(resolve=resolve)
        self._hidden: list[str] = []

    def begin(self, *, back: str, state: str, asked: Mapping[str, str]) -> Begun:
        """POST /api/v1/apps: each connecting has an app of its own, so that nothing has to be kept for a server."""
        form = {"client_name": OUR_NAME, "redirect_uris": back, "scopes": " ".join(SCOPES)}
        answer = self._asked(
            partial(self._session.post, f"{self._address}/api/v1/apps", data=form),
            "This server does not let an app be made, or there is no Mastodon at this address.",
        )
        client = consent.text(answer, "client_id", LABEL)
        secret = consent.text(answer, "client_secret", LABEL)
        kept, challenge = consent.verifier()
        query = {
            "response_type": "code",
            "client_id": client,
            "redirect_uri": back,
            "scope": " ".join(SCOPES),
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        server = asked.get("server") or urlsplit(self._address).netloc
        app = {"client_id": client, "client_secret": secret, "verifier": kept, "server": server.lower()}
        return Begun(consent.address(f"{self._address}/oauth/authorize", **query), app)

    def finish(self, *, back: str, answer: Mapping[str, str], kept: Mapping[str, Any]) -> list[Candidate]:
        code = consent.code(answer, LABEL)
        self._keep_secret(code, kept["client_secret"], kept["verifier"])
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": kept["client_id"],
            "client_secret": kept["client_secret"],
            "redirect_uri": back,
            "code_verifier": kept["verifier"],
        }
        told = self._asked(
            partial(self._session.post, f"{self._address}/oauth/token", data=form),
            "Mastodon does not take the code, which is good once and for ten minutes: begin anew.",
        )
        token = consent.text(told, "access_token", LABEL)
        self._keep_secret(token)
        if lacking := consent.missing(SCOPES, _all(str(told.get("scope", "")).split()), LABEL):
            raise lacking
        return [self._candidate(token, kept["server"])]

    def ends(self, credentials: Mapping[str, Any]) -> datetime | None:
        """A token is not renewed: it ends when the person takes it back."""
        return None

    def renew(self, credentials: Mapping[str, Any]) -> dict[str, Any]:
        raise Refused("Mastodon renews no token: connect the account again.", kind="credentials")

    def _candidate(self, token: str, server: str) -> Candidate:
        headers = {"Authorization": f"Bearer {token}"}
        place = f"{self._address}/api/v1/accounts/verify_credentials"
        me = self._asked(
            partial(self._session.get, place, headers=headers),
            "Mastodon did not say whose account this is: begin anew.",
        )
        user, number = consent.text(me, "username", LABEL), consent.text(me, "id", LABEL)
        if not is_id(number):
            raise Refused("Mastodon did not say whose account this is: begin anew.", kind="credentials")
        account = f"@{user}@{server}"
        credentials = {"access_token": token, "server": server, "user_id": number}
        return Candidate(account, frozenset({account.lstrip("@").casefold()}), credentials)

    def _asked(self, call: Callable[[], object], refused: str) -> dict[str, Any]:
        response, answer = self._ask(call)
        if response.status_code == 200:
            return answer
        words = brief(str(answer.get("error_description") or answer.get("error") or ""), self._hidden)
        raise Refused(quoting(refused, words), kind="credentials")

    def _ask(self, call: Callable[[], object]) -> tuple[requests.Response, dict[str, Any]]:
        return consent.ask(self._session, LABEL, self._hidden, call)

    def _keep_secret(self, *secrets: str) -> None:
        self._hidden += filter(None, secrets)
        http.keep_secret(self._hidden)


def _all(given: list[str]) -> set[str]:
    """With "write" comes all that begins so."""
    return set(given) | {scope for scope in SCOPES if scope.partition(":")[0] in given}
