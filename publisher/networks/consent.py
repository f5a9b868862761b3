"""Connecting an account: what a person types in, or where they are asked for their consent, and what comes back.

An adapter names its two ways as data: `keys`, the fields of credentials that are typed in, and `consent`, the class
that leads through the network's own pages (OAuth). A network may have either, both, or one of each.
"""

import base64
import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlencode

import requests

from publisher.networks import http
from publisher.networks.base import Failure, Refused, TryLater, Unknown, brief, quoting


@dataclass(frozen=True)
class Field:
    """Something that is typed in: a key of the credentials, and how people call it."""

    name: str
    label: str
    help: str = ""
    secret: bool = True
    needed: bool = True


@dataclass(frozen=True)
class Candidate:
    """An account that may be connected. `names`: all by which the channel may know it, in small letters."""

    account: str
    names: frozenset[str]
    credentials: dict[str, Any] = field(repr=False)
    #: What stands in the way of posting with it, in a sentence; such a one cannot be chosen.
    problem: str = ""


@dataclass(frozen=True)
class Begun:
    """Where to send the person, and what has to stay secret until they come back."""

    address: str = field(repr=False)
    kept: dict[str, Any] = field(repr=False)


class Consent(Protocol):
    """One network's way to ask for consent, for one app of ours there."""

    #: What of the app has to be configured, as "client_id"; and what a person says beforehand.
    needs: tuple[str, ...]
    asks: tuple[Field, ...]
    #: What happens next, in a sentence for who is about to be sent there.
    says: str

    def __init__(self, *, app: Mapping[str, str], address: str, **named: http.Resolve) -> None:
        """`resolve` is given where accounts name their server: see http.Session."""

    def begin(self, *, back: str, state: str, asked: Mapping[str, str]) -> Begun:
        """`back` is the exact address that the person comes back to. May ask the network; raises as `finish` does."""

    def finish(self, *, back: str, answer: Mapping[str, str], kept: Mapping[str, Any]) -> list[Candidate]:
        """The accounts that the person may connect. `answer` is the query they came back with.

        Raises Refused where they said no, or the network gave too little; TryLater; Unknown: then begin anew.
        """

    def ends(self, credentials: Mapping[str, Any]) -> datetime | None:
        """When these have to be renewed; None: they are not renewed by us."""

    def renew(self, credentials: Mapping[str, Any]) -> dict[str, Any]:
        """New credentials for old, which are used up by it. Raises Refused, TryLater, or anything else: unknown."""


def verifier() -> tuple[str, str]:
    """PKCE (RFC 7636): what we keep, and its S256 challenge."""
    kept = secrets.token_urlsafe(48)
    return kept, base64.urlsafe_b64encode(hashlib.sha256(kept.encode()).digest()).decode().rstrip("=")


def address(base: str, **query: str) -> str:
    return f"{base}?{urlencode(query)}"


def code(answer: Mapping[str, str], label: str) -> str:
    """The code that the person brings back. Refused where they, or the network, said no."""
    if answer.get("error"):
        words = brief(answer.get("error_description") or answer.get("error_reason") or answer["error"], ())
        denied = "denied" in f"{answer['error']} {answer.get('error_reason', '')}"
        sentence = f"{label} was told no" if denied else f"{label} did not agree"
        raise Refused(quoting(f"{sentence}: nothing is connected. Begin anew to try again.", words), kind="permission")
    if not answer.get("code"):
        raise Refused(f"{label} sent no code along: begin anew.", kind="credentials")
    return answer["code"]


def ask(
    session: http.Session, label: str, hidden: Iterable[str], call: Callable[[], object]
) -> tuple[requests.Response, dict[str, Any]]:
    """An answer with its JSON object. Raises TryLater where nothing left or it asks to, Unknown where it may have."""
    response = http.ask(session, label, hidden, call)
    if response.status_code == 429:
        raise TryLater(f"{label} asks to slow down: try again in some minutes.", after=900, kind="rate")
    if 300 <= response.status_code < 400:
        raise http.redirected(response, label, hidden)
    if response.status_code >= 500 or (response.status_code == 200 and not http.content(response)):
        raise Unknown(f"{label} answered {response.status_code}, which says nothing: begin anew.")
    return response, http.content(response)


def text(answer: Mapping[str, Any], name: str, label: str) -> str:
    found = answer.get(name)
    if not isinstance(found, str) or not found:
        raise Unknown(f"{label}'s answer has no {name}: begin anew.")
    return found


def end(seconds: object) -> datetime:
    """When what is good for so many seconds ends, by our clock."""
    return datetime.now(UTC) + timedelta(seconds=http.whole_number(seconds) or 0)


def missing(needed: Iterable[str], given: Iterable[str], label: str) -> Failure | None:
    """What the person took out of what we asked for."""
    lacking = sorted(set(needed) - set(given))
    if not lacking:
        return None
    return Refused(
        f"{label} was not allowed all that posting needs: {', '.join(lacking)} is missing. Begin anew, and leave all "
        "boxes ticked.",
        kind="permission",
    )
