"""Which mail provider takes the letters by HTTP, and what each of them can: a table, and the settings that choose one.

    PUBLISHER_MAIL_PROVIDER=resend  PUBLISHER_MAIL_PROVIDER_KEY=re_…
    PUBLISHER_MAIL_PROVIDER=mailgun PUBLISHER_MAIL_PROVIDER_OPTIONS=sender_domain=mg.example.org

What is sent, and what the answers mean, is in parcels.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from .relays import RelayWrong, is_loopback

_NEVER = re.compile(r"(?!)")


class ProviderWrong(RelayWrong):
    """The settings of the mail provider cannot be used; the message names the one, never the key."""


@dataclass(frozen=True)
class Idempotency:
    """A key by which the provider knows a request again, and makes one message of however many come within `window`."""

    header: str
    #: Where it stands: a header of the HTTP request, or one of the letter's, which the provider takes out.
    of: Literal["request", "letter"]
    #: Seconds in which the same key means the same message: somewhat less than the provider says.
    window: float
    #: It knows the key, but does not say what became of the message.
    known: re.Pattern[str]


@dataclass(frozen=True)
class Kind:
    """What is true of one provider. `backend` and `key` are django-anymail's names."""

    label: str
    backend: str
    url: str
    key: tuple[str, ...] = ("api_key",)
    #: What PUBLISHER_MAIL_PROVIDER_OPTIONS may say, in anymail's names.
    options: frozenset[str] = frozenset()
    #: What anymail is told besides.
    fixed: Mapping[str, Any] = field(default_factory=dict)
    #: What stands in each request besides.
    extra: Mapping[str, Any] = field(default_factory=dict)
    idempotency: Idempotency | None = None
    #: It takes a whole message, and our bytes go out; else the text, the HTML and the headers, of which it makes one.
    raw: bool = False
    #: Whether tracking of opens and clicks can be turned off with each letter; else it is a setting of the account.
    tracking: bool = True
    #: Headers that it does not take from us, in lower case: it makes its own.
    withheld: frozenset[str] = frozenset()
    #: An answer of 4xx with these words is about the address, not about us.
    address: re.Pattern[str] = _NEVER
    #: And with these: later, as with a 429.
    later: re.Pattern[str] = _NEVER
    #: What it would take for instructions in the letter, and cannot be told to leave alone.
    instructions: re.Pattern[str] = _NEVER
    #: What to ask for, to see whether the key is taken; empty: nothing costs nothing there.
    ask: str = ""
    #: A refusal of that question with these words is a yes: the key may send, and no more.
    enough: re.Pattern[str] = _NEVER


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


KINDS: Mapping[str, Kind] = {
    "brevo": Kind(
        label="Brevo",
        backend="anymail.backends.brevo.EmailBackend",
        url="https://api.brevo.com/v3/",
        # 15 minutes by the changelog of 2021-11, 30 by developers.brevo.com/docs/heterogenous-versions-batch-emails.
        idempotency=Idempotency("idempotencyKey", "letter", 10 * 60, _words(r"duplicate_parameter")),
        tracking=False,
        address=_words(r"\bemail\b.{0,40}(not valid|invalid).{0,20}\bto\b|\bto\b.{0,40}(not valid|invalid)"),
        later=_words(r"not_enough_credits"),
        instructions=re.compile(r"\{\{|\{%"),
        ask="account",
    ),
    "mailgun": Kind(
        label="Mailgun",
        backend="publisher.delivery.parcels.MailgunRaw",
        url="https://api.mailgun.net/v3/",
        options=frozenset({"sender_domain"}),
        extra={"o:tracking": "no"},
        raw=True,
        address=_words(r"to.{0,3} parameter is not a valid address"),
        ask="domains/{sender_domain}",
    ),
    "mailjet": Kind(
        label="Mailjet",
        backend="anymail.backends.mailjet.EmailBackend",
        url="https://api.mailjet.com/v3.1/",
        key=("api_key", "secret_key"),
        # "send-0011: Header cannot be customized using the Headers collection": these among ours.
        withheld=frozenset({"message-id", "list-id", "date"}),
        address=_words(r"\bTo\["),
    ),
    "postmark": Kind(
        label="Postmark",
        backend="anymail.backends.postmark.EmailBackend",
        url="https://api.postmarkapp.com/",
        key=("server_token",),
        options=frozenset({"message_stream"}),
        later=_words(r'"ErrorCode"\s*:\s*(405|429)\b'),  # no credits left; too many requests
        ask="server",
    ),
    "resend": Kind(
        label="Resend",
        backend="anymail.backends.resend.EmailBackend",
        url="https://api.resend.com/",
        # 24 hours; the same key with another letter, or while the first is under way, gets a 409:
        # resend.com/docs/dashboard/emails/idempotency-keys.
        idempotency=Idempotency("Idempotency-Key", "request", 23 * 3600, _words(r"_idempotent_requests?")),
        tracking=False,
        address=_words(r"invalid .{0,3}to.{0,3} field"),
        later=_words(r"_quota_exceeded"),
        ask="domains",
        enough=_words(r"restricted_api_key"),
    ),
    "sendgrid": Kind(
        label="SendGrid",
        backend="anymail.backends.sendgrid.EmailBackend",
        url="https://api.sendgrid.com/v3/",
        fixed={"generate_message_id": False},
        extra={"tracking_settings": {"subscription_tracking": {"enable": False}}},
        address=_words(r"personalizations\.0\.to"),
        ask="scopes",
    ),
    "sparkpost": Kind(
        label="SparkPost",
        backend="anymail.backends.sparkpost.EmailBackend",
        url="https://api.sparkpost.com/api/v1/",
        options=frozenset({"subaccount"}),
        # Without it {{…}} in a letter would be filled in, or refused.
        extra={"options": {"perform_substitutions": False}},
    ),
}

#: Other names that people will try, and what to do there.
INSTEAD = dict.fromkeys(
    ("amazon_ses", "amazon-ses", "ses"),
    "Amazon SES takes letters by SMTP: set PUBLISHER_SMTP_URL to its address there, as "
    "smtp://USER:PASSWORD@email-smtp.eu-west-1.amazonaws.com:587?tls=starttls.",
)


@dataclass(frozen=True)
class Provider:
    """A provider as it was set."""

    name: str
    url: str
    key: tuple[str, ...] = field(repr=False)
    options: tuple[tuple[str, str], ...] = ()

    @property
    def kind(self) -> Kind:
        return KINDS[self.name]

    def __str__(self) -> str:
        return f"{self.kind.label} ({urlsplit(self.url).netloc.rpartition('@')[2]})"


def parse_provider(name: str, key: str, url: str, options: str) -> Provider | None:
    """The provider of PUBLISHER_MAIL_PROVIDER and its companions; None where no name is set. Raises ProviderWrong."""
    name = name.strip().lower()
    if not name:
        return None
    if name in INSTEAD:
        raise ProviderWrong(f"PUBLISHER_MAIL_PROVIDER: {INSTEAD[name]}")
    if name not in KINDS:
        raise ProviderWrong(f"PUBLISHER_MAIL_PROVIDER: {name!r} is not known; there are {', '.join(KINDS)}.")
    kind = KINDS[name]
    return Provider(name, _address(url.strip() or kind.url), _key(kind, key.strip()), _options(kind, options))


def _key(kind: Kind, key: str) -> tuple[str, ...]:
    parts = tuple(key.split(":", len(kind.key) - 1))
    if not all(parts) or len(parts) != len(kind.key):
        form = ":".join(part.upper() for part in kind.key)
        raise ProviderWrong(f"PUBLISHER_MAIL_PROVIDER_KEY: {kind.label} needs one, as {form}.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ProviderWrong("PUBLISHER_MAIL_PROVIDER_KEY: there is a space, or something that no key has, in it.")
    return parts


def _address(url: str) -> str:
    def wrong(what: str) -> ProviderWrong:
        return ProviderWrong(f"PUBLISHER_MAIL_PROVIDER_URL: {what}")

    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise wrong("the host or the port cannot be read.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise wrong("it must be the beginning of its addresses, as https://api.eu.mailgun.net/v3/.")
    if parts.username is not None or parts.query or parts.fragment:
        raise wrong("no password, ? or # may stand in it; the key has a variable of its own.")
    if parts.scheme == "http" and not is_loopback(host):
        raise wrong("the key would go over the network in clear text; it must begin with https://.")
    return url if url.endswith("/") else f"{url}/"


def _options(kind: Kind, given: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.strip().partition("=") for part in given.split(",") if part.strip()]
    for name, _, value in pairs:
        if name not in kind.options or not value:
            known = f"it knows {', '.join(f'{option}=…' for option in sorted(kind.options)) or 'none'}"
            raise ProviderWrong(f"PUBLISHER_MAIL_PROVIDER_OPTIONS: {name!r} is no option of {kind.label}; {known}.")
    found = {name: value for name, _, value in pairs}
    if len(found) != len(pairs):
        raise ProviderWrong("PUBLISHER_MAIL_PROVIDER_OPTIONS: an option stands there twice.")
    return tuple(sorted(found.items()))
