"""Stored secrets: sealed with the newest token key, opened with any that is still configured."""

from __future__ import annotations

import base64
import hashlib
import json
from contextlib import suppress
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class CannotUnseal(Exception):
    """A stored secret was sealed with a key that is no longer configured."""


def _boxes() -> list[Fernet]:
    keys = [base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()) for key in settings.KEYS["tokens"]]
    return [Fernet(key) for key in keys]


def _box() -> MultiFernet:
    return MultiFernet(_boxes())


def which_key(sealed: str) -> int | None:
    """Which of the configured keys opens it: 0 is the newest. None: none does."""
    for place, box in enumerate(_boxes()):
        with suppress(InvalidToken):
            box.decrypt(sealed.encode())
            return place
    return None


def seal(values: dict[str, Any]) -> str:
    return _box().encrypt(json.dumps(values).encode()).decode()


def unseal(sealed: str) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(_box().decrypt(sealed.encode()))
    except InvalidToken as problem:
        raise CannotUnseal(
            "Stored credentials cannot be opened: put the key they were sealed with back into "
            "PUBLISHER_KEYS_TOKENS (newest first), or connect the account again."
        ) from problem
    return values
