"""Addresses that we print, and the signed tokens in some of them.

A token is bound to its purpose and its rows, and never expires by itself: a letter of years ago must still be able to
unsubscribe. Where one has to end, the moment is among its numbers (`preferences.py`). Tokens made with an older key
stay good as long as that key is configured. Whoever has no key reads nothing in it: not whose it is, nor whether two
are one person's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from django.urls import reverse

from .lifecycle import Refusal
from .models import Digest, Entry, Picture, Publication, Subscription

#: The addresses in which a token is a key.
_KEYED = ("confirm", "leave", "preferences", "change-address")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_SIGNATURE_BYTES = 20  # 160 bits
_LONGEST = 128  # bytes of rows
_BOUNCE_BYTES = 12  # 96 bits, because 64 characters before an @ are all there may be
_BOUNCES = re.compile(r"[A-Za-z0-9_.+-]{1,31}@[A-Za-z0-9.-]+")  # and "+" and 20 bytes, as 32 characters
EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}


def sign(purpose: str, *ids: int) -> str:
    payload = ".".join(str(number) for number in ids)
    return _token(settings.KEYS["links"][0], purpose, payload)


def _token(key: str, purpose: str, payload: str) -> str:
    return _sealed(_hash(key, purpose), _veil(key), payload.encode())


def _sealed(signing: hashlib.blake2b, veiling: hashlib.blake2b, payload: bytes) -> str:
    """The signature, and the payload veiled by what only a key makes of it."""
    signature = _hashed(signing, payload)
    return _text(signature + _veiled(veiling, signature, payload))


def read(purpose: str, token: str) -> tuple[int, ...] | None:
    """The rows of a token made for this purpose; None for anything else, however it is wrong."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return None
    signature, veiled = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if _text(raw) != token or not 0 < len(veiled) <= _LONGEST:
        return None  # Base64 reads more than it writes: spare bits at the end, and signs between that it skips
    for key in settings.KEYS["links"]:
        payload = _veiled(_veil(key), signature, veiled)
        if hmac.compare_digest(signature, _hashed(_hash(key, purpose), payload)):
            return tuple(int(part) for part in payload.split(b"."))
    return None


def bounce_address(delivery_id: int, at: str = "") -> str:
    """Where this delivery comes back to if it cannot be delivered: bounces+TOKEN@example.org; "" where none is set.

    `at` is used where none is set: a provider gives the token back, whatever stands around it.

    Some servers write addresses small, so the token is base32, which reads the same in either case. Refusal where the
    configured address cannot be used so.
    """
    at = settings.BOUNCE_ADDRESS or at
    if not at:
        return ""
    if not _BOUNCES.fullmatch(at):
        raise Refusal(
            "PUBLISHER_BOUNCE_ADDRESS is no address such as bounces@example.org, in ASCII and with at most 31 "
            "characters before the @."
        )
    local, _, domain = at.partition("@")
    number = delivery_id.to_bytes(_bytes_of(delivery_id), "big")
    return f"{local}+{_base32(_bounce_signature(settings.KEYS['links'][0], delivery_id) + number)}@{domain}"


def read_bounce(address: str) -> int | None:
    """The delivery whose bounce_address this is, or ever was: the configured address may be another by now."""
    token = address.rpartition("@")[0].rpartition("+")[2].lower()
    try:
        raw = base64.b32decode(token + "=" * (-len(token) % 8), casefold=True)
    except ValueError:
        return None
    delivery_id = int.from_bytes(raw[_BOUNCE_BYTES:], "big")
    if _base32(raw) != token or not len(raw) == _BOUNCE_BYTES + _bytes_of(delivery_id) <= _BOUNCE_BYTES + 8:
        return None  # not written as ours are
    signatures = (_bounce_signature(key, delivery_id) for key in settings.KEYS["links"])
    return delivery_id if any(hmac.compare_digest(raw[:_BOUNCE_BYTES], good) for good in signatures) else None


def _bounce_signature(key: str, delivery_id: int) -> bytes:
    return _hashed(_hash(key, "bounce"), b"%d" % delivery_id)[:_BOUNCE_BYTES]


def _bytes_of(number: int) -> int:
    return (number.bit_length() + 7) // 8


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).rstrip(b"=").decode().lower()


def _hashed(common: hashlib.blake2b, data: bytes) -> bytes:
    found = common.copy()
    found.update(data)
    return found.digest()


def _veiled(common: hashlib.blake2b, signature: bytes, payload: bytes) -> bytes:
    """The payload under a mask that each signature has of its own; the same again takes it off."""
    mask, size = _hashed(common, signature), len(payload)
    mask += _hashed(common, mask) if size > len(mask) else b""
    return (int.from_bytes(payload) ^ int.from_bytes(mask[:size])).to_bytes(size)


# What the hashes of one kind have in common, made once and copied: a link is signed for every letter. BLAKE2 with a
# key is a MAC (RFC 7693), and three times as fast as HMAC.


@lru_cache(maxsize=64)
def _hash(key: str, purpose: str) -> hashlib.blake2b:
    return hashlib.blake2b(f"{purpose}:".encode(), key=_short(key), digest_size=_SIGNATURE_BYTES)


@lru_cache(maxsize=16)
def _veil(key: str) -> hashlib.blake2b:
    return hashlib.blake2b(key=_short(key), person=b"veil")


@lru_cache(maxsize=16)
def _short(key: str) -> bytes:
    """BLAKE2 takes keys of 64 bytes."""
    return hashlib.sha512(key.encode()).digest()


def _text(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).translate(_URL_SAFE).rstrip(b"=").decode()


def absolute(path: str) -> str:
    return settings.BASE_URL + path


def leaver(publication_id: int) -> Callable[[int], str]:
    """Each member's address to leave this publication: what is the same for all of them is looked up once."""
    before, after = _around_token("leave", settings.BASE_URL)
    key = settings.KEYS["links"][0]
    signing, veiling = _hash(key, "leave"), _veil(key)

    def url(member_id: int) -> str:
        return before + _sealed(signing, veiling, b"%d.%d" % (member_id, publication_id)) + after

    return url


def leave_prefix() -> str:
    """How every address to leave begins."""
    return _around_token("leave", settings.BASE_URL)[0]


@lru_cache(maxsize=8)  # Django takes several times as long to find an address as we to sign it
def _around_token(name: str, base: str) -> tuple[str, str]:
    before, _, after = reverse(name, args=["TOKEN"]).partition("TOKEN")
    return base + before, after


def confirm_token(subscription: Subscription) -> str:
    return sign("confirm", *asking_of(subscription))


def asking_of(subscription: Subscription) -> tuple[int, int]:
    """What a link to confirm is bound to: the subscription, and since when it has waited. Each asking has its own."""
    return subscription.pk, int(subscription.state_since.timestamp())


def confirm_url(subscription: Subscription) -> str:
    return absolute(reverse("confirm", args=[confirm_token(subscription)]))


def archive_url(publication: Publication) -> str:
    return absolute(reverse("archive", args=[publication.slug]))


def subscribe_url(publication: Publication) -> str:
    return absolute(reverse("subscribe", args=[publication.slug]))


def membership_url(publication: Publication) -> str:
    """Where one becomes a member: the organisation's own page, or ours, or the page to subscribe."""
    if publication.join_url or not publication.membership:
        return publication.join_url or subscribe_url(publication)
    return absolute(reverse("membership", args=[publication.slug]))


def feed_url(publication: Publication) -> str:
    return absolute(reverse("feed", args=[publication.slug]))


def ask_preferences_url() -> str:
    """Where anybody has the link to their own preferences mailed to them. It names nobody."""
    return absolute(reverse("ask-preferences"))


def preferences_url(token: str) -> str:
    return absolute(reverse("preferences", args=[token]))


def change_url(token: str) -> str:
    """Where a new address is confirmed."""
    return absolute(reverse("change-address", args=[token]))


def digest_url(digest: Digest) -> str:
    return absolute(reverse("archive-digest", args=[digest.publication.slug, digest.number]))


def entry_url(entry: Entry) -> str:
    digest = entry.digest
    return absolute(reverse("archive-item", args=[digest.publication.slug, digest.number, entry.position]))


def counted_url(entry: Entry) -> str:
    """Leads where the entry's link does, and is counted on the way. Names the digest and the entry, and nobody."""
    before, after = _around_token("follow", settings.BASE_URL)
    return before + sign("link", entry.digest_id, entry.pk) + after


def with_reader(text: str) -> str:
    """The text with a place behind each counted link for who follows it: filled for those who agreed, else empty."""
    before, after = _around_token("follow", settings.BASE_URL)
    return re.sub(f"{re.escape(before)}[A-Za-z0-9_-]+{re.escape(after)}", r"\g<0>{reader}", text)


def reader(member_id: int, digest_id: int) -> str:
    """What stands in that place."""
    return sign("reader", member_id, digest_id) + "/"


def channels_url() -> str:
    """The staff's page of the connected accounts."""
    return absolute(reverse("channels"))


def health_url() -> str:
    """The staff's page of whether all is in order."""
    return absolute(reverse("staff-health"))


def sending_url(digest: Digest) -> str:
    """The staff's page of its sending."""
    return absolute(reverse("sending", args=[digest.pk]))


def keyless(text: str) -> str:
    """The text with each key to confirm, to leave or to change taken out of its address."""
    places = "|".join({re.escape(_around_token(name, "")[0]) for name in _KEYED})
    return re.sub(f"({places})[A-Za-z0-9_-]{{20,}}", r"\1…", text)


def picture_url(picture: Picture) -> str:
    return absolute(reverse("picture", args=[picture.sha256, EXTENSIONS[picture.media_type]]))
