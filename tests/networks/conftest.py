"""A server that answers by a script, down to the bytes and the ways to break off, and accounts that talk to it."""

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Any

import pytest

from publisher.networks.bluesky import SESSIONS, Bluesky, SignedIn
from publisher.networks.facebook import Facebook
from publisher.networks.mastodon import Mastodon
from publisher.networks.x import X
from tests.canaries import MARK

# Distinct, and with what URLs and signatures escape: a leak must not hide behind its escapes.
X_KEYS = {
    "consumer_key": f"{MARK}-consumer-key",
    "consumer_secret": f"{MARK}/consumer+secret=",
    "access_token": f"42-{MARK}-access-token",
    "access_token_secret": f"{MARK}&access token secret",
}
FACEBOOK_KEYS = {
    "page_id": "1001",
    "page_token": f"EAA{MARK}|page/token+",
    "app_secret": f"{MARK}-app-secret",
    "version": "v24.0",
}
MASTODON_KEYS = {"access_token": f"{MARK}/mastodon+token="}
BLUESKY_KEYS = {"app_password": f"{MARK}&app/password+="}
BLUESKY_DID, BLUESKY_HANDLE = "did:plc:ewvi7nxzyoun6zhxrhs64oiz", "psg.bsky.social"
# Of a session that stands: what a post is sent with, and what renews it.
BLUESKY_TOKENS = (f"{MARK}/access+jwt=", f"{MARK}/refresh+jwt=")

# Long enough for loopback on a busy machine, short enough to wait for in a test.
IMPATIENT = (0.3, 0.3)


@dataclass
class Asked:
    method: str
    target: str
    headers: Message
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Script:
    """What the server does with one connection after the other; the last act is repeated."""

    address: str = ""
    acts: list[Any] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def play(self, *acts: Any) -> None:
        self.acts = list(acts)

    def next(self) -> Any:
        return self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]


def reply(status: int, body: Any = b"", **headers: str) -> bytes:
    """A whole HTTP answer: a dict becomes JSON; header_names become Header-Names."""
    content_type = "application/json" if not isinstance(body, (bytes, str)) else "text/html"
    content = json.dumps(body).encode() if content_type == "application/json" else body
    content = content.encode() if isinstance(content, str) else content
    lines = {"Content-Type": content_type, "Content-Length": str(len(content)), "Connection": "close"}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode() + content


class Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        script: Script = self.server.script  # type: ignore[attr-defined]
        act = script.next()
        if act == "close before reading":
            # Unread bytes at the close make it a reset, as when a process dies.
            return
        with suppress(OSError):
            script.asked.append(self.read())
        if act == "never answer":
            script.over.wait(10)
        elif act == "trickle within the head":
            with suppress(OSError):
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not script.over.wait(0.05):
                    self.wfile.write(b"x")
        elif act == "trickle":
            with suppress(OSError):
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
                while not script.over.wait(0.05):
                    self.wfile.write(b" ")
        elif act != "close after reading":
            with suppress(OSError):
                self.wfile.write(act)

    def read(self) -> Asked:
        method, target, _ = self.rfile.readline().decode().split()
        lines = b""
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            lines += line
        headers = BytesHeaderParser().parsebytes(lines)
        return Asked(method, target, headers, self.rfile.read(int(headers.get("Content-Length", 0))))


@pytest.fixture
def script() -> Iterator[Script]:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.script = Script(f"http://127.0.0.1:{server.server_address[1]}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.script  # type: ignore[attr-defined]
    server.script.over.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def x(script: Script) -> X:
    return X(credentials=X_KEYS, address=script.address, account="@psg", timeouts=IMPATIENT)


@pytest.fixture
def facebook(script: Script) -> Facebook:
    return Facebook(credentials=FACEBOOK_KEYS, address=script.address, account="PSG", timeouts=IMPATIENT)


@pytest.fixture
def mastodon(script: Script) -> Mastodon:
    return Mastodon(
        credentials=MASTODON_KEYS,
        address=script.address,
        account="@psg@mastodon.example",
        timeouts=IMPATIENT,
        patience=(0, 0, 0),
    )


@pytest.fixture
def bluesky(script: Script) -> Iterator[Bluesky]:
    """Signed in already: what a test plays is the answer to what it asks for."""
    account = Bluesky(
        credentials=BLUESKY_KEYS, address=script.address, account=f"@{BLUESKY_HANDLE}", timeouts=IMPATIENT
    )
    SESSIONS[account._key] = SignedIn(BLUESKY_DID, BLUESKY_HANDLE, *BLUESKY_TOKENS)
    yield account
    SESSIONS.clear()


@pytest.fixture(params=["x", "facebook", "mastodon", "bluesky"])
def network(request: pytest.FixtureRequest) -> X | Facebook | Mastodon | Bluesky:
    return request.getfixturevalue(request.param)


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


@pytest.fixture
def full() -> Iterator[str]:
    """An address that takes no more connections: they stay without an answer."""
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
