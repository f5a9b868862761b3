"""What comes after the posting: posts that stand on a network, and a network that says what it is told to say."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.utils import timezone

from publisher import channel_accounts, handing
from publisher.models import Channel, Post
from publisher.networks.base import Adapter, Figures, Outgoing, Published
from tests import canaries


@pytest.fixture(autouse=True)
def _no_messages(monkeypatch: Any) -> None:
    """The row is the queue: the tests do what a worker would."""
    monkeypatch.setattr(handing, "_send", lambda task, ids: None)


@pytest.fixture
def mastodon(sandbox: Any, settings: Any, publication: Any) -> Channel:
    """A real adapter's account on the real sandbox."""
    from publisher.sandbox import accounts as known

    settings.NETWORK_URLS = {**settings.NETWORK_URLS, "mastodon": f"{sandbox.url}/mastodon"}
    channel = Channel(publication=publication, network="mastodon", account="rooms@news.example")
    channel.credentials = {"access_token": canaries.secret("token-of-rooms")}
    channel.save()
    wish = {"handle": "@rooms@news.example", "name": "Rooms", "credentials": channel.credentials}
    known.add(sandbox.store, {"network": "mastodon", **wish})
    return channel


@pytest.fixture
def make_post() -> Callable[..., Post]:
    """make_post(channel, item): one that was published now, as 1, 2, 3… on its network."""

    def make(channel: Channel, item: Any = None, **fields: Any) -> Post:
        purpose = Post.Purpose.ITEM if item else Post.Purpose.DIGEST
        usual = {"state": "published", "published_at": timezone.now(), "purpose": purpose}
        words = {"text": item.title, "link": item.link} if item else {"text": "Update"}
        made = Post.objects.create(channel=channel, item=item, **{**usual, **words, **fields})
        if not made.remote_id and made.state == "published":
            Post.objects.filter(pk=made.pk).update(
                remote_id=str(made.pk), remote_url=f"https://there.example/{made.pk}"
            )
        return Post.objects.select_related("channel__publication").get(pk=made.pk)

    return make


@dataclass
class Script(Adapter):
    """A network whose answers are written down beforehand: the failures that it raises, then what it says."""

    failures: list[Exception] = field(default_factory=list)
    says: dict[str, Figures] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)

    def publish(self, outgoing: Outgoing) -> Published:
        self._fail()
        return Published(f"made-{outgoing.key}", f"https://there.example/{outgoing.key}")

    def remove(self, remote_id: str) -> None:
        self._fail()
        self.removed.append(remote_id)

    def figures(self, remote_ids: Collection[str]) -> dict[str, Figures]:
        self.asked.append(list(remote_ids))
        self._fail()
        return {each: self.says[each] for each in remote_ids if each in self.says}

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


@pytest.fixture
def script(monkeypatch: Any) -> Script:
    """In the place of every account: for what a network says that the sandbox need not play once more."""
    script = Script()
    monkeypatch.setattr(channel_accounts, "connect", lambda channel: script)
    return script
