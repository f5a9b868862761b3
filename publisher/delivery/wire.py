"""Bytes to and from one SMTP server: whole replies within a deadline, or `Broken` with the reason.

Own sockets rather than smtplib: that one raises the same SMTPServerDisconnected before DATA and after the dot, has one
time-out for all, reads replies without an end, and does not notice an answer that nobody asked for.
"""

import re
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST_LINE = 2048  # RFC 5321 §4.5.3.1.5 says 512; real servers put web addresses into their refusals
MOST_LINES = 100
BLOCK = 65536

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?")
_ENHANCED = re.compile(r"([245])\.\d{1,3}\.\d{1,3}(?=\s|$)")


class Broken(Exception):
    """This connection cannot be used any more; the text says what happened."""


@dataclass(frozen=True)
class Reply:
    code: int
    lines: tuple[str, ...]

    @property
    def enhanced(self) -> str | None:
        """The code of RFC 3463 ("5.1.1"), unless it contradicts the reply's own."""
        found = _ENHANCED.match(self.lines[0])
        return found[0] if found and found[1] == str(self.code)[0] else None

    @property
    def text(self) -> str:
        """What the server said, in one printable line of at most 500 characters."""
        said = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", " ".join(self.lines))
        return f"{self.code} {said}".strip()[:500]


class Wire:
    """A connected socket and what has been read from it and not yet taken."""

    def __init__(self, host: str, port: int, seconds: float) -> None:
        try:
            self._socket = socket.create_connection((host, port), timeout=seconds)
            # The dot is five bytes of its own; it must not wait for the acknowledgement of what went before.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise Broken(_words(error)) from error
        self._unread = bytearray()

    @property
    def peer(self) -> str:
        """The address at the other end, not the name that was looked up."""
        try:
            return str(self._socket.getpeername()[0])
        except OSError as error:
            raise Broken(_words(error)) from error

    def secure(self, context: ssl.SSLContext, host: str, seconds: float) -> None:
        """From here on everything is encrypted, and the server is who its certificate says."""
        if self._unread:
            # Somebody in between put clear text behind the 220, to be taken as encrypted (CVE-2011-0411).
            raise Broken("bytes in clear text arrived after the agreement to encrypt")
        try:
            self._socket.settimeout(seconds)
            self._socket = context.wrap_socket(self._socket, server_hostname=host)
        except (OSError, ValueError) as error:
            raise Broken(f"no verified TLS: {_words(error)}") from error

    def send(self, data: bytes, seconds: float) -> None:
        """All of it handed to the kernel; the deadline holds for each block (RFC 5321 §4.5.3.2.5)."""
        view = memoryview(data)
        try:
            for start in range(0, len(data), BLOCK):
                self._socket.settimeout(seconds)
                self._socket.sendall(view[start : start + BLOCK])
        except OSError as error:
            raise Broken(_words(error)) from error

    def reply(self, seconds: float) -> Reply:
        """The next reply, whole. The deadline is for all of it: a server that drips gains no time."""
        lines: list[str] = []
        code = b""
        for line in self._lines(time.monotonic() + seconds):
            found = _LINE.fullmatch(line)
            if not found or (code and found[1] != code):
                raise Broken(f"the answer is not SMTP: {line[:80]!r}")
            code = found[1]
            lines.append((found[3] or b"").decode("utf-8", "replace").strip())
            if found[2] != b"-":
                return Reply(int(code), tuple(lines))
        raise Broken(f"the answer has more than {MOST_LINES} lines")

    @property
    def unread(self) -> bytes:
        """What came together with the last reply, behind it."""
        return bytes(self._unread)

    def unasked(self) -> Reply | None:
        """A reply that is there although nothing was asked; None is as it should be, Broken if the end is gone."""
        if not self._unread:
            self._peek()
        return self.reply(0.1) if self._unread else None

    def close(self) -> None:
        self._socket.close()

    def _peek(self) -> None:
        try:
            self._socket.settimeout(0)
            self._take(self._socket.recv(BLOCK))
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError as error:
            raise Broken(_words(error)) from error

    def _lines(self, deadline: float) -> Iterator[bytes]:
        for _ in range(MOST_LINES):
            while (end := self._unread.find(b"\n")) < 0:
                if len(self._unread) > LONGEST_LINE:
                    break
                self._receive(deadline)
            if not 0 <= end <= LONGEST_LINE:
                raise Broken(f"a line of the answer has more than {LONGEST_LINE} bytes")
            line = bytes(self._unread[:end]).removesuffix(b"\r")
            del self._unread[: end + 1]
            yield line

    def _receive(self, deadline: float) -> None:
        try:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            self._take(self._socket.recv(BLOCK))
        except OSError as error:
            raise Broken(_words(error)) from error

    def _take(self, received: bytes) -> None:
        if not received:
            raise Broken("the server closed the connection")
        self._unread += received


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
