"""The demo's promise: with PUBLISHER_LOOPBACK_ONLY set, nothing but this machine is ever talked to."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings

from .intake import fetch
from .lifecycle import Refusal


class Outside(OSError):
    """A redirect leads out of the machine, and that is not allowed."""


def allowed(address: str) -> str:
    """The address itself, or a Refusal where it leads out of the machine and that is not allowed."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError as problem:
        raise Refusal(f"“{address[:200]}” is not an address.") from problem
    if settings.LOOPBACK_ONLY and not _loopback(host):
        raise Refusal(_only_here(host))
    return address


def page(
    address: str, *, etag: str | None = None, last_modified: str | None = None
) -> fetch.Fetched | fetch.NotModified:
    """Fetch a web address. Raises FetchRefused, FetchFailed, or Refusal where it leads out of the demo."""
    try:
        return fetch.get(
            allowed(address),
            etag=etag,
            last_modified=last_modified,
            allow_loopback=settings.ALLOW_LOOPBACK_SOURCES,
            resolve=_resolve,
        )
    except fetch.FetchFailed as problem:
        if isinstance(problem.__cause__, Outside):
            raise Refusal(str(problem.__cause__)) from problem
        raise


def _resolve(host: str, port: int) -> list[str]:
    """Asked at every redirect, and before anybody else is asked about the host."""
    if settings.LOOPBACK_ONLY and not _loopback(host):
        raise Outside(_only_here(host))
    return fetch.resolve(host, port)


def _only_here(host: str) -> str:
    return f"This is the demo: it talks to this machine only, not to {host}."


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
