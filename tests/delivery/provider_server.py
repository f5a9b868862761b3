"""Providers of mail on loopback: addresses, keys, fields and answers as Resend, Postmark, Mailgun and Brevo document.

Strict: what is not documented is refused. `accepted` is the witness: a letter is in it when the provider took it.
"""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parseaddr
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "s3cret-key"


@dataclass
class Letter:
    """One that was taken, as the provider understood it."""

    to: str
    given: Any
    key: str = ""
    raw: bytes = b""


@dataclass
class Fault:
    """What goes wrong with requests about `match`: before the letter is taken, or after it.

    `status` and `body` answer; without a status the connection is closed, or kept in silence until `release` is set.
    """

    match: str = ""
    times: int | None = 1
    taken: bool = False
    status: int = 0
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    silent: bool = False
    release: threading.Event = field(default_factory=threading.Event)


class Refusal(Exception):
    def __init__(self, status: int, body: Any) -> None:
        self.status, self.body = status, body


class Provider:
    """All of them under one port: `url("resend")` is the beginning of its addresses."""

    def __init__(self, *, delay: float = 0.0) -> None:
        self.accepted: list[Letter] = []
        self.requests: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.inactive: set[str] = set()
        self.keys: dict[str, tuple[bytes, str | None]] = {}
        self.delay = delay
        self.lock = threading.Lock()
        handler = type("Bound", (_Handler,), {"provider": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{name}/"

    def fault(self, **given: Any) -> Fault:
        self.faults.append(Fault(**given))
        return self.faults[-1]

    def mailed(self) -> Counter[str]:
        with self.lock:
            return Counter(letter.to for letter in self.accepted)

    def stop(self) -> None:
        for fault in self.faults:
            fault.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wrong_with(self, body: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.match in body and fault.times != 0:
                    fault.times = fault.times and fault.times - 1
                    return fault
        return None

    def take(self, letter: Letter) -> str:
        with self.lock:
            self.accepted.append(letter)
        return str(uuid.uuid4())


class _Handler(BaseHTTPRequestHandler):
    provider: Provider
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self._route(b"", {"resend": resend_asked, "postmark": postmark_asked, "brevo": brevo_asked})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._route(body, {"resend": resend, "postmark": postmark, "mailgun": mailgun, "brevo": brevo})

    def _route(self, body: bytes, providers: Mapping[str, Callable[..., tuple[int, Any]]]) -> None:
        name, _, self.rest = self.path.lstrip("/").partition("/")
        with self.provider.lock:
            self.provider.requests.append((name, self.rest))
        time.sleep(self.provider.delay)
        fault = self.provider.wrong_with(body.decode("utf-8", "replace")) if body else None
        answer: tuple[int, Any] = (0, None)
        if fault is None or fault.taken:
            try:
                answer = providers[name](self, body)
            except Refusal as refusal:
                answer = (refusal.status, refusal.body)
        if fault:
            self._go_wrong(fault)
        else:
            self._answer(answer[0], json.dumps(answer[1]), {"Content-Type": "application/json"})

    def _go_wrong(self, fault: Fault) -> None:
        if fault.status:
            self._answer(fault.status, fault.body, fault.headers)
            return
        if fault.silent:
            fault.release.wait()
        self.close_connection = True

    def _answer(self, status: int, body: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body.encode()))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())


def fields(
    handler: _Handler, body: bytes, needed: Mapping[str, type], may: Mapping[str, type], refuse: Callable[..., Refusal]
) -> Any:
    """The JSON body, with these fields of these types and no others."""
    if handler.headers["Content-Type"] != "application/json":
        raise refuse("Content-Type must be application/json")
    given = json.loads(body)
    known = {**needed, **may}
    for name, value in given.items():
        if name not in known or not isinstance(value, known[name]):
            raise refuse(f"the field {name} is not allowed, or not of this type")
    for name in needed:
        if not given.get(name):
            raise refuse(f"Missing `{name}` field")
    return given


# Resend: resend.com/docs/api-reference/emails/send-email, …/errors, …/dashboard/emails/idempotency-keys


def resend_refusal(status: int, name: str, message: str) -> Refusal:
    return Refusal(status, {"statusCode": status, "name": name, "message": message})


def resend_signed_in(handler: _Handler) -> None:
    given = handler.headers["Authorization"]
    if not given:
        raise resend_refusal(401, "missing_api_key", "Missing API key in the authorization header.")
    if given == "Bearer only-sending":
        raise resend_refusal(401, "restricted_api_key", "This API key is restricted to only send emails.")
    if given != f"Bearer {KEY}":
        raise resend_refusal(403, "invalid_api_key", "API key is invalid.")


def resend_asked(handler: _Handler, body: bytes) -> tuple[int, Any]:
    resend_signed_in(handler)
    assert handler.rest == "domains"
    return 200, {"data": []}


def resend(handler: _Handler, body: bytes) -> tuple[int, Any]:
    resend_signed_in(handler)
    if handler.rest != "emails":
        raise resend_refusal(404, "not_found", "The requested endpoint does not exist.")
    may = {"html": str, "text": str, "headers": dict, "reply_to": list, "cc": list, "bcc": list, "tags": list}
    needed = {"from": str, "to": list, "subject": str}
    given = fields(handler, body, needed, may, lambda says: resend_refusal(422, "missing_required_field", says))
    (to,) = given["to"]
    if "@" not in to or "invalid" in to:
        raise resend_refusal(422, "validation_error", "Invalid `to` field. The email address needs to follow …")
    key = handler.headers["Idempotency-Key"]
    if key is None:
        return 200, {"id": handler.provider.take(Letter(parseaddr(to)[1], given))}
    return 200, {"id": _once(handler.provider, key, body, Letter(parseaddr(to)[1], given, key))}


def _once(provider: Provider, key: str, body: bytes, letter: Letter) -> str:
    if not 1 <= len(key) <= 256:
        raise resend_refusal(400, "invalid_idempotency_key", "The key must be between 1-256 chars.")
    with provider.lock:
        first, answer = provider.keys.setdefault(key, (body, None))
        mine = first is body
    if first != body:
        raise resend_refusal(409, "invalid_idempotent_request", "Same key used with a different request payload.")
    if not mine and answer is None:
        raise resend_refusal(409, "concurrent_idempotent_requests", "Same key used while original is in progress.")
    if answer is None:
        answer = provider.take(letter)
        provider.keys[key] = (body, answer)
    return answer


# Postmark: postmarkapp.com/developer/api/email-api, …/overview#error-codes


def postmark_refusal(status: int, code: int, message: str) -> Refusal:
    return Refusal(status, {"ErrorCode": code, "Message": message})


def postmark_signed_in(handler: _Handler) -> None:
    if handler.headers["X-Postmark-Server-Token"] != KEY:
        raise postmark_refusal(401, 10, "Request does not contain a valid Server token.")


def postmark_asked(handler: _Handler, body: bytes) -> tuple[int, Any]:
    postmark_signed_in(handler)
    assert handler.rest == "server"
    return 200, {"Name": "Rooms"}


def postmark(handler: _Handler, body: bytes) -> tuple[int, Any]:
    postmark_signed_in(handler)
    assert handler.rest == "email"
    needed = {"From": str, "To": str}
    may = {
        "Subject": str, "HtmlBody": str, "TextBody": str, "ReplyTo": str, "Headers": list, "TrackOpens": bool,
        "TrackLinks": str, "MessageStream": str, "Tag": str, "Metadata": dict, "Cc": str, "Bcc": str,
    }  # fmt: skip
    given = fields(handler, body, needed, may, lambda says: postmark_refusal(422, 402, says))
    to = parseaddr(given["To"])[1].lower()
    if "invalid" in to:
        raise postmark_refusal(422, 300, f"Invalid 'To' address: '{to}'.")
    if to in handler.provider.inactive:
        why = "You tried to send to a recipient that has been marked as inactive.\nFound inactive addresses: "
        raise postmark_refusal(422, 406, f"{why}{to}.\nInactive recipients are ones that have generated a hard bounce.")
    assert given.get("TrackLinks", "None") in {"None", "HtmlAndText", "HtmlOnly", "TextOnly"}
    number = handler.provider.take(Letter(to, given))
    return 200, {"To": given["To"], "SubmittedAt": "2007-03-31T09:00:00Z", "MessageID": number, "ErrorCode": 0,
                 "Message": "OK"}  # fmt: skip


# Mailgun: documentation.mailgun.com/docs/mailgun/api-reference/send, POST /v3/{domain_name}/messages.mime


def mailgun(handler: _Handler, body: bytes) -> tuple[int, Any]:
    if handler.headers["Authorization"] != "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode():
        raise Refusal(401, "Forbidden")
    if handler.rest != "reading-rooms.example/messages.mime":
        raise Refusal(404, {"message": "Domain not found: " + handler.rest.partition("/")[0]})
    parts = message_from_bytes(
        f"Content-Type: {handler.headers['Content-Type']}\r\n\r\n".encode() + body, policy=policy.HTTP
    )
    assert isinstance(parts, EmailMessage)
    found: dict[str, bytes] = {}
    for part in parts.iter_parts():
        name = part.get_param("name", header="content-disposition")
        inner = part.get_payload(0).as_bytes() if part.is_multipart() else part.get_payload(decode=True)
        if str(name) not in {"to", "message"} and not str(name).startswith(("o:", "v:")):
            raise Refusal(400, {"message": f"{name} is not allowed"})
        assert isinstance(inner, bytes)
        found[str(name)] = inner
    to = parseaddr(found["to"].decode())[1]
    if "invalid" in to:
        raise Refusal(400, {"message": "to parameter is not a valid address. please check documentation"})
    options = {name: value.decode() for name, value in found.items() if name.startswith(("o:", "v:"))}
    number = handler.provider.take(Letter(to, options, raw=_file_in(body)))
    return 200, {"id": f"<{number}@reading-rooms.example>", "message": "Queued. Thank you."}


def _file_in(body: bytes) -> bytes:
    """The uploaded message, byte for byte."""
    boundary = body[: body.index(b"\r\n")]
    (part,) = [part for part in body.split(b"\r\n" + boundary) if b'filename="message.mime"' in part]
    return part.partition(b"\r\n\r\n")[2]


# Brevo: developers.brevo.com/reference/sendtransacemail, …/docs/heterogenous-versions-batch-emails


def brevo_asked(handler: _Handler, body: bytes) -> tuple[int, Any]:
    if handler.headers["api-key"] != KEY:
        raise Refusal(401, {"code": "unauthorized", "message": "Key not found"})
    return 200, {"email": "office@reading-rooms.example"}


def brevo(handler: _Handler, body: bytes) -> tuple[int, Any]:
    brevo_asked(handler, body)
    assert handler.rest == "smtp/email"
    needed = {"sender": dict, "to": list, "subject": str}
    may = {"htmlContent": str, "textContent": str, "replyTo": dict, "headers": dict}
    given = fields(
        handler, body, needed, may, lambda says: Refusal(400, {"code": "invalid_parameter", "message": says})
    )
    key = str(uuid.UUID(given["headers"].pop("idempotencyKey")))
    with handler.provider.lock:
        if key in handler.provider.keys:
            raise Refusal(400, {"code": "duplicate_parameter", "message": "Request is already processed"})
        handler.provider.keys[key] = (body, None)
    number = handler.provider.take(Letter(given["to"][0]["email"], given, key))
    return 201, {"messageId": f"<{number}@smtp-relay.mailin.fr>"}
