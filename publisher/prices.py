"""What a post costs, by the price table: shown before anybody approves it, and counted against a budget."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from . import networks
from .lifecycle import Refusal
from .networks.base import Outgoing, Picture

DESCRIBED_PICTURE = "described picture"
Table = dict[str, tuple[str, dict[str, Decimal]]]


class PricesWrong(Refusal):
    """The price table cannot be read."""


@dataclass(frozen=True)
class Price:
    amount: Decimal
    currency: str = ""

    def __str__(self) -> str:
        """ "0.20 USD", "0.015 USD", "free"."""
        if not self.amount:
            return "free"
        cents = self.amount.quantize(Decimal("0.01"))
        return f"{cents if cents == self.amount else self.amount.normalize():f} {self.currency}"

    def __bool__(self) -> bool:
        return bool(self.amount)


FREE = Price(Decimal(0))


def of(network: str, outgoing: Outgoing) -> Price:
    """What the network charges for this post, if it takes it."""
    if network not in table():
        return FREE
    currency, lines = table()[network]
    # A line that the table lacks costs what the dearest does: too early a stop is mended sooner than a bill.
    amount = lines.get(networks.network_class(network).tariff(outgoing), max(lines.values()))
    if outgoing.picture and outgoing.picture.alt:
        amount += lines.get(DESCRIBED_PICTURE, Decimal(0))
    return Price(amount, currency)


def of_words(network: str, text: str, link: str, picture: bool, alt: str) -> Price:
    """As `of`, from what stands in a proof: the bytes of a picture cost nothing."""
    shown = Picture(b"", "", alt) if picture else None
    return of(network, Outgoing(text=text, link=link or None, picture=shown))


def of_proof(posts: Iterable[Mapping[str, Any]]) -> str:
    """What the posts of a proof cost together, if all go out."""
    return together(
        of_words(post["channel"].partition(" ")[0], post["text"], post["link"], bool(post["picture"]), post["alt"])
        for post in posts
    )


def currency(network: str) -> str:
    """In what the network charges; nothing where it is free."""
    return table().get(network, ("", {}))[0]


def together(prices: Iterable[Price]) -> str:
    """ "0.83 USD"; "free"; "0.20 USD and 0.10 EUR" where two currencies meet."""
    sums: dict[str, Decimal] = {}
    for price in prices:
        if price:
            sums[price.currency] = sums.get(price.currency, Decimal(0)) + price.amount
    return " and ".join(str(Price(amount, name)) for name, amount in sorted(sums.items())) or "free"


def table() -> Table:
    """The lines of each network. Raises PricesWrong."""
    return _read(Path(settings.PRICES))


@cache
def _read(file: Path) -> Table:
    try:
        return {network: _lines(written) for network, written in tomllib.loads(file.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError, KeyError, InvalidOperation) as problem:
        raise PricesWrong(f"The price table {file} cannot be read: {problem!r}. See config/prices.toml.") from problem


def _lines(written: dict[str, Any]) -> tuple[str, dict[str, Decimal]]:
    lines = {name: Decimal(amount) for name, amount in written.items() if name != "currency"}
    if not lines or not all(amount.is_finite() and amount >= 0 for amount in lines.values()):
        raise ValueError('each network needs its currency, and amounts from 0 such as "0.015"')
    return str(written["currency"]), lines
