"""What stands in an answer of Mastodon."""

import re
from datetime import UTC, datetime
from typing import Any

import requests

from publisher.networks import http

# Where a limit is hit and nothing says when it ends: the window of the general one. The longest is 3 hours.
WINDOW = 5 * 60
DAY = 24 * 60 * 60


def pause(response: requests.Response) -> int:
    """Seconds until Mastodon takes posts again, by its own clock."""
    after = http.whole_number(response.headers.get("Retry-After", "")) or 0
    return max(until(response), after if after <= DAY else 0) or WINDOW


def rest(response: requests.Response) -> int:
    """Seconds for which Mastodon takes no further post after this one, which used a limit up; 0: it takes more."""
    return until(response) if response.headers.get("X-RateLimit-Remaining") == "0" else 0


def until(response: requests.Response) -> int:
    """Seconds to the reset that is named; 0 where none is, or none that can be."""
    now = http.their_time(response.headers) or datetime.now(UTC)
    reset = response.headers.get("X-RateLimit-Reset", "")
    try:
        # Mastodon prints a time; others of its kind the second of the epoch.
        end = datetime.fromtimestamp(int(reset), UTC) if reset.isdecimal() else moment(reset)
    except (ValueError, OverflowError):
        return 0
    wait = int((end - now).total_seconds()) + 1
    return wait if 0 < wait <= DAY else 0


def status_in(response: requests.Response) -> dict[str, Any] | None:
    """The status of a 200, the only thing that counts as success: an id alone may be of anything."""
    answer = http.content(response) if response.status_code == 200 else {}
    try:
        moment(answer["created_at"])
    except (KeyError, TypeError, ValueError):
        return None
    return answer if is_id(answer.get("id")) and isinstance(answer.get("content"), str) else None


def is_id(value: object) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"[0-9A-Za-z]{1,64}", value))


def listed(response: requests.Response) -> list[dict[str, Any]] | None:
    """The objects of an answer that is a list; an object without any would look like an empty timeline."""
    try:
        found = response.json() if response.status_code == 200 else None
    except ValueError:
        return None
    whole = isinstance(found, list) and all(isinstance(one, dict) for one in found)
    return found if whole else None


def told(response: requests.Response) -> str:
    """What Mastodon says is wrong; nothing where it is a page for people."""
    answer = http.content(response)
    return next((answer[key] for key in ("error", "error_description") if isinstance(answer.get(key), str)), "")


def moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
