"""X (Twitter) through tweepy: the only file that knows the SDK. What X answers is read in x_answers.py.

Sources: the X API's own OpenAPI description (2.167) and documentation of August 2026; error bodies as bots in
production have seen them. tweepy 4.17 has no base address, no time limit, no v2 media and no alt text.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import requests
import tweepy

from publisher.networks import http, timeline
from publisher.networks.base import (
    Account,
    Adapter,
    CannotLook,
    Failure,
    Figures,
    Outgoing,
    Picture,
    PictureRules,
    Published,
    Refused,
    TryLater,
    Unknown,
    cannot_look,
)
from publisher.networks.consent import Field
from publisher.networks.text import weigh
from publisher.networks.x_answers import counted, expanded, failure_of, gone, has_address, identity, moment, rest

CREDENTIALS = ("consumer_key", "consumer_secret", "access_token", "access_token_secret")
# In their place, what an account that was connected by consent has: see x_consent.py.
OAUTH2 = "oauth2_token"

PICTURES = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}
LARGEST_PICTURE = 5 * 2**20
LONGEST_ALT = 1000

# tweepy's word, which X's description of its API no longer has.
RENAMED = {"tweet.fields": "post.fields"}

# Posts per page of the timeline: $0.001 each, and ours is nearly always among the first.
PAGE = 20
# Posts whose figures one request may ask for.
MOST_AT_ONCE = 100


class Client(tweepy.Client):
    """tweepy's client at a given address, over a session that is bounded in time.

    `request` is replaced whole. tweepy's own has its address in a local variable, follows redirects,
    sleeps or recurses on a 429, logs the tokens, and raises errors that lose the body. The OAuth 1.0a
    signature here is over the address that is really called.
    """

    def __init__(self, address: str, session: http.Session, credentials: Mapping[str, str]) -> None:
        super().__init__(
            **{name: credentials.get(name) for name in CREDENTIALS},
            return_type=requests.Response,
            wait_on_rate_limit=False,
        )
        self.address = address
        self.session = session
        self.oauth2_token = credentials.get(OAUTH2)

    def request(
        self, method: str, route: str, params: Any = None, json: Any = None, user_auth: bool = True, **body: Any
    ) -> requests.Response:
        headers = {"User-Agent": self.user_agent}
        return self.session.request(
            method,
            self.address + route,
            params={RENAMED.get(name, name): value for name, value in (params or {}).items()},
            json=json,
            headers=headers,
            auth=self._auth(),
            **body,
        )

    def _auth(self) -> Any:
        """By consent (OAuth 2.0: a bearer token), or by the app's own keys (OAuth 1.0a: a signature)."""
        if self.oauth2_token:
            return tweepy.OAuth2BearerHandler(self.oauth2_token).apply_auth()
        keys = (self.consumer_key, self.consumer_secret, self.access_token, self.access_token_secret)
        return tweepy.OAuth1UserHandler(*keys).apply_auth()

    def upload(self, picture: Picture) -> requests.Response:
        """POST /2/media/upload in one shot; tweepy has only the version 1.1 that X has switched off."""
        name = f"picture.{PICTURES[picture.media_type]}"
        return self.request(
            "POST",
            "/2/media/upload",
            data={"media_category": "tweet_image"},
            files={"media": (name, picture.content, picture.media_type)},
        )

    def describe(self, media_id: str, alt: str) -> requests.Response:
        body = {"id": media_id, "metadata": {"alt_text": {"text": alt}}}
        return self.request("POST", "/2/media/metadata", json=body)


class X(Adapter):
    name = "x"
    label = "X"
    limit = 280
    refuses_repeats = True
    link_in_text = True
    measure = staticmethod(weigh)
    pictures = PictureRules(LARGEST_PICTURE, longest_side=4096, media_types=tuple(PICTURES))
    longest_alt = LONGEST_ALT
    consent = "publisher.networks.x_consent:Consent"
    identity = ("user_id",)
    keys = (
        Field("consumer_key", "API key"),
        Field("consumer_secret", "API key secret"),
        Field("access_token", "Access token", "Of the account that is to post, made with “Read and write”."),
        Field("access_token_secret", "Access token secret"),
    )

    def __init__(
        self,
        *,
        credentials: Mapping[str, str],
        address: str,
        account: str,
        timeouts: http.Timeouts = http.TIMEOUTS,
    ) -> None:
        needed = (OAUTH2,) if credentials.get(OAUTH2) else CREDENTIALS
        missing = [name for name in needed if not credentials.get(name)]
        if missing:
            raise Refused(f"X needs {', '.join(missing)}: connect the account again.", kind="credentials")
        self.account = account.lstrip("@")
        self._secrets = tuple(credentials[name] for name in needed)
        http.keep_secret(self._secrets)
        self._address = address.rstrip("/")
        self._session = http.Session(timeouts=timeouts)
        self._client = Client(self._address, self._session, credentials)

    def __repr__(self) -> str:
        return f"<X @{self.account}>"

    @staticmethod
    def tariff(outgoing: Outgoing) -> str:
        """A link makes a post dear, and a bare report.md is one to X."""
        return "post with link" if has_address(outgoing.text) else "post"

    def publish(self, outgoing: Outgoing) -> Published:
        """One POST /2/tweets, after the picture it needs. A failure of the picture has posted nothing."""
        if self.measure(outgoing.text) > self.limit:
            length = self.measure(outgoing.text)
            raise Refused(f"The text measures {length}, and X takes {self.limit}.", kind="text")
        media = [self._picture(outgoing.picture)] if outgoing.picture else None
        # No retry here, of anything: a time-out may have posted.
        response = self._ask(lambda: self._client.create_tweet(text=outgoing.text, media_ids=media))
        remote_id = identity(response)
        if remote_id is None:
            raise self._failure(response)
        return Published(remote_id, self._url(remote_id), http.their_time(response.headers), rest(response))

    def find(self, outgoing: Outgoing, *, since: datetime, known: Collection[str] = ()) -> Published | None:
        me, response = self._me()
        since = timeline.on_their_clock(since, response)
        return timeline.pick(self._standing(me["id"], since), outgoing, since=since, known=known)

    def remove(self, remote_id: str) -> None:
        response = self._ask(lambda: self._client.delete_tweet(remote_id))
        deleted = http.content(response).get("data")
        done = response.status_code == 200 and isinstance(deleted, dict) and deleted.get("deleted") is True
        if not (done or gone(response)):
            raise self._failure(response)

    def figures(self, remote_ids: Collection[str]) -> dict[str, Figures]:
        ids = sorted(remote_ids)
        batches = [ids[start : start + MOST_AT_ONCE] for start in range(0, len(ids), MOST_AT_ONCE)]
        found = [post for batch in batches for post in self._several(batch)]
        return {post["id"]: counted(post) for post in found if post.get("id") in ids}

    def check(self) -> Account:
        name, url = f"@{self.account}", self._url()
        try:
            me, response = self._me()
        except CannotLook as failure:
            return Account(name, url, failure.reason, refused=failure.refused)
        if self.account and str(me.get("username", "")).casefold() != self.account.casefold():
            return Account(name, url, f"These are the keys of @{me.get('username')}, not of {name}.", strange=True)
        if response.headers.get("x-access-level") == "read":
            return Account(name, url, "The X app may only read: give it write access.")
        return Account(f"{name} ({me.get('name', '')})", url)

    def _several(self, ids: list[str]) -> list[dict[str, Any]]:
        """Those of these posts that stand. Raises Refused or TryLater: whatever went wrong, it can be asked again."""
        try:
            response = self._ask(lambda: self._client.get_tweets(ids, tweet_fields=["public_metrics"], user_auth=True))
            answer = http.content(response)
            # Where none of them is left, X answers with errors alone.
            if response.status_code == 200 and ("data" in answer or "errors" in answer):
                return [post for post in answer.get("data") or () if isinstance(post, dict)]
            raise self._failure(response)
        except Unknown as unknown:
            reason = unknown.reason
        raise TryLater(reason, after=http.NETWORK_PAUSE, kind="server")

    def _picture(self, picture: Picture) -> str:
        """The media id of an uploaded picture that has its description. Raises Refused or TryLater."""
        unfit = unfit_picture(picture)
        if unfit:
            raise Refused(unfit, kind="text" if picture.alt and len(picture.alt) > LONGEST_ALT else "other")
        try:
            response = self._ask(lambda: self._client.upload(picture))
            media_id = identity(response)
            if media_id is None:
                raise self._failure(response)
            if picture.alt:
                response = self._ask(lambda: self._client.describe(media_id, picture.alt))
                if response.status_code not in (200, 201):
                    raise self._failure(response)
        except Unknown as unknown:
            # Whatever became of the picture, nobody sees it before a post names it.
            reason = f"The picture could not be sent to X: {unknown.reason}"
        else:
            return media_id
        raise TryLater(reason, after=http.NETWORK_PAUSE, kind="server")

    def _ask(self, call: Any) -> requests.Response:
        return http.ask(self._session, self.label, self._secrets, call)

    def _failure(self, response: requests.Response) -> Failure:
        return failure_of(response, self._secrets)

    def _me(self) -> tuple[dict[str, Any], requests.Response]:
        response = self._read(lambda: self._client.get_me(user_auth=True))
        me = http.content(response).get("data")
        if not isinstance(me, dict) or not str(me.get("id", "")).isdecimal():
            raise CannotLook("X did not say whose keys these are.")
        return me, response

    def _read(self, call: Any) -> requests.Response:
        """The answer to a question that changes nothing: whatever goes wrong, we could not look."""
        try:
            response = self._ask(call)
            problem = None if response.status_code == 200 else self._failure(response)
        except Failure as failure:
            problem = failure
        if problem:
            raise cannot_look(problem)
        return response

    def _standing(self, user: str, since: datetime) -> Iterator[timeline.Standing]:
        """Our posts, newest first, down to the first page that is older throughout.

        X could filter by start_time, but that is our clock's word; and each post that is read costs.
        """
        token: str | None = None
        for _ in range(timeline.MOST_PAGES):
            posts, token = self._page(user, token)
            yield from posts
            if not token or (posts and all(post.at < since for post in posts)):
                return
        raise CannotLook("There are more posts on X's timeline than can be searched.")

    def _page(self, user: str, token: str | None) -> tuple[list[timeline.Standing], str | None]:
        """A page of the timeline, and the token of the next, if there is one."""
        more = {"pagination_token": token} if token else {}
        fields = ["created_at", "entities"]
        answer = http.content(
            self._read(
                lambda: self._client.get_users_tweets(
                    user, max_results=PAGE, tweet_fields=fields, user_auth=True, **more
                )
            )
        )
        try:
            posts = [
                timeline.Standing(post["id"], self._url(post["id"]), expanded(post), moment(post["created_at"]))
                for post in (answer["data"] if answer["meta"]["result_count"] else ())
            ]
            return posts, answer["meta"].get("next_token")
        except (KeyError, TypeError, ValueError, AttributeError):
            raise CannotLook("X's answer about the timeline cannot be read.") from None

    def _url(self, remote_id: str = "") -> str:
        """Where a person sees it. A stand-in for X shows its timeline beside its API."""
        if urlsplit(self._address).hostname in ("api.x.com", "api.twitter.com"):
            return f"https://x.com/{self.account}" + (f"/status/{remote_id}" if remote_id else "")
        return f"{self._address}/@{self.account}" + (f"#{remote_id}" if remote_id else "")


def unfit_picture(picture: Picture) -> str | None:
    if picture.media_type not in PICTURES:
        return f"X takes no pictures of the type {picture.media_type}."
    if len(picture.content) > LARGEST_PICTURE:
        return "X takes pictures of at most 5 MB."
    if len(picture.alt) > LONGEST_ALT:
        return f"X takes descriptions of at most {LONGEST_ALT} characters."
    return None
