"""What Bluesky's answers mean: their names of errors, and what counts as a success. No requests."""

import json
import re
from datetime import UTC, datetime

import requests
from atproto_core.cid import CID

from publisher.networks import http
from publisher.networks.base import Failure, Meaning, Refused, TryLater, Unknown

# Where a limit is hit and no header says when it ends.
WINDOW = 5 * 60
DAY = 24 * 60 * 60

# How a server says that not the password but the session has ended. It has done nothing then.
SESSION_ENDED = frozenset({"ExpiredToken", "InvalidToken"})


SIGN_IN = Meaning(Refused, "credentials", "Bluesky does not accept the app password: connect the account again.")
TAKEN_DOWN = Meaning(Refused, "credentials", "Bluesky has taken the account down.")
SUSPENDED = Meaning(Refused, "credentials", "Bluesky has suspended the account.")
DEACTIVATED = Meaning(Refused, "credentials", "The Bluesky account is deactivated: sign in there to activate it.")
NOT_UNDERSTOOD = Meaning(Refused, "other", "Bluesky does not understand the request.")
TOO_LARGE = Meaning(Refused, "other", "The picture is too large for Bluesky.")
WRONG_TYPE = Meaning(Refused, "other", "Bluesky takes no pictures of this type.")
SLOWER = Meaning(TryLater, "rate", "Bluesky asks to slow down.")
NOT_PERMITTED = Meaning(Refused, "permission", "Bluesky does not permit this.")

# Their names of errors to ours; what is not here is judged by its status.
MEANINGS = {
    "AccountDeactivated": DEACTIVATED,
    "AccountNotFound": SIGN_IN,
    "AccountSuspended": SUSPENDED,
    "AccountTakedown": TAKEN_DOWN,
    "AuthFactorTokenRequired": Meaning(
        Refused, "credentials", "Bluesky asks for a code by mail: connect with an app password, not the account's own."
    ),
    "AuthMissing": SIGN_IN,
    "AuthenticationRequired": SIGN_IN,
    "BlobNotFound": Meaning(TryLater, "server", "Bluesky has lost the picture before it was posted."),
    "BlobTooLarge": TOO_LARGE,
    "ExpiredToken": SIGN_IN,
    "Forbidden": NOT_PERMITTED,
    "InvalidMimeType": WRONG_TYPE,
    "InvalidSwap": Meaning(Refused, "duplicate", "Bluesky already has this post."),
    "InvalidToken": SIGN_IN,
    "MethodNotImplemented": Meaning(Refused, "other", "This server does not speak Bluesky: check its address."),
    "PayloadTooLarge": TOO_LARGE,
    "RateLimitExceeded": SLOWER,
    "RepoDeactivated": DEACTIVATED,
    "RepoNotFound": SIGN_IN,
    "RepoSuspended": SUSPENDED,
    "RepoTakendown": TAKEN_DOWN,
    "UnsupportedMediaType": WRONG_TYPE,
}
BY_STATUS = {
    400: NOT_UNDERSTOOD,
    401: SIGN_IN,
    403: NOT_PERMITTED,
    404: Meaning(Refused, "other", "This server does not know the address: check it."),
    413: TOO_LARGE,
    429: SLOWER,
}
# Every fault of a record has the one name InvalidRequest; only the words tell a text that is too long.
TOO_LONG = re.compile(r"must not be longer than|too (?:long|big)", re.IGNORECASE)
TEXT_TOO_LONG = Meaning(Refused, "text", "Bluesky says that the text is too long.")

# `status` of an account that may sign in and not post.
STATUSES = {"deactivated": DEACTIVATED, "suspended": SUSPENDED, "takendown": TAKEN_DOWN}


def settled(failure: Failure) -> Failure:
    """The failure of a request that nobody sees the effect of: there is nothing to doubt."""
    if isinstance(failure, Unknown):
        return TryLater(f"Nothing was posted: {failure.reason}", after=http.NETWORK_PAUSE, kind="server")
    return failure


def named(response: requests.Response) -> str:
    """Their name of an error, if the answer is one."""
    return str(http.content(response).get("error") or "")


def meaning_of(status: int, name: str, said: str) -> Meaning | None:
    """By the name, then by the status; None where it may be posted all the same."""
    if status < 400 or status == 408 or (status >= 500 and name != "MethodNotImplemented"):
        return None
    if name in MEANINGS:
        return MEANINGS[name]
    if status == 400 and TOO_LONG.search(said):
        return TEXT_TOO_LONG
    return BY_STATUS.get(status) or Meaning(Refused, "other", f"Bluesky refused this with {status}.")


def pause(response: requests.Response) -> int:
    """Seconds until the limit that was hit ends, by their own clock."""
    wait = http.whole_number(response.headers.get("Retry-After", ""))
    reset = http.whole_number(response.headers.get("RateLimit-Reset", ""))
    if reset:
        now = (http.their_time(response.headers) or datetime.now(UTC)).timestamp()
        wait = int(reset - now) + 1
    return wait if wait and 0 < wait <= 2 * DAY else WINDOW


def made(response: requests.Response, uri: str) -> bool:
    """Whether a record stands at this address: a 200 with it and with the id of its content, and nothing less."""
    answer = http.content(response) if response.status_code == 200 else {}
    return answer.get("uri") == uri and is_cid(answer.get("cid"))


def is_cid(found: object) -> bool:
    try:
        return isinstance(found, str) and bool(CID.decode(found))
    except ValueError:
        return False


def is_absence(response: requests.Response) -> bool:
    """Whether the server says that there is no such record. Older ones have no name for it."""
    said = str(http.content(response).get("message") or "")
    return 400 <= response.status_code < 500 and (
        named(response) == "RecordNotFound" or said.startswith("Could not locate record")
    )


def is_object(response: requests.Response) -> bool:
    try:
        return isinstance(json.loads(response.content), dict)
    except ValueError:
        return False
