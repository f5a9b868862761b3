"""What can be done with a connected account: keep its credentials, pause it."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from . import notices
from .lifecycle import note
from .models import Channel, Person, Publication


def keep(publication: Publication, network: str, account: str, credentials: dict[str, Any], *, by: Person) -> Channel:
    """Connect an account, or one that is connected already with new credentials.

    What paused the channel was about the old credentials; posts that were held are released one by one.
    """
    with transaction.atomic():
        channel, _ = Channel.objects.get_or_create(publication=publication, network=network, account=account)
        channel.credentials = credentials
        channel.paused, channel.attention, channel.health = False, "", ""
        channel.expires_at = channel.announced = channel.renewing_since = None
        channel.renewing_by, channel.check_at = "", timezone.now()
        channel.save()
        note(channel, "connected", by=by)
    return channel


def pause(channel: Channel, why: str) -> bool:
    """Let nothing go out on it until a person has mended the account. Staff are told once, however many find it out."""
    with transaction.atomic():
        if not Channel.objects.filter(pk=channel.pk, paused=False).update(paused=True, attention=why):
            return False
        note(channel, "paused", by=None, why=why)
        notices.tell_staff(channel.publication, headline=f"{channel} is paused", sentence=why)
    channel.paused, channel.attention = True, why
    return True
