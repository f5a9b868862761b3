"""One letter for a provider: the request that django-anymail makes of it, and what the answer means.

    not connected, TLS refused                    not handed over; another time
    2xx with an id                                sent; the id is the reply
    401, 403                                      our key, or our account: nothing more is sent until a person looked
    402, 420, 429, no credits left                not handed over; the digest rests, as long as the provider says
    4xx about the address; refused by its list    failed, for this address
    any other 3xx, 4xx                            we are to blame, or the letter: a few in a row pause the digest
    408, 5xx, 2xx that cannot be read, a break    unknown: it may have been taken

Where the provider knows an idempotency key, what is unknown is asked again with the same key, a few times and within
the time in which the provider remembers it: it makes one message of them all. Only its "taken" ends the doubt.

`code` is what a relay would have said: all that judges outcomes reads it. The provider's own words are in the text.
"""

from __future__ import annotations

import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_string, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime, quote
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urljoin

import requests
from anymail.backends import mailgun
from anymail.exceptions import (
    AnymailError,
    AnymailInvalidAddress,
    AnymailNotSupportedWarning,
    AnymailRecipientsRefused,
)
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone
from django.utils.module_loading import import_string
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from .. import links
from ..printable import one_line
from .addresses import ascii_domain
from .couriers import Answer, Couriers
from .outcomes import Outcome, Result, break_in_words, unnamed
from .providers import Provider, ProviderWrong, parse_provider
from .replies import Phase, Scope

#: Seconds to connect, and to wait for each piece of an answer.
CONNECT, READ = 10.0, 60.0
#: Seconds before what is unknown is asked again by its key: so often, and no more.
PAUSES = (1.0, 5.0, 20.0)
#: A connection that was silent for so long may be closed at the other end just now: a new one is surer.
_STALE = 3.0
#: What is made anew from the letter, or by the provider.
_NOT_OURS = frozenset({
    "from", "to", "subject", "reply-to", "date", "mime-version", "content-type", "content-transfer-encoding",
    "dkim-signature",
})  # fmt: skip
_KEYS = uuid.UUID("b5a6f1de-0d63-5b0c-9a25-6b7f3a6f1c11")
#: The name under which a provider keeps the token of a letter.
METADATA = "publisher"
_LATER = frozenset({402, 420, 429})
_WORDS = 300
#: Whatever a provider asks for, somebody who has mended it there shall not wait longer.
_LONGEST_ASKED_FOR = 24 * 3600.0

#: Result, phase, the code that a relay would have given, and whom it is about.
_Verdict = tuple[Result, Phase, int | None, str | None, Scope]
_UNREACHED: _Verdict = (Result.DEFERRED, Phase.CONNECT, None, None, "connection")
_LOCKED_OUT: _Verdict = (Result.FAILED, Phase.AUTH, 535, None, "sender")
_NOT_NOW: _Verdict = (Result.DEFERRED, Phase.CONNECT, None, None, "connection")
_ADDRESS: _Verdict = (Result.FAILED, Phase.RCPT, 550, None, "recipient")
_MALFORMED: _Verdict = (Result.FAILED, Phase.RCPT, 553, "5.1.3", "recipient")
_OURS: _Verdict = (Result.FAILED, Phase.DOT, 554, None, "sender")
_DOUBT: _Verdict = (Result.UNKNOWN, Phase.DOT, None, None, "connection")
_TAKEN: _Verdict = (Result.SENT, Phase.DOT, 250, None, "connection")


def chosen() -> Provider | None:
    """The provider that is set. Raises ProviderWrong."""
    provider = parse_provider(
        settings.MAIL_PROVIDER, settings.MAIL_PROVIDER_KEY, settings.MAIL_PROVIDER_URL, settings.MAIL_PROVIDER_OPTIONS
    )
    if provider and settings.SMTP_URL.strip():
        raise ProviderWrong("PUBLISHER_MAIL_PROVIDER and PUBLISHER_SMTP_URL are both set: letters go one way.")
    return provider


def couriers(provider: Provider, *, most: int) -> Couriers:
    return Couriers(lambda: ProviderDesk(provider), most=most)


def deliver(provider: Provider, recipient: str, message: bytes) -> Outcome:
    """One message alone, in wire form."""
    desk = ProviderDesk(provider)
    try:
        return desk.deliver(ascii_domain(recipient), message, threading.Event().wait).outcome
    finally:
        desk.close()


def key_of(message_id: str) -> str:
    """The same for each attempt at one letter, as its Message-ID is, and for no other."""
    return str(uuid.uuid5(_KEYS, message_id))


class ProviderDesk:
    """One session with a provider, for one thread: a couriers.Desk."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._backend = _backend(provider)
        self._used_at = 0.0

    def close(self) -> None:
        self._backend.close()

    def deliver(self, recipient: str, message: bytes, pause: Callable[[float], bool], sender: str = "") -> Answer:
        """Hand over a message in wire form. What it became, after as many tries as its key allows.

        The token in the sender's address goes along as metadata, and comes back with each event about the letter.
        """
        try:
            letter = _letter(self.provider, recipient, message)
            if links.read_bounce(sender) is not None:
                letter.metadata = {METADATA: sender.rpartition("@")[0].rpartition("+")[2]}
        except ValueError as problem:
            return self._answer(_OURS, str(problem))
        began = time.monotonic()
        answer = self._once(letter)
        known = self.provider.kind.idempotency
        for seconds in PAUSES if known and answer.outcome.result is Result.UNKNOWN else ():
            if time.monotonic() - began + seconds + CONNECT + READ > cast(Any, known).window or pause(seconds):
                break
            again = self._once(letter)
            if again.outcome.result is Result.SENT:
                return again
        return answer

    def _once(self, letter: Any) -> Answer:
        if time.monotonic() - self._used_at > _STALE:
            self._backend.close()
        self._backend.open()
        _connecting.failed = False
        try:
            self._backend.send_messages([letter])
        except AnymailRecipientsRefused as refused:
            return self._refused(refused)
        except AnymailInvalidAddress as problem:
            return self._answer(_MALFORMED, str(problem))
        except AnymailError as problem:
            return self._failed(problem)
        except Exception:
            # anymail stumbles over an answer in a form of its own; without an answer the error is ours.
            if letter.anymail_status.esp_response is None:
                raise
            return self._by_response(letter.anymail_status.esp_response)
        finally:
            self._used_at = time.monotonic()
        return self._accepted(letter.anymail_status)

    def _accepted(self, status: Any) -> Answer:
        response = status.esp_response
        if status.status and status.status <= {"sent", "queued"}:
            given = status.message_id or response.headers.get("X-Message-Id") or "no id"
            return self._answer(_TAKEN, f"{given} (HTTP {response.status_code})")
        return self._by_response(response)

    def _refused(self, refused: Any) -> Answer:
        statuses = refused.email_message.anymail_status.status
        return self._answer(_MALFORMED if statuses == {"invalid"} else _ADDRESS, _said(refused.response))

    def _failed(self, problem: AnymailError) -> Answer:
        response, cause = problem.response, problem.__cause__
        if response is not None:
            return self._by_response(response)
        if isinstance(cause, requests.TooManyRedirects):
            return self._answer(_OURS, "it redirects to another address: look at PUBLISHER_MAIL_PROVIDER_URL")
        if not isinstance(cause, requests.RequestException) or isinstance(cause, ValueError):
            return self._answer(_OURS, str(problem))  # no request was made of it
        if _connecting.failed:
            return self._answer(_UNREACHED, f"connecting failed: {_why(cause)}")
        return self._answer(_DOUBT, f"broke off after the request had left, so it may have been taken: {_why(cause)}")

    def _by_response(self, response: requests.Response) -> Answer:
        verdict = self._verdict(response.status_code, response.text)
        return self._answer(verdict, _said(response), _retry_after(response) if verdict is _NOT_NOW else 0.0)

    def _verdict(self, status: int, words: str) -> _Verdict:
        kind = self.provider.kind
        if kind.idempotency and kind.idempotency.known.search(words):
            return _DOUBT
        if status in _LATER or (400 <= status < 500 and kind.later.search(words)):
            return _NOT_NOW
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return _LOCKED_OUT
        if 300 <= status < 500 and status != HTTPStatus.REQUEST_TIMEOUT:
            return _ADDRESS if kind.address.search(words) else _OURS
        return _DOUBT

    def _answer(self, verdict: _Verdict, text: str, wait: float = 0.0) -> Answer:
        result, phase, code, enhanced, scope = verdict
        label = self.provider.kind.label
        said = one_line(text if result is Result.SENT else f"{label}: {text}")
        return Answer(Outcome(result, phase, code, enhanced, unnamed(said)[:500], scope), wait)


def look(provider: Provider) -> tuple[bool, str]:
    """Whether the provider answers, and takes our key where that can be asked for nothing; and that in words."""
    kind, backend = provider.kind, _backend(provider)
    path = kind.ask.format_map({"sender_domain": "", **dict(provider.options)})
    path = "" if path.endswith("/") else path
    with _open(backend) as session:
        probe = EmailMultiAlternatives("", "", "nobody@example.org", ["nobody@example.org"])
        asked = backend.build_message_payload(probe, {}).get_request_params(backend.api_url)
        place = urljoin(backend.api_url, path)
        try:
            answer = session.get(
                place, headers=asked["headers"], auth=asked["auth"], timeout=CONNECT, allow_redirects=False
            )
        except requests.RequestException as problem:
            return False, _why(problem)
    if answer.status_code >= 500:
        return False, f"it is not well: {_said(answer)}"
    if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) and not kind.enough.search(answer.text):
        return False, f"refuses our key: {_said(answer)}" if path else f"refuses us: {_said(answer)}"
    return True, "takes our key" if path else "answers"


# What is asked.


def _letter(provider: Provider, recipient: str, message: bytes) -> Any:
    """The message as anymail wants it. Raises ValueError where this provider cannot carry it as it is."""
    kind = provider.kind
    parsed = message_from_string(message.decode(), policy=policy.default)
    text, html = _part(parsed, "plain"), _part(parsed, "html")
    if kind.instructions.search(text + html + parsed["Subject"]):
        raise ValueError("it would take {{…}} and {%…%} in the letter for instructions")
    letter: Any = EmailMultiAlternatives(
        parsed["Subject"],
        text,
        _mailbox(parsed["From"].addresses[0]),
        [_mailbox(parsed["To"].addresses[0], recipient)],
        reply_to=[_mailbox(each) for each in parsed["Reply-To"].addresses] if parsed["Reply-To"] else None,
        headers={name: str(parsed[name]) for name in parsed if name.lower() not in _NOT_OURS | kind.withheld},
    )
    if html:
        letter.attach_alternative(html, "text/html")
    letter.raw, letter.idempotency_key = message, key_of(parsed["Message-ID"])
    if kind.tracking:
        letter.track_opens = letter.track_clicks = False
    if kind.extra:
        letter.esp_extra = dict(kind.extra)
    if kind.idempotency and kind.idempotency.of == "letter":
        letter.extra_headers[kind.idempotency.header] = letter.idempotency_key
    return letter


def _part(message: EmailMessage, kind: str) -> str:
    """Empty where the letter has none: who wants plain text gets no HTML."""
    found = message.get_body((kind,))
    return found.get_content().replace("\r\n", "\n") if found else ""


def _mailbox(found: Any, address: str = "") -> str:
    address = address or found.addr_spec
    return f'"{quote(found.display_name)}" <{address}>' if found.display_name else address


def _backend(provider: Provider) -> Any:
    kind = provider.kind
    given = {**dict(zip(kind.key, provider.key, strict=True)), **dict(provider.options), **kind.fixed}
    made = type("Backend", (_Leash, import_string(kind.backend)), {"kind": kind})
    with warnings.catch_warnings():
        # Anymail tests SendGrid no more; ours do not, either, and the guide says so.
        warnings.simplefilter("ignore", AnymailNotSupportedWarning)
        return made(api_url=provider.url, timeout=(CONNECT, READ), **given)


class _Leash:
    """What is not left to anymail: where it goes, what it adds, to notice that it did not connect, to keep answers."""

    kind: Any

    def create_session(self) -> requests.Session:
        session: requests.Session = super().create_session()  # type: ignore[misc]  # it stands in front of a backend
        session.trust_env = not settings.LOOPBACK_ONLY  # a proxy is another machine
        session.max_redirects = 0
        for scheme in ("https://", "http://"):
            session.mount(scheme, _Noticing())
        return session

    def build_message_payload(self, message: Any, defaults: Any) -> Any:
        payload = super().build_message_payload(message, defaults)  # type: ignore[misc]  # as above
        key = self.kind.idempotency
        if key and key.of == "request":
            payload.headers[key.header] = getattr(message, "idempotency_key", "")
        return payload

    def raise_for_status(self, response: requests.Response, payload: Any, message: Any) -> None:
        message.anymail_status.esp_response = response  # before anything is read of it
        super().raise_for_status(response, payload, message)  # type: ignore[misc]  # as above


@contextmanager
def _open(backend: Any) -> Iterator[requests.Session]:
    backend.open()
    try:
        yield backend.session
    finally:
        backend.close()


class _RawPayload(mailgun.MailgunPayload):
    """The whole message as a file, to the address for that: POST /v3/DOMAIN/messages.mime."""

    def get_api_endpoint(self) -> str:
        return f"{super().get_api_endpoint()}.mime"

    def serialize_data(self) -> Any:
        self.files = [("message", ("message.mime", self.message.raw, "message/rfc822"))]
        return {name: value for name, value in self.data.items() if name == "to" or name[:2] in ("o:", "v:")}


class MailgunRaw(mailgun.EmailBackend):
    """Mailgun with our own bytes: its own signature comes on top, and nothing else changes."""

    def build_message_payload(self, message: Any, defaults: Any) -> Any:
        return _RawPayload(message, defaults, self)


# Whether it was ever asked.

_connecting = threading.local()


class _Connecting:
    """While connecting, with TLS and a proxy's tunnel, nothing of the request has left."""

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]  # it stands in front of a connection
        except BaseException:
            _connecting.failed = True
            raise


class _Plain(_Connecting, HTTPConnection):
    pass


class _Encrypted(_Connecting, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _EncryptedPool(HTTPSConnectionPool):
    ConnectionCls = _Encrypted


class _Noticing(HTTPAdapter):
    """Never asks twice by itself, and notices a connection that was never made."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _EncryptedPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _EncryptedPool}
        return manager


# What is said.


def _said(response: requests.Response) -> str:
    words = " ".join(response.text[:_WORDS].split())
    return f"HTTP {response.status_code}" + (f": {words}" if words else "")


def _why(problem: BaseException) -> str:
    """The innermost reason: what lies around it names addresses in memory."""
    found = problem
    while isinstance(inner := getattr(found, "reason", None) or found.__cause__ or found.__context__, BaseException):
        found = inner
    return break_in_words(found) if isinstance(found, OSError) else f"{type(found).__name__}: {found}"[:_WORDS]


def _retry_after(response: requests.Response) -> float:
    """Seconds that it asks for, a day at most; one where it does not say."""
    return min(max(0.0, _seconds(response.headers.get("Retry-After", "").strip())), _LONGEST_ASKED_FOR)


def _seconds(said: str) -> float:
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        return (parsedate_to_datetime(said) - timezone.now()).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 1.0
