"""The wire between us and a stand-in for a network: it relays bytes, and breaks off, stalls or garbles on demand.

What it does to an answer it does after the network has done what was asked: the network's own log says so.
"""

from __future__ import annotations

import json
import random
import re
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

#: A reset instead of an orderly end, as when a process or a machine dies.
ABORTED = struct.pack("ii", 1, 0)
#: Nobody waits longer than this for an answer.
LONGEST = 10.0
PAGE = "<!doctype html><title>Sorry</title><h1>Something went wrong. We are looking into it.</h1>"


@dataclass
class Call:
    """One request that is to be spoilt: its bytes, and both ends of the wire."""

    client: socket.socket
    request: bytes
    upstream: tuple[str, int]
    dice: random.Random

    def ask(self) -> bytes:
        """The network's whole answer. What was asked is done."""
        with self.dial() as there:
            there.sendall(self.request)
            return b"".join(iter(lambda: there.recv(2**16), b""))

    def dial(self) -> socket.socket:
        return socket.create_connection(self.upstream, LONGEST)

    def send(self, content: bytes) -> None:
        self.client.sendall(content)

    def reset(self) -> None:
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORTED)

    def hold(self) -> None:
        """Say nothing until the client has had enough."""
        self.client.settimeout(LONGEST)
        with suppress(OSError):
            while self.client.recv(2**16):
                pass

    def somewhere(self, content: bytes, least: int = 1) -> int:
        """A place in these bytes, not at their end."""
        return self.dice.randrange(least, len(content))


Act = Callable[[Call], None]


def reset(call: Call) -> None:
    call.reset()


def hang_up(call: Call) -> None:
    """An orderly end, and no answer."""


def swallow(call: Call) -> None:
    call.hold()


def cut_the_request(call: Call) -> None:
    """A part of it arrives, and both ends see the other gone."""
    with call.dial() as there:
        there.sendall(call.request[: call.somewhere(call.request)])
    call.reset()


def instead(status: int, body: Any = PAGE, **headers: str) -> Act:
    """Something in front of the network answers in its place: nothing is done."""
    return lambda call: call.send(reply(status, body, **headers))


def but(status: int, body: Any = PAGE, **headers: str) -> Act:
    """It is done, but this is what is answered."""
    return after(lambda call, answer: call.send(reply(status, body, **headers)))


def after(spoil: Callable[[Call, bytes], None]) -> Act:
    return lambda call: spoil(call, call.ask())


def no_answer(call: Call, answer: bytes) -> None:
    """The whole answer is lost, and the connection with it."""
    call.reset()


def ended(call: Call, answer: bytes) -> None:
    """The whole answer is lost; the end is orderly."""


def silence(call: Call, answer: bytes) -> None:
    call.hold()


def cut_head(call: Call, answer: bytes) -> None:
    call.send(answer[: call.somewhere(head_of(answer))])
    _end_somehow(call)


def cut_body(call: Call, answer: bytes) -> None:
    call.send(answer[: call.somewhere(answer, len(head_of(answer)))])
    _end_somehow(call)


def _end_somehow(call: Call) -> None:
    if call.dice.random() < 0.5:
        call.reset()


def stalls(call: Call, answer: bytes) -> None:
    """It begins, and never ends."""
    call.send(answer[: call.somewhere(answer)])
    call.hold()


def trickles(call: Call, answer: bytes) -> None:
    """A byte now and then, from anywhere on: no time-out between two bytes is ever reached."""
    begin = call.dice.choice([20, len(head_of(answer))])
    call.send(answer[:begin])
    with suppress(OSError):
        for position in range(begin, len(answer)):
            call.send(answer[position : position + 1])
            time.sleep(0.05)


def in_pieces(call: Call, answer: bytes) -> None:
    """A whole answer, in parts that end anywhere."""
    places = sorted(call.dice.sample(range(1, len(answer)), 5))
    for begin, end in zip([0, *places], [*places, len(answer)], strict=True):
        call.send(answer[begin:end])
        time.sleep(0.001)


def truncated(call: Call, answer: bytes) -> None:
    """Half of the JSON, announced as all of it."""
    body = answer[len(head_of(answer)) :]
    call.send(reply(200, body[: call.somewhere(body)], content_type="application/json"))


def noise(call: Call, answer: bytes) -> None:
    call.send(call.dice.randbytes(call.dice.randrange(1, 400)))


def wrong_type(call: Call, answer: bytes) -> None:
    """A proper answer that calls itself something else."""
    kind = call.dice.choice([b"text/plain", b"text/html; charset=utf-8", b"application/octet-stream"])
    call.send(re.sub(rb"(?i)content-type: [^\r]*", b"Content-Type: " + kind, answer))


def not_packed(call: Call, answer: bytes) -> None:
    """It says that it is compressed, and it is not."""
    call.send(answer.replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1))


def bad_chunks(call: Call, answer: bytes) -> None:
    head = re.sub(rb"(?i)content-length: \d+", b"Transfer-Encoding: chunked", head_of(answer))
    call.send(head + b"ZZ\r\n" + answer[len(head_of(answer)) :])


def endless_head(call: Call, answer: bytes) -> None:
    call.send(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 600) for n in range(200)))


def with_more_behind(call: Call, answer: bytes) -> None:
    """A proper answer, and bytes that belong to nobody behind it."""
    call.send(answer + call.dice.randbytes(50))


def announced_early(call: Call, answer: bytes) -> None:
    """103 Early Hints, and then the proper answer."""
    call.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" + answer)


def head_of(answer: bytes) -> bytes:
    return answer[: answer.index(b"\r\n\r\n") + 4]


def reply(status: int, body: Any, content_type: str | None = None, **headers: str) -> bytes:
    """A whole answer; what is not text becomes JSON."""
    content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    usual = "text/html" if isinstance(body, str) else "application/json"
    lines = {"Content-Type": content_type or usual, "Content-Length": str(len(content)), "Connection": "close"}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode() + content


@dataclass
class Order:
    """Spoil the requests whose first line fits, so many of them (None: all), after letting some pass."""

    act: Act
    on: re.Pattern[str]
    times: int | None
    skip: int


class Wire:
    """What it is told to spoil, and where it listens."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.upstream = upstream
        self.orders: list[Order] = []
        self.dice = random.Random()
        self.lock = threading.Lock()
        self.port = 0

    def order(self, act: Act, on: str, *, times: int | None = 1, skip: int = 0) -> None:
        with self.lock:
            self.orders.append(Order(act, re.compile(on), times, skip))

    def clear(self, dice: random.Random) -> None:
        with self.lock:
            self.orders, self.dice = [], dice

    def take(self, line: str) -> Act | None:
        """What is to be done to this request; counted down."""
        with self.lock:
            for order in self.orders:
                if order.on.match(line) and order.times != 0:
                    if order.skip:
                        order.skip -= 1
                        return None
                    order.times = order.times and order.times - 1
                    return order.act
        return None


class Handler(socketserver.BaseRequestHandler):
    request: socket.socket

    def handle(self) -> None:
        wire: Wire = self.server.wire  # type: ignore[attr-defined]  # it carries it for us
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):
            if asked := _read(self.request):
                line = asked.partition(b"\r\n")[0].decode("latin-1")
                call = Call(self.request, asked, wire.upstream, wire.dice)
                (wire.take(line) or _relay)(call)


def _read(client: socket.socket) -> bytes:
    """A whole request, which the network is told to be the only one on its connection."""
    client.settimeout(LONGEST)
    asked = b""
    while b"\r\n\r\n" not in asked:
        if not (more := client.recv(2**16)):
            return b""
        asked += more
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head_of(asked))
    whole = len(head_of(asked)) + (int(length[1]) if length else 0)
    while len(asked) < whole and (more := client.recv(2**16)):
        asked += more
    plain = re.sub(rb"(?i)\r\nconnection: [^\r]*", b"", head_of(asked))
    return plain[:-2] + b"Connection: close\r\n\r\n" + asked[len(head_of(asked)) :]


def _relay(call: Call) -> None:
    """As it is, as it comes; a reset of the network's is one of ours."""
    try:
        with call.dial() as there:
            there.sendall(call.request)
            while more := there.recv(2**16):
                call.send(more)
    except ConnectionResetError:
        call.reset()


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def shutdown_request(self, request: Any) -> None:
        # Not the orderly end of the base class, which would come before a reset.
        request.close()


@contextmanager
def strung(upstream: tuple[str, int]) -> Iterator[Wire]:
    """A wire to this address, listening on a port of its own."""
    wire = Wire(upstream)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.wire = wire  # type: ignore[attr-defined]  # for its handlers
        wire.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield wire
        finally:
            server.shutdown()
