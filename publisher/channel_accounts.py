"""The account behind a channel: an adapter that speaks for it.

On a network. Who of the staff may sign in is a Person: models/people.py.
"""

from __future__ import annotations

import traceback
from contextlib import suppress

from django.conf import settings

from . import networks, reach, tokens
from .models import Channel
from .networks import http
from .networks.base import Network, scrub
from .sealing import CannotUnseal

#: Shorter values, such as a version, are no secrets, and stand everywhere.
SHORT = 6


def connect(channel: Channel) -> Network:
    """The channel's adapter, with credentials that have not ended. Nothing is posted yet.

    Raises Refusal where its address leads out of the demo, CannotUnseal where the credentials were sealed with a
    lost key, Refused where one of them is missing or the network accepts them no more, TryLater where they are just
    being renewed.
    """
    address = reach.allowed(_address(channel))
    credentials = {**settings.NETWORK_OPTIONS.get(channel.network, {}), **tokens.fresh(channel)}
    named = reach.of_server(settings.NETWORK_URLS[channel.network])
    return networks.connect(
        channel.network, credentials=credentials, address=address, account=channel.account, resolve=named
    )


def traced(problem: BaseException, channel: Channel) -> str:
    """The traceback of what broke, for the log: without any credentials, which a library's words may hold."""
    secrets = set(http.discretion.secrets)
    with suppress(CannotUnseal):
        secrets |= {value for value in channel.credentials.values() if isinstance(value, str) and len(value) > SHORT}
    return scrub("".join(traceback.format_exception(problem)), secrets)


def _address(channel: Channel) -> str:
    """The network's address: where each account has a server of its own, that one."""
    address: str = settings.NETWORK_URLS[channel.network]
    return networks.place(channel.network, address, credentials=channel.credentials, account=channel.account)
