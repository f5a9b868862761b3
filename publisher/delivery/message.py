"""One letter for one member as bytes: RFC 5322, multipart/alternative, quoted-printable, CRLF alone.

The same arguments give the same bytes, so a retry sends what the first attempt sent. This is the plain
renderer; a faster one has to give the same bytes.
"""

import binascii
import hashlib
import hmac
import html
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from email.utils import format_datetime

from ..letters import Letter
from ..merge import ValueMissing, fill
from .addresses import AddressRefused, CannotBuild, ascii_domain, needs_smtputf8
from .headers import HeaderRefused, given, mailbox, text

__all__ = [
    "AddressRefused",
    "CannotBuild",
    "HeaderRefused",
    "ascii_domain",
    "build",
    "message_id",
    "needs_smtputf8",
]

# Made here, each exactly once.
OWN = frozenset({"from", "to", "subject", "date", "message-id", "mime-version", "content-type",
                 "content-transfer-encoding"})  # fmt: skip


def build(
    letter: Letter,
    *,
    sender: tuple[str, str],
    recipient: tuple[str, str],
    headers: Mapping[str, str],
    values: Mapping[str, str],
    message_id: str,
    date: datetime,
) -> bytes:
    """The whole message, with the member's values in their places.

    `sender` and `recipient` are (name, address). `headers` are the transport headers (List-Unsubscribe …) in their own
    syntax; merge fields in them are filled like those of the letter. Raises CannotBuild: HeaderRefused for what could
    break out of its header, AddressRefused, or for a link without a value. Non-ASCII before an @ stays as it is: see
    needs_smtputf8.
    """
    # "=_" never occurs in quoted-printable.
    boundary = "=_" + hashlib.sha256(message_id.encode()).hexdigest()[:32]
    head = "".join([
        mailbox("From", *sender),
        mailbox("To", *recipient),
        text("Subject", _filled(letter.subject, values)),
        f"Date: {_date(date)}\r\n",
        f"Message-ID: {_checked_id(message_id)}\r\n",
        *_given(headers, values),
        "MIME-Version: 1.0\r\n",
        f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n',
    ])  # fmt: skip
    parts = [_part("plain", _filled(letter.text, values)), _part("html", _filled(letter.html, values, html.escape))]
    dashes = b"--" + boundary.encode()
    body = b"".join(dashes + b"\r\n" + part + b"\r\n" for part in parts)
    return head.encode() + b"\r\n" + body + dashes + b"--\r\n"


def message_id(digest_key: str, delivery_key: str, domain: str) -> str:
    """`<…@domain>`, the same for each attempt at one delivery; it tells nothing about the member."""
    mark = hmac.new(digest_key.encode(), delivery_key.encode(), hashlib.sha256).hexdigest()[:40]
    return f"<{ascii_domain(f'{mark}@{domain}')}>"


def _given(headers: Mapping[str, str], values: Mapping[str, str]) -> Iterator[str]:
    seen: set[str] = set()
    for name, value in headers.items():
        if name.lower() in OWN:
            raise HeaderRefused(f"{name} is made from the letter and its people; it cannot be given beside them.")
        if name.lower() in seen:
            raise HeaderRefused(f"{name} is given twice.")
        seen.add(name.lower())
        yield given(name, _filled(value, values))


def _filled(written: str, values: Mapping[str, str], escape: Callable[[str], str] | None = None) -> str:
    try:
        return fill(written, values, escape)
    except ValueMissing as missing:
        raise CannotBuild(str(missing)) from None


def _part(subtype: str, body: str) -> bytes:
    # The soft line breaks take the form of the first line end: one must be there, and be CRLF.
    lines = re.sub(r"\r\n|\r|\n", "\r\n", body)
    try:
        content = (lines if lines.endswith("\r\n") else lines + "\r\n").encode()
    except UnicodeEncodeError as error:
        raise CannotBuild(f"The {subtype} part has half a character (a surrogate) at {error.start}.") from None
    head = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n'
    return head.encode() + b"\r\n" + binascii.b2a_qp(content, istext=True)


def _date(date: datetime) -> str:
    if date.tzinfo is None:
        raise ValueError("The date of a message needs a time zone.")
    return format_datetime(date)


def _checked_id(given_id: str) -> str:
    if not re.fullmatch(r"<[!-;=?-~]+@[!-;=?-~]+>", given_id) or len(given_id) > 250:
        raise HeaderRefused(f"Message-ID: {given_id!r} is not of the form <left@right>.")
    return given_id
