"""Events as each provider sends them (by its own documents, as of 2026), and signed as each signs them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ADDRESS = "m0@members.example"
NO_USER = "550 5.1.1 <m0@members.example>: Recipient address rejected: User unknown"
SPAM = "550 5.7.1 Our system has detected that this message is likely unsolicited mail."
BASIC = "publisher:canary-of-the-cast-events"
SVIX = "whsec_" + base64.b64encode(b"canary-of-the-cast-events").decode()
_EC = ec.generate_private_key(ec.SECP256R1())


def _public(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(key.public_key().public_bytes(serialization.Encoding.DER, form)).decode()


ANOTHER_KEY = _public(ec.generate_private_key(ec.SECP256R1()))

SECRETS = {
    "brevo": BASIC,
    "mailgun": "canary-of-the-cast-signing",
    "mailjet": BASIC,
    "postmark": BASIC,
    "resend": SVIX,
    "sendgrid": _public(_EC),
    "sparkpost": BASIC,
}


def brevo(token: str, event: str, reason: str = "") -> Any:
    return {"event": event, "email": ADDRESS, "reason": reason, "X-Mailin-custom": json.dumps({"publisher": token})}


def mailgun(token: str, event: str, message: str = "", *, severity: str = "permanent", reason: str = "bounce") -> Any:
    data = {"event": event, "recipient": ADDRESS, "timestamp": time.time(), "user-variables": {"publisher": token}}
    if event == "failed":
        data |= {"severity": severity, "reason": reason, "delivery-status": {"message": message, "code": 550}}
    return {"event-data": data}


def mailjet(token: str, event: str, error: str = "", *, hard: bool = True) -> Any:
    said = {"event": event, "time": 1, "email": ADDRESS, "Payload": json.dumps({"publisher": token})}
    return said | ({"error": error, "hard_bounce": hard} if error else {})


def postmark(token: str, record: str, type_: str = "", details: str = "") -> Any:
    said = {"RecordType": record, "Email": ADDRESS, "Metadata": {"publisher": token}, "MessageID": "883953f4"}
    return said | ({"Type": type_, "Details": details, "ID": 42} if type_ else {})


def resend(token: str, event: str, message: str = "", kind: str = "Permanent") -> Any:
    headers = [{"name": "X-Metadata", "value": json.dumps({"publisher": token})}]
    data: dict[str, Any] = {"email_id": "56761188", "to": [ADDRESS], "headers": headers}
    if message:
        data["bounce"] = {"message": message, "type": kind, "subType": "General"}
    return {"type": f"email.{event}", "created_at": "2026-11-22T23:41:12.126Z", "data": data}


def sendgrid(token: str, event: str, reason: str = "", type_: str = "bounce") -> Any:
    said = {"event": event, "email": ADDRESS, "timestamp": 1, "publisher": token}
    return [said | ({"reason": reason, "type": type_} if event == "bounce" else {"reason": reason} if reason else {})]


def sparkpost(token: str, event: str, raw: str = "", bounce_class: str = "") -> Any:
    said = {"type": event, "rcpt_to": ADDRESS, "timestamp": "1", "rcpt_meta": {"publisher": token}}
    if raw:
        said |= {"raw_reason": raw, "reason": raw, "bounce_class": bounce_class}
    return [{"msys": {"message_event": said}}]


def signed(provider: str, event: Any) -> tuple[bytes, dict[str, str]]:
    """The body, and the headers that come with it."""
    if provider == "mailgun":
        stamp, token = str(int(time.time())), "a" * 50
        made = hmac.new(SECRETS[provider].encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
        event = {**event, "signature": {"timestamp": stamp, "token": token, "signature": made}}
    body = json.dumps(event).encode()
    return body, _headers(provider, body)


def _headers(provider: str, body: bytes) -> dict[str, str]:
    stamp = str(int(time.time()))
    if provider == "resend":
        key = base64.b64decode(SVIX.removeprefix("whsec_"))
        made = hmac.new(key, b"msg_1." + stamp.encode() + b"." + body, hashlib.sha256).digest()
        return {
            "svix-id": "msg_1",
            "svix-timestamp": stamp,
            "svix-signature": f"v1,{base64.b64encode(made).decode()}",
        }
    if provider == "sendgrid":
        made = _EC.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        name = "X-Twilio-Email-Event-Webhook"
        return {f"{name}-Timestamp": stamp, f"{name}-Signature": base64.b64encode(made).decode()}
    if SECRETS[provider] == BASIC:
        return {"Authorization": "Basic " + base64.b64encode(BASIC.encode()).decode()}
    return {}
