"""One non-blocking connection to a relay: from connecting to the goodbye, driven by what the socket is ready for."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import time
from contextlib import suppress
from typing import Any, NamedTuple

from .. import faults
from .dialogue import Dialogue, Keeper, Transaction
from .opening import Step, opening
from .outcomes import Ended, Outcome, Timeouts, break_in_words, broken, out_of_turn
from .reading import Broken, Replies, Reply
from .relays import Relay
from .replies import Phase

READ, WRITE = 1, 2  # as in selectors
_BLOCK = 65536
#: Of pieces in one call; the system takes 1,024.
_MOST_PIECES = 512


class Place(NamedTuple):
    """One address of a relay, as getaddrinfo gives it."""

    family: int
    kind: int
    protocol: int
    address: Any


class Connection:
    """Opens by itself; when `dialogue` is there it can be talked over, when `over` is there it is closed."""

    def __init__(
        self,
        relay: Relay,
        place: Place,
        *,
        helo: str,
        keeper: Keeper,
        timeouts: Timeouts,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.relay, self.keeper, self.timeouts = relay, keeper, timeouts
        self.dialogue: Dialogue | None = None
        self.over: Outcome | None = None
        #: When a whole answer last came, or bytes went: the time limits count from then, and dripping gains nothing.
        self.since = 0.0
        self._tls = tls
        self._unsent: memoryview | bytes = b""
        self._behind_dot = 0
        self._phase = Phase.CONNECT
        self._handshaking = self._encrypted = False
        self._replies = Replies()
        self._steps = opening(relay, helo, self._peer)
        self._socket: socket.socket = socket.socket(place.family, place.kind, place.protocol)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.interest = WRITE
        self.since = time.monotonic()
        error = self._socket.connect_ex(place.address)
        if error not in (0, errno.EINPROGRESS):  # no way there; how it went else is asked when it can be written
            self._socket.close()
            raise OSError(error, os.strerror(error))

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def phase(self) -> Phase:
        if self._unsent and self.dialogue:
            return Phase.BODY
        return self.dialogue.phase if self.dialogue else self._phase

    @property
    def late_at(self) -> float:
        """When the time for what we wait for is over; an idle connection has all the time."""
        if self.dialogue and self.dialogue.idle and not self._unsent:
            return float("inf")
        return self.since + self.timeouts.of(self.phase)

    @property
    def _dot_left(self) -> bool:
        """Whether the kernel has the whole of what was handed over last, with its dot."""
        return len(self._unsent) <= self._behind_dot

    # What the loop calls.

    def go_over_to(self, keeper: Keeper) -> None:
        """What is done from here on is for another keeper."""
        self.keeper = keeper
        if self.dialogue:
            self.dialogue.go_over_to(keeper)

    def ready(self, mask: int) -> None:
        """The socket can be read or written, or both."""
        if self.over:
            return
        if self._phase is Phase.CONNECT:
            self._connected()
        elif self._handshaking:
            self._shake_hands()
        else:
            # Reading first: after the server's end there is no use in pushing, and the dot must not follow it.
            if mask & READ or self._unsent:
                self._read()
            if mask & WRITE and self._unsent and not self.over:
                self._push()

    def quiet(self) -> bool:
        """Whether nothing has come that was not asked for. Where something has, the connection ends."""
        self._read()
        return self.over is None

    def announce(self, transaction: Transaction) -> None:
        assert self.dialogue is not None
        self._send(self.dialogue.announce(transaction))
        faults.point("announced")

    def hand_over(self, following: Transaction | None) -> None:
        """The message that the server waits for, and the beginning of the next."""
        assert self.dialogue is not None
        pieces, self._behind_dot = self.dialogue.hand_over(following)
        if faults.planned("half"):
            data = b"".join(pieces)
            self._send(data[: len(data) // 2])
            faults.point("half")
            self._send(data[len(data) // 2 :])
        elif self._unsent or self._encrypted or len(pieces) > _MOST_PIECES:
            self._send(b"".join(pieces))
        else:
            self._push_pieces(pieces)
        faults.point("handed")

    def late(self) -> None:
        self._lose("no answer in time")

    def drop(self, why: str) -> None:
        """End it now. What was not handed over can be sent by another."""
        self._lose(why)

    def close(self) -> None:
        """Say goodbye. Nothing may be under way."""
        if not self.over and self.dialogue:
            self._say_goodbye()
        self._shut(broken(self.relay, Phase.QUIT, "closed by us"))

    # Connecting.

    def _connected(self) -> None:
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._lose(os.strerror(error))
            return
        self._phase, self.interest = Phase.GREETING, READ
        self._step(None)

    def _step(self, reply: Reply | None) -> None:
        """Go on with the opening: the next line, encryption, or the end of it."""
        try:
            step = self._steps.send(reply)
        except StopIteration as opened:
            faults.point("connected")
            self.dialogue = Dialogue(self.relay, opened.value, self.keeper)
            return
        except Ended as ended:
            self._shut(ended.outcome)
            return
        self._take(step)

    def _take(self, step: Step) -> None:
        self._phase = step.phase
        if self._replies.rest and step.encrypt:
            # Somebody put clear text there, to be taken as encrypted (CVE-2011-0411).
            self._lose("bytes in clear text arrived after the agreement to encrypt")
        elif self._replies.rest:
            self._spoke_early()
        elif step.encrypt:
            context = self._tls or ssl.create_default_context()
            self._wrap(context)
        elif step.line:
            self._send(step.line + b"\r\n")

    def _wrap(self, context: ssl.SSLContext) -> None:
        try:
            self._socket = context.wrap_socket(
                self._socket, server_hostname=self.relay.host, do_handshake_on_connect=False
            )
        except (OSError, ValueError) as error:
            self._lose(f"no verified TLS: {break_in_words(error)}")
        else:
            self._encrypted = True
            self._handshaking, self.interest, self.since = True, READ | WRITE, time.monotonic()

    def _shake_hands(self) -> None:
        assert isinstance(self._socket, ssl.SSLSocket)
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            self.interest = READ
        except ssl.SSLWantWriteError:
            self.interest = WRITE
        except (OSError, ValueError) as error:
            self._lose(f"no verified TLS: {break_in_words(error)}")
        else:
            self._handshaking, self.interest = False, READ
            self._step(None)

    def _peer(self) -> str:
        return str(self._socket.getpeername()[0])

    # Bytes.

    def _read(self) -> None:
        """All that is there. With TLS a record may hold more than one call gives."""
        while not self.over:
            try:
                data = self._socket.recv(_BLOCK)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                self._lose(break_in_words(error))
                return
            if not data:
                self._lose("the server closed the connection")
            elif self.dialogue:
                self._hear(self.dialogue, data)
            else:
                self._open(data)
            if len(data) < _BLOCK and not self._encrypted:
                return

    def _hear(self, dialogue: Dialogue, data: bytes) -> None:
        heard = dialogue.heard
        said = b""
        if self._unsent and not self._dot_left:
            dialogue.interrupted(data)
        else:
            said = dialogue.receive(data)
        if dialogue.heard != heard:
            self.since = time.monotonic()
        if dialogue.over:
            if dialogue.polite:
                self._say_goodbye()
            self._shut(dialogue.over)
        elif said:
            self._send(said)

    def _open(self, data: bytes) -> None:
        try:
            self._replies.add(data)
            reply = self._replies.take()
        except Broken as why:
            self._lose(why)
            return
        if reply is not None:
            self.since = time.monotonic()
            self._step(reply)
            if not self.over and self.dialogue and self._replies.rest:
                self._phase, self.dialogue = Phase.MAIL, None
                self._spoke_early()

    def _spoke_early(self) -> None:
        """An answer before the question belongs to another question; taking it would shift all that follow."""
        with suppress(Broken):
            if reply := self._replies.take():
                self._shut(out_of_turn(self.relay, self._phase, reply))
        self._lose("it spoke before it was asked")

    def _send(self, data: bytes) -> None:
        if not data or self.over:
            return
        self._unsent = memoryview(bytes(self._unsent) + data) if self._unsent else data
        self._push()

    def _push(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            sent = 0
        except OSError as error:
            self._lose(break_in_words(error))
            return
        self._keep_beyond(sent, self._unsent)

    def _push_pieces(self, pieces: list[bytes]) -> None:
        """The same without a copy: nearly always the kernel takes all."""
        try:
            sent = self._socket.sendmsg(pieces)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._unsent = b"".join(pieces)  # none of it has left
            self._lose(break_in_words(error))
            return
        if sent == sum(map(len, pieces)):
            self.since = time.monotonic()
        else:
            self._keep_beyond(sent, b"".join(pieces))

    def _keep_beyond(self, sent: int, data: memoryview | bytes) -> None:
        if sent:
            self.since = time.monotonic()
        left = len(data) - sent
        self._unsent = memoryview(data)[sent:] if left else b""
        self.interest = READ | WRITE if left else READ

    # Ends.

    def _lose(self, why: object) -> None:
        outcome = broken(self.relay, self.phase, why)
        if self.dialogue:
            self.dialogue.lost(why, dot_left=self._dot_left)
            outcome = self.dialogue.over or outcome
        self._shut(outcome)

    def _say_goodbye(self) -> None:
        if not self._unsent:
            with suppress(OSError):
                self._socket.send(b"QUIT\r\n")

    def _shut(self, outcome: Outcome) -> None:
        if self.over is None:
            self.over = outcome
            self._steps.close()
            self._socket.close()
