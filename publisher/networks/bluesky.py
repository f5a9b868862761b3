"""Bluesky, over the XRPC interface of the server that keeps an account (a PDS): the only file that knows it.

Sources: the lexicons, the reference server's code and its guides, of 2026. What they mean for us:

    - A record is written under a key of our own, made of the post's. `putRecord` with "swapRecord": null makes a
      record or says InvalidSwap; `createRecord` answers a key that is there with a bare 500, as anything that broke.
      So a second request cannot make a second post, and we are told.
    - bsky.social passes on to the server that really keeps an account what is asked of it. We stay at the address
      that we were given, rather than follow one that an answer names.
    - 30 sign-ins in five minutes and 300 a day are allowed: see SESSIONS.

Of atproto, the SDK (0.0.73), only the parsers are used. Its client takes 2 s of CPU and 46 MB in each process to
import, follows redirects whatever is asked, renews sessions unseen, sends on to the address that an answer names,
and drops the very null that keeps a record from being written twice. The tests hold ours against it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from atproto_core.exceptions import AtProtocolError
from atproto_core.uri import AtUri
from wcwidth import iter_graphemes

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
    brief,
    cannot_look,
    quoting,
)
from publisher.networks.bluesky_answers import (
    DEACTIVATED,
    SESSION_ENDED,
    STATUSES,
    is_absence,
    is_cid,
    is_object,
    made,
    meaning_of,
    named,
    pause,
    settled,
)
from publisher.networks.bluesky_records import POST, address_of, card, facets, links, proportions, record_key
from publisher.networks.consent import Field

Given = TypeVar("Given")

LONGEST_TEXT, MOST_BYTES = 300, 3000
# The lexicon says 2,000,000 since 2026; a server of somebody else's may not have heard of it.
PICTURES = PictureRules(largest=1_000_000, longest_side=2000, media_types=("image/jpeg", "image/png", "image/webp"))
LONGEST_ALT = 2000

# Records per page of a repository, posts per question about their figures: the most that are given.
PAGE, MOST_AT_ONCE = 100, 25


@dataclass(frozen=True)
class SignedIn:
    did: str
    handle: str
    access: str = field(repr=False)
    refresh: str = field(repr=False)


# Who this process has signed in as, by address, name and hash of the password. An adapter lives for one post, and a
# sign-in for each would use up a day's by noon. In memory alone: what is lost with a process is one sign-in.
SESSIONS: dict[tuple[str, str, str], SignedIn] = {}


class Bluesky(Adapter):
    name = "bluesky"
    label = "Bluesky"
    limit = LONGEST_TEXT
    link_in_text = True
    pictures = PICTURES
    longest_alt = LONGEST_ALT
    idempotent = True
    keys = (
        Field("app_password", "App password", "Made on Bluesky: Settings, “Privacy and security”, “App passwords”."),
        Field("language", "Language of the posts", "As “en”, which it is where nothing is said.", False, False),
    )

    def __init__(
        self,
        *,
        credentials: Mapping[str, str],
        address: str,
        account: str,
        timeouts: http.Timeouts = http.TIMEOUTS,
    ) -> None:
        password = credentials.get("app_password")
        if not password:
            raise Refused("Bluesky needs app_password: connect the account again.", kind="credentials")
        self.account = account.lstrip("@")
        self._who = {"identifier": credentials.get("identifier") or self.account, "password": password}
        self._language = credentials.get("language") or "en"
        self._secrets = {password}
        http.keep_secret(self._secrets)
        self._address = address.rstrip("/")
        self._key = (self._address, self._who["identifier"], sha256(password.encode()).hexdigest())
        self._session = http.Session(timeouts=timeouts)

    def __repr__(self) -> str:
        return f"<Bluesky @{self.account}>"

    @staticmethod
    def measure(text: str) -> int:
        """Graphemes, or tenths of its bytes: a text of 300 graphemes may still be too long for 3,000 bytes."""
        graphemes = sum(1 for _ in iter_graphemes(text))
        return max(graphemes, -(-len(text.encode()) * LONGEST_TEXT // MOST_BYTES))

    def publish(self, outgoing: Outgoing) -> Published:
        """One putRecord, after the session and the picture it needs. A failure of these has posted nothing."""
        unfit = unfit_text(outgoing.text) or unfit_picture(outgoing.picture)
        if unfit:
            raise unfit
        me, key = self._harmlessly(self._signed_in), record_key(outgoing.key)
        record = self._record(outgoing)
        body = {"repo": me.did, "collection": POST, "rkey": key, "record": record, "swapRecord": None}
        # No retry here, of anything: a time-out may have posted.
        response = self._ask("POST", "com.atproto.repo.putRecord", json=body)
        if named(response) == "InvalidSwap":
            return self._posted_before(key, response)
        uri = address_of(me.did, key)
        if not made(response, uri):
            raise self._failure(response)
        return Published(uri, self._url(key), http.their_time(response.headers))

    def find(self, outgoing: Outgoing, *, since: datetime, known: Collection[str] = ()) -> Published | None:
        """The record under the post's own key, whenever it was made; else one like it, made by hand since."""
        me = self._look(self._signed_in)
        found = self._at(me, record_key(outgoing.key)) if outgoing.key else None
        if found and found.remote_id not in known:
            return found
        response = self._read("com.atproto.server.getSession")
        since = timeline.on_their_clock(since, response)
        return timeline.pick(self._standing(me, since), outgoing, since=since, known=known)

    def remove(self, remote_id: str) -> None:
        """What is gone already is no error to Bluesky either."""
        try:
            place = AtUri.from_str(remote_id)
        except AtProtocolError:
            raise Refused(f"{remote_id} is no address of a post on Bluesky.") from None
        body = {"repo": place.host, "collection": place.collection, "rkey": place.rkey}
        response = self._ask("POST", "com.atproto.repo.deleteRecord", json=body)
        if response.status_code != 200 or not is_object(response):
            raise self._failure(response)

    def figures(self, remote_ids: Collection[str]) -> dict[str, Figures]:
        ids = sorted(remote_ids)
        found: dict[str, Figures] = {}
        for start in range(0, len(ids), MOST_AT_ONCE):
            asked = {"uris": ids[start : start + MOST_AT_ONCE]}
            response = self._harmlessly(partial(self._ask, "GET", "app.bsky.feed.getPosts", params=asked))
            posts = http.content(response).get("posts") if response.status_code == 200 else None
            if not isinstance(posts, list):
                raise settled(self._failure(response))
            found |= {post["uri"]: counted(post) for post in posts if isinstance(post, dict) and "uri" in post}
        return {remote_id: found[remote_id] for remote_id in ids if remote_id in found}

    def check(self) -> Account:
        name, url = f"@{self.account}", self._url()
        try:
            me = http.content(self._read("com.atproto.server.getSession"))
        except CannotLook as failure:
            return Account(name, url, failure.reason, refused=failure.refused)
        handle = str(me.get("handle") or "")
        if not handle:
            return Account(name, url, "Bluesky did not say whose app password this is.")
        if me.get("active") is False:
            meaning = STATUSES.get(str(me.get("status")), DEACTIVATED)
            return Account(name, url, meaning.sentence, refused=True)
        if self.account and handle.casefold() != self.account.casefold():
            return Account(name, url, f"This is the app password of @{handle}, not of {name}.", strange=True)
        return Account(f"@{handle}{self._called(handle)}", url)

    def _called(self, handle: str) -> str:
        """ " (Peru Support Group)", where the account has such a name and it can be had."""
        try:
            shown = http.content(self._read("app.bsky.actor.getProfile", {"actor": handle})).get("displayName")
        except CannotLook:
            return ""
        return f" ({shown})" if shown else ""

    def _record(self, outgoing: Outgoing) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        record: dict[str, Any] = {"$type": POST, "text": outgoing.text, "createdAt": now, "langs": [self._language]}
        if found := facets(outgoing.text, outgoing.link):
            record["facets"] = found
        if outgoing.picture:
            record["embed"] = self._images(outgoing.picture)
        elif outgoing.link:
            record["embed"] = card(outgoing.text, outgoing.link)
        return record

    def _images(self, picture: Picture) -> dict[str, Any]:
        """The embedding of an uploaded picture. Raises Refused or TryLater."""
        upload = partial(
            self._ask,
            "POST",
            "com.atproto.repo.uploadBlob",
            data=picture.content,
            headers={"Content-Type": picture.media_type},
        )
        response = self._harmlessly(upload)
        blob = http.content(response).get("blob") if response.status_code == 200 else None
        if not isinstance(blob, dict) or not is_cid((blob.get("ref") or {}).get("$link")):
            raise settled(self._failure(response))
        image = {"alt": picture.alt, "image": blob} | proportions(picture)
        return {"$type": "app.bsky.embed.images", "images": [image]}

    def _posted_before(self, key: str, response: requests.Response) -> Published:
        """The post that stands under the key: an attempt of ours has made it, whatever became of its answer."""
        try:
            found = self._at(self._signed_in(), key)
        except Failure:
            found = None
        if found is None:
            raise self._failure(response)
        return found

    def _at(self, me: SignedIn, key: str) -> Published | None:
        """The post under a key, from the server that keeps the account. Raises CannotLook."""
        asked = {"repo": me.did, "collection": POST, "rkey": key}
        response = self._look(partial(self._ask, "GET", "com.atproto.repo.getRecord", params=asked))
        if is_absence(response):
            return None
        value = http.content(response).get("value") if made(response, address_of(me.did, key)) else None
        if not isinstance(value, dict):
            raise cannot_look(self._failure(response))
        return Published(address_of(me.did, key), self._url(key), moment(value.get("createdAt")))

    def _standing(self, me: SignedIn, since: datetime) -> Iterator[timeline.Standing]:
        """Our posts, newest first, down to the first page that is older throughout.

        From the repository and not from the feed: the feed is another machine's, which hears of a post later.
        """
        cursor: str | None = None
        for _ in range(timeline.MOST_PAGES):
            posts, cursor = self._page(me, cursor)
            yield from posts
            if not cursor or (posts and all(post.at < since for post in posts)):
                return
        raise CannotLook("There are more posts on Bluesky than can be searched.")

    def _page(self, me: SignedIn, cursor: str | None) -> tuple[list[timeline.Standing], str | None]:
        asked = {"repo": me.did, "collection": POST, "limit": str(PAGE)} | ({"cursor": cursor} if cursor else {})
        answer = http.content(self._read("com.atproto.repo.listRecords", asked))
        try:
            posts = [self._post(record["uri"], record["value"]) for record in answer["records"]]
        except (AttributeError, KeyError, TypeError, ValueError):
            raise CannotLook("Bluesky's answer about the posts cannot be read.") from None
        return posts, answer.get("cursor")

    def _post(self, uri: str, value: dict[str, Any]) -> timeline.Standing:
        at = datetime.fromisoformat(value["createdAt"]).astimezone(UTC)
        return timeline.Standing(uri, self._url(uri.rpartition("/")[2]), value["text"], at, links(value))

    # ---- Requests

    def _signed_in(self) -> SignedIn:
        me = SESSIONS.get(self._key) or self._sign_in()
        self._secrets |= {me.access, me.refresh}
        return me

    def _sign_in(self) -> SignedIn:
        return self._begun(self._call("POST", "com.atproto.server.createSession", json=self._who))

    def _renew(self, me: SignedIn) -> None:
        """A session in the place of one that has ended: by its own token, which costs no sign-in, else by another."""
        SESSIONS.pop(self._key, None)
        response = self._call("POST", "com.atproto.server.refreshSession", me.refresh)
        if response.status_code in (400, 401):
            self._sign_in()
        else:
            self._begun(response)
        # What has ended opens nothing any more: a process that lives for years need not look for it in its logs.
        http.discretion.secrets -= {me.access, me.refresh}

    def _begun(self, response: requests.Response) -> SignedIn:
        answer = http.content(response) if response.status_code == 200 else {}
        given = [answer.get(name) for name in ("did", "handle", "accessJwt", "refreshJwt")]
        if not all(isinstance(one, str) and one for one in given):
            raise self._failure(response)
        SESSIONS[self._key] = me = SignedIn(*map(str, given))
        http.keep_secret({me.access, me.refresh})
        self._secrets |= {me.access, me.refresh}
        return me

    def _ask(self, method: str, what: str, **more: Any) -> requests.Response:
        """The answer to a request in our name. Repeated once where the session had ended: nothing was done then."""
        me = self._harmlessly(self._signed_in)
        response = self._call(method, what, me.access, **more)
        if response.status_code not in (400, 401) or named(response) not in SESSION_ENDED:
            return response
        self._harmlessly(partial(self._renew, me))
        return self._call(method, what, self._signed_in().access, **more)

    def _call(self, method: str, what: str, token: str | None = None, **more: Any) -> requests.Response:
        address = f"{self._address}/xrpc/{what}"
        call = partial(self._session.request, method, address, auth=bearer(token), **more)
        return http.ask(self._session, self.label, self._secrets, call)

    def _harmlessly(self, call: Callable[[], Given]) -> Given:
        """What call gives. Its doubt is none of ours: whatever became of it, nobody sees a post."""
        try:
            return call()
        except Unknown as unknown:
            failure = settled(unknown)
        raise failure

    def _look(self, call: Callable[[], Given]) -> Given:
        """What call gives; whatever goes wrong, we could not look."""
        try:
            return call()
        except Failure as failure:
            problem = failure
        raise cannot_look(problem)

    def _read(self, what: str, asked: Mapping[str, str] | None = None) -> requests.Response:
        """The answer to a question that changes nothing. Raises CannotLook."""
        response = self._look(partial(self._ask, "GET", what, params=asked))
        if response.status_code != 200 or not http.content(response):
            raise cannot_look(self._failure(response))
        return response

    def _failure(self, response: requests.Response) -> Failure:
        """What an answer that is no success means."""
        status, name = response.status_code, named(response)
        if 300 <= status < 400:
            return http.redirected(response, self.label, self._secrets)
        said = str(http.content(response).get("message") or "")
        words = brief(said, self._secrets)
        meaning = meaning_of(status, name, said)
        if meaning is None:
            # A 2xx without the record, a 5xx of any machine on the way: it may stand there.
            return Unknown(quoting(f"Bluesky answered {status} without saying whether it posted.", words))
        reason = quoting(meaning.sentence, words)
        if meaning.outcome is TryLater:
            return TryLater(reason, after=pause(response), kind=meaning.kind)
        return Refused(reason, kind=meaning.kind, code=status)

    def _url(self, key: str = "") -> str:
        """Where a person sees it. A server stands at the root of its address; a stand-in has its room there."""
        if not urlsplit(self._address).path:
            return f"https://bsky.app/profile/{self.account}" + (f"/post/{key}" if key else "")
        return f"{self._address}/@{self.account}" + (f"#{key}" if key else "")


def bearer(token: str | None) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Signs a request with the token. In the place where requests would else put what a .netrc says."""

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        return request

    return sign


def unfit_text(text: str) -> Refused | None:
    length = Bluesky.measure(text)
    if length <= LONGEST_TEXT:
        return None
    return Refused(f"The text measures {length}, and Bluesky takes {LONGEST_TEXT}.", kind="text")


def unfit_picture(picture: Picture | None) -> Refused | None:
    if picture is None:
        return None
    if picture.media_type not in PICTURES.media_types:
        return Refused(f"Bluesky takes no pictures of the type {picture.media_type} from us.")
    if len(picture.content) > PICTURES.largest:
        return Refused(f"Bluesky takes pictures of at most {PICTURES.largest:,} bytes.")
    if len(picture.alt) > LONGEST_ALT:
        return Refused(f"Bluesky takes descriptions of at most {LONGEST_ALT} characters.", kind="text")
    return None


def counted(post: Mapping[str, Any]) -> Figures:
    """A quotation passes a post on as a repost does."""
    likes, reposts, quotes, comments = (
        post.get(name) if isinstance(post.get(name), int) else None
        for name in ("likeCount", "repostCount", "quoteCount", "replyCount")
    )
    passed_on = None if reposts is None and quotes is None else (reposts or 0) + (quotes or 0)
    return Figures(likes, passed_on, comments)


def moment(printed: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(printed)).astimezone(UTC)
    except ValueError:
        return None
