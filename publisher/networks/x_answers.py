"""What X's answers mean, as data and as plain functions of an answer; x.py asks the questions."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import unescape
from typing import Any

import requests

from publisher.counting import extract_urls_with_indices
from publisher.networks import http
from publisher.networks.base import Answer, Failure, Figures, Refused, TryLater, Unknown, brief, quoting

# Where a limit is hit and no header says when it ends: the window of all limits we meet.
WINDOW = 15 * 60
DAY = 24 * 60 * 60
# The usage cap is of a billing cycle; asking more often than daily changes nothing.
CAPPED = DAY


# The parser's list of top-level domains is of 2021: an address under a newer one is one to X all the same.
SCHEME = re.compile(r"https?://\S", re.IGNORECASE)


# Their words to ours; the first that fits counts. Only the English text tells a duplicate from any other 403.
MEANINGS = (
    Answer(400, "too long", Refused, "text", "X says that the text is too long."),
    Answer(400, "duplicate content", Refused, "duplicate", "X already has a post with this text."),
    Answer(400, "", Refused, "other", "X does not understand the request."),
    Answer(401, "", Refused, "credentials", "X no longer accepts the keys: connect the account again."),
    Answer(402, "", Refused, "money", "The X account has no credits left: buy some, then let it post again."),
    Answer(403, "duplicate content", Refused, "duplicate", "X already has a post with this text."),
    Answer(403, '"code":187', Refused, "duplicate", "X already has a post with this text."),
    Answer(403, "too long", Refused, "text", "X says that the text is too long."),
    Answer(403, '"code":186', Refused, "text", "X says that the text is too long."),
    Answer(403, '"code":185', TryLater, "rate", "The daily number of posts on X is reached."),
    Answer(403, "usage-capped", TryLater, "money", "The spending cap of the X account is reached."),
    Answer(403, "is suspended", Refused, "credentials", "X has suspended the account."),
    Answer(403, "temporarily locked", Refused, "credentials", "X has locked the account: sign in there to unlock it."),
    Answer(403, "oauth1-permissions", Refused, "permission", "The X app may only read: give it write access."),
    Answer(403, "client-forbidden", Refused, "permission", "The X app is not enrolled for posting."),
    Answer(403, "user-not-enrolled", Refused, "permission", "The X app is not enrolled for posting."),
    Answer(403, "", Refused, "permission", "X does not permit this post."),
    Answer(404, "", Refused, "other", "X does not know this address."),
    Answer(413, "", Refused, "other", "The picture is too large for X."),
    Answer(429, "usage-capped", TryLater, "money", "The spending cap of the X account is reached."),
    Answer(429, "", TryLater, "rate", "X asks to slow down."),
)

# (remaining, reset): the window's, and the daily ones, which X sends to some apps only.
LIMITS = (
    ("x-rate-limit-remaining", "x-rate-limit-reset"),
    ("x-user-limit-24hour-remaining", "x-user-limit-24hour-reset"),
    ("x-app-limit-24hour-remaining", "x-app-limit-24hour-reset"),
)


def failure_of(response: requests.Response, secrets: Iterable[str]) -> Failure:
    """What an answer without an id means."""
    status, words = response.status_code, brief(told(response), secrets)
    if 300 <= status < 400:
        return http.redirected(response, "X", secrets)
    body = response.text.casefold().replace('": ', '":')
    for meaning in MEANINGS:
        if meaning.fits(status, body):
            return failure(meaning, response, quoting(meaning.sentence, words))
    if 400 <= status < 500 and status != 408:
        return Refused(quoting(f"X refused this with {status}.", words), code=status)
    # A 2xx without an id, a 5xx from a machine in front of X: it may stand on the timeline.
    return Unknown(quoting(f"X answered {status} without saying whether it posted.", words))


def failure(meaning: Answer, response: requests.Response, reason: str) -> Failure:
    if meaning.outcome is TryLater:
        return TryLater(reason, after=pause(response, meaning.kind), kind=meaning.kind)
    return Refused(reason, kind=meaning.kind, code=response.status_code)


def pause(response: requests.Response, kind: str) -> int:
    """Seconds until X takes posts again: of the limits that are used up, the one that lasts longest."""
    waits = [
        wait
        for remaining, reset in LIMITS
        if response.headers.get(remaining, "0" if remaining == LIMITS[0][0] else "") == "0"
        for wait in until(response, reset)
    ]
    return max([*waits, CAPPED] if kind == "money" else waits, default=WINDOW)


def identity(response: requests.Response) -> str | None:
    """The id in a 200 or 201, the only thing that counts as success."""
    data = http.content(response).get("data") if response.status_code in (200, 201) else None
    found = data.get("id") if isinstance(data, dict) else None
    return found if isinstance(found, str) and found.isdecimal() and len(found) <= 19 else None


def told(response: requests.Response) -> str:
    """What X says is wrong, of the several forms it has; nothing where it is a page for people."""
    answer = http.content(response)
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    for source in (first, answer):
        for key in ("message", "detail", "title"):
            if isinstance(source.get(key), str):
                return str(source[key])
    return ""


def has_address(text: str) -> bool:
    """Whether X finds a URL in a text: with a scheme always, bare where it knows the end of it (report.md)."""
    return bool(SCHEME.search(text) or extract_urls_with_indices(text))


def rest(response: requests.Response) -> int:
    """Seconds for which X takes no further post after this one, which used a limit up; 0: it takes more."""
    waits = [
        wait for remaining, reset in LIMITS if response.headers.get(remaining) == "0" for wait in until(response, reset)
    ]
    return max(waits, default=0)


def until(response: requests.Response, reset: str) -> list[int]:
    """Seconds from their now to the moment that a header names, if it names one that can be."""
    moment = http.whole_number(response.headers.get(reset, ""))
    now = (http.their_time(response.headers) or datetime.now(UTC)).timestamp()
    return [int(moment - now) + 1] if moment and 0 < moment - now <= 32 * DAY else []


def gone(response: requests.Response) -> bool:
    """Whether X itself says that the post is not there; any other 404 may be of another server."""
    return response.status_code == 404 and str(http.content(response).get("type")).endswith("resource-not-found")


def counted(post: Mapping[str, Any]) -> Figures:
    """public_metrics; a quote is a repost with words. retweet_count is what X called repost_count until 2026."""
    metrics = post.get("public_metrics") or {}
    number = {name: http.whole_number(metrics.get(name)) for name in metrics}
    plain = number.get("repost_count", number.get("retweet_count"))
    reposts = [count for count in (plain, number.get("quote_count")) if count is not None]
    return Figures(
        likes=number.get("like_count"),
        reposts=sum(reposts) if reposts else None,
        comments=number.get("reply_count"),
        views=number.get("impression_count"),
    )


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def expanded(post: Mapping[str, Any]) -> str:
    """The text as it was sent: X wraps each link as https://t.co/…, adds one for a picture, escapes & < >."""
    text = unescape(str(post["text"]))
    for url in (post.get("entities") or {}).get("urls") or ():
        is_picture = "media_key" in url
        text = text.replace(url["url"], "" if is_picture else str(url.get("expanded_url") or url["url"]))
    return text
