"""What every network adapter takes, gives back and raises.

The failures part by what has to happen next, not by what the vendor called them:

    Refused     a definite no that time alone does not mend: somebody has to change something
    TryLater    a definite no that time alone mends
    Unknown     the request may have arrived; only evidence or a person decides, never a retry
    CannotLook  the own timeline could not be read, so there is no evidence either way
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote, quote_plus

HIDDEN = "[hidden]"
LONGEST_REASON = 300
#: A network that says "later" is asked again after a month at the latest, whatever its header holds.
LONGEST_WAIT = 32 * 24 * 60 * 60


@dataclass(frozen=True)
class Picture:
    content: bytes = field(repr=False)
    media_type: str
    alt: str


@dataclass(frozen=True)
class PictureRules:
    """What a network takes as a picture: bytes, pixels of the longer side, media types, best first."""

    largest: int
    longest_side: int
    media_types: tuple[str, ...] = ("image/jpeg", "image/png")


@dataclass(frozen=True)
class Outgoing:
    """One post. `text` already contains the link where the network wants it in the text.

    `key` is the same at each attempt at this post, and no other post's: for networks that know a repetition by it.
    """

    text: str
    link: str | None
    picture: Picture | None = None
    key: str = ""


@dataclass(frozen=True)
class Published:
    """`rest` is for how many seconds the account should post nothing more: with this one a limit is reached."""

    remote_id: str
    url: str
    at: datetime | None = None
    rest: int = 0


@dataclass(frozen=True)
class Account:
    """Who the credentials speak for, and what stands in the way of posting, in a sentence.

    `expires_at` is when the credentials, or the version of the interface, end by themselves; None: not known to end.
    `refused`: the problem is that the network accepts the credentials no more, so that no post would go out.
    `strange`: they are another account's, so that posts would go out there.
    """

    name: str
    url: str
    problem: str | None = None
    expires_at: datetime | None = None
    refused: bool = False
    strange: bool = False


@dataclass(frozen=True)
class Figures:
    """What followers did with a post, as counted by the network until now; None where it does not say."""

    likes: int | None = None
    reposts: int | None = None
    comments: int | None = None
    views: int | None = None


class Failure(Exception):
    """Has a `reason`: a sentence for staff, in which no secret stands, and nothing that no database takes."""

    def __init__(self, reason: str) -> None:
        reason = printable(reason)
        super().__init__(reason)
        self.reason = reason


class Refused(Failure):
    """Never to be tried again as it is. Kinds: duplicate credentials money text permission other."""

    def __init__(self, reason: str, *, kind: str = "other", code: int | None = None) -> None:
        super().__init__(reason)
        self.kind = kind
        self.code = code


class TryLater(Failure):
    """Nothing was posted; worth another attempt in `after` seconds. Kinds: rate server network money."""

    def __init__(self, reason: str, *, after: int = 300, kind: str = "network") -> None:
        super().__init__(reason)
        self.after = min(after, LONGEST_WAIT)
        self.kind = kind


class Unknown(Failure):
    """The network may have the post, or may not."""


class CannotLook(Failure):
    """Whether the post stands on the timeline cannot be told. `kind` is that of the refusal, where it was one."""

    def __init__(self, reason: str, *, kind: str = "") -> None:
        super().__init__(reason)
        self.kind = kind

    @property
    def refused(self) -> bool:
        """Because the credentials are not accepted."""
        return self.kind == "credentials"


def cannot_look(problem: Failure) -> CannotLook:
    """What any failure of a question that changes nothing comes to."""
    return CannotLook(problem.reason, kind=problem.kind if isinstance(problem, Refused) else "")


@dataclass(frozen=True)
class Meaning:
    """What one of a network's answers means to us, in a line of a table."""

    outcome: type[Failure]
    kind: str
    sentence: str


@dataclass(frozen=True)
class Answer:
    """The same, for a network that tells its answers apart by their status and their words."""

    status: int
    words: str  # that stand in the answer, in small letters; "" fits any
    outcome: type[Failure]
    kind: str
    sentence: str

    def fits(self, status: int, body: str) -> bool:
        return self.status == status and self.words in body


class Network(Protocol):
    name: str
    label: str
    limit: int
    link_in_text: bool
    #: None: it takes no pictures from us.
    pictures: PictureRules | None
    longest_alt: int
    #: A second request with the same `Outgoing.key` gives the post of the first.
    idempotent: bool
    #: The network refuses a text that the account has posted lately.
    refuses_repeats: bool

    @staticmethod
    def measure(text: str) -> int:
        """The length of a text as the network counts it; to be held against `limit`."""

    @staticmethod
    def tariff(outgoing: Outgoing) -> str:
        """By which line of the price table the network charges for this post."""

    @staticmethod
    def server(account: str, credentials: Mapping[str, str]) -> str:
        """The server this account is on, of a network that has many. Raises Refused where that cannot be told."""

    def publish(self, outgoing: Outgoing) -> Published:
        """Send it once. Raises Refused, TryLater or Unknown, and nothing else."""

    def find(self, outgoing: Outgoing, *, since: datetime, known: Collection[str] = ()) -> Published | None:
        """The post on the own timeline, if it was made after `since`. Raises CannotLook.

        `known` are ids that belong to other posts of ours. A network needs a moment to show what it took:
        None straight after a time-out proves nothing yet, so ask again before believing it.
        """

    def remove(self, remote_id: str) -> None:
        """Take a post off the network; one that is gone already counts as taken off. Raises as `publish` does.

        Unlike a post, a removal may be asked for again: twice removed is removed.
        """

    def figures(self, remote_ids: Collection[str]) -> dict[str, Figures]:
        """What followers did with these posts; those that are gone are left out. Raises Refused or TryLater."""

    def check(self) -> Account:
        """Who we are there and what is wrong, if anything. It never raises."""


class Adapter:
    """What is true of a network as long as its adapter says nothing else."""

    label = ""
    #: How an account is connected, see consent.py: what a person types in (consent.Field), and "module:Class" of a
    #: consent.Consent, where they are asked on the network's own pages.
    keys: tuple[Any, ...] = ()
    consent = ""
    #: By which of the credentials the network itself knows the account: names change hands, and pages share one.
    identity: tuple[str, ...] = ()
    pictures: PictureRules | None = None
    longest_alt = 1000
    idempotent = False
    refuses_repeats = False

    @staticmethod
    def tariff(outgoing: Outgoing) -> str:
        return "post"

    @staticmethod
    def server(account: str, credentials: Mapping[str, str]) -> str:
        raise Refused("All accounts of this network are at one address: set it without {server}.")

    def remove(self, remote_id: str) -> None:
        raise Refused(f"{self.label} lets us remove nothing: remove it there yourself.", kind="permission")

    def figures(self, remote_ids: Collection[str]) -> dict[str, Figures]:
        return {}


def scrub(text: str, secrets: Iterable[str]) -> str:
    """The text without any of the secrets, plain or in the escapes that URLs, signatures and JSON give them."""
    disguises = {form for secret in secrets if secret for form in _disguises(secret)}
    for form in sorted(disguises, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text


def _disguises(secret: str) -> set[str]:
    quoted = quote(secret, safe="")
    # OAuth 1.0a quotes its parameters and then the list of them once more before it signs.
    return {secret, quoted, quote_plus(secret), quote(quoted, safe=""), json.dumps(secret)[1:-1]}


def printable(text: str) -> str:
    """The text without control characters and halves of surrogates, which JSON can hold and a row cannot."""
    return "".join(character if character.isprintable() else " " for character in text)


def brief(text: str, secrets: Iterable[str]) -> str:
    """A vendor's words in one line, bounded and scrubbed. Scrubbed first: half a secret would not be found."""
    line = " ".join(printable(scrub(text, secrets)).split())
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"


def quoting(sentence: str, words: str) -> str:
    """Our sentence, and theirs behind it where they gave one."""
    return f"{sentence} It says: “{words}”" if words else sentence
