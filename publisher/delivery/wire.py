"""Bytes to and from one SMTP server: whole replies within a deadline, or `Broken` with the reason.

Own sockets rather than smtplib: that one raises the same SMTPServerDisconnected before DATA and after the dot, has one
time-out for all, reads replies without an end, and does not notice an answer that nobody asked for.
"""

import select
import socket
import ssl
import time
from contextlib import suppress

from .outcomes import break_in_words
from .reading import Broken, Replies, Reply

BLOCK = 65536


class Wire:
    """A connected socket and what has been read from it and not yet taken."""

    def __init__(self, host: str, port: int, seconds: float) -> None:
        try:
            self._socket = socket.create_connection((host, port), timeout=seconds)
            # The dot is five bytes of its own; it must not wait for the acknowledgement of what went before.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise Broken(break_in_words(error)) from error
        self._replies = Replies()

    @property
    def peer(self) -> str:
        """The address at the other end, not the name that was looked up."""
        try:
            return str(self._socket.getpeername()[0])
        except OSError as error:
            raise Broken(break_in_words(error)) from error

    def secure(self, context: ssl.SSLContext, host: str, seconds: float) -> None:
        """From here on everything is encrypted, and the server is who its certificate says."""
        if self.unread:
            # Somebody in between put clear text behind the 220, to be taken as encrypted (CVE-2011-0411).
            raise Broken("bytes in clear text arrived after the agreement to encrypt")
        try:
            self._socket.settimeout(seconds)
            self._socket = context.wrap_socket(self._socket, server_hostname=host)
        except (OSError, ValueError) as error:
            raise Broken(f"no verified TLS: {break_in_words(error)}") from error

    def send(self, data: bytes, seconds: float) -> None:
        """All of it handed to the kernel, within the deadline."""
        try:
            self._socket.settimeout(seconds)
            self._socket.sendall(data)
        except OSError as error:
            raise Broken(break_in_words(error)) from error

    def send_unless_spoken_to(self, data: bytes, seconds: float) -> Reply | None:
        """The same for what is long: where the server speaks before all has left, no more does; its reply.

        The deadline holds for each block (RFC 5321 §4.5.3.2.5).
        """
        left = memoryview(data)
        while left:
            if (reply := self.unasked()) is not None:
                return reply
            try:
                left = left[self._send_some(left[:BLOCK], seconds) :]
            except OSError as error:
                with suppress(Broken):  # its last words may be there, though it is gone
                    if (reply := self.unasked()) is not None:
                        return reply
                raise Broken(break_in_words(error)) from error
        return None

    def _send_some(self, data: memoryview, seconds: float) -> int:
        try:
            self._socket.settimeout(0)
            return self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if not any(select.select([self._socket], [self._socket], [], seconds)):
                raise TimeoutError from None
            return 0

    def reply(self, seconds: float) -> Reply:
        """The next reply, whole. The deadline is for all of it: a server that drips gains no time."""
        deadline = time.monotonic() + seconds
        while (reply := self._replies.take()) is None:
            self._receive(deadline)
        return reply

    @property
    def unread(self) -> bytes:
        """What came together with the last reply, behind it."""
        return self._replies.rest

    def unasked(self) -> Reply | None:
        """A reply that is there although nothing was asked; None is as it should be, Broken if the end is gone."""
        if not self.unread:
            self._peek()
        return self.reply(0.1) if self.unread else None

    def close(self) -> None:
        self._socket.close()

    def _peek(self) -> None:
        try:
            self._socket.settimeout(0)
            self._take(self._socket.recv(BLOCK))
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError as error:
            raise Broken(break_in_words(error)) from error

    def _receive(self, deadline: float) -> None:
        try:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            self._take(self._socket.recv(BLOCK))
        except OSError as error:
            raise Broken(break_in_words(error)) from error

    def _take(self, received: bytes) -> None:
        if not received:
            raise Broken("the server closed the connection")
        self._replies.add(received)
