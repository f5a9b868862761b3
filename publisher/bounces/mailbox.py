"""The mailbox that letters come back to, read over IMAP.

PUBLISHER_BOUNCE_IMAP_URL=imaps://user:password@mail.example.org:993/INBOX. What was understood goes to its folder
`Read`, all else to `Not understood`, where a person looks; each only after what it says is committed, so that a break
makes us read a mail twice, which changes nothing, and never not at all.
"""

from __future__ import annotations

import imaplib
import logging
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.db import DatabaseError
from django.db.models import QuerySet
from django.utils import timezone
from imap_tools import BaseMailBox, ImapToolsError, MailBox, MailboxLoginError, MailBoxUnencrypted

from .. import epoch, reach
from ..delivery.outcomes import break_in_words
from ..delivery.relays import ENCODE, is_loopback
from ..lifecycle import Refusal
from ..models import Mailbox
from . import MAILBOX, Taken, settle, take
from .phrases import Kind
from .reading import Report

logger = logging.getLogger(__name__)

EXAMPLE = "imaps://bounces%40example.org:password@mail.example.org:993/INBOX"
READ, NOT_UNDERSTOOD = "Read", "Not understood"
#: Seconds for each answer.
TIMEOUT = 30.0
#: Mails in one batch, bytes of each (what matters stands before the letter that a report carries), mails in one turn.
BATCH, BYTES, TURN = 50, 300_000, 1000
#: Seconds in one turn, well within the lease.
TURN_SECONDS = 300.0
EVERY, AFTER_TROUBLE = timedelta(minutes=1), timedelta(minutes=5)
#: For so long the reading is one worker's.
LEASE = timedelta(minutes=15)


@dataclass(frozen=True)
class Place:
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    folder: str = "INBOX"
    encrypted: bool = True

    def __str__(self) -> str:
        return f"{self.user} at {self.host}:{self.port}/{self.folder}"[:200]


class Unreachable(Refusal):
    """The mailbox could not be read; str() says why, and never a password."""


def chosen() -> Place | None:
    """The mailbox that is set, if one is. Refusal where the setting cannot be used."""
    address = settings.BOUNCE_IMAP_URL
    return _place(address) if address else None


def due() -> QuerySet[Mailbox]:
    """The mailbox, if it is time to read it; what is wrong with its setting, `publisher check` says.

    None while the epoch is in doubt: a copy would move the mails that the installation itself has not read yet.
    """
    try:
        place = chosen()
    except Refusal:
        place = None
    if place is None or epoch.doubt():
        return Mailbox.objects.none()
    Mailbox.objects.get_or_create(place=str(place))
    return Mailbox.objects.filter(place=str(place), next_read_at__lte=timezone.now())


def read_due(pk: int) -> int:
    """Read the mailbox, unless somebody else does; how many mails were taken."""
    place = chosen()
    mine = due().filter(pk=pk).update(next_read_at=timezone.now() + LEASE)
    if place is None or not mine:
        return 0
    try:
        return len(read_now(place))
    except Refusal:
        return 0  # it stands on the row, and `publisher check` says it


def read_now(place: Place) -> list[Taken]:
    """Read one turn of the mailbox, and write down how it was. Raises Unreachable."""
    Mailbox.objects.get_or_create(place=str(place))
    row = Mailbox.objects.filter(place=str(place))
    try:
        turn = read(place, lambda raw: take(raw, MAILBOX))
    except Refusal as problem:
        row.update(problem=str(problem)[:300], next_read_at=timezone.now() + AFTER_TROUBLE)
        raise
    except DatabaseError:
        with suppress(DatabaseError):
            row.update(next_read_at=timezone.now() + EVERY)
        raise
    now = timezone.now()
    row.update(read_at=now, problem="", not_understood=turn.waiting, next_read_at=now + EVERY if turn.emptied else now)
    if turn.emptied:
        row.update(emptied_at=now)
        settle()
    return turn.taken


@dataclass(frozen=True)
class Turn:
    """What was read; whether nothing is left; and how many mails wait that nobody has understood."""

    taken: list[Taken]
    emptied: bool
    waiting: int


def read(place: Place, each: Callable[[bytes], Taken], *, move: bool = True) -> Turn:
    """Give each mail to `each`, and move it to its folder. Raises Unreachable."""
    with _open(place) as box:
        found: list[Taken] = []
        folders = _folders(box, place) if move else {}
        for uids, mails in _batches(box):
            seen = {uid: _given(each, raw) for uid, raw in mails.items()}
            found += seen.values()
            for understood, folder in folders.items():
                box.move([uid for uid in uids if uid in seen and seen[uid].understood is understood], folder)
        emptied = not move or not box.uids("ALL")
        waiting = box.folder.status(folders[False], ["MESSAGES"])["MESSAGES"] if move else 0
    return Turn(found, emptied, waiting)


def _batches(box: BaseMailBox) -> Iterator[tuple[list[str], dict[str, bytes]]]:
    """What is there now, a batch at a time; what comes meanwhile is for the next turn."""
    uids, until = box.uids("ALL")[:TURN], time.monotonic() + TURN_SECONDS
    for start in range(0, len(uids), BATCH):
        if time.monotonic() > until:
            return  # somebody else would begin as well
        batch = uids[start : start + BATCH]
        yield batch, _fetch(box, batch)


def _fetch(box: BaseMailBox, uids: list[str]) -> dict[str, bytes]:
    """The beginning of each mail; without being marked as seen. One that somebody took away meanwhile is left out."""
    status, answer = box.client.uid("FETCH", ",".join(uids), f"(UID BODY.PEEK[]<0.{BYTES}>)")
    if status != "OK":
        raise Unreachable(f"The mailbox gives no mails: {status}.")
    found = {}
    for item, after in pairwise([*answer, b""]):
        # The number stands before the mail or behind it, as the server likes.
        around = item[0] + b" " + (after if isinstance(after, bytes) else b"") if isinstance(item, tuple) else b""
        if named := re.search(rb"\bUID (\d+)", around):
            found[named[1].decode()] = item[1]
    return found


def _given(each: Callable[[bytes], Taken], raw: bytes) -> Taken:
    """One mail at which we stumble must not keep all others from being read: it waits for a person."""
    try:
        return each(raw)
    except DatabaseError:
        raise
    except Exception as problem:
        logger.error("a mail in the mailbox could not be taken: %s", type(problem).__name__)
        return Taken(Report(Kind.OTHER), None, False)


def _folders(box: BaseMailBox, place: Place) -> dict[bool, str]:
    """The folders below the mailbox's own, made where they are missing: of what was understood, and of the rest."""
    here = box.folder.list("", place.folder)
    mark = here[0].delim if here and here[0].delim else "/"
    made = {True: f"{place.folder}{mark}{READ}", False: f"{place.folder}{mark}{NOT_UNDERSTOOD}"}
    for folder in made.values():
        if not box.folder.exists(folder):
            box.folder.create(folder)
    return made


@contextmanager
def _open(place: Place) -> Iterator[BaseMailBox]:
    reach.allowed_host(place.host)
    try:
        with _connected(place) as box:
            login = box.login if (place.user + place.password).isascii() else box.login_utf8
            login(place.user, place.password, place.folder)
            yield box
    except MailboxLoginError:
        raise Unreachable("The mailbox refuses our login: look at the user and the password.") from None
    except ssl.SSLCertVerificationError as problem:
        raise Unreachable(f"The mailbox's certificate is not trusted: {problem.verify_message}.") from problem
    except OSError as problem:
        raise Unreachable(f"The mailbox does not answer: {break_in_words(problem)}.") from problem
    except (imaplib.IMAP4.error, ImapToolsError) as problem:
        said = str(problem).replace(place.password, "[…]")
        raise Unreachable(f"The mailbox answers with an error: {said[:200]}") from None
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as problem:
        raise Unreachable(f"The mailbox answers with what is no IMAP: {type(problem).__name__}.") from None


@contextmanager
def _connected(place: Place) -> Iterator[BaseMailBox]:
    if place.encrypted:
        box: BaseMailBox = MailBox(place.host, place.port, timeout=TIMEOUT, ssl_context=ssl.create_default_context())
    else:
        box = MailBoxUnencrypted(place.host, place.port, timeout=TIMEOUT)
    try:
        yield box
    finally:
        # What broke off, or refused us, may not answer a goodbye either; the socket is closed all the same.
        with suppress(OSError, imaplib.IMAP4.error, ImapToolsError):
            box.logout()
        with suppress(OSError):
            box.client.shutdown()


def _place(address: str) -> Place:
    def wrong(what: str) -> Refusal:
        return Refusal(f"PUBLISHER_BOUNCE_IMAP_URL: {what}")

    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
        user, password = (unquote(part or "", errors="strict") for part in (parts.username, parts.password))
    except ValueError:  # its own words quote the address, and with it the password
        raise wrong(f"it cannot be read; {ENCODE}.") from None
    if parts.scheme not in {"imap", "imaps"} or not host or parts.query or parts.fragment:
        raise wrong(f"it must be as {EXAMPLE}; {ENCODE}.")
    if not user or not password or any(ord(c) < 32 for c in user + password):
        raise wrong(f"a user and a password belong into it, as {EXAMPLE}; {ENCODE}.")
    if parts.scheme == "imap" and not is_loopback(host):
        raise wrong("the password would go over the network in clear text; it must begin with imaps://.")
    encrypted = parts.scheme == "imaps"
    folder = unquote(parts.path.strip("/")) or "INBOX"
    return Place(host, port or (993 if encrypted else 143), user, password, folder, encrypted)
