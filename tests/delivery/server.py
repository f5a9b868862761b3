"""A scripted SMTP server on loopback: well-behaved, but for what its script says. Its log is the witness.

The script maps a step to what is done there instead (an `Action`; a str is a line, bytes are bytes):

    connect · EHLO · STARTTLS · handshake · AUTH · answer      "answer" is the one to a line of AUTH LOGIN
    MAIL · RCPT · DATA · body · dot · RSET · QUIT              "body" is after the message's first bytes

A list is used up step by step (None: behave), after which the server behaves. With `struck`, what the script says of
MAIL to RSET holds in that transaction alone, counted over all connections by their MAIL.
"""

import contextlib
import re
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

SEGMENTS_APART = 0.01

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

OF_ONE_MESSAGE = {"MAIL", "RCPT", "DATA", "body", "dot", "RSET"}
TAKES = re.compile(rb"(250-[^\n]*\n)*250( [^\n]*|\r?)\n")
OFFERS_PIPELINING = re.compile(rb"\n250[- ]PIPELINING\r?\n", re.IGNORECASE)


class Gone(Exception):
    """This connection is over."""


# ---- What can be done at a step


class Close:
    """The end of the stream (FIN), without a word."""

    def play(self, talk: "Talk", usual: bytes) -> None:
        raise Gone


class Reset:
    """The end of the connection (RST), without a word."""

    def play(self, talk: "Talk", usual: bytes) -> None:
        talk.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone


class HalfClose:
    """The end of the stream in our direction; the other one stays open."""

    def play(self, talk: "Talk", usual: bytes) -> None:
        talk.connection.shutdown(socket.SHUT_WR)


class Silence:
    """Never a word again; what comes is read and forgotten."""

    def play(self, talk: "Talk", usual: bytes) -> None:
        while talk.receive():
            pass
        raise Gone


class Stall:
    """Neither a word nor a read: the other side's buffers fill up."""

    def play(self, talk: "Talk", usual: bytes) -> None:
        talk.resting.set()
        talk.server.stopping.wait()
        raise Gone


@dataclass(frozen=True)
class Says:
    """An answer in one segment; without one, what is usual at this step."""

    answer: bytes | str | None = None

    def words(self, usual: bytes) -> bytes:
        answer = usual if self.answer is None else self.answer
        return answer if isinstance(answer, bytes) else answer.encode() + b"\r\n"

    def play(self, talk: "Talk", usual: bytes) -> None:
        talk.send(self.words(usual))


class Twice(Says):
    """The answer and the same again, in one segment."""

    def words(self, usual: bytes) -> bytes:
        return super().words(usual) * 2


class Half(Says):
    """The first bytes of the answer, and then the end."""

    def words(self, usual: bytes) -> bytes:
        return super().words(usual)[:-2]

    def play(self, talk: "Talk", usual: bytes) -> None:
        super().play(talk, usual)
        raise Gone


class Split(Says):
    """The answer, one byte in each segment."""

    def play(self, talk: "Talk", usual: bytes) -> None:
        for byte in self.words(usual):
            talk.connection.sendall(bytes([byte]))


class Drip(Says):
    """The answer in four pieces, so far apart that each is read alone, and within any deadline."""

    def play(self, talk: "Talk", usual: bytes) -> None:
        words = self.words(usual)
        for piece in (words[:2], words[2:5], words[5:-1], words[-1:]):
            talk.connection.sendall(piece)
            talk.server.stopping.wait(SEGMENTS_APART)


class Endless(Says):
    """The answer's code, one more byte again and again, and its end when nobody should wait for it any more."""

    def words(self, usual: bytes) -> bytes:
        return super().words(usual)[:4]

    def play(self, talk: "Talk", usual: bytes) -> None:
        super().play(talk, usual)
        talk.resting.set()
        for _ in range(100):
            talk.server.stopping.wait(SEGMENTS_APART)
            talk.connection.sendall(b".")
        talk.connection.sendall(b"\r\n")
        talk.resting.clear()


class Closing(Says):
    """The answer, and then the end of the connection."""

    def play(self, talk: "Talk", usual: bytes) -> None:
        super().play(talk, usual)
        raise Gone


class Hold(Says):
    """The answer is kept back and goes out in one segment with the next one."""

    def play(self, talk: "Talk", usual: bytes) -> None:
        talk.held += self.words(usual)


class Deaf(Says):
    """The answer; whatever had come together with the question is forgotten."""

    def play(self, talk: "Talk", usual: bytes) -> None:
        talk.buffer.clear()
        super().play(talk, usual)


class Mute(Says):
    """Done as if it had been answered, without a word."""

    def play(self, talk: "Talk", usual: bytes) -> None:
        pass


@dataclass(frozen=True)
class Late(Says):
    """The usual answer, and once the client has read it and gone on, something that nobody asked for."""

    then: "Action" = b""

    def play(self, talk: "Talk", usual: bytes) -> None:
        super().play(talk, usual)
        while not (talk.server.released.wait(SEGMENTS_APART) or talk.buffer or talk.is_spoken_to()):
            pass
        as_deed(self.then).play(talk, usual)


@dataclass(frozen=True)
class Taken:
    """The message is taken whatever the client is told of it: the moment of RFC 1047."""

    then: "Action"

    def play(self, talk: "Talk", usual: bytes) -> None:
        as_deed(self.then).play(talk, usual)


@dataclass(frozen=True)
class Before:
    """Done while the client cannot get rid of what it sends: nothing more is read until it has given up.

    Were it read on, the whole message might have left before the client looks, and the outcome would be another.
    """

    then: "Action"

    def play(self, talk: "Talk", usual: bytes) -> None:
        as_deed(self.then).play(talk, usual)
        Stall().play(talk, usual)


@dataclass(frozen=True)
class Presented:
    """The handshake is made, with a certificate of this kind."""

    kind: str

    def play(self, talk: "Talk", usual: bytes) -> None:
        talk.encrypt(talk.server.certificates(self.kind))


Deed = Close | Reset | HalfClose | Silence | Stall | Says | Taken | Before | Presented
Action = bytes | str | Deed

CLOSE, RESET, HALF_CLOSE, SILENCE, STALL = Close(), Reset(), HalfClose(), Silence(), Stall()
SPLIT, DRIP, ENDLESS, HALF, TWICE = Split(), Drip(), Endless(), Half(), Twice()
HOLD, DEAF, MUTE = Hold(), Deaf(), Mute()


def as_deed(action: Action) -> Deed:
    return Says(action) if isinstance(action, bytes | str) else action


def words_of(deed: Deed, usual: bytes) -> bytes:
    return deed.words(usual) if isinstance(deed, Says) else b""


# ---- The server


def no_certificates(kind: str) -> ssl.SSLContext:
    raise LookupError(f"this server has no certificate that is {kind}")


@dataclass
class Server:
    script: dict[str, Action | list[Action | None]] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    good: dict[str, bytes] = field(default_factory=lambda: GOOD)
    struck: int = 0
    certificates: Callable[[str], ssl.SSLContext] = no_certificates
    heard: list[str] = field(default_factory=list)
    log: list[tuple[str, bytes]] = field(default_factory=list)
    hasty: list[str] = field(default_factory=list)
    connections: int = 0
    transactions: int = 0

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.port = self.listener.getsockname()[1]
        self.open: list[socket.socket] = []
        self.talks: list[Talk] = []
        self.stopping, self.released = threading.Event(), threading.Event()
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    @property
    def accepted(self) -> list[bytes]:
        """The messages that were taken, as they came: dots still doubled."""
        return [message for _, message in self.log]

    def settle(self) -> None:
        """Until all is done that follows what was answered: late words are said, ends are made."""
        self.released.set()
        for talk in self.talks:
            assert talk.resting.wait(10)
        self.released.clear()

    def stop(self) -> None:
        self.stopping.set()
        self.released.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(5)

    def scripted(self, step: str) -> Deed | None:
        if self.struck and step in OF_ONE_MESSAGE and self.transactions != self.struck:
            return None
        action = self.script.get(step)
        if isinstance(action, list):
            action = action.pop(0) if action else None
        return None if action is None else as_deed(action)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(connection)
            self.talks.append(Talk(self, connection))
            thread = threading.Thread(target=self._serve, args=(self.talks[-1],))
            self.threads.append(thread)
            thread.start()

    def _serve(self, talk: "Talk") -> None:
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
            talk.resting.set()


class Talk:
    """One connection's side of the server."""

    def __init__(self, server: Server, connection: socket.socket) -> None:
        self.server, self.connection = server, connection
        self.buffer, self.held, self.message = bytearray(), b"", b""
        self.sender, self.recipient, self.lines = False, "", 0
        self.pipelining = False
        self.resting = threading.Event()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def command(self) -> None:
        line = self.read_to(b"\r\n").decode()
        self.server.heard.append(line)
        verb = line.partition(" ")[0]
        step = verb if verb in GOOD else "answer"
        self.notice_haste(step, line)
        if step == "MAIL":
            self.server.transactions += 1
        answer = self.do(step, line)
        if step == "QUIT":
            raise Gone
        if step == "STARTTLS" and answer.startswith(b"220"):
            self.secure()
        if step == "DATA" and answer.startswith(b"354"):
            self.read_message()

    def notice_haste(self, step: str, line: str) -> None:
        """More must not come before the answer, but for what RFC 2920 allows once it was offered."""
        if self.buffer and not (self.pipelining and step in ("MAIL", "RCPT", "RSET", "dot")):
            self.server.hasty.append(line)

    def do(self, step: str, line: str = "") -> bytes:
        usual = self.usual(step, line)
        deed = self.server.scripted(step) or Says()
        answer = words_of(deed, usual)
        if step == "dot" and (isinstance(deed, Taken) or TAKES.match(answer)):
            self.server.log.append((self.recipient, self.message))
        self.remember(step, line, answer)
        deed.play(self, usual)
        return answer

    def usual(self, step: str, line: str) -> bytes:
        if step == "RCPT" and not self.sender:
            return b"503 5.5.1 MAIL first\r\n"
        if step in ("DATA", "dot") and not self.recipient:
            return b"554 5.5.1 No valid recipients\r\n"
        if (step, line) == ("AUTH", "AUTH LOGIN"):
            return b"334 VXNlcm5hbWU6\r\n"
        if step == "answer" and self.lines == 0:
            return b"334 UGFzc3dvcmQ6\r\n"
        return self.server.good[step]

    def remember(self, step: str, line: str, answer: bytes) -> None:
        """What the answer, or the message's end, makes of this transaction."""
        fine = answer.startswith(b"2")
        if step == "EHLO":
            self.pipelining = OFFERS_PIPELINING.search(answer) is not None
        if step in ("EHLO", "MAIL", "RSET", "dot"):
            self.sender, self.recipient = step == "MAIL" and fine, ""
        if step == "RCPT" and fine:
            self.recipient = line.partition("<")[2].partition(">")[0]
        self.lines += step == "answer"

    def read_message(self) -> None:
        if (deed := self.server.scripted("body")) is not None:
            self.read_to(b"", leave=True)
            deed.play(self, b"")
        self.message = bytes(self.read_to(b"\r\n.\r\n")) + b"\r\n"
        self.notice_haste("dot", ".")
        self.do("dot")

    def read_to(self, end: bytes, *, leave: bool = False) -> bytearray:
        """What comes before this end, which may have come already; without an end, whatever comes first."""
        searched = 0
        while not self.buffer or (at := self.buffer.find(end, searched)) < 0:
            searched = max(0, len(self.buffer) - len(end))
            self.buffer += self.receive() or self.gone()
        if leave:
            return self.buffer
        taken = self.buffer[:at]
        del self.buffer[: at + len(end)]
        return taken

    def receive(self) -> bytes:
        self.resting.set()
        received = self.connection.recv(65536)
        self.resting.clear()
        return received

    def is_spoken_to(self) -> bool:
        return bool(select.select([self.connection], [], [], 0)[0])

    def gone(self) -> bytes:
        raise Gone

    def send(self, answer: bytes) -> None:
        self.connection.sendall(self.held + answer)
        self.held = b""

    def secure(self) -> None:
        deed = self.server.scripted("handshake")
        if isinstance(deed, Presented):
            deed.play(self, b"")
        elif deed is not None:
            self.receive()  # An end before the client's first word makes CPython forget to close its socket.
            deed.play(self, b"")
            raise Gone
        else:
            assert self.server.tls is not None
            self.encrypt(self.server.tls)

    def encrypt(self, context: ssl.SSLContext) -> None:
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.server.open.append(self.connection)
