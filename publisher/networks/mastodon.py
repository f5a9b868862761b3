"""Mastodon through Mastodon.py: the only file that knows either.

Sources: Mastodon's own code (4.5) for lengths, limits, words of refusal and what becomes of an Idempotency-Key;
Mastodon.py 2.3, whose ways are set aside here: it waits 300 seconds, sleeps through a rate limit and then sends
again, asks for the server's version before an upload, reads a token that is the name of a file from that file, and
wraps what went wrong so that nobody can tell whether anything left.
"""

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

import mastodon
import requests

from publisher.networks import http, timeline
from publisher.networks.base import (
    Account,
    Adapter,
    Answer,
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
from publisher.networks.consent import Field
from publisher.networks.mastodon_answers import (
    WINDOW,
    is_id,
    listed,
    moment,
    pause,
    rest,
    status_in,
    told,
)
from publisher.networks.mastodon_text import length, plain

# The oldest server that has all that is asked for here: several posts in one question.
VERSION = "4.3.0"

ACCOUNT = re.compile(r"@?([\w.-]+)@((?:[\w-]+\.)+[^\W\d_][\w-]*(?::\d+)?)")
SERVER = re.compile(r"(?:[\w-]+\.)+[^\W\d_][\w-]*(?::\d+)?")

PICTURES = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}

# Seconds between looks at a picture that the server still prepares: a quarter of a minute in all.
PATIENCE = (0.5, 1.0, 2.0, 4.0, 8.0)

# What the adapter does, by Mastodon's names; `write` includes `write:media`.
SCOPES = ("read:accounts", "read:statuses", "write:media", "write:statuses")

# The most that a server gives at once: of a timeline, of single posts.
PAGE = 40
AT_ONCE = 20


# Their words to ours; the first that fits counts. A server of another language is asked for English, and may not obey.
MEANINGS = (
    Answer(400, "", Refused, "other", "Mastodon does not understand the request."),
    Answer(401, "", Refused, "credentials", "Mastodon no longer accepts the token: connect the account again."),
    Answer(403, "outside the authorized scopes", Refused, "permission", "The token may not do this: give it “write”."),
    Answer(403, "login is currently disabled", Refused, "credentials", "Mastodon has disabled the account."),
    Answer(403, "confirmed e-mail address", Refused, "credentials", "The account's mail address is not confirmed."),
    Answer(403, "pending approval", Refused, "credentials", "The account still waits for its server's approval."),
    Answer(403, "", Refused, "permission", "Mastodon does not permit this."),
    Answer(404, "", Refused, "other", "Mastodon does not know this, or there is no Mastodon at this address."),
    Answer(410, "", Refused, "credentials", "The account, or its server, is gone."),
    Answer(413, "", Refused, "other", "The picture is too large for this server."),
    # An application's token, or one whose person is gone.
    Answer(422, "requires an authenticated user", Refused, "credentials", "The token speaks for no account."),
    Answer(422, "not finished processing", TryLater, "server", "Mastodon still prepares the picture."),
    Answer(422, "duplicate record", Refused, "duplicate", "Mastodon has this post already."),
    Answer(422, "character limit", Refused, "text", "Mastodon says that the text is too long."),
    Answer(422, "validation failed: text", Refused, "text", "Mastodon does not take this text."),
    Answer(422, "uploaded media", Refused, "other", "Mastodon cannot read the picture."),
    Answer(422, "", Refused, "other", "Mastodon does not take this."),
    Answer(429, "", TryLater, "rate", "Mastodon asks to slow down."),
)


class Mastodon(Adapter):
    name = "mastodon"
    label = "Mastodon"
    # What every server takes unless it was changed; `check` asks for its own.
    limit = 500
    link_in_text = True
    measure = staticmethod(length)
    # Larger ones are scaled down by the server: to 3840 × 2160 pixels, or as many in another shape.
    pictures = PictureRules(largest=16 * 2**20, longest_side=3840, media_types=tuple(PICTURES))
    longest_alt = 1500
    #: For an hour, by account, from when the post was kept. A server that dies in between has the post and not the
    #: key, and one of summer 2026 answers the repetition with 500: so it is a second net, and looking is the first.
    idempotent = True
    identity = ("server", "user_id")
    consent = "publisher.networks.mastodon_consent:Consent"
    keys = (
        Field("access_token", "Access token", "Of an application with the scopes that posting needs."),
        Field("server", "Server", "Where the name of the account does not tell it.", secret=False, needed=False),
    )

    def __init__(
        self,
        *,
        credentials: Mapping[str, str],
        address: str,
        account: str,
        timeouts: http.Timeouts = http.TIMEOUTS,
        resolve: http.Resolve | None = None,
        patience: Collection[float] = PATIENCE,
    ) -> None:
        token = credentials.get("access_token")
        if not token:
            raise Refused("Mastodon needs access_token: connect the account again.", kind="credentials")
        self.account = account.lstrip("@")
        self._secrets = (token,)
        http.keep_secret(self._secrets)
        self._address = address.rstrip("/")
        self._session = http.Session(timeouts=timeouts, resolve=resolve)
        self._client = client(self._address, self._session, token)
        self._patience = patience

    def __repr__(self) -> str:
        return f"<Mastodon @{self.account}>"

    @staticmethod
    def server(account: str, credentials: Mapping[str, str]) -> str:
        """That in the account's name, unless the credentials name it: social.example.org for @name@example.org."""
        named = credentials.get("server")
        if named and SERVER.fullmatch(named):
            return named
        found = ACCOUNT.fullmatch(account)
        if named or not found:
            problem = f"“{named}” is no server: write" if named else f"“{account}” names no server: write"
            how = "it as mastodon.example, or " if named else ""
            raise Refused(f"{problem} {how}the account as @name@mastodon.example.", kind="credentials")
        return found[2]

    def publish(self, outgoing: Outgoing) -> Published:
        """One POST /api/v1/statuses, after the picture it needs. A failure of the picture has posted nothing."""
        if self.measure(outgoing.text) > self.limit:
            measured = self.measure(outgoing.text)
            raise Refused(f"The text measures {measured}, and Mastodon takes {self.limit}.", kind="text")
        media = [self._picture(outgoing.picture)] if outgoing.picture else None
        # No retry here, of anything: a time-out may have posted. "public": an account's own default may be less.
        response = self._ask(
            lambda: self._client.status_post(
                outgoing.text, media_ids=media, visibility="public", idempotency_key=outgoing.key or None
            )
        )
        status = status_in(response)
        if status is None:
            raise self._failure(response)
        return Published(status["id"], self._url(status), moment(status["created_at"]), rest(response))

    def find(self, outgoing: Outgoing, *, since: datetime, known: Collection[str] = ()) -> Published | None:
        me, response = self._me()
        since = timeline.on_their_clock(since, response)
        return timeline.pick(self._standing(me["id"], since), outgoing, since=since, known=known)

    def remove(self, remote_id: str) -> None:
        response = self._ask(lambda: self._client.status_delete(remote_id))
        done = response.status_code == 200 and http.content(response).get("id") == remote_id
        # Mastodon's own 404; a page with 404 may be of anything at this address.
        if not (done or (response.status_code == 404 and told(response))):
            raise self._failure(response)

    def figures(self, remote_ids: Collection[str]) -> dict[str, Figures]:
        ids = list(remote_ids)
        batches = (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))
        found = [status for batch in batches for status in self._several(batch)]
        return {
            status["id"]: Figures(
                likes=http.whole_number(status.get("favourites_count")),
                reposts=http.whole_number(status.get("reblogs_count")),
                comments=http.whole_number(status.get("replies_count")),
            )
            for status in found
        }

    def check(self) -> Account:
        name, url = f"@{self.account}", f"{self._address}/@{self._user}"
        try:
            me, _ = self._me()
            strange = self._not_ours(me)
            problem = strange or self._too_small() or self._lacking()
        except CannotLook as failure:
            return Account(name, url, failure.reason, refused=failure.refused)
        shown = me.get("display_name") or me.get("username")
        return Account(f"{name} ({shown})", http.web_address(me.get("url")) or url, problem, strange=bool(strange))

    @property
    def _user(self) -> str:
        return self.account.partition("@")[0]

    def _picture(self, picture: Picture) -> str:
        """The id of an uploaded picture that is ready to be posted. Raises Refused or TryLater."""
        unfit = unfit_picture(picture)
        if unfit:
            raise Refused(unfit, kind="text" if len(picture.alt) > Mastodon.longest_alt else "other")
        try:
            response = self._ask(lambda: self._upload(picture))
            media_id = str(http.content(response).get("id") or "")
            if response.status_code not in (200, 202) or not is_id(media_id):
                raise self._failure(response)
            if response.status_code == 202:
                self._wait_for(media_id)
        except Unknown as unknown:
            # Whatever became of the picture, nobody sees it before a post names it.
            reason = f"The picture could not be sent to Mastodon: {unknown.reason}"
        else:
            return media_id
        raise TryLater(reason, after=http.NETWORK_PAUSE, kind="server")

    def _upload(self, picture: Picture) -> object:
        return self._client.media_post(
            picture.content,
            mime_type=picture.media_type,
            description=picture.alt or None,
            file_name=f"picture.{PICTURES[picture.media_type]}",
        )

    def _wait_for(self, media_id: str) -> None:
        """Until the server has prepared the picture: it refuses a post with one that is not ready."""
        for seconds in self._patience:
            time.sleep(seconds)
            response = self._ask(lambda: self._client.media(media_id))
            if response.status_code == 200:
                return
            if response.status_code != 206:
                raise self._failure(response)
        raise TryLater("Mastodon still prepares the picture.", after=WINDOW, kind="server")

    def _several(self, ids: list[str]) -> list[dict[str, Any]]:
        """Those of these posts that stand, asked for at once."""
        try:
            response = self._ask(lambda: self._client.statuses(list(ids)))
            found = listed(response)
            if found is not None:
                return [status for status in found if status.get("id") in ids]
            raise self._failure(response)
        except Unknown as unknown:
            reason = unknown.reason
        raise TryLater(reason, after=http.NETWORK_PAUSE, kind="server")

    def _not_ours(self, me: Mapping[str, Any]) -> str | None:
        theirs = str(me.get("username", ""))
        if theirs.casefold() == self._user.casefold():
            return None
        return f"This is the token of @{theirs}, not of @{self.account}."

    def _too_small(self) -> str | None:
        """A server may take more than our limit, which is of no use to us, or less."""
        answer = http.content(self._read(self._client.instance_v2))
        try:
            most = int(answer["configuration"]["statuses"]["max_characters"])
        except (KeyError, TypeError, ValueError):
            return None
        if most >= self.limit:
            return None
        return f"This server takes posts of {most} characters, and ours may have {self.limit}."

    def _lacking(self) -> str | None:
        """What the app was not given, where the server says so: it does since 4.3."""
        try:
            scopes = http.content(self._ask(self._client.app_verify_credentials)).get("scopes")
        except Failure:
            return None
        if not isinstance(scopes, list):
            return None
        lacking = [scope for scope in SCOPES if not {scope, scope.partition(":")[0]} & set(map(str, scopes))]
        return f"The token lacks {', '.join(lacking)}: make one that has it." if lacking else None

    def _ask(self, call: Callable[[], object]) -> requests.Response:
        return http.ask(self._session, self.label, self._secrets, lambda: unwrapped(call))

    def _failure(self, response: requests.Response) -> Failure:
        """What an answer without a status means."""
        status, words = response.status_code, brief(told(response), self._secrets)
        if 300 <= status < 400:
            return http.redirected(response, self.label, self._secrets)
        body = response.text.casefold()
        for meaning in MEANINGS:
            if meaning.fits(status, body):
                reason = quoting(meaning.sentence, words)
                if meaning.outcome is TryLater:
                    return TryLater(reason, after=pause(response), kind=meaning.kind)
                return Refused(reason, kind=meaning.kind, code=status)
        if 400 <= status < 500 and status != 408:
            return Refused(quoting(f"Mastodon refused this with {status}.", words), code=status)
        # A 2xx without a status, a 5xx from a machine in front: it may stand on the timeline.
        return Unknown(quoting(f"Mastodon answered {status} without saying whether it posted.", words))

    def _me(self) -> tuple[dict[str, Any], requests.Response]:
        response = self._read(self._client.account_verify_credentials)
        me = http.content(response)
        if not is_id(me.get("id")):
            raise CannotLook("Mastodon did not say whose token this is.")
        return me, response

    def _read(self, call: Callable[[], object]) -> requests.Response:
        """The answer to a question that changes nothing: whatever goes wrong, we could not look."""
        try:
            response = self._ask(call)
            problem = None if response.status_code == 200 else self._failure(response)
        except Failure as failure:
            problem = failure
        if problem:
            raise cannot_look(problem)
        return response

    def _standing(self, me: str, since: datetime) -> Iterator[timeline.Standing]:
        """Our posts, newest first, down to the first page that is older throughout."""
        before: str | None = None
        for _ in range(timeline.MOST_PAGES):
            posts, more = self._page(me, before)
            yield from posts
            if not posts or not more or all(post.at < since for post in posts):
                return
            before = posts[-1].remote_id
        raise CannotLook("There are more posts on Mastodon's timeline than can be searched.")

    def _page(self, me: str, before: str | None) -> tuple[list[timeline.Standing], bool]:
        """A page of the timeline, and whether there is another."""
        older = {"max_id": before} if before else {}
        response = self._read(lambda: self._client.account_statuses(me, exclude_reblogs=True, limit=PAGE, **older))
        found = listed(response)
        try:
            if found is not None:
                return [self._post(status) for status in found], "next" in response.links
        except (KeyError, TypeError, ValueError, AttributeError):
            pass
        raise CannotLook("Mastodon's answer about the timeline cannot be read.")

    def _post(self, status: Mapping[str, Any]) -> timeline.Standing:
        text, at = plain(status["content"]), moment(status["created_at"])
        return timeline.Standing(status["id"], self._url(status), text, at)

    def _url(self, status: Mapping[str, Any]) -> str:
        """Where a person sees it: the server says so."""
        return http.web_address(status.get("url")) or f"{self._address}/@{self._user}/{status['id']}"


def client(address: str, session: http.Session, token: str) -> mastodon.Mastodon:
    """Mastodon.py over a session that is bounded in time, without what it does by itself."""
    made = mastodon.Mastodon(
        api_base_url="https://mastodon.invalid",
        session=session,
        ratelimit_method="throw",
        # Otherwise it asks the server, before each upload, and warns of what it does not find.
        mastodon_version=VERSION,
        version_check_mode="created",
        user_agent="publisher",
        # Words of refusal come in the server's language otherwise.
        lang="en",
    )
    # Set afterwards: the constructor looks for a file that is named like the token, and mends addresses.
    made.access_token, made.api_base_url = token, address
    return made


def unwrapped(call: Callable[[], object]) -> None:
    """Raises what lies below Mastodon.py's own error: that tells whether anything left."""
    try:
        call()
    except mastodon.MastodonNetworkError as error:
        raise error.__context__ or error from None


def unfit_picture(picture: Picture) -> str | None:
    if picture.media_type not in PICTURES:
        return f"Mastodon takes no pictures of the type {picture.media_type}."
    if len(picture.content) > Mastodon.pictures.largest:
        return "Mastodon takes pictures of at most 16 MB."
    if len(picture.alt) > Mastodon.longest_alt:
        return f"Mastodon takes descriptions of at most {Mastodon.longest_alt} characters."
    return None
