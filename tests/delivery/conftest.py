"""The servers and providers that the mail is delivered to here, and the authority that certificates come from."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from publisher.delivery import parcels, ways

from .certificates import Authority
from .provider_server import KEY, Provider
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


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider()
    yield server
    ways.hang_up()
    server.stop()


@pytest.fixture
def through(provider: Provider, settings: Any, monkeypatch: Any) -> Callable[[str], Provider]:
    """through("resend"): from now on letters go to that provider. It is asked again at once, three times."""

    def choose(name: str) -> Provider:
        settings.SMTP_URL = ""
        settings.MAIL_PROVIDER, settings.MAIL_PROVIDER_KEY = name, KEY
        settings.MAIL_PROVIDER_URL = provider.url(name)
        settings.CONNECTIONS = 3
        monkeypatch.setattr(parcels, "PAUSES", (0.01, 0.01, 0.01))
        return provider

    return choose
