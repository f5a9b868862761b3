"""The servers that the mail is delivered to here, and the authority that their certificates come from."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .certificates import Authority
from .server import CLOSE, GOOD, SILENCE, Action, Closing, Server, Split

__all__ = ["CLOSE", "GOOD", "SILENCE", "Action", "Closing", "Server", "Split"]


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """A function that starts a server with a script; all are stopped at the end."""
    servers: list[Server] = []

    def start(script: dict[str, Action | list[Action | None]] | None = None, **options: Any) -> Server:
        servers.append(Server(script or {}, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))
