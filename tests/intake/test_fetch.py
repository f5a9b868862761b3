"""Fetching what somebody typed in: from a real server on loopback, and never from inside a private network."""

import gzip
import socket
import ssl
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from publisher.intake import fetch
from publisher.intake.fetch import Fetched, FetchFailed, FetchRefused, Limits, NotModified

Script = Callable[[bytes], Iterator[bytes]]


@dataclass
class Server:
    """A server that says what its script says, byte for byte, and keeps what it was asked."""

    script: Script
    tls: ssl.SSLContext | None = None
    requests: list[bytes] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}/"
        self.threads = [threading.Thread(target=self.serve)]
        self.threads[0].start()

    def serve(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            if self.closing.is_set():
                connection.close()
                return
            thread = threading.Thread(target=self.answer, args=(connection,))
            self.threads.append(thread)
            thread.start()

    def answer(self, connection: socket.socket) -> None:
        try:
            with self.tls.wrap_socket(connection, server_side=True) if self.tls else connection as talk:
                request = b""
                while b"\r\n\r\n" not in request:
                    part = talk.recv(4096)
                    if not part:
                        return
                    request += part
                self.requests.append(request)
                for piece in self.script(request):
                    if self.closing.is_set():
                        return
                    talk.sendall(piece)
        except OSError:
            pass  # the client hung up, as it should on most of these scripts

    def close(self) -> None:
        if self.closing.is_set():
            return
        self.closing.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        for thread in self.threads:
            thread.join()
        self.listener.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(script: Script | bytes, tls: ssl.SSLContext | None = None) -> Server:
        servers.append(Server((lambda _: iter([script])) if isinstance(script, bytes) else script, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def ok(body: bytes = b"hello", *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Content-Type: text/plain", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def get(address: str, **options: object) -> Fetched | NotModified:
    return fetch.get(address, allow_loopback=True, **options)  # type: ignore[arg-type]


def to(*addresses: str) -> Callable[[str, int], list[str]]:
    return lambda host, port: list(addresses)


def test_a_page_is_fetched_with_what_is_needed_to_ask_again(serve: Callable[..., Server]) -> None:
    server = serve(ok(b"hello", 'ETag: "a"', "Last-Modified: Sat, 31 Mar 2007 00:00:00 GMT"))

    assert get(f"{server.address}a b?c=ü#d") == Fetched(
        content=b"hello",
        address=f"{server.address}a b?c=ü",
        content_type="text/plain",
        etag='"a"',
        last_modified="Sat, 31 Mar 2007 00:00:00 GMT",
    )
    assert server.requests[0].startswith(b"GET /a%%20b?c=%%C3%%BC HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % server.port)


def test_a_page_that_has_not_changed_is_not_sent_again(serve: Callable[..., Server]) -> None:
    server = serve(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n')

    answer = get(server.address, etag='"a"', last_modified="Sat, 31 Mar 2007 00:00:00 GMT")

    assert answer == NotModified(server.address, '"a"', None)
    assert b'\r\nIf-None-Match: "a"\r\nIf-Modified-Since: Sat, 31 Mar 2007 00:00:00 GMT\r\n' in server.requests[0]


def test_a_stored_etag_cannot_smuggle_in_a_header(serve: Callable[..., Server]) -> None:
    server = serve(ok())

    get(server.address, etag='"a"\r\nX-Admin: 1', last_modified="ü")

    assert b"X-Admin" not in server.requests[0]
    assert b"If-" not in server.requests[0]


def test_redirects_are_followed_to_where_they_lead(serve: Callable[..., Server]) -> None:
    def script(request: bytes) -> Iterator[bytes]:
        found = request.startswith(b"GET /there ")
        yield ok() if found else b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"

    server = serve(script)

    answer = get(f"{server.address}here")

    assert (type(answer), answer.address) == (Fetched, f"{server.address}there")


def test_redirects_in_a_circle_end(serve: Callable[..., Server]) -> None:
    server = serve(b"HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises(FetchFailed, match="more than 5 redirects"):
        get(server.address)

    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "target",
    [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00::1]/",
        "http://0x7f000001/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://user@127.0.0.1/",
    ],
)
def test_a_redirect_into_a_private_network_is_refused(serve: Callable[..., Server], target: str) -> None:
    server = serve(f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())

    with pytest.raises(FetchRefused):
        get(server.address)


PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",
    "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1",
    "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "::127.0.0.1",
    "2002:7f00:1::", "2002:a00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
]  # fmt: skip


@pytest.mark.parametrize("private", PRIVATE)
def test_no_address_of_a_private_network_is_asked(private: str) -> None:
    with pytest.raises(FetchRefused, match="inside a private network"):
        fetch.get("http://news.example.org/", resolve=to(private))
    with pytest.raises(FetchRefused, match="inside a private network"):
        fetch.get("http://news.example.org/", resolve=to("93.184.215.14", private))
    if not fetch.is_loopback(ip_address(private)):
        with pytest.raises(FetchRefused, match="inside a private network"):
            get("http://news.example.org/", resolve=to("127.0.0.1", private))


@pytest.mark.parametrize(
    "public", ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07::1", "64:ff9b::808:808", "2002:808:808::"]
)
def test_addresses_of_the_open_internet_may_be_asked(public: str) -> None:
    assert fetch.is_public(ip_address(public))


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.0.0.1", "017700000001", "127.0.0.1.", "1"]
)
def test_a_number_in_disguise_is_no_host_even_where_loopback_is_allowed(host: str) -> None:
    with pytest.raises(FetchRefused, match="is a number, not the name of a host"):
        get(f"http://{host}/")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("ftp://example.org/", "http:// or https://"),
        ("file:///etc/passwd", "http:// or https://"),
        ("//example.org/", "http:// or https://"),
        ("example.org", "http:// or https://"),
        ("http://user:secret@example.org/", "user name or password"),
        ("http://@example.org/", "user name or password"),
        ("http://example.org\\@10.0.0.1/", "web address|user name"),
        ("http://", "web address"),
        ("http://exa mple.org/", "web address"),
        ("http://example.org:99999/", "web address"),
        ("http://[::1/", "web address"),
        ("http://example.org:8080/", "port 8080"),
        ("https://example.org:22/", "port 22"),
        ("http://example.org:443/", "port 443"),
    ],
)
def test_an_address_we_do_not_fetch_is_refused_in_a_sentence(address: str, why: str) -> None:
    with pytest.raises(FetchRefused, match=why) as refusal:
        fetch.get(address, resolve=to("93.184.215.14"))
    assert "secret" not in str(refusal.value)
    assert str(refusal.value).endswith(".")


def test_loopback_is_refused_unless_allowed(serve: Callable[..., Server]) -> None:
    server = serve(ok())

    with pytest.raises(FetchRefused):
        fetch.get(server.address)
    with pytest.raises(FetchRefused):
        fetch.get("http://localhost/")

    assert server.requests == []


def test_the_connection_is_made_to_the_address_that_was_checked(serve: Callable[..., Server]) -> None:
    """A name that answers differently when asked again: the second answer is never heard."""
    server = serve(ok())
    answers = [["127.0.0.1"], ["10.0.0.1"]]

    fetched = get(f"http://rebind.example.org:{server.port}/", resolve=lambda host, port: answers.pop(0))

    assert isinstance(fetched, Fetched)
    assert answers == [["10.0.0.1"]]
    assert b"\r\nHost: rebind.example.org:%d\r\n" % server.port in server.requests[0]


def test_each_redirect_is_resolved_and_checked_anew(serve: Callable[..., Server]) -> None:
    server = serve(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")
    answers = [["127.0.0.1"], ["10.0.0.1"]]

    with pytest.raises(FetchRefused, match=r"leads to 10\.0\.0\.1"):
        get(f"http://rebind.example.org:{server.port}/", resolve=lambda host, port: answers.pop(0))


def test_the_next_address_is_tried_where_the_first_does_not_answer(serve: Callable[..., Server]) -> None:
    server = serve(ok())

    fetched = get(f"http://two.example.org:{server.port}/", resolve=to("::1", "127.0.0.1"))

    assert isinstance(fetched, Fetched)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "news.example.org")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("news.example.org")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_a_pinned_connection_checks_the_certificate_of_the_name(
    serve: Callable[..., Server], certificate: Path
) -> None:
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate)
    asked: list[str | None] = []
    ours.sni_callback = lambda sock, name, context: asked.append(name)
    server = serve(ok(), tls=ours)
    trusting = ssl.create_default_context(cafile=str(certificate))

    fetched = get(f"https://news.example.org:{server.port}/", resolve=to("127.0.0.1"), context=trusting)
    with pytest.raises(FetchFailed, match=r"other\.example\.org has no valid certificate"):
        get(f"https://other.example.org:{server.port}/", resolve=to("127.0.0.1"), context=trusting)
    with pytest.raises(FetchFailed, match="has no valid certificate"):
        get(f"https://news.example.org:{server.port}/", resolve=to("127.0.0.1"))

    assert isinstance(fetched, Fetched)
    assert asked[:2] == ["news.example.org", "other.example.org"]
    assert len(server.requests) == 1


def deflated(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"hello", mtime=0)),
        ("x-gzip", gzip.compress(b"hel", mtime=0) + gzip.compress(b"lo", mtime=0)),
        ("deflate", zlib.compress(b"hello")),
        ("deflate", deflated(b"hello")),
        ("identity", b"hello"),
    ],
)
def test_packed_pages_are_unpacked(serve: Callable[..., Server], encoding: str, packed: bytes) -> None:
    server = serve(ok(packed, f"Content-Encoding: {encoding}"))

    assert getattr(get(server.address), "content", None) == b"hello"


@pytest.mark.parametrize(
    ("encoding", "packed", "why"),
    [
        ("br", b"hello", "packed as “br”"),
        ("gzip", b"hello", "packed, and broken"),
        ("gzip", gzip.compress(b"hello" * 99, mtime=0)[:-9], "broke off"),
        ("deflate", b"hello", "packed, and broken"),
    ],
)
def test_what_cannot_be_unpacked_is_said(serve: Callable[..., Server], encoding: str, packed: bytes, why: str) -> None:
    server = serve(ok(packed, f"Content-Encoding: {encoding}"))

    with pytest.raises(FetchFailed, match=why):
        get(server.address)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_never_unpacked_beyond_the_limit(serve: Callable[..., Server], encoding: str) -> None:
    packer = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(200)) + packer.flush()
    server = serve(ok(bomb, f"Content-Encoding: {encoding}"))

    with pytest.raises(FetchFailed, match="more than 10 MB"):
        get(server.address)
    tracemalloc.start()
    assert fetch.unpack(bomb, encoding, 10_000_000) is None
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


def endless(start: bytes, piece: bytes) -> Script:
    def script(request: bytes) -> Iterator[bytes]:
        yield start
        while True:
            yield piece

    return script


@pytest.mark.parametrize(
    "script",
    [
        lambda _: iter([b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"]),
        endless(b"HTTP/1.1 200 OK\r\n\r\n", bytes(60_000)),
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"8000\r\n" + bytes(0x8000) + b"\r\n"),
    ],
    ids=["announced", "without length", "chunked"],
)
def test_a_page_without_end_is_cut_at_the_limit(serve: Callable[..., Server], script: Script) -> None:
    server = serve(script)

    with pytest.raises(FetchFailed, match="more than 1 MB"):
        get(server.address, limits=Limits(bytes=1_000_000))


def dripping(start: bytes, drop: bytes) -> Callable[[threading.Event], Script]:
    def with_pause(closing: threading.Event) -> Script:
        def script(request: bytes) -> Iterator[bytes]:
            yield start
            while not closing.wait(0.02):
                yield drop

        return script

    return with_pause


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b""),
        (b"HTTP/1.1 200", b"0"),
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["silence", "status", "headers", "continue", "body", "chunks"],
)
def test_a_page_that_drips_is_left_when_its_time_is_up(serve: Callable[..., Server], start: bytes, drop: bytes) -> None:
    closing = threading.Event()
    server = serve(dripping(start, drop)(closing))

    with pytest.raises(FetchFailed, match=r"did not finish within 0\.3 seconds"):
        get(server.address, limits=Limits(seconds=0.3))
    closing.set()


def test_a_name_server_without_an_answer_is_left_when_its_time_is_up() -> None:
    closing = threading.Event()

    def never(host: str, port: int) -> list[str]:
        closing.wait(20)
        return []

    with pytest.raises(FetchFailed, match="did not finish"):
        get("http://news.example.org/", resolve=never, limits=Limits(seconds=0.1))
    closing.set()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "answers 404: there is nothing at this address"),
        (b"HTTP/1.1 503 Busy\r\n\r\n", "answers 503: its server is too busy"),
        (b"HTTP/1.1 418 Teapot\r\n\r\n", "answers 418"),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", "answers 304"),
        (b"HTTP/1.1 302 Found\r\n\r\n", "without saying where to"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello", "could not be read"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "could not be read"),
        (b"", "could not be read"),
    ],
)
def test_an_answer_that_is_no_page_is_told_in_a_sentence(serve: Callable[..., Server], answer: bytes, why: str) -> None:
    server = serve(answer)

    with pytest.raises(FetchFailed, match=why) as failure:
        get(server.address)
    assert str(failure.value).endswith(".")


def test_nobody_there_and_no_such_name_are_failures_not_refusals(serve: Callable[..., Server]) -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror("no such name")

    server = serve(ok())
    server.close()

    with pytest.raises(FetchFailed, match="could not be read"):
        get(server.address)
    with pytest.raises(FetchFailed, match=r"There is no host named nowhere\.example\.org"):
        get("http://nowhere.example.org/", resolve=unknown)
