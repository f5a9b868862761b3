"""What the Graph API's answers mean, as data and as plain functions of an answer; facebook.py asks the questions.

Sources: the Graph API's error reference, and what php-graph-sdk and koala have recorded in production.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from publisher.networks import http
from publisher.networks.base import LONGEST_WAIT, Failure, Figures, Meaning, Refused, TryLater, Unknown, brief, quoting

# After a limit, where no header says how long.
HOUR = 60 * 60
# At so many per cent of a limit the page rests, for as long as Facebook estimates or at least for this.
NEARLY_ALL, QUARTER = 90, 15 * 60
USAGES = ("X-App-Usage", "X-Page-Usage")


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


def failure_of(response: requests.Response, secrets: Iterable[str]) -> Failure:
    """What an answer without an id means."""
    status = response.status_code
    if 300 <= status < 400:
        return http.redirected(response, "Facebook", secrets)
    error = http.content(response).get("error")
    if not isinstance(error, dict):
        return without_error(response)
    code, subcode = http.whole_number(error.get("code")), http.whole_number(error.get("error_subcode"))
    meaning = meaning_of(code, subcode, status, error)
    reason = quoting(meaning.sentence, brief(str(error.get("message") or ""), secrets))
    if meaning.outcome is TryLater:
        return TryLater(reason, after=pause(response), kind=meaning.kind)
    return Unknown(reason) if meaning.outcome is Unknown else Refused(reason, kind=meaning.kind, code=code)


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
    waits = [http.whole_number(response.headers.get("Retry-After", "")) or 0, *(use.wait for use in usage(response))]
    return max(waits) if max(waits) > 0 else HOUR


def rest(response: requests.Response) -> int:
    """Seconds for which the page posts nothing more after this one, which nearly used up a limit; else 0."""
    worst = [use for use in usage(response) if use.share >= NEARLY_ALL]
    return min(max((max(use.wait, QUARTER) for use in worst), default=0), LONGEST_WAIT)


@dataclass(frozen=True)
class Usage:
    """How much of a limit is used, in per cent, and how many seconds until more is allowed, if it is used up."""

    share: int
    wait: int = 0


def usage(response: requests.Response) -> list[Usage]:
    """What the headers say, which come only after enough calls. An app's and a page's, and those by use case."""
    found = [entry for name in USAGES if (entry := _json(response.headers.get(name)))]
    cases = _json(response.headers.get("X-Business-Use-Case-Usage"))
    found += [entry for entries in cases.values() if isinstance(entries, list) for entry in entries]
    return [_used(entry) for entry in found if isinstance(entry, dict)]


def _used(entry: Mapping[str, Any]) -> Usage:
    shares = [http.whole_number(entry.get(name)) or 0 for name in ("call_count", "total_time", "total_cputime")]
    return Usage(max(shares), 60 * (http.whole_number(entry.get("estimated_time_to_regain_access")) or 0))


def _json(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def is_gone(response: requests.Response) -> bool:
    """Whether Facebook says that this object does not exist, or that the token may not see it."""
    error = http.content(response).get("error")
    return isinstance(error, dict) and (error.get("code"), error.get("error_subcode")) == (100, 33)


def viewed(insights: Mapping[str, Any]) -> int | None:
    """How often a post was seen since it stands; None where the answer says it of no time, or of a day alone."""
    found = insights.get("data")
    of_all_time = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    for one in of_all_time:
        values = one.get("values")
        if one.get("period") == "lifetime" and isinstance(values, list) and values and isinstance(values[0], dict):
            return http.whole_number(values[0].get("value"))
    return None


def counted(post: Mapping[str, Any], views: int | None = None) -> Figures:
    """Of a post's summaries. Facebook leaves out the count of shares while there is none."""

    def total(name: str) -> int | None:
        return http.whole_number(((post.get(name) or {}).get("summary") or {}).get("total_count"))

    return Figures(
        likes=total("likes"),
        comments=total("comments"),
        reposts=http.whole_number((post.get("shares") or {}).get("count", 0)),
        views=views,
    )


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
