"""One letter for one member as bytes, and the ID by which every attempt at it is known.

The parts of its MIME are put together in assembly.py.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache

from ..letters import Letter
from .addresses import ascii_host
from .assembly import Assembly

_host = lru_cache(maxsize=64)(ascii_host)


def build(
    letter: Letter,
    *,
    sender: tuple[str, str],
    recipient: tuple[str, str],
    headers: Mapping[str, str],
    values: Mapping[str, str],
    message_id: str,
    date: datetime,
) -> bytes:
    """A single message: an Assembly for one, where everything else about it is told."""
    assembly = Assembly(letter, sender=sender, headers=headers, date=date)
    return assembly.message(recipient=recipient, values=values, message_id=message_id)


def message_id(digest_key: str, delivery_key: str, domain: str) -> str:
    """`<…@domain>`, the same for each attempt at one delivery; it tells nothing about the member."""
    return id_maker(digest_key, domain)(delivery_key)


def id_maker(digest_key: str, domain: str) -> Callable[[str], str]:
    """`message_id` for many deliveries of one digest."""
    common, behind = hashlib.blake2b(key=digest_key.encode()[:64], digest_size=20), f"@{_host(domain)}>"

    def message_id(delivery_key: str) -> str:
        hashed = common.copy()
        hashed.update(delivery_key.encode())
        return f"<{hashed.hexdigest()}{behind}"

    return message_id
