"""Connecting a Facebook page: login, long-lived token, choice of the page, and the page's own token.

The token of the person is not kept: a page token that is made of a long-lived one has no end of its own, and acts on
that page alone. Sources: Meta's "Manually build a login flow", "Long-lived tokens" and "debug_token", November 2026.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from publisher.networks import consent, http
from publisher.networks.base import Refused, brief, quoting
from publisher.networks.consent import Begun, Candidate, Field
from publisher.networks.facebook import DEFAULT_VERSION, proof

LABEL = "Facebook"
SCOPES = ("pages_show_list", "pages_manage_posts", "pages_read_engagement")
#: How often posts were seen: only of an app that was given it, as the dialog turns away one that asks for more.
INSIGHTS = "read_insights"
#: What a role on the page has to allow.
TASK = "CREATE_CONTENT"
APP_WRONG = 101
APP_UNKNOWN = "Facebook does not know the app: look at PUBLISHER_FACEBOOK_APP_ID and its secret."
MOST_PAGES = 20


class Consent:
    needs = ("client_id", "client_secret")
    asks: tuple[Field, ...] = ()
    says = (
        "Facebook asks who you are, which of your pages this app may see, and whether it may post there. "
        "Leave all boxes ticked; which page is connected is asked here afterwards."
    )

    def __init__(self, *, app: Mapping[str, str], address: str) -> None:
        self._app, self._address = app, address.rstrip("/")
        self._version = app.get("version") or DEFAULT_VERSION
        self._session = http.Session()
        self._hidden: list[str] = []
        self._keep_secret(app.get("client_secret", ""))

    def begin(self, *, back: str, state: str, asked: Mapping[str, str]) -> Begun:
        query = {
            "client_id": self._app["client_id"],
            "redirect_uri": back,
            "state": state,
            "response_type": "code",
            "scope": ",".join((*SCOPES, *((INSIGHTS,) if self._app.get("insights") else ()))),
            # Who said no to a permission once is otherwise not asked for it again.
            "auth_type": "rerequest",
        }
        return Begun(consent.address(f"{self._pages()}/{self._version}/dialog/oauth", **query), {})

    def finish(self, *, back: str, answer: Mapping[str, str], kept: Mapping[str, Any]) -> list[Candidate]:
        code = consent.code(answer, LABEL)
        self._keep_secret(code)
        token = self._token(redirect_uri=back, code=code)
        token = self._token(grant_type="fb_exchange_token", fb_exchange_token=token)
        self._check(token, "USER")
        found = [self._candidate(page) for page in self._accounts(token)]
        if not found:
            raise Refused(
                "This Facebook account has no role on any page, or showed none: begin anew.", kind="permission"
            )
        return found

    def ends(self, credentials: Mapping[str, Any]) -> datetime | None:
        """A page token is not renewed: it ends with the role, the password or the app."""
        return None

    def renew(self, credentials: Mapping[str, Any]) -> dict[str, Any]:
        raise Refused("Facebook renews no page token: connect the page again.", kind="credentials")

    def _token(self, **form: str) -> str:
        """POST /oauth/access_token, where Meta's pages show a GET: the secret stays out of the address."""
        app = {"client_id": self._app["client_id"], "client_secret": self._app["client_secret"]}
        answer = self._ask(partial(self._session.post, self._graph("oauth/access_token"), data={**app, **form}))
        token = consent.text(answer, "access_token", LABEL)
        self._keep_secret(token)
        return token

    def _check(self, token: str, kind: str) -> dict[str, Any]:
        """debug_token: a living token of our app; and of a person, one that allows what posting needs."""
        asker = f"{self._app['client_id']}|{self._app['client_secret']}"
        query = {"input_token": token, "access_token": asker}
        told = self._ask(partial(self._session.get, self._graph("debug_token"), params=query)).get("data")
        if not isinstance(told, dict) or not told.get("is_valid") or told.get("type") != kind:
            raise Refused("Facebook gave a token that it does not accept itself: begin anew.", kind="credentials")
        if str(told.get("app_id")) != self._app["client_id"]:
            raise Refused("Facebook gave the token of another app: begin anew.", kind="credentials")
        if kind == "USER" and (lacking := consent.missing(SCOPES, told.get("scopes") or (), LABEL)):
            raise lacking
        return told

    def _accounts(self, token: str) -> Iterator[dict[str, Any]]:
        """The pages on which the person has a role."""
        query = {"fields": "id,name,access_token,tasks", "limit": "50", "access_token": token}
        query |= proof(token, self._app["client_secret"])
        for _ in range(MOST_PAGES):
            answer = self._ask(partial(self._session.get, self._graph("me/accounts"), params=query))
            yield from answer.get("data") or ()
            paging = answer.get("paging") or {}
            if not paging.get("next"):
                return
            query["after"] = paging["cursors"]["after"]

    def _candidate(self, page: Mapping[str, Any]) -> Candidate:
        number, name = consent.text(page, "id", LABEL), consent.text(page, "name", LABEL)
        # Not its name, which other pages have as well.
        names = frozenset({number})
        token = page.get("access_token")
        if not token or TASK not in (page.get("tasks") or ()):
            return Candidate(name, names, {}, f"Your role on the page does not allow posting ({TASK} is missing).")
        self._keep_secret(token)
        ends = http.whole_number(self._check(token, "PAGE").get("expires_at"))
        end = {"ends_at": datetime.fromtimestamp(ends, UTC).isoformat()} if ends else {}
        credentials = {"page_id": number, "page_token": token, "app_secret": self._app["client_secret"], **end}
        return Candidate(name, names, credentials)

    def _ask(self, call: Callable[[], object]) -> dict[str, Any]:
        response, answer = consent.ask(self._session, LABEL, self._hidden, call)
        error = answer.get("error")
        if response.status_code == 200 and not error:
            return answer
        told = error if isinstance(error, dict) else {}
        words = brief(str(told.get("message") or ""), self._hidden)
        if told.get("code") == APP_WRONG:
            raise Refused(quoting(APP_UNKNOWN, words), kind="credentials")
        raise Refused(quoting("Facebook did not let the page be connected: begin anew.", words), kind="credentials")

    def _graph(self, path: str) -> str:
        return f"{self._address}/{self._version}/{path}"

    def _keep_secret(self, *secrets: str) -> None:
        self._hidden += filter(None, secrets)
        http.keep_secret(self._hidden)

    def _pages(self) -> str:
        """Where people are asked; a stand-in for Facebook asks beside its API."""
        real = urlsplit(self._address).hostname == "graph.facebook.com"
        return "https://www.facebook.com" if real else self._address
