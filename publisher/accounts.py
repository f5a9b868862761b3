"""The account behind a channel: an adapter that speaks for it."""

from __future__ import annotations

from django.conf import settings

from . import networks, reach, tokens
from .models import Channel
from .networks.base import Network


def connect(channel: Channel) -> Network:
    """The channel's adapter, with credentials that have not ended. Nothing is posted yet.

    Raises Refusal where its address leads out of the demo, CannotUnseal where the credentials were sealed with a
    lost key, Refused where one of them is missing or the network accepts them no more, TryLater where they are just
    being renewed.
    """
    address = reach.allowed(_address(channel))
    credentials = {**settings.NETWORK_OPTIONS.get(channel.network, {}), **tokens.fresh(channel)}
    return networks.connect(channel.network, credentials=credentials, address=address, account=channel.account)


def _address(channel: Channel) -> str:
    """The network's address: where each account has a server of its own, that one."""
    address: str = settings.NETWORK_URLS[channel.network]
    return networks.place(channel.network, address, credentials=channel.credentials, account=channel.account)
