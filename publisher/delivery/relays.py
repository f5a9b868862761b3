"""Which SMTP servers take the mail: PUBLISHER_SMTP_URL, read once and checked with words."""

import ipaddress
from dataclasses import dataclass, field
from typing import Literal, cast, get_args
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

Encryption = Literal["none", "starttls", "implicit"]

EXAMPLE = "smtp://user:password@mail.example.org:587?tls=starttls&weight=2"
ENCODE = "a password with : / ? # @ % or a comma is written percent-encoded, for example %40 for @"


class RelayWrong(ValueError):
    """PUBLISHER_SMTP_URL cannot be used; the message names the relay and the part, never a password."""


@dataclass(frozen=True)
class Relay:
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    tls: Encryption = "starttls"
    weight: int = 1

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_relays(value: str) -> tuple[Relay, ...]:
    """The relays of PUBLISHER_SMTP_URL, comma-separated; nothing set gives none. Raises RelayWrong.

    `smtp://` is encrypted with STARTTLS unless it leads to this machine or says `tls=none`; `smtps://` is TLS
    from the first byte.
    """
    if not value.strip():
        return ()
    return tuple(_relay(part.strip(), number) for number, part in enumerate(value.split(","), start=1))


def is_loopback(host: str) -> bool:
    """Is this name or address this very machine?"""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _relay(address: str, number: int) -> Relay:
    def wrong(what: str) -> RelayWrong:
        return RelayWrong(f"PUBLISHER_SMTP_URL, relay {number}: {what}")

    if not address:
        raise wrong("there is nothing between two commas.")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        # The exception's own words quote the address, and with it perhaps the password.
        raise wrong(f"the host or the port cannot be read; {ENCODE}.") from None
    if parts.scheme not in ("smtp", "smtps"):
        raise wrong(f"it must begin with smtp:// or smtps://, for example {EXAMPLE}.")
    if not host:
        raise wrong(f"the host is missing, for example {EXAMPLE}.")
    try:
        host.encode("idna")  # as whoever looks it up will
    except UnicodeError:
        raise wrong(f"{host} is not the name of a host.") from None
    if port == 0 or parts.path.strip("/") or parts.fragment:
        raise wrong(f"after {host} only a port (1 to 65535) and ?tls=…&weight=… may follow; {ENCODE}.")
    try:
        return _checked(parts, host, port)
    except ValueError as error:
        raise wrong(f"{host}: {error}") from None


def _checked(parts: SplitResult, host: str, port: int | None) -> Relay:
    options = _options(parts.query)
    tls = _encryption(parts.scheme, options.get("tls"), host)
    user, password = (unquote(part or "", errors="strict") for part in (parts.username, parts.password))
    if bool(user) != bool(password):
        raise ValueError(f"a user needs a password and the other way round; {ENCODE}.")
    if any(ord(character) < 32 for character in user + password):
        raise ValueError("the user or the password has a control character.")
    if user and tls == "none" and not is_loopback(host):
        raise ValueError("a password would go over the network in clear text; leave out tls=none.")
    weight = _weight(options.get("weight", "1"))
    return Relay(host, port or _usual_port(tls, user), user, password, tls, weight)


def _options(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    unknown = sorted(set(options) - {"tls", "weight"})
    if unknown:
        raise ValueError(f"the option {unknown[0]!r} is not known; there are tls and weight.")
    if len(options) != len(pairs):
        raise ValueError("an option stands there twice.")
    return options


def _encryption(scheme: str, asked: str | None, host: str) -> Encryption:
    if scheme == "smtps":
        if asked not in (None, "implicit"):
            raise ValueError(f"smtps:// is encrypted from the first byte, so tls={asked} contradicts it.")
        return "implicit"
    if asked is None:
        return "none" if is_loopback(host) else "starttls"
    if asked not in get_args(Encryption):
        raise ValueError(f"tls={asked} is not known; it is one of {', '.join(get_args(Encryption))}.")
    return cast(Encryption, asked)


def _usual_port(tls: Encryption, user: str) -> int:
    if tls == "implicit":
        return 465
    return 587 if user else 25


def _weight(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 1000):
        raise ValueError(f"weight={value} is not a whole number from 1 to 1000.")
    return int(value)
