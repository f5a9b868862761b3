"""Facebook pages through facebook-sdk: the only file that knows the SDK or the Graph API.

facebook-sdk 3.1.0 is of 2018 and unmaintained: it knows Graph versions up to 3.1, follows redirects, calls a
reply without an "error" success, and has neither subcodes nor appsecret_proof. So it only builds the requests
here; what an answer means is read from the answer. Sources: the Graph API's changelog and error reference,
and what php-graph-sdk and koala have recorded in production.
"""

import hashlib
import hmac
import json
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

from publisher.networks import http, timeline
from publisher.networks.base import (
    Account,
    Adapter,
    CannotLook,
    Failure,
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

with warnings.catch_warnings():
    # Its source has an invalid escape: a SyntaxWarning from Python 3.12 on, when it is first compiled.
    warnings.simplefilter("ignore")
    import facebook

SDK_ADDRESS = "https://graph.facebook.com/"

# Living Graph versions and the day each ends; None: not announced. From the changelog, November 2026.
VERSIONS: dict[str, date | None] = {
    "v21.0": date(2027, 1, 21),
    "v22.0": date(2027, 5, 20),
    "v23.0": date(2027, 10, 8),
    "v24.0": date(2028, 2, 18),
    "v25.0": date(2028, 7, 29),
    "v26.0": None,
}
DEFAULT_VERSION = "v24.0"
DAYS_OF_WARNING = 60

PICTURES = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}
LARGEST_PICTURE = 4 * 2**20

# After a limit, where no header says how long.
HOUR = 60 * 60


@dataclass(frozen=True)
class Meaning:
    outcome: type[Failure]
    kind: str
    sentence: str


SIGN_IN = Meaning(Refused, "credentials", "Facebook no longer accepts the page's token: connect the page again.")
SLOWER = Meaning(TryLater, "rate", "Facebook asks to slow down.")
NOT_PERMITTED = Meaning(Refused, "permission", "The app lacks a permission for the page: connect the page again.")
PERHAPS = Meaning(Unknown, "server", "Facebook reported a fault of its own, after which posts have appeared.")

# Seen as codes, and as subcodes of 368.
BEHAVIOUR = {
    1390008: Meaning(TryLater, "rate", "Facebook says that this page posts too fast."),
    1404102: Meaning(Refused, "text", "Facebook says that the text breaks its standards."),
    1404112: Meaning(Refused, "permission", "Facebook has limited the account for some days."),
    4854002: Meaning(Refused, "credentials", "Facebook wants the page's owner to confirm their identity."),
}

DUPLICATE = 506
# It means spam, and a text that was posted before too: then only the message says so (koala #422).
BLOCKED, ALREADY_POSTED = 368, "already posted"

# (code, subcode) or (code, None), their words to ours. The pair is looked up before the code alone.
MEANINGS: dict[tuple[int, int | None], Meaning] = {
    # Seven such answers to one post have made seven posts (koala #699; php-graph-sdk #1141 for 1).
    (1, None): PERHAPS,
    (2, None): PERHAPS,
    (4, None): SLOWER,
    (17, None): SLOWER,
    (32, None): SLOWER,
    (341, None): SLOWER,
    (613, None): SLOWER,
    (80001, None): SLOWER,  # the page's own limit under the business use case rules
    (10, None): NOT_PERMITTED,
    (100, None): Meaning(Refused, "other", "Facebook does not understand the request."),
    (100, 33): Meaning(Refused, "permission", "The page is gone, or the token may not see it."),
    (102, None): SIGN_IN,
    (104, None): SIGN_IN,
    (190, None): SIGN_IN,
    (190, 458): Meaning(Refused, "credentials", "The app was removed from the Facebook account: connect again."),
    (190, 459): Meaning(Refused, "credentials", "Facebook wants the page's owner to sign in there and confirm."),
    (190, 460): Meaning(Refused, "credentials", "The Facebook password was changed: connect the page again."),
    (190, 463): Meaning(Refused, "credentials", "The page's token has expired: connect the page again."),
    (190, 464): Meaning(Refused, "credentials", "The Facebook account is not confirmed: sign in there."),
    (190, 467): Meaning(Refused, "credentials", "The page's token was revoked: connect the page again."),
    (190, 492): Meaning(Refused, "credentials", "The account has no role on the page any more."),
    (BLOCKED, None): Meaning(Refused, "permission", "Facebook has blocked posting for now, as abusive or repeated."),
    (DUPLICATE, None): Meaning(Refused, "duplicate", "Facebook already has a post with this text."),
    (2635, None): Meaning(Refused, "other", "This version of the Graph API has ended: set a newer one."),
    **{(code, None): NOT_PERMITTED for code in range(200, 300)},
    **{(code, None): meaning for code, meaning in BEHAVIOUR.items()},
    **{(BLOCKED, code): meaning for code, meaning in BEHAVIOUR.items()},
}


class Facebook(Adapter):
    name = "facebook"
    label = "Facebook"
    limit = 63206
    refuses_repeats = True
    link_in_text = False
    pictures = PictureRules(LARGEST_PICTURE, longest_side=4096, media_types=tuple(PICTURES))
    consent = "publisher.networks.facebook_consent:Consent"
    keys = (
        Field("page_id", "Page ID", secret=False),
        Field("page_token", "Page access token", "Made of a long-lived token, with pages_manage_posts."),
        Field("app_secret", "App secret", "Where the app requires a proof of it.", needed=False),
        Field("version", "Graph version", "As v24.0; empty: the usual one.", secret=False, needed=False),
    )

    def __init__(
        self,
        *,
        credentials: Mapping[str, str],
        address: str,
        account: str,
        timeouts: http.Timeouts = http.TIMEOUTS,
    ) -> None:
        self.page = credentials.get("page_id") or account
        if not (self.page and credentials.get("page_token")):
            raise Refused("Facebook needs page_id and page_token: connect the page again.", kind="credentials")
        self.account = account
        self._address = address.rstrip("/")
        self._session = http.Session(timeouts=timeouts, moved=(SDK_ADDRESS, self._address + "/"))
        self._graph = facebook.GraphAPI(credentials["page_token"], session=self._session)
        # Its constructor refuses every version that is alive.
        self._graph.version = version_named(credentials.get("version") or DEFAULT_VERSION)
        # As debug_token told when the page was connected; a token that was typed in says nothing of its end.
        self._ends = datetime.fromisoformat(credentials["ends_at"]) if credentials.get("ends_at") else None
        self._proof = proof(credentials["page_token"], credentials.get("app_secret"))
        self._secrets = tuple(
            secret
            for secret in (credentials["page_token"], credentials.get("app_secret"), *self._proof.values())
            if secret
        )
        http.keep_secret(self._secrets)

    def __repr__(self) -> str:
        return f"<Facebook page {self.page}>"

    @staticmethod
    def measure(text: str) -> int:
        return len(text)

    def publish(self, outgoing: Outgoing) -> Published:
        """One POST, of a link post or of a photo with its description."""
        if self.measure(outgoing.text) > self.limit:
            raise Refused(f"The text is longer than Facebook's {self.limit} characters.", kind="text")
        # No retry here, of anything: a time-out may have posted.
        response = self._ask(self._request(outgoing))
        remote_id = identity(response)
        if remote_id is None:
            raise self._failure(response)
        return Published(remote_id, self._url(remote_id), http.their_time(response.headers))

    def find(self, outgoing: Outgoing, *, since: datetime, known: Collection[str] = ()) -> Published | None:
        response = self._read(lambda: self._graph.get_object(self.page, fields="id", **self._proof))
        since = timeline.on_their_clock(since, response)
        text = with_link(outgoing) if outgoing.picture else outgoing.text
        sought = Outgoing(text, outgoing.link, outgoing.picture)
        return timeline.pick(self._standing(since), sought, since=since, known=known)

    def check(self, *, today: date | None = None) -> Account:
        name, url = self.account or self.page, self._url()
        try:
            response = self._read(lambda: self._graph.get_object(self.page, fields="id,name", **self._proof))
        except CannotLook as failure:
            return Account(name, url, failure.reason, refused=failure.refused)
        problem = version_problem(self._graph.version, today=today or datetime.now(UTC).date())
        ends = min(filter(None, (self._ends, version_ends(self._graph.version))), default=None)
        return Account(str(http.content(response).get("name") or name), url, problem, ends)

    def _request(self, outgoing: Outgoing) -> Callable[[], object]:
        if outgoing.picture is None:
            link = {"link": outgoing.link} if outgoing.link else {}
            return lambda: self._graph.put_object(self.page, "feed", message=outgoing.text, **link, **self._proof)
        picture = outgoing.picture
        unfit = unfit_picture(picture)
        if unfit:
            raise Refused(unfit)
        alt = {"alt_text_custom": picture.alt} if picture.alt else {}
        image = (f"picture.{PICTURES[picture.media_type]}", picture.content, picture.media_type)
        message = with_link(outgoing)
        return lambda: self._graph.put_photo(
            image, album_path=f"{self.page}/photos", message=message, **alt, **self._proof
        )

    def _ask(self, call: Callable[[], object]) -> requests.Response:
        return http.ask(self._session, self.label, self._secrets, call)

    def _failure(self, response: requests.Response) -> Failure:
        """What an answer without an id means."""
        status = response.status_code
        if 300 <= status < 400:
            return http.redirected(response, self.label, self._secrets)
        error = http.content(response).get("error")
        if not isinstance(error, dict):
            return without_error(response)
        code, subcode = http.whole_number(error.get("code")), http.whole_number(error.get("error_subcode"))
        words = brief(str(error.get("message") or ""), self._secrets)
        meaning = meaning_of(code, subcode, status, error)
        reason = quoting(meaning.sentence, words)
        if meaning.outcome is TryLater:
            return TryLater(reason, after=pause(response), kind=meaning.kind)
        return Unknown(reason) if meaning.outcome is Unknown else Refused(reason, kind=meaning.kind, code=code)

    def _read(self, call: Callable[[], object]) -> requests.Response:
        """The answer to a question that changes nothing: whatever goes wrong, we could not look."""
        try:
            response = self._ask(call)
            good = response.status_code == 200 and "error" not in http.content(response)
            problem = None if good and http.content(response) else self._failure(response)
        except Failure as failure:
            problem = failure
        if problem:
            raise cannot_look(problem)
        return response

    def _standing(self, since: datetime) -> Iterator[timeline.Standing]:
        """The page's own posts, newest first, down to the first page of them that is older throughout."""
        after: str | None = None
        for _ in range(timeline.MOST_PAGES):
            posts, after = self._posts(after)
            yield from posts
            if not after or (posts and all(post.at < since for post in posts)):
                return
        raise CannotLook("There are more posts on the Facebook page than can be searched.")

    def _posts(self, after: str | None) -> tuple[list[timeline.Standing], str | None]:
        """Some posts of the page, and the cursor behind which there are more."""
        fields = "id,message,created_time,permalink_url,attachments{url,unshimmed_url}"
        cursor = {"after": after} if after else {}
        answer = http.content(
            self._read(
                lambda: self._graph.get_connections(
                    self.page, "published_posts", fields=fields, limit=25, **cursor, **self._proof
                )
            )
        )
        if not isinstance(answer.get("data"), list):
            raise CannotLook("Facebook's answer about the page cannot be read.")
        try:
            posts = [self._post(post) for post in answer["data"]]
            paging = answer.get("paging") or {}
            return posts, paging["cursors"]["after"] if paging.get("next") else None
        except (KeyError, TypeError, ValueError, AttributeError):
            raise CannotLook("Facebook's answer about the page cannot be read.") from None

    def _post(self, post: Mapping[str, Any]) -> timeline.Standing:
        url = post.get("permalink_url") or self._url(post["id"])
        at = datetime.fromisoformat(post["created_time"]).astimezone(UTC)
        return timeline.Standing(post["id"], url, post.get("message") or "", at, links(post))

    def _url(self, remote_id: str = "") -> str:
        """Where a person sees it. A stand-in for Facebook shows its page beside its API."""
        if urlsplit(self._address).hostname == urlsplit(SDK_ADDRESS).hostname:
            return f"https://www.facebook.com/{remote_id or self.page}"
        page = urljoin(self._address + "/", f"../facebook/{self.page}")
        return page + (f"#{remote_id}" if remote_id else "")


def version_named(version: str) -> str:
    if not re.fullmatch(r"v\d+\.\d+", version):
        raise Refused(f"{version!r} is not a Graph version: write it as {DEFAULT_VERSION}.")
    return version


def version_problem(version: str, *, today: date) -> str | None:
    """What staff should know of this Graph version on this day, from DAYS_OF_WARNING before its end.

    It stops no post: Meta answers calls to an ended version with the oldest that lives. A version that is
    newer than this table is taken to live.
    """
    if version not in VERSIONS:
        known = [float(name[1:]) for name in VERSIONS]
        ended = float(version[1:]) < min(known)
        return f"Graph {version} has ended: set a newer version, such as {DEFAULT_VERSION}." if ended else None
    end = VERSIONS[version]
    if end is None or (end - today).days > DAYS_OF_WARNING:
        return None
    verb = "has ended" if end <= today else "ends"
    return f"Graph {version} {verb} on {end.day} {end:%B %Y}: set a newer version."


def version_ends(version: str) -> datetime | None:
    """The moment this Graph version ends, where that is announced."""
    end = VERSIONS.get(version)
    return datetime(end.year, end.month, end.day, tzinfo=UTC) if end else None


def proof(token: str, app_secret: str | None) -> dict[str, str]:
    """appsecret_proof, which an app can be set to require: that whoever has the token has the secret too."""
    if not app_secret:
        return {}
    return {"appsecret_proof": hmac.new(app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()}


def with_link(outgoing: Outgoing) -> str:
    """The text of a photo, which has no field for a link: in the text, if the wording has not put it there."""
    if not outgoing.link or outgoing.link in outgoing.text:
        return outgoing.text
    return f"{outgoing.text}\n\n{outgoing.link}".strip()


def unfit_picture(picture: Picture) -> str | None:
    if picture.media_type not in PICTURES:
        return f"Facebook takes no pictures of the type {picture.media_type}."
    if len(picture.content) > LARGEST_PICTURE:
        return "Facebook takes pictures of at most 4 MB."
    return None


def identity(response: requests.Response) -> str | None:
    """The id of the post in a 200, the only thing that counts as success. A photo has one of its own beside it."""
    answer = http.content(response) if response.status_code in (200, 201) else {}
    found = answer.get("post_id") or answer.get("id")
    is_id = isinstance(found, str) and re.fullmatch(r"\d+(_\d+)?", found) and "error" not in answer
    return str(found) if is_id else None


def meaning_of(code: int | None, subcode: int | None, status: int, error: Mapping[str, Any]) -> Meaning:
    """By the table; a code that is not in it is a no, unless their servers or the error itself waver."""
    if code == BLOCKED and ALREADY_POSTED in str(error.get("message")).casefold():
        return MEANINGS[DUPLICATE, None]
    for pair in ((code, subcode), (code, None)):
        if pair in MEANINGS:
            return MEANINGS[pair]
    if status >= 500 or status < 400 or error.get("is_transient"):
        return Meaning(Unknown, "server", f"Facebook answered with an error that is not documented, {code}.")
    return Meaning(Refused, "other", f"Facebook refused this with error {code}.")


def without_error(response: requests.Response) -> Failure:
    """An answer with neither an id nor an error: {"success": false}, a page for people, half a JSON."""
    status = response.status_code
    if status == 429:
        return TryLater("Facebook asks to slow down.", after=pause(response), kind="rate")
    if 400 <= status < 500 and status != 408:
        return Refused(f"Facebook refused this with {status}.", code=status)
    return Unknown(f"Facebook answered {status} without saying whether it posted.")


def pause(response: requests.Response) -> int:
    """Seconds until the page may post again: the longest of what its usage headers estimate, else an hour."""
    waits = [http.whole_number(response.headers.get("Retry-After", "")) or 0]
    try:
        usage = json.loads(response.headers.get("X-Business-Use-Case-Usage", "{}"))
        waits += [
            60 * int(entry.get("estimated_time_to_regain_access", 0)) for page in usage.values() for entry in page
        ]
    except (ValueError, TypeError, AttributeError):
        pass
    return max(waits) if max(waits) > 0 else HOUR


def links(post: Mapping[str, Any]) -> tuple[str, ...]:
    """Where a post's attachments lead. Facebook wraps links as l.facebook.com/l.php?u=… too."""
    attachments = (post.get("attachments") or {}).get("data") or ()
    return tuple(
        unwrapped(attachment.get("unshimmed_url") or attachment.get("url"))
        for attachment in attachments
        if attachment.get("unshimmed_url") or attachment.get("url")
    )


def unwrapped(url: str) -> str:
    parts = urlsplit(url)
    if (parts.hostname or "").endswith("facebook.com") and parts.path == "/l.php":
        return parse_qs(parts.query).get("u", [url])[0]
    return url
