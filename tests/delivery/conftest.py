"""A scripted SMTP server on loopback: well-behaved, but for what its script says.

The script maps a step ("connect", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "body", "dot", "RSET", "QUIT", "STARTTLS",
"answer" for a line of AUTH LOGIN) to what is done there instead: bytes to answer, or one of CLOSE, SILENCE, Split.
A list is used up step by step, after which the server behaves.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

CLOSE = "close"
SILENCE = "silence"


@dataclass(frozen=True)
class Split:
    """The answer, one byte in each segment."""

    answer: bytes


@dataclass(frozen=True)
class Closing:
    """The answer, and then the end of the connection."""

    answer: bytes


Action = bytes | str | Split | Closing

GOOD: dict[str, bytes] = {
    "connect": b"220 mail.example.org ESMTP\r\n",
    "EHLO": b"250-mail.example.org\r\n250-SIZE 100000000\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
    "STARTTLS": b"220 Go ahead\r\n",
    "AUTH": b"235 2.7.0 Welcome\r\n",
    "answer": b"235 2.7.0 Welcome\r\n",
    "MAIL": b"250 2.1.0 Sender OK\r\n",
    "RCPT": b"250 2.1.5 Recipient OK\r\n",
    "DATA": b"354 Go on\r\n",
    "dot": b"250 2.0.0 Queued as 42\r\n",
    "RSET": b"250 2.0.0 Forgotten\r\n",
    "QUIT": b"221 2.0.0 Bye\r\n",
}


class Gone(Exception):
    """This connection is over."""


@dataclass
class Server:
    script: dict[str, Action | list[Action]] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    heard: list[str] = field(default_factory=list)
    accepted: list[bytes] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open: list[socket.socket] = []
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(5)

    def action(self, step: str) -> Action | None:
        scripted = self.script.get(step)
        if isinstance(scripted, list):
            return scripted.pop(0) if scripted else GOOD.get(step)
        return scripted if scripted is not None else GOOD.get(step)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self.threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        talk = Talk(self, connection)
        try:
            if self.implicit:
                talk.secure()
            talk.do("connect")
            while True:
                talk.command()
        except (Gone, OSError):
            pass
        finally:
            talk.connection.close()


class Talk:
    def __init__(self, server: Server, connection: socket.socket) -> None:
        self.server, self.connection, self.buffer = server, connection, b""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def command(self) -> None:
        line = self.read_to(b"\r\n").decode()
        self.server.heard.append(line)
        verb = line.partition(" ")[0]
        step = verb if verb in GOOD else "answer"
        self.do(step)
        if verb == "QUIT":
            raise Gone
        if verb == "STARTTLS":
            self.secure()

    def do(self, step: str) -> None:
        action = self.server.action(step)
        if action is None or action == CLOSE:
            raise Gone
        if action == SILENCE:
            while self.connection.recv(65536):
                pass
            raise Gone
        answer = action if isinstance(action, bytes) else action.answer
        if step == "dot" and answer.startswith(b"250"):
            self.server.accepted.append(self.message)
        for segment in [bytes([byte]) for byte in answer] if isinstance(action, Split) else [answer]:
            self.connection.sendall(segment)
        if isinstance(action, Closing):
            raise Gone
        if step == "DATA" and answer.startswith(b"354"):
            self.read_message()

    def read_message(self) -> None:
        if "body" in self.server.script:
            self.connection.recv(1000)
            self.do("body")
        self.message = self.read_to(b"\r\n.\r\n") + b"\r\n"
        self.do("dot")

    def read_to(self, end: bytes) -> bytes:
        while end not in self.buffer:
            received = self.connection.recv(65536)
            if not received:
                raise Gone
            self.buffer += received
        taken, _, self.buffer = self.buffer.partition(end)
        return taken

    def secure(self) -> None:
        assert self.server.tls is not None
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.server.open.append(self.connection)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """A function that starts a server with a script; all are stopped at the end."""
    servers: list[Server] = []

    def start(script: dict[str, Action | list[Action]] | None = None, **options: Any) -> Server:
        servers.append(Server(script or {}, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
