"""A mail server that keeps nothing but a log: what the sender is measured against, and judged by.

    python -m benchmarks.sink --log FILE [--port N] [--slow SECONDS] [--cut N] [--certificate PEM] [--keep FILE]

The log is written with write(2) before the reply is, so that it survives whoever is killed. One line per event:

    time opened|closed connection - -
    time accepted   connection recipient message-id    the message is ours from here on; the 250 follows
    time unanswered connection recipient message-id    its bytes were whole, and no reply reached the client
    time broken     connection recipient message-id    the connection ended within the transaction

An unanswered message may have been accepted or not, as with a real server: the sink does the one and the other
in turn. SIGUSR1 cuts all connections at once, SIGUSR2 ends the slowness.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import itertools
import os
import re
import selectors
import signal
import socket
import ssl
import sys
import time
from pathlib import Path

END = b"\r\n.\r\n"
PIECE = 256 * 1024
LONGEST_LINE = 4096
OFFERS = (b"PIPELINING", b"SIZE 100000000", b"8BITMIME", b"SMTPUTF8", b"ENHANCEDSTATUSCODES")
MESSAGE_ID = re.compile(rb"^Message-ID:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
ADDRESS = re.compile(rb"<([^>]*)>")
#: What a connection that has nothing to say, or nothing yet, looks like.
NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Sink:
    """The loop over all connections, and what they share: the log, the clock of slow replies, the turn of fates."""

    def __init__(
        self,
        log: Path,
        *,
        port: int = 0,
        slow: float = 0,
        cut: int = 0,
        certificate: Path | None = None,
        keep: Path | None = None,
    ):
        self.slow, self.cut, self.keep, self.taken = slow, cut, keep, 0
        self.tls = _context(certificate) if certificate else None
        self.piece = memoryview(bytearray(PIECE))
        self.listener = socket.create_server(("127.0.0.1", port), backlog=1000)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self._hear_signals()
        self.talks: set[Talk] = set()
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._due: list[tuple[float, int, Talk]] = []
        self._numbers = itertools.count(1)
        self._fates = itertools.cycle([True, False])

    def run(self) -> None:
        while True:
            for key, events in self.selector.select(self._until_due()):
                key.data(events)
            while self._due and self._due[0][0] <= time.monotonic():
                heapq.heappop(self._due)[2].answer()

    def note(self, event: str, talk: Talk) -> None:
        said = f"{time.time():.6f} {event} {talk.number} {talk.recipient or '-'} {talk.message_id or '-'}\n"
        os.write(self._log, said.encode())

    def later(self, talk: Talk) -> None:
        heapq.heappush(self._due, (time.monotonic() + self.slow, next(self._numbers), talk))

    def keeps(self) -> bool:
        """Whether a message without a reply is accepted all the same: in turn it is and is not."""
        return next(self._fates)

    def _hear_signals(self) -> None:
        """As input of the loop: a handler would run in the middle of whatever is being done."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(theirs.fileno())
        self._wakers = ours, theirs
        self.selector.register(ours, selectors.EVENT_READ, self._obey)

    def _obey(self, _: int) -> None:
        for number in self._wakers[0].recv(64):
            if number == signal.SIGUSR1:
                for talk in list(self.talks):
                    talk.end()
            elif number == signal.SIGUSR2:
                self.slow = 0
            elif number == signal.SIGTERM:
                sys.exit()

    def _until_due(self) -> float | None:
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else None

    def _accept(self, _: int) -> None:
        with contextlib.suppress(BlockingIOError):
            connection, _ = self.listener.accept()
            self.talks.add(Talk(self, connection, next(self._numbers)))


class Talk:
    """One connection. Its input is taken in order; while a reply is due nothing of it is looked at."""

    def __init__(self, sink: Sink, connection: socket.socket, number: int) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sink, self.connection, self.number = sink, connection, number
        self.input, self.output = bytearray(), bytearray()
        self.recipient = self.message_id = ""
        self.looked = 0  # how far the end of the message was looked for
        self.in_message = self.whole = self.gone = self.over = self.secured = False
        sink.selector.register(connection, selectors.EVENT_READ, self.ready)
        sink.note("opened", self)
        self._say(b"220 sink.example ESMTP")
        self._flush()

    def ready(self, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._flush()
        if events & selectors.EVENT_READ and not self.over:
            self._read()

    def answer(self) -> None:
        """The reply is due now."""
        if not self.over:
            self._settle()
            self._go_on()

    def _settle(self) -> None:
        """The whole message is accepted, or else the connection ends."""
        sink = self.sink
        sink.taken += 1
        if self.gone or (sink.cut and sink.taken % sink.cut == 0):
            self.end()
            return
        sink.note("accepted", self)
        self._forget()
        self._say(b"250 2.0.0 Accepted")

    def end(self) -> None:
        """Close, and note what became of the message that was under way."""
        if self.over:
            return
        if self.whole:
            if self.sink.keeps():
                self.sink.note("accepted", self)
            self.sink.note("unanswered", self)
        elif self.recipient:
            self.sink.note("broken", self)
        self._forget()
        self.over = True
        self._unwatch()
        self.connection.close()
        self.sink.talks.discard(self)
        self.sink.note("closed", self)

    def _read(self) -> None:
        try:
            while not self.over:
                count = self.connection.recv_into(self.sink.piece)
                if not count:
                    self._leave()
                    return
                self.input += self.sink.piece[:count]
                self._go_on()
                if count < PIECE and not self.secured:
                    return  # Asking again would only be told: nothing yet.
        except NOT_NOW:
            return
        except OSError:
            self._leave()

    def _leave(self) -> None:
        """The client is gone. What it has sent whole still gets its turn: a server does not know yet either."""
        self.gone = True
        if self.whole:
            self._unwatch()
        else:
            self.end()

    def _go_on(self) -> None:
        while not (self.whole or self.over) and (self._take_message() if self.in_message else self._take_line()):
            pass
        if not self.over:
            self._flush()

    def _take_line(self) -> bool:
        end = self.input.find(b"\r\n")
        if end < 0:
            if len(self.input) > LONGEST_LINE:
                self.end()
            return False
        line = bytes(self.input[:end])
        # The line end of DATA stays: a message may be empty, and its end is looked for from there.
        verb = line[:4].upper()
        del self.input[: end if verb == b"DATA" and self.recipient else end + 2]
        COMMANDS.get(verb, Talk._unknown)(self, line)
        return not self.over

    def _take_message(self) -> bool:
        end = self.input.find(END, max(0, self.looked - len(END)))
        if end < 0:
            self.looked = len(self.input)
            return False
        found = MESSAGE_ID.search(self.input, 0, min(end, 8192))
        self.message_id = found[1].decode("ascii", "replace") if found else ""
        if self.sink.keep:
            self.sink.keep.write_bytes(self.input[2 : end + 2].replace(b"\r\n..", b"\r\n."))
            self.sink.keep = None
        del self.input[: end + len(END)]
        self.in_message, self.whole, self.looked = False, True, 0
        if self.sink.slow:
            self.sink.later(self)
        else:
            self._settle()
        return not self.over

    def _hello(self, line: bytes) -> None:
        offers = [b"sink.example"]
        if line[:4].upper() == b"EHLO":
            offers += OFFERS
            offers += [b"STARTTLS"] if self.sink.tls and not self.secured else []
        for offer in offers[:-1]:
            self._say(b"250-" + offer)
        self._say(b"250 " + offers[-1])

    def _mail(self, line: bytes) -> None:
        self._forget()
        self._say(b"250 2.1.0 Sender taken")

    def _rcpt(self, line: bytes) -> None:
        found = ADDRESS.search(line)
        if self.recipient or not found:
            self._say(b"452 4.5.3 One recipient at a time")
            return
        self.recipient = found[1].decode("utf-8", "replace").replace(" ", "?")
        self._say(b"250 2.1.5 Recipient taken")

    def _data(self, line: bytes) -> None:
        if not self.recipient:
            self._say(b"503 5.5.1 For whom?")
            return
        self.in_message = True
        self._say(b"354 Go on")

    def _reset(self, line: bytes) -> None:
        self._forget()
        self._say(b"250 2.0.0 Fine")

    def _quit(self, line: bytes) -> None:
        self._forget()
        self._say(b"221 2.0.0 Bye")
        self._flush()
        self.end()

    def _start_tls(self, line: bytes) -> None:
        if self.sink.tls is None or self.secured or self.input:
            self._say(b"503 5.5.1 Not now")
            return
        self._say(b"220 2.0.0 Go on")
        self._flush()
        self.sink.selector.unregister(self.connection)
        self.connection = self.sink.tls.wrap_socket(self.connection, server_side=True, do_handshake_on_connect=False)
        self.secured = True
        self.sink.selector.register(self.connection, selectors.EVENT_READ, self.ready)

    def _unknown(self, line: bytes) -> None:
        self._say(b"502 5.5.2 Not understood")

    def _forget(self) -> None:
        self.recipient = self.message_id = ""
        self.whole = self.in_message = False

    def _say(self, line: bytes) -> None:
        self.output += line + b"\r\n"

    def _flush(self) -> None:
        if not self.output:
            return
        try:
            del self.output[: self.connection.send(self.output)]
        except NOT_NOW:
            pass
        except OSError:
            self._leave()
            return
        self._watch(selectors.EVENT_READ | (selectors.EVENT_WRITE if self.output else 0))

    def _watch(self, events: int) -> None:
        if not self.gone and self.sink.selector.get_key(self.connection).events != events:
            self.sink.selector.modify(self.connection, events, self.ready)

    def _unwatch(self) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self.sink.selector.unregister(self.connection)


COMMANDS = {
    b"EHLO": Talk._hello,
    b"HELO": Talk._hello,
    b"MAIL": Talk._mail,
    b"RCPT": Talk._rcpt,
    b"DATA": Talk._data,
    b"RSET": Talk._reset,
    b"NOOP": Talk._reset,
    b"QUIT": Talk._quit,
    b"STAR": Talk._start_tls,
}


def _context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.sink", description="A mail server that keeps nothing but a log.")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0, help="0 (the default): a free one, which is printed")
    parser.add_argument("--slow", type=float, default=0, help="seconds between a message and its reply")
    parser.add_argument("--cut", type=int, default=0, help="close instead of replying, for one message in so many")
    parser.add_argument("--certificate", type=Path, help="a file with key and certificate: STARTTLS is offered")
    parser.add_argument("--keep", type=Path, help="write the first message there")
    options = parser.parse_args()
    sink = Sink(**vars(options))
    print(sink.port, flush=True)
    sink.run()


if __name__ == "__main__":
    main()
