"""When posts go out: the timetable of each channel, the place of each post in it, and what keeps a due post back.

A post is placed when it is approved. `due_at` is its time; a weekly time is its own (`slot_at`), which the database
keeps. Whoever places posts, or begins to publish one, holds the channel's row, so that of two at once each sees what
the other has taken. Items and digests are locked before it, posts after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Max, Q, QuerySet, Value, When, Window, prefetch_related_objects
from django.db.models.functions import RowNumber
from django.utils import timezone

from . import timetable
from .handing import hand_over
from .intake import dates
from .lifecycle import NotAllowed, Overtaken, Refusal, move, note
from .models import Channel, Digest, Person, Post, PostSet, Slot
from .timetable import Quiet, Timetable, Weekly

State, Timing = Post.State, Post.Timing
#: Whose times are not free for others: what waits, and what went out or may have.
LIVE = (State.APPROVED, State.HELD, State.PUBLISHING, State.PUBLISHED, State.UNKNOWN)
GONE = (State.PUBLISHING, State.PUBLISHED, State.UNKNOWN, State.REMOVING, State.REMOVED)
WAITS_FOR_A_PERSON = (State.HELD, State.UNKNOWN, State.REFUSED)
#: What the history calls the rules.
_NAMED = {
    "weekly": "its weekly times",
    "quiet": "its quiet hours",
    "spacing": "the distance between its posts",
    "late_after": "what is too late",
}
_LONGEST_RULE = timedelta(days=60)
#: A request may take so long: what a network dates after our intent.
_LONGEST = timedelta(minutes=15)
#: Nobody means a time that is further away; and at the ends of the calendar no zone can show it.
_YEARS = 5
_FAR = f"That is more than {_YEARS} years away: choose a time that is nearer."
_EVER = datetime.min.replace(tzinfo=UTC)
#: What a post is given with its approval, and loses with it.
UNPLACED: dict[str, Any] = {"due_at": None, "slot_at": None, "timing": Timing.PLANNED, "spent_in": ""}


@dataclass(frozen=True)
class Rules:
    """All that is set of when a channel posts. `late_after`: then a post asks a person; None: the setting's."""

    weekly: tuple[Weekly, ...] = ()
    quiet: Quiet | None = None
    spacing: timedelta = field(default_factory=timedelta)
    late_after: timedelta | None = None


def rules_of(channel: Channel) -> Rules:
    weekly = tuple((slot.weekday, slot.time) for slot in channel.slots.all())
    late = None if channel.late_after is None else timedelta(seconds=channel.late_after)
    return Rules(weekly, _quiet(channel), timedelta(minutes=channel.spacing_minutes), late)


def timetable_of(channel: Channel) -> Timetable:
    rules = rules_of(channel)
    return Timetable(channel.publication.zone, rules.weekly, rules.quiet, rules.spacing)


def set_rules(channel: Channel, rules: Rules, *, by: Person) -> None:
    """Let the channel post by these rules. What has its time already keeps it; distance and quiet hours it keeps too.

    Refusal where they contradict each other: a weekly time in the quiet hours, two nearer than the distance.
    """
    if max(rules.spacing, rules.late_after or rules.spacing) > _LONGEST_RULE:
        raise Refusal(f"A distance, or what is too late, is {_LONGEST_RULE.days} days at most.")
    rules = replace(rules, weekly=tuple(sorted(set(rules.weekly))))
    if wrong := timetable.complaint(Timetable(channel.publication.zone, rules.weekly, rules.quiet, rules.spacing)):
        raise Refusal(wrong)
    with transaction.atomic():
        before = rules_of(locked(channel.pk))
        changed = [words for name, words in _NAMED.items() if getattr(before, name) != getattr(rules, name)]
        if changed:
            _write(channel, rules)
            slots = [timetable.called(each) for each in rules.weekly]
            note(channel, "edited", by=by, why=", ".join(changed), slots=slots)


def place(posts: QuerySet[Post], start: datetime) -> None:
    """Give these approved posts their times, from `start` on, in the order in which they should go out.

    Weekly times of their channels that are free; without weekly times, or in live coverage, the soonest. A time
    that a person chose stays, unless it is before the start.
    """
    wanted = posts.filter(state=State.APPROVED)
    for pk in sorted(set(wanted.order_by().values_list("channel", flat=True))):
        with transaction.atomic():
            _place_on(locked(pk), wanted.filter(channel=pk), start)


def place_of_digest(digest: Digest) -> None:
    place(Post.objects.filter(digest=digest), digest.start_at or timezone.now())


def in_order(posts: QuerySet[Post]) -> QuerySet[Post]:
    """What a digest or a campaign says of itself, then by the items' dates, then priority, then position."""
    return posts.order_by(*_ORDER)


def post_now(post: Post, *, by: Person) -> None:
    """At the next tick, in quiet hours too and however near to another post. The next one keeps its distance."""
    now = timezone.now()
    with transaction.atomic():
        channel = locked(post.channel_id)
        _refuse_unless_waiting(post)
        if channel.paused:
            raise Refusal(f"{channel} is paused: {channel.attention or 'somebody has to look at its account.'}")
        if (public := public_from(post)) > now:
            raise Refusal(f"Its item is public from {_wall(channel, public)}: not before.")
        if (start := _start_of(post)) > now:
            raise Refusal(f"{_whole(post)} begins on {_wall(channel, start)}: not before.")
        _retime(post, now, Timing.NOW, by, "sent now")
        hand_over("workers.social.publish", post.pk)


def move_to(post: Post, at: datetime, *, by: Person) -> None:
    """Let a waiting post go out at another time, if nothing stands against it. A held one stays held."""
    with transaction.atomic():
        channel = locked(post.channel_id)
        _refuse_unless_waiting(post)
        if wrong := _against(post, channel, at):
            raise Refusal(wrong)
        _retime(post, at, Timing.CHOSEN, by, "moved")


def prefer(post: Post, priority: int, *, by: Person) -> None:
    """Before or after others of the same day, where it waits with them for its time."""
    with transaction.atomic():
        locked(post.channel_id)
        _refuse_unless_waiting(post)
        Post.objects.filter(pk=post.pk).update(priority=priority)
        post.priority = priority
        note(post, "preferred", by=by, priority=priority)
        _reorder(post)


def free_times(channels: Iterable[Channel], count: int) -> dict[int, list[datetime]]:
    """The next times at which each of these channels could post once more; two queries, however many they are."""
    some, start = list(channels), timezone.now()
    prefetch_related_objects(some, "slots", "publication")
    taken = _taken_on(some, start, ())
    return {c.pk: list(islice(timetable.free(timetable_of(c), start, taken[c.pk]), count)) for c in some}


def plan() -> QuerySet[Post]:
    """What has not gone out, over all channels: what waits for a person first, then by its time."""
    waiting = Post.objects.filter(state__in=[*WAITS_FOR_A_PERSON, State.APPROVED, State.PUBLISHING])
    rank = Case(When(state__in=WAITS_FOR_A_PERSON, then=Value(0)), default=Value(1))
    told = waiting.select_related("channel__publication", "item", "digest")
    return told.order_by(rank, F("due_at").asc(nulls_last=True), "pk")


def on_the_clock(channel: Channel, wall: datetime) -> datetime:
    """The moment at which the publication's clock shows this: the first, where autumn shows it twice.

    A time that names its own zone is a moment already. Refusal where no clock of ours can show it.
    """
    try:
        return wall.astimezone(UTC) if wall.tzinfo else timetable.moment(channel.publication.zone, wall)
    except OverflowError:
        raise Refusal(_FAR) from None


def time_again(post: Post) -> dict[str, Any]:
    """For a post that was held: its time, if that is still to come; else the soonest. Within a transaction."""
    now = timezone.now()
    if post.due_at and post.due_at > now:
        return {"not_before": None}
    channel = locked(post.channel_id)
    start = max(now, public_from(post))
    times = timetable.free(_without_slots(timetable_of(channel)), start, _taken(channel, start, (post.pk,)))
    return {"due_at": next(times), "slot_at": None, "not_before": None}


def public_from(post: Post) -> datetime:
    """Since when followers may read of its item: the first moment of its day where the readers are.

    A date printed as "November 2026" is no such day: what stands under it is public already.
    """
    item = post.item
    if item is None or item.published_on is None or (item.date_label and not dates.is_a_day(item.date_label)):
        return _EVER
    return datetime.combine(item.published_on, time(), post.channel.publication.zone).astimezone(UTC)


def locked(channel_id: int) -> Channel:
    """The channel as it stands, until the transaction ends ours. Posts may be drafted for it meanwhile."""
    rows = Channel.objects.select_related("publication").select_for_update(of=("self",), no_key=True)
    return rows.get(pk=channel_id)


def not_kept_back(now: datetime) -> Q:
    """Neither quiet hours nor the last post keep it back, as far as was noticed: see `kept_back`."""
    return Q(timing=Timing.NOW) | Q(channel__free_at=None) | Q(channel__free_at__lte=now)


def kept_back(post: Post, channel: Channel) -> bool:
    """Whether this due post has to wait after all, for the end of the quiet hours or the distance to the last one.

    Until when is written down for the channel, so that nobody asks again before. To be asked with the channel locked.
    """
    now = timezone.now()
    free_at = now if post.timing == Timing.NOW else _free_at(channel, now)
    if free_at > now:
        Channel.objects.filter(pk=channel.pk).update(free_at=free_at)
    return free_at > now


def is_late(post: Post, channel: Channel) -> bool:
    """By the channel's own rule, or the setting."""
    after = settings.LATE_AFTER if channel.late_after is None else channel.late_after
    return post.due_at is not None and timezone.now() - post.due_at > timedelta(seconds=after)


def in_turn(due: QuerySet[Post]) -> QuerySet[Post]:
    """Of each channel the one that goes next: the others wait without being asked about."""
    first = Case(When(timing=Timing.NOW, then=Value(0)), default=Value(1))
    place = Window(RowNumber(), partition_by=F("channel_id"), order_by=[first, F("due_at").asc(), *_ORDER])
    return due.annotate(place=place).filter(place=1).order_by("due_at", "pk")


_ORDER = (
    Case(When(item=None, then=Value(0)), default=Value(1)).asc(),
    F("item__published_on").asc(nulls_last=True),
    F("priority").desc(),
    F("position").asc(),
    F("pk").asc(),
)


def _place_on(channel: Channel, posts: QuerySet[Post], start: datetime) -> None:
    kept = Q(timing__in=[Timing.CHOSEN, Timing.NOW], due_at__gte=start)
    waiting = list(in_order(posts.exclude(kept)).select_related("item", "campaign"))
    ids = [post.pk for post in waiting]
    # Given up first: two that change places would else hold the same time for a moment.
    Post.objects.filter(pk__in=ids).update(slot_at=None)
    table, taken = timetable_of(channel), _taken(channel, start, ids)
    _give([post for post in waiting if _live(post)], channel, _without_slots(table), start, taken)
    _give([post for post in waiting if not _live(post)], channel, table, start, taken)
    Post.objects.bulk_update(waiting, ["due_at", "slot_at", "timing"], batch_size=200)


def _give(posts: list[Post], channel: Channel, table: Timetable, start: datetime, taken: list[datetime]) -> None:
    """Times for these posts, one after the other; what they are given is taken from then on."""
    at = start
    for post in posts:
        post.channel = channel
        at = next(timetable.free(table, max(at, public_from(post)), taken))
        taken.append(at)
        post.due_at, post.slot_at, post.timing = at, at if table.slotted else None, Timing.PLANNED


def _live(post: Post) -> bool:
    """Live coverage does not wait for weekly times, nor does what puts something right."""
    live = post.campaign is not None and post.campaign.live and post.campaign.ended_at is None
    return live or post.corrects_id is not None


def _without_slots(table: Timetable) -> Timetable:
    return replace(table, weekly=())


def _taken(channel: Channel, start: datetime, without: Iterable[int]) -> list[datetime]:
    return _taken_on([channel], start, without)[channel.pk]


def _taken_on(channels: list[Channel], start: datetime, without: Iterable[int]) -> dict[int, list[datetime]]:
    """When the other posts of each channel go out, or went, as far as that matters from `start` on."""
    since = start - timedelta(minutes=max((channel.spacing_minutes for channel in channels), default=0))
    # A weekly time is a post's own even where it goes out at another moment.
    planned = Q(due_at__gte=since) | Q(slot_at__gte=since)
    near = Q(planned, state__in=LIVE) | Q(intent_at__gte=since, state__in=GONE)
    others = Post.objects.filter(near, channel__in=channels).exclude(pk__in=without).order_by()
    taken: dict[int, list[datetime]] = {channel.pk: [] for channel in channels}
    for channel, *times in others.values_list("channel", "due_at", "slot_at", "intent_at"):
        taken[channel] += [at for at in times if at and at >= since]
    return taken


def _free_at(channel: Channel, now: datetime) -> datetime:
    """When the channel may post next: out of its quiet hours, and far enough from its last."""
    spacing = timedelta(minutes=channel.spacing_minutes)
    at = max(now, _last(channel, now - spacing, now) + spacing) if spacing else now
    return timetable.awake(Timetable(channel.publication.zone, (), _quiet(channel), spacing), at)


def _last(channel: Channel, since: datetime, now: datetime) -> datetime:
    """When it posted last, by our own intent or by the network's word, which is not believed of the future."""
    gone = channel.posts.filter(state__in=GONE, intent_at__gt=since - _LONGEST).order_by()
    told = gone.aggregate(intent=Max("intent_at"), published=Max("published_at"))
    return max((min(at, now) for at in told.values() if at), default=since)


def _quiet(channel: Channel) -> Quiet | None:
    return Quiet(channel.quiet_from, channel.quiet_until) if channel.quiet_from and channel.quiet_until else None


def _against(post: Post, channel: Channel, at: datetime) -> str:
    """Why it cannot go out at this time, in a sentence; empty where it can."""
    if abs(at.year - timezone.now().year) > _YEARS:
        return _FAR
    table, wall = timetable_of(channel), _wall(channel, at)
    if at <= timezone.now():
        return f"{wall} is past: choose a time to come, or post it now."
    if at < (public := public_from(post)):
        return f"It is public from {_wall(channel, public)}: choose a time after that."
    if at < (start := _start_of(post)):
        return f"{_whole(post)} begins on {_wall(channel, start)}: choose a time after that."
    if timetable.is_quiet(table, at):
        return f"{wall} lies in the quiet hours of {channel}, {table.quiet}."
    if near := timetable.crowding(table, at, _taken(channel, at, (post.pk,))):
        apart = f", and two keep {channel.spacing_minutes} minutes apart" if channel.spacing_minutes else ""
        return f"Another post of {channel} goes out on {_wall(channel, near)}{apart}."
    return ""


def _whole(post: Post) -> Digest | PostSet | None:
    return post.digest or post.post_set


def _start_of(post: Post) -> datetime:
    """When what it was approved with begins: until then the approval can be taken back."""
    whole = _whole(post)
    return (whole.start_at if whole else None) or _EVER


def _retime(post: Post, at: datetime, timing: Post.Timing, by: Person, why: str) -> None:
    given: dict[str, Any] = {"due_at": at, "slot_at": None, "timing": timing, "not_before": None}
    if timing == Timing.NOW and post.state == State.HELD:
        move(post, State.APPROVED, by=by, why=why, outcome="", **given)
        return
    if not Post.objects.filter(pk=post.pk, state=post.state).update(**given):
        raise Overtaken(f"{post} has just been moved by somebody else. Look again.")
    for name, value in given.items():
        setattr(post, name, value)
    note(post, "timed", by=by, why=why, at=at.isoformat())


def _reorder(post: Post) -> None:
    """Among those that were placed with it, and still wait, the times that they have are given out anew."""
    together = Post.objects.filter(channel=post.channel_id, digest=post.digest_id, post_set=post.post_set_id)
    planned = together.filter(state=State.APPROVED, timing=Timing.PLANNED, due_at__gt=timezone.now())
    waiting = list(in_order(planned))
    times = sorted((each.due_at, each.slot_at) for each in waiting)
    planned.update(slot_at=None)
    for each, (due_at, slot_at) in zip(waiting, times, strict=True):
        each.due_at, each.slot_at = due_at, slot_at
    Post.objects.bulk_update(waiting, ["due_at", "slot_at"], batch_size=200)


def _refuse_unless_waiting(post: Post) -> None:
    if post.state not in (State.APPROVED, State.HELD):
        raise NotAllowed(f"{post} is {post.get_state_display()}: only what waits can be given another time.")


def _write(channel: Channel, rules: Rules) -> None:
    channel.slots.all().delete()
    Slot.objects.bulk_create(Slot(channel=channel, weekday=weekday, time=at) for weekday, at in rules.weekly)
    columns: dict[str, Any] = {
        "quiet_from": rules.quiet and rules.quiet.since,
        "quiet_until": rules.quiet and rules.quiet.until,
        "spacing_minutes": int(rules.spacing.total_seconds() // 60),
        "late_after": None if rules.late_after is None else int(rules.late_after.total_seconds()),
        # What kept it back may do so no longer: the next due post finds out.
        "free_at": None,
    }
    Channel.objects.filter(pk=channel.pk).update(**columns)
    for name, value in columns.items():
        setattr(channel, name, value)


def _wall(channel: Channel, at: datetime) -> str:
    return timetable.on_the_wall(channel.publication.zone, at)
