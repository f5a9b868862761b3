"""How requests travel to a network: bounded in time, sent once, and judged by whether they left."""

import json
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any

import requests
import requests.adapters
import urllib3
import urllib3.connection
import urllib3.exceptions

from publisher import faults
from publisher.networks.base import Failure, Refused, TryLater, Unknown, brief, scrub

Timeouts = tuple[float, float]
#: All addresses of a host and port. An OSError where one of them may not be asked; its words are for people.
Resolve = Callable[[str, int], list[str]]

# Seconds to connect, and to wait for the next byte. A picture of 5 MB on a slow line is what 60 allows for.
TIMEOUTS: Timeouts = (10.0, 60.0)

# A page of a timeline is some 50 KB.
LARGEST_ANSWER = 2 * 2**20

# After a connection that failed, after a server that did not answer while nothing was at stake.
NETWORK_PAUSE = 300

# 303 says "done, see there" and 302 was always used for it too; what is left says "not here, ask there".
REDIRECTS_THAT_DID_NOTHING = frozenset({301, 307, 308})


class Inside(urllib3.exceptions.NewConnectionError):
    """A server's name leads to where it may not. Nothing was asked."""

    def __init__(self, connection: urllib3.connection.HTTPConnection, problem: OSError) -> None:
        super().__init__(connection, str(problem))
        self.sentence = str(problem)


class Bounded(urllib3.connection.HTTPConnection):
    """A time-out starts anew with every byte of an answer's head too: after twice of it the wire is cut."""

    #: Whom the name of a server that somebody typed in leads to; None: as the system says.
    resolve: Resolve | None = None

    def _new_conn(self) -> socket.socket:
        """Connect to what was checked just now: between the check and the connection nobody is asked a second time."""
        if self.resolve is None:
            return super()._new_conn()
        name = self._dns_host
        try:
            *others, last = self.resolve(name, self.port)
            for self._dns_host in others:
                with suppress(urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError):
                    return super()._new_conn()
            self._dns_host = last
            return super()._new_conn()
        except socket.gaierror as problem:
            raise urllib3.exceptions.NameResolutionError(self.host, self, problem) from problem
        except (OSError, ValueError) as problem:
            raise Inside(self, OSError(str(problem))) from problem
        finally:
            self._dns_host = name

    def getresponse(self) -> Any:
        # Both are None only before a connection is made.
        cut = threading.Timer(2 * float(self.timeout or TIMEOUTS[1]), _cut, [self.sock])
        cut.daemon = True
        cut.start()
        try:
            return super().getresponse()
        finally:
            cut.cancel()


class BoundedOverTLS(Bounded, urllib3.connection.HTTPSConnection):
    """The same, over TLS."""


def _cut(wire: socket.socket | None) -> None:
    with suppress(OSError):
        if wire:
            wire.shutdown(socket.SHUT_RDWR)


class Adapter(requests.adapters.HTTPAdapter):
    """requests' own, with connections whose answers have an end."""

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._resolve = resolve
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._resolve)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        # The proxy asks for the name in our stead, and is who may keep us out of a network.
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": Pool, "https": PoolOverTLS}
        return manager


class Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = Bounded


class PoolOverTLS(urllib3.HTTPSConnectionPool):
    ConnectionCls = BoundedOverTLS


def _pools(resolve: Resolve | None) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """By scheme: those above, or ones whose connections ask `resolve`."""
    kinds: dict[str, type[urllib3.HTTPConnectionPool]] = {"http": Pool, "https": PoolOverTLS}
    if resolve is None:
        return kinds
    asking = {"resolve": staticmethod(resolve)}
    return {
        scheme: type(kind.__name__, (kind,), {"ConnectionCls": type("Asking", (kind.ConnectionCls,), asking)})
        for scheme, kind in kinds.items()
    }


class Session(requests.Session):
    """requests with a time limit on everything, no redirects, no retries, and a memory of the last answer.

    Redirects are not followed because requests turns a redirected POST into a GET, whose 200 both SDKs then
    take for success. Connections are not kept: a server that closes an idle one as we write to it leaves
    a post unknown, and at a few posts an hour there is nothing to save.

    `moved` is (their address, ours): a vendor's base address that an SDK has fixed in its code. It is changed
    here and not in an HTTPAdapter, because proxies are chosen by the address before an adapter sees it.
    `resolve` is asked at each connection where the server was named by somebody, who may have named one of ours.
    """

    def __init__(
        self, *, timeouts: Timeouts = TIMEOUTS, moved: tuple[str, str] | None = None, resolve: Resolve | None = None
    ) -> None:
        super().__init__()
        self.timeouts = timeouts
        self.moved = moved
        self.answer: requests.Response | None = None
        self.headers["Connection"] = "close"
        for scheme in ("http://", "https://"):
            self.mount(scheme, Adapter(resolve))

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        self.answer = None
        if self.moved and url.startswith(self.moved[0]):
            url = self.moved[1] + url.removeprefix(self.moved[0])
        kwargs.update(timeout=self.timeouts, stream=True)
        faults.point("asking")
        response = super().request(method, url, *args, **kwargs)
        faults.point("answering")
        response.raw = BytesIO(whole_body(response, until=time.monotonic() + 2 * self.timeouts[1]))
        # Kept only once the body is read to its end: an SDK may not give it to us.
        self.answer = response
        faults.point("answered")
        return response

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere. allow_redirects=False would still read the body, to prepare the next request."""


def whole_body(response: requests.Response, *, until: float) -> bytes:
    """The body, unpacked. A time-out starts anew with every byte, so a trickle needs a limit of its own."""
    body = bytearray()
    with response.raw as raw:
        while piece := raw.read1(2**16, decode_content=True):
            body += piece
            if len(body) > LARGEST_ANSWER or time.monotonic() > until:
                raise requests.ConnectionError("the answer had no end")
    return bytes(body)


def ask(session: Session, label: str, secrets: Iterable[str], call: Callable[[], object]) -> requests.Response:
    """The whole answer to the one request that `call` makes, whatever the SDK makes of it.

    Raises TryLater or Refused where nothing can have left, Unknown where something may have. The SDK's own
    exception is not chained: it carries the address, and with it the token.
    """
    session.answer = None
    failure: Failure | None = None
    try:
        call()
    except Exception as error:
        failure = failure_of(error, label, secrets)
    if session.answer is not None:
        return session.answer
    raise failure or Unknown(f"{label} was asked, and no answer was seen.")


def failure_of(error: Exception, label: str, secrets: Iterable[str]) -> Failure:
    """What a request that brought no answer means. Where it cannot be told, Unknown."""
    words = brief(str(error) or type(error).__name__, secrets)
    if inside := next((cause for cause in causes(error) if isinstance(cause, Inside)), None):
        return Refused(f"{label} is not asked: {inside.sentence}", kind="permission")
    if isinstance(error, NEVER_SENT):
        return Refused(f"{label}'s address or a header cannot be used: {words}")
    if not may_have_left(error):
        return TryLater(f"{label} could not be reached: {words}", after=NETWORK_PAUSE, kind="network")
    return Unknown(f"{label} may have received this, but did not answer: {words}")


NEVER_SENT = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidHeader,
)

# urllib3's words for "there was no connection"; NameResolutionError is one of the first.
NO_CONNECTION = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    ssl.SSLCertVerificationError,
)


def may_have_left(error: BaseException) -> bool:
    """False only where the connection was never made, or its certificate was turned down."""
    return not any(isinstance(cause, NO_CONNECTION) for cause in causes(error))


def causes(error: BaseException) -> Iterable[BaseException]:
    """The error and what lies in it: requests and urllib3 wrap in arguments, `reason` and original_error."""
    waiting: list[Any] = [error]
    while waiting:
        this = waiting.pop()
        if isinstance(this, BaseException):
            yield this
            waiting += [*this.args, getattr(this, "reason", None), getattr(this, "original_error", None)]


def redirected(response: requests.Response, label: str, secrets: Iterable[str]) -> Failure:
    """What a 3xx on a request that changes something means."""
    target = brief(response.headers.get("Location", "elsewhere"), secrets)
    if response.status_code in REDIRECTS_THAT_DID_NOTHING:
        reason = f"{label}'s address has moved to {target}: set the new address."
        return Refused(reason, code=response.status_code)
    return Unknown(f"{label} answered {response.status_code} and pointed to {target}: it may be posted.")


def content(response: requests.Response) -> dict[str, Any]:
    """The JSON object of an answer; empty where it is anything else."""
    try:
        found = json.loads(response.content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def their_time(headers: Mapping[str, str]) -> datetime | None:
    """The server's clock, to the second; None where it shows no time, or none that there is."""
    try:
        at = parsedate_to_datetime(headers.get("Date", ""))
        # Without a zone it is Greenwich's, not that of this machine.
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def web_address(value: object) -> str | None:
    """What a server says is an address, if staff may follow it; never javascript: or the like."""
    fits = isinstance(value, str) and len(value) <= 2000 and value.isprintable()
    return str(value) if fits and re.fullmatch(r"https?://\S+", str(value)) else None


def whole_number(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None


# Who prints what it sends when DEBUG is on: the query with Facebook's token, the signed header of X.
TALKATIVE = (
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.util.retry",
    "requests_oauthlib.oauth1_auth",
    "oauthlib.oauth1.rfc5849",
    "oauthlib.oauth1.rfc5849.signature",
    "tweepy.client",
)


# What is shorter was typed in by mistake, and taking it out would leave nothing of any line.
SHORTEST_SECRET = 6


class Discretion(logging.Filter):
    """Takes the secrets out of what the libraries below us log. A level would not: DEBUG can be asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = scrub(record.getMessage(), self.secrets), ()
        return True


discretion = Discretion()


def keep_secret(secrets: Iterable[str]) -> None:
    """From now on these do not appear in a log record of any library that sees them."""
    discretion.secrets.update(secret for secret in secrets if len(secret) >= SHORTEST_SECRET)
    for name in TALKATIVE:
        logging.getLogger(name).addFilter(discretion)
