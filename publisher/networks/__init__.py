"""The networks that posts go to. An adapter is a file here, its tests, and one line in NETWORKS."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from publisher.networks.base import Network

if TYPE_CHECKING:
    from publisher.networks.consent import Consent
    from publisher.networks.http import Resolve

NETWORKS = {
    "x": "publisher.networks.x:X",
    "facebook": "publisher.networks.facebook:Facebook",
    "mastodon": "publisher.networks.mastodon:Mastodon",
    "bluesky": "publisher.networks.bluesky:Bluesky",
}


def network_class(network: str) -> type[Any]:
    """The adapter's class, for its label, its limit and its measure: no credentials are needed for these.

    It is imported when it is first asked for: a page that shows no posts loads no SDK.
    """
    module, _, name = NETWORKS[network].partition(":")
    found: type[Any] = getattr(import_module(module), name)
    return found


def place(network: str, address: str, *, credentials: Mapping[str, str], account: str) -> str:
    """Where the adapter talks to. "{server}" in an address is the account's own server, where each has one.

    Raises Refused where that cannot be told.
    """
    if "{server}" not in address:
        return address
    return address.replace("{server}", network_class(network).server(account, credentials))


def consent_class(network: str) -> type[Consent] | None:
    """How the network asks for consent on its own pages; None where accounts are connected by typing in alone."""
    named: str = network_class(network).consent
    if not named:
        return None
    module, _, name = named.partition(":")
    found: type[Consent] = getattr(import_module(module), name)
    return found


def connect(
    network: str, *, credentials: Mapping[str, str], address: str, account: str, resolve: Resolve | None = None
) -> Network:
    """An adapter that speaks for one account. Nothing is sent yet.

    `resolve`: who says whom the name of the account's own server leads to, where the address came of that name.
    Raises Refused, of the kind "credentials", where one that the network needs is missing.
    """
    named = {"resolve": resolve} if resolve else {}
    adapter: Network = network_class(network)(credentials=credentials, address=address, account=account, **named)
    return adapter
