"""When a channel posts: its weekly times, quiet hours, the distance between posts, and what is too late."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from publisher import slots
from publisher.lifecycle import Refusal, history
from publisher.models import Channel
from publisher.networks import network_class
from publisher.slots import Rules
from publisher.timetable import WEEKDAYS, Quiet, Weekly

from ..forms import TimesForm, said
from . import weeks
from .doors import StaffRequest, deed, page
from .telling import newest

#: So many rows of the table are empty, for further times.
MORE = 3
#: So many times are told in advance.
AHEAD = 5


@page
def detail(request: StaffRequest, pk: int) -> HttpResponse:
    channel = _channel(pk)
    table, rules, now = slots.timetable_of(channel), slots.rules_of(channel), timezone.now()
    coming = channel.posts.filter(state__in=slots.LIVE, due_at__range=(now, now + timedelta(days=7)))
    context = {
        "channel": channel,
        "network": network_class(channel.network).label,
        "publication": channel.publication,
        "weekdays": WEEKDAYS,
        "rows": _rows(rules.weekly),
        "form": TimesForm(initial=_initial(rules)),
        "usually_late": settings.LATE_AFTER // 60,
        "week": weeks.drawn(table, coming.defer("text")),
        "free": slots.free_times([channel], AHEAD)[channel.pk] if table.slotted else [],
        "history": newest(history(channel)),
    }
    return render(request, "staff/channels/times.html", context)


@deed(back="channel-times")
def change(request: StaffRequest, pk: int) -> str:
    form = TimesForm(request.POST)
    if not form.is_valid():
        raise Refusal(said(form))
    channel = _channel(pk)
    slots.set_rules(channel, _rules(_weekly(request.POST), form.cleaned_data), by=request.user)
    return f"{channel} posts by this timetable from now on. What has its time already keeps it."


def _channel(pk: int) -> Channel:
    return get_object_or_404(Channel.objects.select_related("publication").prefetch_related("slots"), pk=pk)


def _rows(weekly: tuple[Weekly, ...]) -> list[tuple[time | None, set[int]]]:
    """Each time of the day with the weekdays on which it is one, and some that are empty."""
    times = sorted({at for _, at in weekly})
    return [(at, {day for day, other in weekly if other == at}) for at in times] + [(None, set())] * MORE


def _initial(rules: Rules) -> dict[str, Any]:
    return {
        "quiet_from": rules.quiet and rules.quiet.since,
        "quiet_until": rules.quiet and rules.quiet.until,
        "spacing": _minutes(rules.spacing),
        "late_after": None if rules.late_after is None else _minutes(rules.late_after),
    }


def _rules(weekly: tuple[Weekly, ...], given: dict[str, Any]) -> Rules:
    since, until, late = given["quiet_from"], given["quiet_until"], given["late_after"]
    return Rules(
        weekly,
        Quiet(since, until) if since is not None and until is not None else None,
        timedelta(minutes=given["spacing"] or 0),
        None if late is None else timedelta(minutes=late),
    )


def _weekly(given: QueryDict) -> tuple[Weekly, ...]:
    """The ticks of the table: `time-2` is the time of its third row, `on-2` the weekdays that are ticked in it."""
    found: list[Weekly] = []
    for name, text in given.items():
        row = name.removeprefix("time-")
        days = [int(day) for day in given.getlist(f"on-{row}") if day in set("0123456")] if row != name else []
        if days:
            found += [(day, _clock(str(text), days)) for day in days]
    return tuple(found)


def _clock(text: str, days: list[int]) -> time:
    try:
        # Without a zone: it is the publication's.
        return time.fromisoformat(text.strip()).replace(tzinfo=None)
    except ValueError as problem:
        ticked = ", ".join(WEEKDAYS[day] for day in days)
        raise Refusal(f"Give the row in which {ticked} is ticked a time, such as 09:00.") from problem


def _minutes(span: timedelta) -> int:
    return int(span.total_seconds() // 60)
