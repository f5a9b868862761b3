"""A real sandbox on free ports, with @update_news on X and the page 1001 on Facebook, and real clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import tweepy

from publisher.sandbox import accounts, server, store
from tests import canaries

KEYS = {
    "consumer_key": "key-of-the-app",
    "consumer_secret": canaries.secret("app"),
    "access_token": canaries.secret("token-of-update-news"),
    "access_token_secret": canaries.secret("update-news"),
}
PAGE = {"page_id": "1001", "page_token": canaries.secret("token-of-page-1001")}

# The smallest PNG that a viewer opens: one transparent pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63fcffff3f03000"
    "5fe02fea72d0b0f0000000049454e44ae426082"
)


@dataclass
class Sandbox:
    url: str
    store: store.Store
    stop: Callable[[], None]
    smtp: int
    imap: int

    def fault(self, network: str, behaviour: str, operation: str = "*", **options: Any) -> None:
        order = {"network": network, "operation": operation, "behaviour": behaviour, **options}
        answer = requests.post(f"{self.url}/control/faults", json=order, timeout=5)
        assert answer.status_code == 201, answer.text

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=5, **options)

    def json(self, path: str) -> Any:
        return self.get(path).json()


class Client(tweepy.Client):
    """tweepy at another address: its own host is a local variable of `request`, so that is replaced."""

    def __init__(self, address: str, **keys: Any) -> None:
        super().__init__(**keys, return_type=requests.Response)
        self.address = address
        self.patience = 5.0

    def request(
        self, method: str, route: str, params: Any = None, json: Any = None, user_auth: bool = False, **body: Any
    ) -> requests.Response:
        auth = tweepy.OAuth1UserHandler(
            self.consumer_key, self.consumer_secret, self.access_token, self.access_token_secret
        ).apply_auth()
        return requests.request(
            method,
            self.address + route,
            params=params,
            json=json,
            auth=auth,
            timeout=self.patience,
            allow_redirects=False,
            **body,
        )


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """The server in a thread of its own; its store is open to the test as well."""
    things = store.open(tmp_path)
    accounts.add(things, {"network": "x", "handle": "update_news", "name": "Update", "credentials": KEYS})
    accounts.add(things, {"network": "facebook", "handle": "update", "name": "Update", "credentials": PAGE})
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def wait_for(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    running = wait_for(server.start(things, ("127.0.0.1", 0), ("127.0.0.1", 0)))
    url = f"http://127.0.0.1:{running.http}"
    yield Sandbox(url, things, lambda: wait_for(running.stop()), running.smtp, running.imap)
    wait_for(running.stop())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    things.close()


@pytest.fixture
def x(sandbox: Sandbox) -> Client:
    return Client(f"{sandbox.url}/x", **KEYS)


@pytest.fixture
def page(sandbox: Sandbox) -> Any:
    """Call the Graph API as page 1001: page("POST", "1001/feed", message="…")."""

    def call(method: str, path: str, *, files: Any = None, version: str = "v24.0", **fields: Any) -> requests.Response:
        fields = {"access_token": PAGE["page_token"], **fields}
        sent = {"params": fields} if method == "GET" else {"data": fields, "files": files}
        return requests.request(
            method, f"{sandbox.url}/graph/{version}/{path}", timeout=5, allow_redirects=False, **sent
        )

    return call
