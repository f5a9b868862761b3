"""A network for the simulation of a day: it takes posts up to a limit, fails now and then, and keeps its own log.

In one process with the product, and behind the protocol that every adapter keeps: what is true of HTTP is tried
elsewhere. What it refuses and when depends on the seed alone.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from django.utils import timezone

from publisher.networks.base import Account, Adapter, Outgoing, Published, TryLater

NAME = "stage"
#: Of so many attempts one is answered with "server error, try later".
FAILS_ONE_IN = 40
FAILURE = timedelta(seconds=90)


@dataclass(frozen=True)
class Limit:
    """So many posts in any window of this length, which slides."""

    most: int
    window: timedelta


@dataclass(frozen=True)
class Shown:
    """A post as it stands in the network's own log."""

    account: str
    key: str
    at: datetime


@dataclass
class World:
    """What the network knows: limits by account, what was posted, what was refused for now."""

    limits: dict[str, Limit] = field(default_factory=dict)
    log: list[Shown] = field(default_factory=list)
    by_account: dict[str, list[datetime]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    failed: set[str] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)

    def post(self, account: str, key: str) -> Shown:
        with self.lock:
            now = timezone.now()
            self.asked[key] += 1
            self._refuse_above_the_limit(account, now)
            self._fail_now_and_then(key)
            shown = Shown(account, key, now)
            self.log.append(shown)
            self.by_account.setdefault(account, []).append(now)
            return shown

    def _refuse_above_the_limit(self, account: str, now: datetime) -> None:
        limit = self.limits.get(account)
        if limit is None:
            return
        recent = [at for at in self.by_account.get(account, []) if at > now - limit.window]
        if len(recent) >= limit.most:
            self.refused += 1
            reset = recent[-limit.most] + limit.window - now
            raise TryLater("The limit is reached.", after=math.ceil(reset.total_seconds()), kind="rate")

    def _fail_now_and_then(self, key: str) -> None:
        if random.Random(f"{key} {self.asked[key]}").randrange(FAILS_ONE_IN) == 0:
            self.failed.add(key)
            raise TryLater("The server had an error.", after=int(FAILURE.total_seconds()), kind="server")


#: The world that adapters of this process post into: an adapter is made anew for each post.
world = World()


class Stage(Adapter):
    name = NAME
    label = "Stage"
    limit = 500
    link_in_text = True

    def __init__(self, *, credentials: dict[str, str], address: str, account: str) -> None:
        self.account = account

    @staticmethod
    def measure(text: str) -> int:
        return len(text)

    def publish(self, outgoing: Outgoing) -> Published:
        shown = world.post(self.account, outgoing.key)
        return Published(f"{len(world.log)}-{shown.key}", f"https://stage.example/{shown.key}", shown.at)

    def find(self, outgoing: Outgoing, *, since: datetime, known: Collection[str] = ()) -> Published | None:
        return None

    def check(self) -> Account:
        return Account(self.account, f"https://stage.example/{self.account}")


def begin() -> World:
    """A network that has seen nothing yet."""
    global world
    world = World()
    return world
