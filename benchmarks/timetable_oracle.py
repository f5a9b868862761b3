"""What the network's own log and the rows must say after a day: told as sentences where they do not.

Written without publisher/timetable.py, by walking along the wall clock a minute at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from benchmarks.timetable_day import DAY, MINUTE, Day, Kind
from publisher.models import Channel, Post

#: A slot's posts go out within the ticks of its minute.
PROMPT = timedelta(minutes=1)


@dataclass
class Found:
    """What is wrong, by rule; how much was looked at."""

    posts: int = 0
    twice: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    above_limit: list[str] = field(default_factory=list)
    in_quiet_hours: list[str] = field(default_factory=list)
    too_near: list[str] = field(default_factory=list)
    wrong_slot: list[str] = field(default_factory=list)
    wrong_time: list[str] = field(default_factory=list)
    wrong_order: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, int]:
        return {name: len(value) if isinstance(value, list) else value for name, value in vars(self).items()}

    @property
    def wrong(self) -> list[str]:
        return [f"{name}: {each}" for name, said in vars(self).items() if isinstance(said, list) for each in said]


def judged(day: Day) -> Found:
    found = Found(posts=Post.objects.filter(channel__in=day.channels).count())
    for channel in day.channels:
        posts = list(channel.posts.select_related("item").order_by("due_at", "pk"))
        for post in posts:
            post.channel = channel
        _once(found, day, posts)
        _in_its_limits(found, day, channel, posts)
        _in_its_places(found, day, channel, posts)
    return found


def _once(found: Found, day: Day, posts: list[Post]) -> None:
    seen = Counter(shown.key for shown in day.world.log if shown.account == posts[0].channel.account) if posts else {}
    for post in posts:
        times = seen.get(post.key.hex, 0)
        if times > 1:
            found.twice.append(f"{post.text}: {times} times")
        if times == 0 or post.state != "published":
            found.missing.append(f"{post.text} is {post.state}: {post.outcome}")


def _in_its_limits(found: Found, day: Day, channel: Channel, posts: list[Post]) -> None:
    kind = day.kinds[channel.pk]
    urgent = {post.key.hex for post in posts if post.pk in day.urgent}
    shown = [(each.at, each.key in urgent) for each in day.world.log if each.account == channel.account]
    times = [at for at, _ in shown]
    if limit := day.world.limits.get(channel.account):
        for at in times:
            if sum(at - limit.window < other <= at for other in times) > limit.most:
                found.above_limit.append(f"{channel.account} at {at}")
    found.in_quiet_hours += [f"{channel.account} at {at}" for at, now in shown if not now and _quiet(kind, channel, at)]
    for (before, _), (at, now) in pairwise(shown):
        if not now and at - before < timedelta(minutes=kind.spacing):
            found.too_near.append(f"{channel.account} at {at}, {at - before} after the last")


def _in_its_places(found: Found, day: Day, channel: Channel, posts: list[Post]) -> None:
    kind = day.kinds[channel.pk]
    planned = [post for post in posts if post.pk not in day.urgent]
    posted = {shown.key: shown.at for shown in day.world.log}
    # One that failed, or that a person preferred, is out of its place.
    in_place = {post.key.hex: post for post in planned if post.key.hex not in day.world.failed}
    items = [in_place[shown.key].item for shown in day.world.log if shown.key in in_place]
    dates = [item.published_on for item in items if item and item.published_on]
    if dates != sorted(dates):
        found.wrong_order.append(channel.account)
    if not kind.every:
        return
    wanted = [at for at, _ in zip(_walked(day, channel), planned, strict=False)]
    for post, at in zip(planned, wanted, strict=True):
        if not post.due_at == post.slot_at == at:
            found.wrong_slot.append(f"{post.text} at {post.due_at} and not at {at}")
    for post in planned:
        gone, prompt = posted.get(post.key.hex), not kind.limit and post.key.hex not in day.world.failed
        if gone and post.due_at and not (post.due_at <= gone and (gone <= post.due_at + PROMPT or not prompt)):
            found.wrong_time.append(f"{post.text}, due at {post.due_at}, at {gone}")


def _walked(day: Day, channel: Channel) -> Iterator[datetime]:
    """The moments at which the wall shows a weekly time: at first sight, or as much later as the clock was put on."""
    weekly = {(slot.weekday, slot.time) for slot in channel.slots.all()}
    zone, kind, seen, moved = channel.publication.zone, day.kinds[channel.pk], set[datetime](), set[datetime]()
    moment = day.begin - DAY
    while moment < day.begin + 4 * DAY:
        wall = moment.astimezone(zone).replace(tzinfo=None)
        new = wall not in seen and (wall.weekday(), wall.time()) in weekly
        if moment >= day.begin and (new or moment in moved) and not _quiet(kind, channel, moment):
            yield moment
        seen.add(wall)
        ahead = (moment + MINUTE).astimezone(zone).replace(tzinfo=None)
        for n in range(1, int((ahead - wall) / MINUTE)):
            skipped = wall + n * MINUTE
            moved |= {moment + n * MINUTE} if (skipped.weekday(), skipped.time()) in weekly else set()
        moment += MINUTE


def _quiet(kind: Kind, channel: Channel, at: datetime) -> bool:
    wall = at.astimezone(channel.publication.zone).strftime("%H:%M:%S")
    since, until = f"{kind.quiet.since:%H:%M:%S}", f"{kind.quiet.until:%H:%M:%S}"
    return since <= wall < until if since < until else wall >= since or wall < until
