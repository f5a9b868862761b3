"""Text as quoted-printable (RFC 2045 §6.7), in pieces that can be put together as bytes.

Each piece ends where a line ends: at a line end of the text, else at a soft break. So the rules of a line hold for
every piece by itself, and `encoded(a) + encoded(b)` decodes to a + b, whatever a and b begin or end with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["SOFT_BREAK", "encoded"]

SOFT_BREAK = b"=\r\n"
ROOM = 75  # of the 76 characters that a line may have, one is kept for the soft break

_NOT_LITERAL = re.compile(rb"[^\t -<>-~]")
#: A lone dot would end the message in SMTP; with all leading ones encoded nothing has to be stuffed on the wire, and
#: what a signature covers is what is sent. Mailboxes in mbox format put a ">" before "From ".
_NOT_FIRST = (b".", b"From ")


def encoded(text: str) -> bytes:
    """Lines of at most 76 characters, all with CRLF. The text's own line ends have to be CRLF."""
    *lines, rest = text.encode().split(b"\r\n")
    whole = (piece for line in lines for piece in (*_broken(_quoted(line, whole=True)), b"\r\n"))
    begun = (*_broken(_quoted(rest)), SOFT_BREAK) if rest else ()
    return b"".join((*whole, *begun))


def _quoted(line: bytes, whole: bool = False) -> bytes:
    quoted = _NOT_LITERAL.sub(lambda found: b"=%02X" % found[0][0], line)
    # Blanks before a line end are lost on the way; before a soft break they are not.
    return quoted[:-1] + b"=%02X" % quoted[-1] if whole and quoted.endswith((b" ", b"\t")) else quoted


def _broken(line: bytes) -> Iterator[bytes]:
    at = 0
    while True:
        first = b""
        if line.startswith(_NOT_FIRST, at):
            first = b"=%02X" % line[at]
            at += 1
        cut = at + ROOM - len(first)
        if cut >= len(line):
            yield first + line[at:]
            return
        torn = line.rfind(b"=", cut - 2, cut)  # "=C3" stays whole
        cut = torn if torn >= 0 else cut
        yield first + line[at:cut] + SOFT_BREAK
        at = cut
