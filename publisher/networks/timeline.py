"""Is this post among those that stand on our timeline? Evidence for what a time-out left unknown.

Adapters ask it in `find`; when to look, and what follows, is decided in publisher/posting.py.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import SequenceMatcher

import requests

from publisher.networks.base import CannotLook, Outgoing, Published
from publisher.networks.http import their_time

# Above this two texts with the same link are too alike to be told apart by a program.
ALIKE = 0.9

# Enough for any timeline since an intent of hours ago; more is a clock gone wrong.
MOST_PAGES = 20


@dataclass(frozen=True)
class Standing:
    """A post on the timeline. `text` has its links expanded; `links` are those that stand beside the text."""

    remote_id: str
    url: str
    text: str
    at: datetime
    links: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (isinstance(self.remote_id, str) and self.remote_id.isprintable() and 0 < len(self.remote_id) <= 200):
            raise ValueError(f"{self.remote_id!r} is no name of a post")


def pick(
    standing: Iterable[Standing], outgoing: Outgoing, *, since: datetime, known: Collection[str]
) -> Published | None:
    """The post that has this text and link, of those made since then and not known to be another one.

    Raises CannotLook where one has the link and almost the text: a network may have altered ours, or staff
    may have posted by hand, and a wrong guess is a second post or a lost one.
    """
    candidates = [
        post for post in standing if post.at >= since and post.remote_id not in known and has_link(post, outgoing.link)
    ]
    for post in candidates:
        if bare(post.text) == bare(outgoing.text):
            return Published(remote_id=post.remote_id, url=post.url, at=post.at)
    for post in candidates:
        if alike(post.text, outgoing.text):
            raise CannotLook(f"A post that is almost the same stands at {post.url}: look whether it is this one.")
    return None


def has_link(post: Standing, link: str | None) -> bool:
    """Whether the link stands in the post or beside it. One that shows no link at all may have lost it."""
    shown = {bare(found) for found in (*post.links, *re.findall(r"https?://\S+", post.text))}
    return not link or not shown or bare(link) in shown


def alike(theirs: str, ours: str) -> bool:
    """Whether one may be the other with a letter changed: the headline too, and no number."""
    same_numbers = re.findall(r"\d+", bare(theirs)) == re.findall(r"\d+", bare(ours))
    parts = [(theirs, ours), (headline(theirs), headline(ours))]
    return same_numbers and all(ratio(bare(one), bare(other)) >= ALIKE for one, other in parts)


def headline(text: str) -> str:
    return text.strip().partition("\n")[0]


def ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def bare(text: str) -> str:
    """A text without what networks change: case of hosts, schemes, a slash at the end, white space."""
    text = unicodedata.normalize("NFC", text).casefold()
    words = re.sub(r"https?://", "", text).split()
    return " ".join(word.rstrip("/") for word in words)


def on_their_clock(since: datetime, response: requests.Response, *, now: datetime | None = None) -> datetime:
    """Our moment as their clock showed it, to the whole second before: they print no fractions.

    A clock of ours that runs ahead would hide the very post that is looked for.
    """
    theirs = their_time(response.headers)
    behind = (now or datetime.now(UTC)) - theirs if theirs else timedelta(0)
    return (since - max(behind, timedelta(0))).replace(microsecond=0)
