"""The keys that sign letters: files in a folder, DOMAIN/SELECTOR.pem, and beside them which of them are in use.

A key signs only from `use` on: before that its public half has to stand in the DNS, or every letter would look forged.
"""

from __future__ import annotations

import os
import re
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from django.conf import settings

from ..lifecycle import Refusal
from .addresses import AddressRefused, ascii_host
from .dkim import Key, Signer

_BITS = 2048  # more would not fit everywhere, and costs several times as much for each letter
_STRING = 255  # what one string of a TXT record holds
_SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_IN_USE = "in-use"


class Kind(StrEnum):
    RSA = "rsa"
    ED25519 = "ed25519"


class CannotSign(Refusal):
    """A key in use cannot be read: letters wait rather than go out unsigned."""


@dataclass(frozen=True)
class Stored:
    """A key in the folder. `problem` says why it cannot be read."""

    domain: str
    selector: str
    in_use: bool
    kind: str = ""
    public: str = ""
    problem: str = ""

    @property
    def record(self) -> tuple[str, str]:
        """Name and value of the TXT record that belongs to it."""
        return f"{self.selector}._domainkey.{self.domain}", f"v=DKIM1; k={self.kind}; p={self.public}"

    @property
    def zone_line(self) -> str:
        name, value = self.record
        strings = " ".join(f'"{value[at : at + _STRING]}"' for at in range(0, len(value), _STRING))
        return f"{name}. IN TXT ( {strings} )"


# ---- What sending asks


def signers_for(domain: str) -> tuple[Signer, ...]:
    """One for each key in use; none where no key was ever put to use. CannotSign where one cannot be read."""
    if settings.DKIM_FOLDER and not _folder().is_dir():
        # A further machine without the keys would else send unsigned what the others sign.
        raise CannotSign(f"PUBLISHER_DKIM_FOLDER names {_folder()}, which is not there: letters wait for their keys.")
    name = _host(domain)
    return tuple(Signer(name, selector, _read(_file(name, selector))) for selector in _in_use(name))


# ---- What people do


def make(domain: str, selector: str, kind: Kind) -> Stored:
    """A new key, not in use. Refusal where there is, or was, one of this name: its record may still be published."""
    domain = _host(domain)
    file = _file(domain, _checked(selector))
    if file.exists() or _retired(file).exists():
        raise Refusal(f"{domain} has, or had, a key {selector}: name another with --selector.")
    key = Ed25519PrivateKey.generate() if kind is Kind.ED25519 else generate_private_key(65537, _BITS)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # O_EXCL: of two who make it at once, one is refused.
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
        new.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return _look(domain, selector)


def use(domain: str, selector: str) -> list[str]:
    """Sign with this key from now on, in place of those of its kind: they are named."""
    domain = _host(domain)
    new = _look(domain, _checked(selector))
    if new.problem:
        raise Refusal(new.problem)
    used = [_look(domain, name) for name in _in_use(domain) if name != selector]
    replaced = [key.selector for key in used if key.kind == new.kind]
    _write_in_use(domain, [*(key.selector for key in used if key.kind != new.kind), selector])
    return replaced


def retire(domain: str, selector: str) -> None:
    """Never sign with this key again. The file is kept under another name, so that its own is not used again."""
    domain = _host(domain)
    file = _file(domain, _checked(selector))
    if not file.exists():
        raise Refusal(f"{domain} has no key {selector}: see `publisher dkim list`.")
    _write_in_use(domain, [name for name in _in_use(domain) if name != selector])
    file.rename(_retired(file))


def stored() -> Iterator[Stored]:
    """Every key that is not retired, and those that should be there."""
    for folder in sorted(_folder().glob("*/")):
        names = {file.stem for file in folder.glob("*.pem")} | set(_in_use(folder.name))
        yield from (_look(folder.name, name) for name in sorted(names))


# ---- Files


def _folder() -> Path:
    return Path(settings.DKIM_FOLDER or settings.DATA / "keys" / "dkim")


def _file(domain: str, selector: str) -> Path:
    return _folder() / domain / f"{selector}.pem"


def _retired(file: Path) -> Path:
    return file.with_suffix(".retired")


def _host(domain: str) -> str:
    try:
        return ascii_host(domain.strip()).lower()
    except AddressRefused as problem:
        raise Refusal(str(problem)) from problem


def _checked(selector: str) -> str:
    if not _SELECTOR.fullmatch(selector):
        raise Refusal(f"“{selector}” is no selector: small letters, digits and hyphens, as in “rsa-2026”.")
    return selector


def _look(domain: str, selector: str) -> Stored:
    try:
        key = _read(_file(domain, selector))
        return Stored(domain, selector, selector in _in_use(domain), _kind(key), _public(key))
    except CannotSign as problem:
        return Stored(domain, selector, selector in _in_use(domain), problem=str(problem))


def _in_use(domain: str) -> list[str]:
    file = _folder() / domain / _IN_USE
    try:
        return file.read_text().split()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as problem:
        raise CannotSign(f"Which keys sign for {domain} cannot be read in {file}: {_why(problem)}.") from problem


def _read(file: Path) -> Key:
    try:
        return _key(file.read_bytes())
    except (OSError, ValueError, TypeError) as problem:
        raise CannotSign(
            f"The key {file.stem} of {file.parent.name} cannot be read from {file}: {_why(problem)}. Restore it from "
            f"the backup, or make another with `publisher dkim new {file.parent.name}`."
        ) from problem


@lru_cache(maxsize=16)  # an RSA key is checked as it is read, which takes a tenth of a second
def _key(pem: bytes) -> Key:
    key = load_pem_private_key(pem, password=None)
    if isinstance(key, Ed25519PrivateKey):
        return key
    if not isinstance(key, RSAPrivateKey) or key.key_size < _BITS:
        raise ValueError(f"it is neither an Ed25519 key nor an RSA key of {_BITS} bits or more")
    return key


def _kind(key: Key) -> Kind:
    return Kind.ED25519 if isinstance(key, Ed25519PrivateKey) else Kind.RSA


def _public(key: Key) -> str:
    """RFC 8463 §4.2: of an Ed25519 key the 32 bytes alone."""
    if isinstance(key, Ed25519PrivateKey):
        return b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    return b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def _why(problem: Exception) -> str:
    if isinstance(problem, OSError):
        return (problem.strerror or str(problem)).lower()
    return str(problem).split("\n")[0].rstrip(".")[:200] or type(problem).__name__


def _write_in_use(domain: str, selectors: list[str]) -> None:
    """In one step, so that no worker reads half of it."""
    folder = _folder() / domain
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix=f".{_IN_USE}-", delete=False) as file:
        file.write("".join(f"{selector}\n" for selector in selectors))
    os.replace(file.name, folder / _IN_USE)
