"""The account behind a channel: an adapter that speaks for it."""

from __future__ import annotations

from django.conf import settings

from . import networks, reach
from .models import Channel
from .networks.base import Network


def connect(channel: Channel) -> Network:
    """The channel's adapter. Nothing is sent yet.

    Raises Refusal where its address leads out of the demo, CannotUnseal where the credentials were sealed with a
    lost key, Refused where one of them is missing.
    """
    address = reach.allowed(settings.NETWORK_URLS[channel.network])
    return networks.connect(channel.network, credentials=channel.credentials, address=address, account=channel.account)
