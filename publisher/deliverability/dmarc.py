"""A domain's DMARC record, where it is found, and what counts as the same party: RFC 9989. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .answers import Ask

_MOST_STEPS = 8  # RFC 9989 §4.10: of a longer name the middle is left out
_POLICIES = ("none", "quarantine", "reject")


@dataclass(frozen=True)
class Record:
    """The record at `at`, its tags in lower case; `problem` says why it counts for nothing."""

    at: str
    tags: dict[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def policy(self) -> str:
        """Without a policy, a record that asks for reports is one that only watches (§4.7)."""
        return self.tags.get("p", "none").lower()

    def policy_for(self, domain: str) -> tuple[str, str]:
        """Which tag speaks for this domain, and what it says: of a subdomain sp=, where it is there."""
        below = self.tags.get("sp", "").lower()
        return ("sp", below) if domain.lower() != self.at and below in _POLICIES else ("p", self.policy)

    @property
    def tried_out(self) -> bool:
        """By t= of RFC 9989, or pct= of RFC 7489, which many receivers still read."""
        share = self.tags.get("pct", "100")
        return self.tags.get("t", "n").lower() == "y" or (share.isascii() and share.isdigit() and int(share[:4]) < 100)


def find(domain: str, ask: Ask) -> Record | None:
    """The record that speaks for this domain: its own, else the one of its organisation."""
    found = list(_records(domain, ask))
    own = next((record for record in found if record.at == domain), None)
    organisation = _organisation(domain, found)
    return own or next((record for record in found if record.at == organisation), None)


def organisation(domain: str, ask: Ask) -> str:
    """The domain that the party behind this one registered, by the walk up the tree (§4.10)."""
    return _organisation(domain, list(_records(domain, ask)))


def aligned(one: str, other: str, ask: Ask, *, strictly: bool = False) -> bool:
    """Whether mail signed by, or returned to, `one` may speak for `other` (§4.4)."""
    one, other = one.lower(), other.lower()
    return one == other or (not strictly and organisation(one, ask) == organisation(other, ask))


def _organisation(domain: str, found: list[Record]) -> str:
    for record in found:
        if record.tags.get("psd") == "n":
            return record.at
        if record.tags.get("psd") == "y" and record.at != domain:
            return domain.removesuffix(f".{record.at}").rpartition(".")[2] + f".{record.at}"
    return found[-1].at if found else domain


def _records(domain: str, ask: Ask) -> Iterator[Record]:
    """From the domain upwards: those that have a record."""
    for name in _steps(domain):
        texts = [text for text in ask(f"_dmarc.{name}", "TXT") if re.match(r"v\s*=\s*DMARC1\s*(;|$)", text)]
        if len(texts) > 1:
            yield Record(name, problem=f"_dmarc.{name} has {len(texts)} records: then none counts")
        elif texts:
            yield _read(name, texts[0])


def _steps(domain: str) -> Iterator[str]:
    labels = domain.lower().rstrip(".").split(".")
    yield ".".join(labels)
    rest = labels[1:] if len(labels) <= _MOST_STEPS else labels[-(_MOST_STEPS - 1) :]
    yield from (".".join(rest[at:]) for at in range(len(rest)))


def _read(name: str, text: str) -> Record:
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    tags = {tag.strip().lower(): value.strip() for tag, sign, value in pairs if sign}
    if "p" in tags and tags["p"].lower() not in _POLICIES and not tags.get("rua"):
        return Record(name, tags, f"p={tags['p']} is no policy: none, quarantine or reject")
    if "p" not in tags and not tags.get("rua"):
        return Record(name, tags, "it has neither a policy (p=) nor an address for reports (rua=)")
    return Record(name, tags if tags.get("p", "none").lower() in _POLICIES else {**tags, "p": "none"})
