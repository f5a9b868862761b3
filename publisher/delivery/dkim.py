"""DKIM signatures (RFC 6376, RFC 8463) of messages that differ in few of their lines.

c=relaxed/simple. Relays may fold and space header lines anew, so these are signed relaxed. A body here is
quoted-printable, without long lines and without blanks at their ends, which leaves a relay nothing to mend: signed
simple, what is hashed is what is sent, in one call. (Hashing on from a copy of what is the same for all gains nothing:
a letter begins with the reader's name.)
"""

from __future__ import annotations

import hashlib
import textwrap
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

__all__ = ["Key", "Seal", "Signer", "body_hash"]

Key = Ed25519PrivateKey | RSAPrivateKey

#: Signed once more than they are there, and so also where they are not: with one added, which a mail program might
#: show instead, the signature is broken (RFC 6376 §8.15). The choice of names is rspamd's.
NEVER_ADDED = frozenset({"from", "to", "cc", "subject", "reply-to"})
#: Likewise, but signed only where they are there: what lacks them is made whole on the way.
NEVER_DOUBLED = frozenset({"date", "message-id", "mime-version", "content-type", "list-unsubscribe",
                           "list-unsubscribe-post"})  # fmt: skip
#: Signed once. Others of these may be put in front of ours.
SIGNED = frozenset({"list-id", "feedback-id"})


class Signer:
    """A key, and the domain and selector under which its public half is found in the DNS: ASCII, in lower case."""

    def __init__(self, domain: str, selector: str, key: Key) -> None:
        self.domain, self.selector = domain, selector
        self.algorithm, self.sign = _algorithm(key)


class Seal:
    """What one signer needs to know once of all messages of one letter.

    `fixed` are the header lines that are the same in all of them, `varying` the names of the others. The time of the
    signature is the letter's own, so that a second attempt has the same.
    """

    def __init__(self, signer: Signer, fixed: Sequence[bytes], varying: Sequence[str], date: datetime) -> None:
        covered = [line for line in fixed if _is_covered(_name(line))]
        self._sign = signer.sign
        self._fixed = b"".join(map(_relaxed, covered))
        self._varying = [at for at, name in enumerate(varying) if _is_covered(name.lower())]
        names = [*map(_name, covered), *(varying[at].lower() for at in self._varying)]
        self._tags = "; ".join([
            "v=1",
            f"a={signer.algorithm}",
            "c=relaxed/simple",
            f"d={signer.domain}",
            f"s={signer.selector}",
            f"t={int(date.timestamp())}",
            f"h={_listed([*names, *_once_more(names)])}",
            "bh=",
        ]).encode()  # fmt: skip

    def line(self, varying: Sequence[bytes], body: bytes) -> bytes:
        """The header line that signs these lines, given in the order of their names, and the body of this hash."""
        tags = self._tags + body + b"; b="
        # The signature's own header is signed too, without its value and without a line end.
        lines = [_relaxed(varying[at]) for at in self._varying]
        signed = b"".join((self._fixed, *lines, b"dkim-signature:", tags))
        signature = b64encode(self._sign(hashlib.sha256(signed).digest()))
        return b"".join((b"DKIM-Signature: ", tags.replace(b" ", b"\r\n "), _folded(signature), b"\r\n"))


def body_hash(body: bytes) -> bytes:
    """As it stands in a signature. The body ends with one line end, and so is in its simple form already."""
    return b64encode(hashlib.sha256(body).digest())


def _algorithm(key: Key) -> tuple[str, Callable[[bytes], bytes]]:
    """What signs a SHA-256 digest; Ed25519 signs the digest as well (RFC 8463 §3). RSA lets other threads run."""
    if isinstance(key, Ed25519PrivateKey):
        return "ed25519-sha256", key.sign
    padding, digest = PKCS1v15(), Prehashed(SHA256())
    return "rsa-sha256", lambda hashed: key.sign(hashed, padding, digest)


def _is_covered(name: str) -> bool:
    return name in NEVER_ADDED or name in NEVER_DOUBLED or name in SIGNED


def _once_more(names: Iterable[str]) -> list[str]:
    return sorted(NEVER_ADDED | (NEVER_DOUBLED & set(names)))


def _listed(names: Iterable[str]) -> str:
    """The names with a blank, at which the header is folded, where a line would be full."""
    lines = textwrap.wrap(": ".join(names), 72, break_on_hyphens=False, break_long_words=False)
    return " ".join(line.replace(" ", "") for line in lines)


def _folded(signature: bytes) -> bytes:
    return b"\r\n ".join(signature[at : at + 72] for at in range(0, len(signature), 72))


def _name(line: bytes) -> str:
    return line.partition(b":")[0].decode().lower()


def _relaxed(line: bytes) -> bytes:
    """RFC 6376 §3.4.2. The headers have no other white space than blanks and line ends."""
    name, _, value = line.partition(b":")
    return b"%b:%b\r\n" % (name.lower(), b" ".join(value.split()))
