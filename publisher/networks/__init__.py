"""The networks that posts go to. An adapter is a file here, its tests, and one line in NETWORKS."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from publisher.networks.base import Network

NETWORKS = {
    "x": "publisher.networks.x:X",
    "facebook": "publisher.networks.facebook:Facebook",
}


def network_class(network: str) -> type[Any]:
    """The adapter's class, for its label, its limit and its measure: no credentials are needed for these.

    It is imported when it is first asked for: a page that shows no posts loads no SDK.
    """
    module, _, name = NETWORKS[network].partition(":")
    found: type[Any] = getattr(import_module(module), name)
    return found


def connect(network: str, *, credentials: Mapping[str, str], address: str, account: str) -> Network:
    """An adapter that speaks for one account. Nothing is sent yet.

    Raises Refused, of the kind "credentials", where one that the network needs is missing.
    """
    adapter: Network = network_class(network)(credentials=credentials, address=address, account=account)
    return adapter
