"""SMTP replies out of a stream of bytes: whole ones, one by one, or `Broken` with the reason. No socket in here."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from ..printable import one_line

LONGEST_LINE = 2048  # RFC 5321 §4.5.3.1.5 says 512; real servers put web addresses into their refusals
MOST_LINES = 100

_CODES = {str(code).encode(): code for code in range(200, 600)}
_ENHANCED = re.compile(r"([245])\.\d{1,3}\.\d{1,3}(?=\s|$)")


class Broken(Exception):
    """This connection cannot be used any more; the text says what happened."""


class Reply(NamedTuple):
    """A reply: its code, and what stands behind the code in each of its lines."""

    code: int
    said: tuple[bytes, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(line.decode("utf-8", "replace").strip() for line in self.said)

    @property
    def enhanced(self) -> str | None:
        """The code of RFC 3463 ("5.1.1"), unless it contradicts the reply's own."""
        return enhanced_code(self.code, self.lines[0][:24])

    @property
    def text(self) -> str:
        """What the server said, in one printable line of at most 500 characters."""
        said = " ".join(self.lines)
        if not said.isprintable():
            said = one_line(said)
        return f"{self.code} {said}".strip()[:500]


@lru_cache(maxsize=256)
def enhanced_code(code: int, said: str) -> str | None:
    found = _ENHANCED.match(said)
    return found[0] if found and found[1] == str(code)[0] else None


class Replies:
    """The replies in what has arrived so far. Feed it with `add`, take from it with `take`."""

    def __init__(self) -> None:
        self._bytes = b""
        self._at = 0  # where the next line begins: what is before has been taken
        self._code = b""  # of the reply that is half read
        self._said: list[bytes] = []

    def add(self, received: bytes) -> None:
        self._bytes = self._bytes[self._at :] + received
        self._at = 0

    def take(self) -> Reply | None:
        """The next whole reply, or None until more has arrived. Broken where this is no SMTP."""
        while (end := self._bytes.find(b"\n", self._at)) >= 0:
            line = self._bytes[self._at : end]
            self._at = end + 1
            reply = self._line(line[:-1] if line.endswith(b"\r") else line)
            if reply is not None:
                return reply
        if len(self._bytes) - self._at > LONGEST_LINE + 1:  # a CR may be among them
            raise Broken(f"a line of the answer has more than {LONGEST_LINE} bytes")
        return None

    @property
    def rest(self) -> bytes:
        """What has arrived and was not taken: part of a reply, or one that nobody waits for."""
        return b"".join(b"%b-%b\n" % (self._code, line) for line in self._said) + self._bytes[self._at :]

    @property
    def empty(self) -> bool:
        return self._at == len(self._bytes) and not self._said

    def _line(self, line: bytes) -> Reply | None:
        code, mark = line[:3], line[3:4]
        if len(line) > LONGEST_LINE:
            raise Broken(f"a line of the answer has more than {LONGEST_LINE} bytes")
        if code not in _CODES or mark not in b" -" or (self._said and code != self._code):
            raise Broken(f"the answer is not SMTP: {line[:80]!r}")
        if mark != b"-" and not self._said:
            return Reply(_CODES[code], (line[4:],))
        self._code = code
        self._said.append(line[4:])
        if mark == b"-":
            if len(self._said) >= MOST_LINES:
                raise Broken(f"the answer has more than {MOST_LINES} lines")
            return None
        said, self._said = tuple(self._said), []
        return Reply(_CODES[code], said)
