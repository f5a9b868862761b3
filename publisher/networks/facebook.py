"""Facebook pages through facebook-sdk: the only file that knows the SDK. What Graph answers: facebook_answers.py.

facebook-sdk 3.1.0 is of 2018 and unmaintained: it knows Graph versions up to 3.1, follows redirects, calls a
reply without an "error" success, and has neither subcodes nor appsecret_proof. So it only builds the requests
here; what an answer means is read from the answer.
"""

import hashlib
import hmac
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

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
from publisher.networks.facebook_answers import (
    counted,
    failure_of,
    identity,
    is_gone,
    links,
    rest,
    viewed,
)

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

# Of 2025: names that were retired, such as post_impressions, make the whole question fail.
VIEWS = "post_media_view"
FIGURES = "id,likes.limit(0).summary(true),comments.limit(0).summary(true),shares"

PICTURES = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}
LARGEST_PICTURE = 4 * 2**20


class Facebook(Adapter):
    name = "facebook"
    label = "Facebook"
    limit = 63206
    refuses_repeats = True
    link_in_text = False
    pictures = PictureRules(LARGEST_PICTURE, longest_side=4096, media_types=tuple(PICTURES))
    identity = ("page_id",)
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
        #: Until Facebook refuses them once: nobody is asked for each post of what there is for none.
        self._has_insights = True
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
        return Published(remote_id, self._url(remote_id), http.their_time(response.headers), rest(response))

    def find(self, outgoing: Outgoing, *, since: datetime, known: Collection[str] = ()) -> Published | None:
        response = self._read(lambda: self._graph.get_object(self.page, fields="id", **self._proof))
        since = timeline.on_their_clock(since, response)
        text = with_link(outgoing) if outgoing.picture else outgoing.text
        sought = Outgoing(text, outgoing.link, outgoing.picture)
        return timeline.pick(self._standing(since), sought, since=since, known=known)

    def remove(self, remote_id: str) -> None:
        path = post_named(remote_id)
        response = self._ask(lambda: self._called(path, "DELETE"))
        if response.status_code == 200 and http.content(response).get("success") is True:
            return
        # The same answer comes where the token may not see it: gone is what is missing on a page that it sees.
        if not (is_gone(response) and self._sees_page()):
            raise self._failure(response)

    def figures(self, remote_ids: Collection[str]) -> dict[str, Figures]:
        """One request for each: Graph could take many ids at once, and answers nothing where one of them is gone."""
        found = {remote_id: self._figures_of(remote_id) for remote_id in sorted(remote_ids)}
        return {remote_id: figures for remote_id, figures in found.items() if figures}

    def check(self, *, today: date | None = None) -> Account:
        name, url = self.account or self.page, self._url()
        try:
            response = self._read(lambda: self._graph.get_object(self.page, fields="id,name", **self._proof))
            problem = self._not_the_pages()
        except CannotLook as failure:
            return Account(name, url, failure.reason, refused=failure.refused)
        problem = problem or version_problem(self._graph.version, today=today or datetime.now(UTC).date())
        ends = min(filter(None, (self._ends, version_ends(self._graph.version))), default=None)
        return Account(str(http.content(response).get("name") or name), url, problem, ends)

    def _not_the_pages(self) -> str | None:
        """A person's own token reads the page as well as the page's does, and every post with it is refused."""
        me = http.content(self._read(lambda: self._graph.get_object("me", fields="id", **self._proof))).get("id")
        if not self.page.isdecimal() or me == self.page:
            return None
        return "This is not the page's own token: connect the page again with that, which /me/accounts shows."

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

    def _called(self, path: str, method: str = "GET", **fields: str) -> object:
        return self._graph.request(f"{self._graph.version}/{path}", args={**fields, **self._proof}, method=method)

    def _sees_page(self) -> bool:
        response = self._ask(lambda: self._called(self.page, fields="id"))
        return response.status_code == 200 and http.content(response).get("id") == self.page

    def _figures_of(self, remote_id: str) -> Figures | None:
        """None: it is not there any more. Raises Refused or TryLater: whatever went wrong, it can be asked again."""
        path = post_named(remote_id)
        try:
            response = self._ask(lambda: self._called(path, fields=FIGURES))
            if response.status_code == 200 and http.content(response).get("id") == remote_id:
                return counted(http.content(response), self._views_of(path))
            if is_gone(response) and self._sees_page():
                return None
            raise self._failure(response)
        except Unknown as unknown:
            reason = unknown.reason
        raise TryLater(reason, after=http.NETWORK_PAUSE, kind="server")

    def _views_of(self, path: str) -> int | None:
        """None where Facebook does not say: the token lacks read_insights, or the page is too small for them.

        A question of its own: one field that is refused would take the others along.
        """
        if not self._has_insights:
            return None
        try:
            response = self._ask(lambda: self._called(f"{path}/insights", metric=VIEWS))
            self._has_insights = response.status_code == 200
            return viewed(http.content(response)) if self._has_insights else None
        except Failure:
            return None

    def _ask(self, call: Callable[[], object]) -> requests.Response:
        return http.ask(self._session, self.label, self._secrets, call)

    def _failure(self, response: requests.Response) -> Failure:
        return failure_of(response, self._secrets)

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
        url = http.web_address(post.get("permalink_url")) or self._url(post["id"])
        at = datetime.fromisoformat(post["created_time"]).astimezone(UTC)
        return timeline.Standing(post["id"], url, post.get("message") or "", at, links(post))

    def _url(self, remote_id: str = "") -> str:
        """Where a person sees it. A stand-in for Facebook shows its page beside its API."""
        if urlsplit(self._address).hostname == urlsplit(SDK_ADDRESS).hostname:
            return f"https://www.facebook.com/{remote_id or self.page}"
        page = urljoin(self._address + "/", f"../facebook/{self.page}")
        return page + (f"#{remote_id}" if remote_id else "")


def post_named(remote_id: str) -> str:
    """The id itself, where it is one of a post: it becomes a part of an address."""
    if not re.fullmatch(r"\d+(_\d+)?", remote_id):
        raise Refused(f"{remote_id!r} is no id of a post on Facebook.")
    return remote_id


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
