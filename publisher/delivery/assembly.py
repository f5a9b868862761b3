"""An approved letter, encoded once, and each member's message made of it by splicing bytes.

    Letter | headers, quoted-printable | segments, with holes        once, for all members
    segments + a member's values | join | a message                  for each member

A message is RFC 5322, multipart/alternative (or text/plain alone), quoted-printable, CRLF alone, with no dot at the
beginning of a line: it goes over the wire as it is. The same arguments give the same bytes, so a retry sends what the
first attempt sent.
"""

from __future__ import annotations

import hashlib
import html
import re
from binascii import b2a_qp
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from types import MappingProxyType

from ..letters import Letter
from ..merge import NEVER_EMPTY, ValueMissing, fill, pieces
from .addresses import CannotBuild
from .dkim import Seal, Signer, body_hash
from .headers import ADDRESS_HEADERS, HeaderRefused, check, given, mailbox, text
from .quoted_printable import SOFT_BREAK, encoded

__all__ = ["Assembly"]

# Made here, each exactly once.
OWN = frozenset({"from", "to", "subject", "date", "message-id", "mime-version", "content-type",
                 "content-transfer-encoding"})  # fmt: skip

#: A message's first segments: the header lines that are the same for all, and those that never are. Then the other
#: lines with merge fields, an empty line, the parts.
_HEAD, _TO, _ID, _LINES = range(4)

# What nearly every member has, seen at one look. All else takes the long way, and reads the same.
_PLAIN_TO = re.compile(
    r"To: (?:[A-Za-z0-9'-]+ )+<[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]+>"
)
#: Words of letters and digits in any script, short enough for one encoded-word.
_WORDS = re.compile(r"[^\W_]+(?:[ -][^\W_]+)*")
_PLAIN_VALUE = re.compile(r"(?!From )[A-Za-z0-9/_-][A-Za-z0-9 ,:/_~+.-]{0,74}")
_PLAIN_LINK = re.compile(r"[A-Za-z0-9:/?&=%_~+.-]{1,500}")
#: Keeps the place of a link while its header is written; folded as a link would be.
_A_LINK = "{link}".ljust(60, ".")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]+@[!-;=?-~]+>")

Values = Mapping[str, str]
Writer = Callable[[str, str], str]
Line = Callable[[Values], bytes]
_NONE: Values = MappingProxyType({})


class Assembly:
    """What is the same in every member's message, with holes for what is not.

    `sender` is (name, address). `headers` are the transport headers (List-Unsubscribe …) in their own syntax; merge
    fields in them are filled like those of the letter. `prefixes` says of a link how all its values begin
    (`{"unsubscribe_url": "https://news.example/leave/"}`): that much of it is encoded once. `constants` are the fields
    that have the same value for all. Each signer adds a DKIM-Signature. `plain` leaves the HTML out: the message is the
    letter's text, and nothing else.

    Raises CannotBuild where there can be no message for anybody: HeaderRefused for what could break out of its header,
    AddressRefused for the sender.
    """

    def __init__(
        self,
        letter: Letter,
        *,
        sender: tuple[str, str],
        headers: Mapping[str, str],
        date: datetime,
        prefixes: Values = _NONE,
        constants: Values = _NONE,
        signers: Sequence[Signer] = (),
        plain: bool = False,
    ) -> None:
        if not NEVER_EMPTY.issuperset(prefixes):
            raise ValueError(f"Only {' and '.join(sorted(NEVER_EMPTY))} may have a prefix: they are never empty.")
        # "=_" never occurs in quoted-printable.
        boundary = "=_" + hashlib.sha256(repr(letter).encode()).hexdigest()[:32]
        lines = list(_lines(letter.subject, headers))
        head = [line.encode() for line in [
            mailbox("From", *sender),
            *(line for _, line in lines if isinstance(line, str)),
            f"Date: {_date(date)}\r\n",
            "MIME-Version: 1.0\r\n",
            *(_part_lines("plain") if plain else _parted(boundary)),
        ]]  # fmt: skip
        self._lines = [line for _, line in lines if not isinstance(line, str)]
        varying = ["To", "Message-ID", *(name for name, line in lines if not isinstance(line, str))]
        self._seals = [Seal(signer, head, varying, date) for signer in signers]
        self._segments = [b"".join(head), *(b"" for _ in varying), b"\r\n"]
        self._body = len(self._segments)
        self._holes: dict[str, _Holes] = {}
        if plain:
            self._add("plain", _whole_lines("plain", letter.text), prefixes, constants)
            return
        for subtype, body in (("plain", letter.text), ("html", letter.html)):
            self._segments.append("".join([f"--{boundary}\r\n", *_part_lines(subtype), "\r\n"]).encode())
            self._add(subtype, _whole_lines(subtype, body), prefixes, constants)
            self._segments.append(b"\r\n")
        self._segments.append(f"--{boundary}--\r\n".encode())

    def message(self, *, recipient: tuple[str, str], values: Values, message_id: str) -> bytes:
        """The whole message for the recipient, a (name, address), with the member's values in their places.

        Raises CannotBuild: HeaderRefused, AddressRefused, or for a link without a value. Non-ASCII before an @ stays
        as it is, for relays that offer SMTPUTF8 (RFC 6531).
        """
        return b"".join(self.pieces(recipient=recipient, values=values, message_id=message_id))

    def pieces(self, *, recipient: tuple[str, str], values: Values, message_id: str) -> list[bytes]:
        """`message` in its pieces, most of which all members' messages share: the kernel puts them together."""
        segments = self._segments.copy()
        segments[_TO] = _to(*recipient)
        segments[_ID] = _id(message_id)
        for at, line in enumerate(self._lines, _LINES):
            segments[at] = line(values)
        for name, holes in self._holes.items():
            holes.fill(segments, name, values.get(name, ""))
        if self._seals:
            self._sign(segments)
        return segments

    def _sign(self, segments: list[bytes]) -> None:
        """The signatures in front. They do not cover each other, so each is good by itself."""
        segments[self._body :] = [b"".join(segments[self._body :])]
        varying, hashed = segments[_TO : self._body - 1], body_hash(segments[self._body])
        segments[_HEAD] = b"".join([*(seal.line(varying, hashed) for seal in self._seals), segments[_HEAD]])

    def _add(self, subtype: str, body: str, prefixes: Values, constants: Values) -> None:
        """The segments of a part. Each hole holds the fallback of its field, until a value takes its place."""
        found, rest = pieces(body)
        known = ""
        for before, merged in found:
            if merged.name in constants:
                known += before + _in(subtype, constants[merged.name])
                continue
            before, known = known + before, ""
            holes = self._holes.setdefault(merged.name, _Holes(prefixes.get(merged.name, "")))
            self._segments += [encoded(before + _in(subtype, holes.prefix)), encoded(merged.fallback)]
            (holes.html if subtype == "html" else holes.text).append(len(self._segments) - 1)
        self._segments.append(encoded(known + rest))


def _in(subtype: str, value: str) -> str:
    return html.escape(value) if subtype == "html" else value


@dataclass
class _Holes:
    """Which segments one field fills."""

    prefix: str
    text: list[int] = field(default_factory=list)
    html: list[int] = field(default_factory=list)

    def fill(self, segments: list[bytes], name: str, value: str) -> None:
        if not value:
            if name in NEVER_EMPTY:
                raise CannotBuild(str(ValueMissing(name)))
            return
        if not value.startswith(self.prefix):
            raise ValueError(f"{name} was to begin with {self.prefix}, and is {value}.")
        # Names come again and again, links never.
        in_text, in_html = _spliced(name, value[len(self.prefix) :]) if self.prefix else _encoded(name, value)
        for at in self.text:
            segments[at] = in_text
        for at in self.html:
            segments[at] = in_html


def _spliced(name: str, value: str) -> tuple[bytes, bytes]:
    """The value as it stands in the text and in the HTML."""
    if _PLAIN_VALUE.fullmatch(value):
        plain = value.encode() + SOFT_BREAK
        return plain, plain
    return _encoded(name, value)


@lru_cache(maxsize=4096)
def _encoded(name: str, value: str) -> tuple[bytes, bytes]:
    check(name, value)
    return encoded(value), encoded(html.escape(value))


def _whole_lines(subtype: str, body: str) -> str:
    try:
        body.encode()
    except UnicodeEncodeError as error:
        raise CannotBuild(f"The {subtype} part has half a character (a surrogate) at {error.start}.") from None
    lines = re.sub(r"\r\n|\r|\n", "\r\n", body)
    return lines if lines.endswith("\r\n") else lines + "\r\n"


def _parted(boundary: str) -> list[str]:
    return [f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n']


def _part_lines(subtype: str) -> list[str]:
    return [f'Content-Type: text/{subtype}; charset="utf-8"\r\n', "Content-Transfer-Encoding: quoted-printable\r\n"]


def _lines(subject: str, headers: Mapping[str, str]) -> Iterator[tuple[str, str | Line]]:
    """The header lines that come of the letter, by name: written where they are the same for all, else how to."""
    yield "Subject", _line("Subject", subject, text)
    seen: set[str] = set()
    for name, value in headers.items():
        if name.lower() in OWN:
            raise HeaderRefused(f"{name} is made from the letter and its people; it cannot be given beside them.")
        if name.lower() in seen:
            raise HeaderRefused(f"{name} is given twice.")
        seen.add(name.lower())
        yield name, _line(name, value, given)


def _line(name: str, written: str, write: Writer) -> str | Line:
    found, rest = pieces(written)
    if not found:
        return write(name, written)

    def long_way(values: Values) -> bytes:
        try:
            return write(name, fill(written, values)).encode()
        except ValueMissing as missing:
            raise CannotBuild(str(missing)) from None

    [(before, merged), *others] = found
    if others or not re.search(r"<[^<>]*\Z", before) or write is text or name.lower() in ADDRESS_HEADERS:
        return long_way
    return _link_line(merged.name, write(name, before + _A_LINK + rest), long_way)


def _link_line(field: str, written: str, long_way: Line) -> Line:
    """`List-Unsubscribe: <{unsubscribe_url}>`: a plain link needs nothing but to be put in."""
    before, _, after = (part.encode() for part in written.partition(_A_LINK))

    def line(values: Values) -> bytes:
        value = values.get(field, "")
        return before + value.encode() + after if _PLAIN_LINK.fullmatch(value) else long_way(values)

    return line


def _to(name: str, address: str) -> bytes:
    line = f"To: {name} <{address}>"
    # Of 70 characters at most, so that no part of the address is longer than it may be.
    if len(line) <= 70 and _PLAIN_TO.fullmatch(line):
        return line.encode() + b"\r\n"
    if _WORDS.fullmatch(name) and len(name.encode()) < 1.25 * len(name) and _PLAIN_TO.fullmatch(f"To: x <{address}>"):
        # The standard library's quoted-printable for headers leaves more unencoded than a phrase may have, but no word.
        line = f"To: =?utf-8?q?{b2a_qp(name.encode(), header=True).decode()}?= <{address}>"
        if len(line) <= 76:
            return line.encode() + b"\r\n"
    return mailbox("To", name, address).encode()


def _id(message_id: str) -> bytes:
    if not _MESSAGE_ID.fullmatch(message_id) or len(message_id) > 250:
        raise HeaderRefused(f"Message-ID: {message_id!r} is not of the form <left@right>.")
    return f"Message-ID: {message_id}\r\n".encode()


def _date(date: datetime) -> str:
    if date.tzinfo is None:
        raise ValueError("The date of a message needs a time zone.")
    return format_datetime(date)
