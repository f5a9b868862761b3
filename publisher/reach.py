"""The demo's promise: with PUBLISHER_LOOPBACK_ONLY set, nothing but this machine is ever talked to."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings

from .lifecycle import Refusal


def allowed(address: str) -> str:
    """The address itself, or a Refusal where it leads out of the machine and that is not allowed."""
    if settings.LOOPBACK_ONLY and not _loopback(urlsplit(address).hostname or ""):
        raise Refusal(f"This is the demo: it talks to this machine only, not to {urlsplit(address).hostname}.")
    return address


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
