"""Fetches an address that somebody typed in, without being led into our own network.

Every address that a name resolves to is checked, at each redirect, and the connection is made to the
address that was checked: between the check and the connection nobody can answer a second time. Size,
time, redirects and decompression are bounded.
"""

import http.client
import io
import ipaddress
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]

PORTS = {"http": 80, "https": 443}
REDIRECTS = frozenset([301, 302, 303, 307, 308])
NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
#: Hosts that the system reads as an address though they do not look like one: 2130706433, 0x7f.1, 0177.0.0.1
DISGUISED = re.compile(r"(?:0x[0-9a-f]*|\d+)(?:\.(?:0x[0-9a-f]*|\d+))*\.?", re.IGNORECASE)
CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
HEADERS = {
    "User-Agent": "Publisher/0.1",
    "Accept": "text/html, application/rss+xml, application/atom+xml, application/json, text/plain;q=0.9, */*;q=0.5",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "close",
}
#: Status -> what it means for whoever typed the address.
MEANINGS = {
    401: "it asks for a password",
    403: "it does not let us in",
    404: "there is nothing at this address",
    410: "what was there is gone for good",
    429: "it wants to be asked less often",
    500: "its server has an error",
    503: "its server is too busy or being mended",
}


class FetchRefused(Exception):
    """We do not fetch this address; asking again changes nothing. The message is for people."""


class FetchFailed(Exception):
    """The other side did not answer as it should; later it may. The message is for people."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Fetched:
    content: bytes
    #: Where it was found in the end, after redirects.
    address: str
    content_type: str | None
    etag: str | None
    last_modified: str | None


@dataclass(frozen=True, slots=True)
class NotModified:
    address: str
    etag: str | None
    last_modified: str | None


@dataclass(frozen=True, slots=True)
class Limits:
    seconds: float = 30.0
    bytes: int = 10_000_000
    redirects: int = 5


def resolve(host: str, port: int) -> list[str]:
    """Return every address of `host`, as the system sees it."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def get(
    address: str,
    *,
    etag: str | None = None,
    last_modified: str | None = None,
    allow_loopback: bool = False,
    limits: Limits = Limits(),
    resolve: Resolve = resolve,
    context: ssl.SSLContext | None = None,
) -> Fetched | NotModified:
    """Fetch `address`, or learn that it has not changed since `etag` and `last_modified`.

    Raises FetchRefused where the address must not be fetched and FetchFailed where it could not be.
    `allow_loopback` lets this machine's own addresses through, on any port, and nothing else private:
    for the demo and tests. `resolve` and `context` are for tests.
    """
    visit = _Visit(allow_loopback, limits, resolve, context, _conditions(etag, last_modified))
    return visit.follow(address)


def _conditions(etag: str | None, last_modified: str | None) -> dict[str, str]:
    """Return the conditional headers, without any that a server could have used to smuggle in others."""
    wanted = {"If-None-Match": etag, "If-Modified-Since": last_modified}
    return {name: value for name, value in wanted.items() if value and value.isascii() and value.isprintable()}


class _Visit:
    """One call of `get`: its limits, and the clock that runs over all redirects."""

    def __init__(
        self,
        allow_loopback: bool,
        limits: Limits,
        resolve: Resolve,
        context: ssl.SSLContext | None,
        conditions: dict[str, str],
    ) -> None:
        self.allow_loopback = allow_loopback
        self.limits = limits
        self.resolve = resolve
        self.context = context
        self.conditions = conditions
        self.deadline = time.monotonic() + limits.seconds

    def remaining(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def follow(self, address: str) -> Fetched | NotModified:
        for _ in range(self.limits.redirects + 1):
            url = parse(address)
            try:
                answer = self.ask(url)
            except TimeoutError as error:
                raise FetchFailed(f"{url.hostname} did not finish within {self.limits.seconds:g} seconds.") from error
            except ssl.SSLCertVerificationError as error:
                raise FetchFailed(f"{url.hostname} has no valid certificate: {error.verify_message}.") from error
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise FetchFailed(
                    f"{url.hostname} could not be read: {str(error).rstrip('.') or type(error).__name__}."
                ) from error
            if not isinstance(answer, str):
                return answer
            address = urljoin(url.geturl(), answer)
        raise FetchFailed(
            f"{address} is the end of more than {self.limits.redirects} redirects; it seems to go round in circles."
        )

    def ask(self, url: SplitResult) -> Fetched | NotModified | str:
        """Return the answer of one request; a string is where it sends us on to."""
        with self.connect(url) as sock:
            connection = http.client.HTTPConnection(url.hostname or "")
            connection.sock = _Timed(sock, self.remaining)
            connection.request("GET", _target(url), headers={"Host": url.netloc, **HEADERS, **self.conditions})
            return self.answer(url, connection.getresponse())

    def connect(self, url: SplitResult) -> socket.socket:
        """Return a connection to an address of the host that was checked just now."""
        host, port = url.hostname or "", url.port or PORTS[url.scheme]
        sock = self.open(self.allowed(host, port, url), port)
        if url.scheme == "http":
            return sock
        try:
            sock.settimeout(self.remaining())
            context = self.context or ssl.create_default_context()
            return context.wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise

    def allowed(self, host: str, port: int, url: SplitResult) -> list[Address]:
        """Return the addresses of `host`; raise FetchRefused if any of them is not public."""
        found = [ipaddress.ip_address(one) for one in self.look_up(host, port)]
        ours = bool(found) and all(is_loopback(one) for one in found)
        if self.allow_loopback and ours:
            return found
        for one in found:
            if not is_public(one):
                raise FetchRefused(f"{host} leads to {one}, an address inside a private network; it is not fetched.")
        if port != PORTS[url.scheme]:
            raise FetchRefused(f"{host} is asked for on port {port}; only the usual ports 80 and 443 are fetched.")
        return found

    def look_up(self, host: str, port: int) -> list[str]:
        """Resolve in a thread, because the system's resolver knows no deadline."""
        found: list[str] = []
        errors: list[Exception] = []

        def work() -> None:
            try:
                found.extend(dict.fromkeys(self.resolve(host, port)))
            except (OSError, UnicodeError) as error:
                errors.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(self.remaining())
        self.remaining()
        if errors or not found:
            raise FetchFailed(f"There is no host named {host}, or its name server does not answer.") from next(
                iter(errors), None
            )
        return found

    def open(self, addresses: list[Address], port: int) -> socket.socket:
        problem: OSError | None = None
        for one in addresses:
            try:
                return socket.create_connection((str(one), port), timeout=self.remaining())
            except ConnectionError as error:
                problem = error
            except OSError as error:
                self.remaining()
                problem = error
        raise problem or OSError("no address")

    def answer(self, url: SplitResult, response: http.client.HTTPResponse) -> Fetched | NotModified | str:
        etag, last_modified = response.getheader("ETag"), response.getheader("Last-Modified")
        if response.status == 304 and self.conditions:
            return NotModified(url.geturl(), etag, last_modified)
        if response.status in REDIRECTS:
            if location := response.getheader("Location"):
                return location.strip()
            raise FetchFailed(f"{url.hostname} sends us on without saying where to.", response.status)
        if response.status != 200:
            meaning = MEANINGS.get(response.status, "which is no page")
            raise FetchFailed(f"{url.hostname} answers {response.status}: {meaning}.", response.status)
        content = self.content(url, response)
        return Fetched(content, url.geturl(), response.getheader("Content-Type"), etag, last_modified)

    def content(self, url: SplitResult, response: http.client.HTTPResponse) -> bytes:
        limit = self.limits.bytes
        too_large = FetchFailed(
            f"{url.hostname} sends more than {limit / 1_000_000:g} MB, which no listing or feed should be."
        )
        length = response.length
        if length is not None and length > limit:
            raise too_large
        raw = response.read(limit + 1)
        if len(raw) > limit:
            raise too_large
        if length is not None and len(raw) < length:
            raise FetchFailed(f"{url.hostname} broke off in the middle.")
        encoding = (response.getheader("Content-Encoding") or "identity").strip().lower()
        content = unpack(raw, encoding, limit)
        if content is None:
            raise too_large
        return content


def parse(address: str) -> SplitResult:
    """Return the parts of an address that may be looked up; raise FetchRefused for all others."""
    try:
        url = urlsplit(address.strip())
        port, host = url.port, url.hostname
    except ValueError as error:
        raise FetchRefused(f"“{address[:200]}” is not a web address.") from error
    if url.scheme not in PORTS:
        raise FetchRefused(f"Only addresses that begin with http:// or https:// are fetched, not “{address[:200]}”.")
    if url.username is not None or url.password is not None:
        raise FetchRefused(f"The address of {host} holds a user name or password; take it out.")
    # urlsplit drops line breaks in silence, and what it takes for the host others may read differently.
    if not host or port == 0 or CONTROLS.search(address.strip()) or re.search(r"[\s\\]", url.netloc):
        raise FetchRefused(f"“{address[:200]}” is not a web address.")
    host = _ascii(host)
    if DISGUISED.fullmatch(host) and not _is_address(host):
        raise FetchRefused(f"“{host}” is a number, not the name of a host.")
    netloc = f"[{host}]" if ":" in host else host
    return url._replace(netloc=netloc if port in (None, PORTS[url.scheme]) else f"{netloc}:{port}", fragment="")


def _ascii(host: str) -> str:
    """Return `host` as DNS knows it."""
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise FetchRefused(f"“{host[:200]}” is not the name of a host.") from error


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _target(url: SplitResult) -> str:
    path = quote(url.path or "/", safe="/%:@!$&'()*+,;=~-._")
    return f"{path}?{quote(url.query, safe='/%:@!$&()*+,;=?~-._')}" if url.query else path


def is_public(address: Address) -> bool:
    """Say whether an address, and every address it wraps, is one of the open Internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.teredo or address.is_site_local:
            return False
        if (inner := _inside(address)) is not None:
            return is_public(inner)
    return address.is_global and not (address.is_multicast or address.is_reserved)


def is_loopback(address: Address) -> bool:
    inner = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (inner or address).is_loopback


def _inside(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 one stands for: mapped, 6to4 or NAT64."""
    if any(address in network for network in NAT64):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def unpack(raw: bytes, encoding: str, limit: int) -> bytes | None:
    """Return `raw` decompressed, or None where that is more than `limit` bytes; never makes more."""
    if encoding in ("", "identity"):
        return raw
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise FetchFailed(f"The page is packed as “{encoding[:40]}”, which we did not ask for.")
    try:
        return _inflate(raw, 47, limit)  # gzip or zlib, by the first bytes
    except zlib.error as error:
        if encoding != "deflate":
            raise FetchFailed("The page is packed, and broken.") from error
    try:
        return _inflate(raw, -15, limit)  # some servers send deflate without its wrapper
    except zlib.error as error:
        raise FetchFailed("The page is packed, and broken.") from error


def _inflate(raw: bytes, window: int, limit: int) -> bytes | None:
    out = bytearray()
    while raw:  # gzip allows several members in a row
        member = zlib.decompressobj(window)
        out += member.decompress(raw, limit - len(out) + 1)
        if len(out) > limit:
            return None
        if not member.eof:
            raise FetchFailed("The page is packed, and broke off in the middle.")
        raw = member.unused_data.lstrip(b"\0")
    return bytes(out)


class _Timed:
    """A socket, as http.client uses it, whose every wait ends at one deadline: a byte a second helps nobody."""

    def __init__(self, sock: socket.socket, remaining: Callable[[], float]) -> None:
        self.sock = sock
        self.remaining = remaining

    def sendall(self, data: bytes) -> None:
        self.sock.settimeout(self.remaining())
        self.sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Timely(self.sock, self.remaining))

    def close(self) -> None:
        """Leave the socket open: http.client closes its end before the body is read. Whoever opened it closes it."""


class _Timely(io.RawIOBase):
    def __init__(self, sock: socket.socket, remaining: Callable[[], float]) -> None:
        self.sock = sock
        self.remaining = remaining

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.sock.settimeout(self.remaining())
        return self.sock.recv_into(buffer)
