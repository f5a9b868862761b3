"""How far we reach: never into our own network by a name that somebody typed in, and in the demo no further than that.

The demo's promise: with PUBLISHER_LOOPBACK_ONLY set, nothing but this machine is ever talked to.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings

from .intake import fetch
from .lifecycle import Refusal


class Outside(OSError):
    """A name leads to where we may not reach: out of the machine, or into a network of ours."""


def allowed(address: str) -> str:
    """The address itself, or a Refusal where it leads out of the machine and that is not allowed."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError as problem:
        raise Refusal(f"“{address[:200]}” is not an address.") from problem
    allowed_host(host)
    return address


def allowed_host(host: str) -> None:
    """A Refusal where it is out of the machine and that is not allowed."""
    if settings.LOOPBACK_ONLY and not _loopback(host):
        raise Refusal(_only_here(host))


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


def of_server(address: str) -> Callable[[str, int], list[str]] | None:
    """Who is to be asked whom a name leads to, at a configured address: `named` where accounts name the server."""
    return named if "{server}" in address else None


def named(host: str, port: int) -> list[str]:
    """The addresses of a server that somebody named. Raises Outside where one of them is inside a private network.

    To be asked at each connection, which is then made to what was checked: a name may lead elsewhere tomorrow.
    """
    found = _resolve(host, port)
    addresses = [ipaddress.ip_address(one) for one in found]
    if settings.ALLOW_LOOPBACK_SOURCES and all(map(fetch.is_loopback, addresses)):
        return found
    for one in addresses:
        if not fetch.is_public(one):
            raise Outside(f"{host} leads to {one}, an address inside a private network.")
    return found


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
