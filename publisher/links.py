"""Addresses that we print, and the signed tokens in some of them.

A token is bound to its purpose and its rows, and never expires: a letter of years ago must still be able
to unsubscribe. Tokens made with an older key stay good as long as that key is configured.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from django.conf import settings
from django.urls import reverse

from .models import Digest, Entry, Member, Picture, Publication, Subscription

_SIGNATURE_BYTES = 20  # 160 bits
EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}


def sign(purpose: str, *ids: int) -> str:
    payload = ".".join(str(number) for number in ids)
    return _text(payload.encode() + b"~" + _signature(settings.KEYS["links"][0], purpose, payload))


def read(purpose: str, token: str) -> tuple[int, ...] | None:
    """The rows of a token made for this purpose; None for anything else, however it is wrong."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        payload, _, signature = raw.partition(b"~")
        ids = tuple(int(part) for part in payload.decode("ascii").split("."))
    except ValueError:
        return None
    if _text(raw) != token:
        return None  # Base64 reads more than it writes: spare bits at the end, and signs between that it skips
    good = any(
        hmac.compare_digest(signature, _signature(key, purpose, payload.decode())) for key in settings.KEYS["links"]
    )
    return ids if good else None


def _signature(key: str, purpose: str, payload: str) -> bytes:
    return hmac.digest(key.encode(), f"{purpose}:{payload}".encode(), hashlib.sha256)[:_SIGNATURE_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def absolute(path: str) -> str:
    return settings.BASE_URL + path


def leave_url(member: Member, publication: Publication) -> str:
    return leave_url_of(member.pk, publication.pk)


def leave_url_of(member_id: int, publication_id: int) -> str:
    return absolute(reverse("leave", args=[sign("leave", member_id, publication_id)]))


def confirm_url(subscription: Subscription) -> str:
    return absolute(reverse("confirm", args=[sign("confirm", subscription.pk)]))


def archive_url(publication: Publication) -> str:
    return absolute(reverse("archive", args=[publication.slug]))


def subscribe_url(publication: Publication) -> str:
    return absolute(reverse("subscribe", args=[publication.slug]))


def digest_url(digest: Digest) -> str:
    return absolute(reverse("archive-digest", args=[digest.publication.slug, digest.number]))


def entry_url(entry: Entry) -> str:
    digest = entry.digest
    return absolute(reverse("archive-item", args=[digest.publication.slug, digest.number, entry.position]))


def picture_url(picture: Picture) -> str:
    return absolute(reverse("picture", args=[picture.sha256, EXTENSIONS[picture.media_type]]))
