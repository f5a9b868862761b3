"""Who is asking: the client's address, the network it belongs to, and how often that network has asked."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.utils.crypto import salted_hmac


def address(request: HttpRequest) -> str:
    """The client's IP address.

    Behind a proxy it is the last entry of X-Forwarded-For, the one that our own proxy wrote: those before it
    come from the client, who may write what he likes, and a new one with each request.
    """
    direct = str(request.META.get("REMOTE_ADDR", ""))
    # PUBLISHER_BEHIND_PROXY sets this: only then is the header anybody's but the client's.
    if not settings.SECURE_PROXY_SSL_HEADER:
        return direct
    return request.headers.get("X-Forwarded-For", direct).rsplit(",", 1)[-1].strip()


def network(of: str) -> str:
    """The block of addresses that one household or one attacker commands: /24, and /56 of IPv6."""
    try:
        ip = ipaddress.ip_address(of)
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return str(ipaddress.ip_network((ip, 24 if ip.version == 4 else 56), strict=False))


def ip(request: HttpRequest) -> str | None:
    """The address as a column for addresses takes it; None where it is none (a socket, a broken header)."""
    try:
        return str(ipaddress.ip_address(address(request)))
    except ValueError:
        return None


def is_loopback(request: HttpRequest) -> bool:
    """Whether the connection itself comes from this machine; a proxy on it makes that true of everybody."""
    try:
        return ipaddress.ip_address(str(request.META.get("REMOTE_ADDR", ""))).is_loopback
    except ValueError:
        return False


def asks_too_often(request: HttpRequest, what: str, *, times: int, seconds: int) -> bool:
    """Count this request; True once its network has asked more than `times` in `seconds`."""
    # Keyed, since a network is personal data and there are few enough of them to try them all.
    key = f"often:{what}:{salted_hmac('publisher.often', network(address(request))).hexdigest()}"
    cache.add(key, 0, seconds)
    try:
        return cache.incr(key) > times
    except ValueError:
        return False  # it ran out between the two lines: a new time begins
