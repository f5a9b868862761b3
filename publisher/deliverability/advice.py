"""What to put into the DNS, made from what is there."""

from __future__ import annotations

import re
from collections.abc import Iterable

_END = re.compile(r"\s*(?:[+?~-]?all|redirect=\S+)\s*$", re.IGNORECASE)


def spf(found: str, terms: Iterable[str]) -> str:
    """The record with these terms in it, before its end; a new one where there is none."""
    missing = [term for term in terms if term.lower() not in found.lower().split()]
    end = _END.search(found)
    before = (found[: end.start()] if end else found) or "v=spf1"
    return " ".join([before.rstrip(), *missing, (end[0].strip() if end else "~all")])


def term(address: str) -> str:
    return f"ip6:{address}" if ":" in address else f"ip4:{address}"


def dmarc(domain: str) -> str:
    """To begin with: it only watches, and asks for reports."""
    return f"v=DMARC1; p=none; rua=mailto:dmarc@{domain}"
