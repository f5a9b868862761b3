"""Questions to the DNS, by dnspython: each with a time limit and asked once. No answer is told apart from "none"."""

from __future__ import annotations

import ipaddress
import time
from urllib.parse import urlsplit

import dns.exception
import dns.name
import dns.nameserver
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.TXT
import dns.resolver

from .answers import Silent

#: Seconds: for one server's answer, for a question with all its repetitions, and for all questions of one look.
EACH, IN_ALL, OF_A_LOOK = 2.0, 5.0, 25.0


class ServersWrong(ValueError):
    """PUBLISHER_DNS_SERVERS cannot be used."""


class Questions:
    """One look at the DNS, which remembers what it was told; also what nobody answered is asked once.

    `servers` are "192.0.2.53" or "127.0.0.1:5353", parted by commas; empty: those of this machine.
    """

    def __init__(self, servers: str = "") -> None:
        self._resolver, self._until = _resolver(servers), time.monotonic() + OF_A_LOOK
        self._known: dict[tuple[str, str], list[str] | Silent] = {}

    def ask(self, name: str, kind: str) -> list[str]:
        key = name.rstrip(".").lower(), kind
        if key not in self._known:
            try:
                self._known[key] = self._look(*key)
            except Silent as silent:
                self._known[key] = silent
        found = self._known[key]
        if isinstance(found, Silent):
            raise found
        return found

    def _look(self, name: str, kind: str) -> list[str]:
        if self._resolver is None:
            raise Silent("this machine names no DNS server")
        if time.monotonic() > self._until:
            raise Silent(f"{name} ({kind}) was not asked for any more: other questions took {OF_A_LOOK:.0f} seconds")
        try:
            answer = self._resolver.resolve(name, kind, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.name.EmptyLabel, dns.name.LabelTooLong):
            return []
        except (dns.exception.DNSException, OSError) as problem:
            raise Silent(f"nobody answered for {name} ({kind}): {type(problem).__name__}") from problem
        return [_text(record) for record in answer]


def _text(record: object) -> str:
    """The strings of a TXT record are one text (RFC 7208 §3.3, RFC 6376 §3.6.2.2)."""
    if isinstance(record, dns.rdtypes.ANY.TXT.TXT):
        return b"".join(record.strings).decode("utf-8", "replace")
    if isinstance(record, dns.rdtypes.ANY.MX.MX):
        return record.exchange.to_text(omit_final_dot=True).rstrip(".")
    return str(record).rstrip(".")


def _resolver(servers: str) -> dns.resolver.Resolver | None:
    try:
        resolver = dns.resolver.Resolver(configure=not servers.strip())
    except dns.resolver.NoResolverConfiguration:
        return None
    resolver.timeout, resolver.lifetime = EACH, IN_ALL
    if servers.strip():
        resolver.nameservers = [_server(one.strip()) for one in servers.split(",")]
    return resolver


def _server(written: str) -> dns.nameserver.Nameserver:
    try:
        parts = urlsplit(f"dns://{written}")
        host = str(ipaddress.ip_address(parts.hostname or ""))
        return dns.nameserver.Do53Nameserver(host, parts.port or 53)
    except ValueError:
        raise ServersWrong(
            f"PUBLISHER_DNS_SERVERS: “{written}” is no address such as 192.0.2.53 or 127.0.0.1:5353."
        ) from None
