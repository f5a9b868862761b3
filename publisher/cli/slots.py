from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Annotated

import typer

from .. import slots
from ..lifecycle import Refusal
from ..models import Channel, Post, Slot
from ..slots import Rules
from ..timetable import Quiet
from .answers import By, In, Json, as_json, say, table, the_person, the_publication
from .posts import named, the_channel

app = typer.Typer(help="When posts go out: the timetables of channels, the plan.", no_args_is_help=True)
Times = Annotated[list[str] | None, typer.Argument(metavar="'MON 09:00'…", help="Instead of those that were set.")]
Minutes = Annotated[int | None, typer.Option(min=0, max=60 * 24 * 60, metavar="MINUTES")]


@app.command()
def show(network: str, account: str, publication: In = None) -> None:
    """When a channel posts, on the publication's clock."""
    _tell(the_channel(the_publication(publication), network, account))


@app.command("set")
def set_(
    network: str,
    account: str,
    times: Times = None,
    none: Annotated[bool, typer.Option("--none", help="No weekly times: posts go out at once.")] = False,
    quiet: Annotated[str | None, typer.Option(help="Quiet hours, as 22:00-07:00; “no” for none.")] = None,
    spacing: Minutes = None,
    late_after: Minutes = None,
    publication: In = None,
    by: By = None,
) -> None:
    """Set when a channel posts. What is not named stays: weekly times, quiet hours, distance, what is too late."""
    channel, rules = the_channel(the_publication(publication), network, account), None
    rules = slots.rules_of(channel)
    if times or none:
        rules = replace(rules, weekly=tuple(_weekly(each) for each in times or ()))
    if quiet is not None:
        rules = replace(rules, quiet=_quiet(quiet))
    if spacing is not None:
        rules = replace(rules, spacing=timedelta(minutes=spacing))
    if late_after is not None:
        rules = replace(rules, late_after=timedelta(minutes=late_after))
    slots.set_rules(channel, rules, by=the_person(by))
    _tell(channel)


@app.command()
def plan(publication: In = None, json: Json = False) -> None:
    """What goes out when, on all channels, with what waits for a person."""
    chosen = the_publication(publication)
    rows = list(slots.plan().filter(channel__publication=chosen))
    if json:
        as_json([{"id": p.pk, "channel": str(p.channel), "due_at": p.due_at, "state": p.state} for p in rows])
        return
    told = ((p.pk, _local(p), p.channel, p.get_state_display(), p.text.split("\n")[0]) for p in rows)
    table("What goes out when", ["id", f"when ({chosen.time_zone})", "channel", "state", "text"], told)


@app.command()
def now(post_id: int, by: By = None) -> None:
    """Let a waiting post go out at the next tick, in quiet hours too."""
    slots.post_now(named(post_id), by=the_person(by))
    say("It goes out with the next tick of the clock.")


@app.command()
def move(post_id: int, at: Annotated[str, typer.Argument(metavar="'2007-03-31 09:00'")], by: By = None) -> None:
    """Give a waiting post another time, on the publication's clock."""
    post, person = named(post_id), the_person(by)
    slots.move_to(post, slots.on_the_clock(post.channel, _moment(at)), by=person)
    say(f"It goes out on {_local(post)}.")


def _tell(channel: Channel) -> None:
    rules = slots.rules_of(channel)
    parts = [", ".join(map(str, channel.slots.all())) or "no weekly times: posts go out at once", *_besides(rules)]
    say(f"{channel}: {'; '.join(parts)} ({channel.publication.time_zone}).")


def _besides(rules: Rules) -> list[str]:
    told = [f"quiet from {rules.quiet}"] if rules.quiet else []
    told += [f"{_minutes(rules.spacing)} minutes between two posts"] if rules.spacing else []
    return told + ([f"asks after {_minutes(rules.late_after)} minutes"] if rules.late_after is not None else [])


def _minutes(span: timedelta) -> int:
    return int(span.total_seconds() // 60)


def _local(post: Post) -> str:
    return f"{post.due_at.astimezone(post.channel.publication.zone):%a %d %b %Y %H:%M}" if post.due_at else ""


def _weekly(text: str) -> tuple[int, time]:
    """ "Mon 09:00" as a weekday (0 is Monday) and a time."""
    day, _, clock = text.strip().partition(" ")
    found = [value for value, name in Slot.Weekday.choices if len(day) >= 3 and name.lower().startswith(day.lower())]
    try:
        return found[0], _clock(clock)
    except (IndexError, ValueError) as problem:
        raise Refusal(f"“{text}” is no weekly time: give a weekday and a time, as 'Mon 09:00'.") from problem


def _quiet(text: str) -> Quiet | None:
    if text.strip().lower() in {"no", "none", ""}:
        return None
    since, _, until = text.partition("-")
    try:
        return Quiet(_clock(since), _clock(until))
    except ValueError as problem:
        raise Refusal(f"“{text}” are no quiet hours: give two times, as 22:00-07:00, or “no”.") from problem


def _clock(text: str) -> time:
    # Without a zone: it is the publication's.
    return time.fromisoformat(text.strip().zfill(5)).replace(tzinfo=None)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as problem:
        raise Refusal(f"“{text}” is no time: give a day and an hour, as '2007-03-31 09:00'.") from problem
