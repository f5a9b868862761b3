"""The DKIM key of a case, and the setting that makes the engine sign with it. To be imported after `django.setup()`."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

DOMAIN = "reading-rooms.example"  # of the senders in scene.py


def environment(kind: str, place: Path) -> dict[str, str]:
    """A folder with one key of this kind in use; for no kind one without any."""
    from publisher.delivery import keys

    folder = place / f"dkim-{kind or 'none'}"
    folder.mkdir(exist_ok=True)
    settings.DKIM_FOLDER = str(folder)
    if kind and not keys.signers_for(DOMAIN):
        keys.make(DOMAIN, kind, keys.Kind(kind))
        keys.use(DOMAIN, kind)
    return {"PUBLISHER_DKIM_FOLDER": str(folder)}


def is_signed(message: bytes, kind: str) -> bool:
    """Whether the message has just the signature of this kind; for no kind, none."""
    head = message.partition(b"\r\n\r\n")[0]
    wanted = [f"a={kind}-sha256;".encode()] if kind else []
    return head.count(b"DKIM-Signature:") == len(wanted) and all(tag in head for tag in wanted)
