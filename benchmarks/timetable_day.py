"""A day of posts over many channels, hour by hour, with two clocks: what is planned, what is ticked, what came of it.

The verbs, the rows and the clock are the product's own; time is set by time-machine, the network is
timetable_stage.py. Both clocks tick at every step, as if each held the lease, and what both hand over is done twice.
To be imported after `django.setup()`.
"""

from __future__ import annotations

import time as stopwatch
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from functools import partial
from statistics import median
from typing import Any
from unittest.mock import patch

import time_machine
from django.conf import settings
from django.db import connection
from django.db.models import Min
from django.db.models.functions import Coalesce, Greatest
from django.test.utils import CaptureQueriesContext

from benchmarks import timetable_stage
from benchmarks.timetable_stage import NAME, Limit, World
from publisher import clockwork, handing, networks, slots
from publisher.models import Channel, Item, Person, Post, Publication
from publisher.slots import Rules
from publisher.timetable import Quiet
from workers import social

MINUTE, TICK = timedelta(minutes=1), timedelta(seconds=2)
DAY = timedelta(hours=24)
#: What limits held back has so much longer.
REST = timedelta(hours=18)
ZONES = ("Europe/London", "America/New_York")
#: So many posts a channel has in a day of 10,000 over 200; limits are made for that.
USUAL = 50
#: A person posts the last one of a channel of the third kind now: so long after the beginning, which in London is in
#: its quiet hours, and when half of its posts are out.
URGENT_AFTER = timedelta(hours=14)
Message = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class Kind:
    """A way to set a channel: minutes between its weekly times (0: none), and its rules."""

    every: int
    quiet: Quiet
    spacing: int = 0
    limit: Limit | None = None
    urgent: bool = False


KINDS = (
    # Weekly times through the night, those of the hour that comes twice or never among them.
    Kind(20, Quiet(time(22, 40), time(0, 40))),
    Kind(20, Quiet(time(2, 30), time(4)), spacing=15, limit=Limit(9, timedelta(hours=4))),
    Kind(0, Quiet(time(1, 30), time(4, 30)), spacing=20, urgent=True),
    Kind(0, Quiet(time(23), time(1, 15)), limit=Limit(12, timedelta(hours=3))),
)


@dataclass
class Day:
    """What was set up, and what came of it."""

    world: World
    begin: datetime
    channels: list[Channel]
    kinds: dict[int, Kind]
    urgent: set[int]
    urgent_at: list[datetime]
    ticks: int = 0
    doubled: int = 0


@contextmanager
def staged() -> Iterator[World]:
    """The network stands among the others, and messages for the workers are kept."""
    line = {NAME: "benchmarks.timetable_stage:Stage"}
    urls = {**settings.NETWORK_URLS, NAME: "http://127.0.0.1:9/stage"}
    with patch.dict(networks.NETWORKS, line), patch.object(settings, "NETWORK_URLS", urls):
        yield timetable_stage.begin()


def set_up(world: World, begin: datetime, posts: int, channels: int) -> Day:
    """Channels of each kind in both zones, and so many approved posts, placed by the verb that approvals call."""
    half = posts / channels / 2 * KINDS[2].spacing * MINUTE
    day = Day(world, begin, [], {}, set(), sorted([begin + half, begin + URGENT_AFTER]))
    person, _ = Person.objects.get_or_create(username="anne")
    publications = [_publication(zone) for zone in ZONES]
    for n in range(channels):
        channel = _channel(publications[n // len(KINDS) % len(ZONES)], n, begin)
        slots.set_rules(channel, _rules(KINDS[n % len(KINDS)], n, begin), by=person)
        day.channels.append(channel)
        day.kinds[channel.pk] = KINDS[n % len(KINDS)]
        if limit := KINDS[n % len(KINDS)].limit:
            # In a small day as tight as in a large one.
            world.limits[channel.account] = replace(limit, most=max(1, limit.most * posts // (channels * USUAL)))
    _fill(day, posts)
    return day


def live(day: Day, at_once: Callable[..., Any]) -> None:
    """Let the day go by. Both clocks tick whenever a post may go; what both hand over is done twice."""
    now: datetime | None = day.begin
    while now and now < day.begin + DAY + REST:
        with time_machine.travel(now, tick=False):
            while day.urgent_at and now >= day.urgent_at[0]:
                day.urgent_at.pop(0)
                _post_urgent(day)
            at_once(*(partial(social.publish, pk) for _, (pk,) in _tick(day, at_once)))
            now = _next(now)


def _next(now: datetime) -> datetime | None:
    """When a post may go next, whatever it waits for; between, a tick would find nothing."""
    waits = ("not_before", "channel__free_at", "channel__resting_until")
    moment = Greatest("due_at", *(Coalesce(wait, "due_at") for wait in waits))
    soonest = Post.objects.filter(state=Post.State.APPROVED).aggregate(soonest=Min(moment))["soonest"]
    return max(soonest, now + TICK) if soonest else None


def tick_with_all_due(day: Day, rounds: int = 5) -> dict[str, float]:
    """How long a tick takes, and how many queries, where every post is due at once."""
    with time_machine.travel(day.begin + DAY, tick=False), keeping() as messages:
        due = Post.objects.filter(state=Post.State.APPROVED).count()
        taken = []
        for _ in range(rounds):
            began = stopwatch.perf_counter()
            clockwork.tick()
            taken.append(stopwatch.perf_counter() - began)
        with CaptureQueriesContext(connection) as asked:
            clockwork.tick()
    assert messages
    return {"due": due, "tick_ms": round(median(taken) * 1000, 1), "tick_queries": len(asked)}


@contextmanager
def keeping() -> Iterator[list[Message]]:
    """What is handed to workers meanwhile, instead of a message server."""
    kept: list[Message] = []
    with patch.object(handing, "_send", lambda task, ids: kept.append((task, ids))):
        yield kept


def _tick(day: Day, at_once: Callable[..., Any]) -> list[Message]:
    with keeping() as kept:
        at_once(clockwork.tick, clockwork.tick)
    day.ticks += 2
    messages = [message for message in kept if message[0] == "workers.social.publish"]
    day.doubled += len(messages) - len(set(messages))
    return messages


def _post_urgent(day: Day) -> None:
    """On each channel whose kind says so, its last post."""
    person = Person.objects.get(username="anne")
    for channel in day.channels:
        last = channel.posts.filter(state=Post.State.APPROVED).order_by("-due_at").first()
        if day.kinds[channel.pk].urgent and last:
            slots.post_now(Post.objects.select_related("channel", "item", "digest").get(pk=last.pk), by=person)
            day.urgent.add(last.pk)


def _publication(zone: str) -> Publication:
    slug = zone.rpartition("/")[2].lower().replace("_", "-")
    return Publication.objects.create(
        slug=f"day-{slug}",
        series="Day",
        organisation="Andean Reading Rooms",
        sender_email=f"{slug}@reading-rooms.example",
        list_id=f"{slug}.reading-rooms.example",
        postal_address="1 Example Street",
        time_zone=zone,
    )


def _channel(publication: Publication, number: int, begin: datetime) -> Channel:
    # Nobody looks after the accounts on this day.
    later = begin + timedelta(days=60)
    return Channel.objects.create(publication=publication, network=NAME, account=f"channel{number:03}", check_at=later)


def _rules(kind: Kind, number: int, begin: datetime) -> Rules:
    """Weekly times on the days around the change, a little apart from channel to channel."""
    days = [(begin + timedelta(days=n)).weekday() for n in range(3)]
    minutes = range(number // len(KINDS) % 4 * 5, 24 * 60, kind.every) if kind.every else ()
    weekly = [(day, time(minute // 60, minute % 60)) for day in days for minute in minutes]
    loud = tuple(each for each in weekly if not kind.quiet.covers(each[1]))
    return Rules(loud, kind.quiet, timedelta(minutes=kind.spacing), timedelta(days=3))


def _fill(day: Day, count: int) -> None:
    """As many posts on each channel, of items of several days, in no order; then their places."""
    for n, channel in enumerate(day.channels):
        wanted = count // len(day.channels) + (n < count % len(day.channels))
        made = Item.objects.bulk_create(_item(channel, day.begin, number) for number in range(wanted))
        Post.objects.bulk_create(
            Post(channel=channel, item=item, purpose="item", state="approved", text=item.title, position=number)
            for number, item in enumerate(made)
        )
        with time_machine.travel(day.begin, tick=False):
            slots.place(channel.posts.all(), day.begin)


def _item(channel: Channel, begin: datetime, number: int) -> Item:
    title = f"{channel.account} item {number}"
    on = begin.date() - timedelta(days=number * 7 % 5 + 1)
    return Item(publication=channel.publication, identity=title, state="queued", title=title, published_on=on)
