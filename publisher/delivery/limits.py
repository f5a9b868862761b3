"""How fast we may send, as the operator set it: in all, to each recipient domain, and exceptions for single domains.

    PUBLISHER_DOMAINS=gmail.com:rate=10;connections=3,t-online.de:connections=1

A rate is letters a second, 0.5 is one every two seconds. 0 stands for no limit everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .addresses import AddressRefused, ascii_host

#: What may go at once where nothing went before, in seconds of the rate; at least one letter.
GRANTED_AHEAD = 0.2
_FORM = "write it as gmail.com:rate=10;connections=3"


class LimitsWrong(ValueError):
    """A limit cannot be understood. str() says which, and how it is written."""


@dataclass(frozen=True)
class Limits:
    """Rates are letters a second; 0 is no limit."""

    rate: float = 0.0
    domain_rate: float = 0.0
    domain_connections: int = 0
    rates: Mapping[str, float] = field(default_factory=dict)
    #: The exceptions from `domain_connections`, as Lanes takes them.
    connections: Mapping[str, int] = field(default_factory=dict)

    @property
    def paced(self) -> bool:
        """Whether any rate is set at all."""
        return bool(self.rate or self.domain_rate or any(self.rates.values()))

    @property
    def domains(self) -> frozenset[str]:
        """Those with an exception of their own."""
        return frozenset(self.rates) | frozenset(self.connections)

    def rate_to(self, domain: str) -> float:
        return self.rates.get(domain, self.domain_rate)

    def pause(self, domain: str) -> float:
        """After how many seconds asking again is worth it for a domain that was not granted all."""
        return max((max(GRANTED_AHEAD, 1 / rate) for rate in (self.rate, self.rate_to(domain)) if rate), default=0.0)


def parse_limits(*, rate: str = "", domain_rate: str = "", domain_connections: str = "", domains: str = "") -> Limits:
    """The limits of these settings. LimitsWrong where one is no number, or no domain."""
    rates: dict[str, float] = {}
    connections: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in domains.split(","))):
        domain, limits = _exception(part)
        if domain in rates.keys() | connections.keys():
            raise LimitsWrong(f"PUBLISHER_DOMAINS names {domain} twice: put its limits together, parted by “;”.")
        if "rate" in limits:
            rates[domain] = _number(f"The rate of {domain}", limits["rate"])
        if "connections" in limits:
            connections[domain] = _whole(f"The connections of {domain}", limits["connections"])
    return Limits(
        rate=_number("PUBLISHER_RATE", rate),
        domain_rate=_number("PUBLISHER_DOMAIN_RATE", domain_rate),
        domain_connections=_whole("PUBLISHER_DOMAIN_CONNECTIONS", domain_connections),
        rates=rates,
        connections=connections,
    )


def _exception(part: str) -> tuple[str, dict[str, str]]:
    name, colon, said = part.partition(":")
    limits = dict(_pair(pair, part) for pair in said.split(";"))
    if not colon or set(limits) - {"rate", "connections"}:
        raise LimitsWrong(f"“{part}” in PUBLISHER_DOMAINS: {_FORM}.")
    try:
        return ascii_host(name.strip().lower()), limits
    except AddressRefused as problem:
        raise LimitsWrong(f"“{name}” in PUBLISHER_DOMAINS is no domain: {_FORM}.") from problem


def _pair(pair: str, part: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if not equals:
        raise LimitsWrong(f"“{part}” in PUBLISHER_DOMAINS: {_FORM}.")
    return name.strip(), value.strip()


def _number(what: str, text: str) -> float:
    try:
        number = float(text or 0)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e6:
        raise LimitsWrong(f"{what} is “{text}”: give letters a second, as 10 or 0.5, or 0 for no limit.")
    return number


def _whole(what: str, text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise LimitsWrong(f"{what} is “{text}”: give a whole number, or 0 for no limit.")
    return int(text or 0)
