"""The only writer of `state`: compare, set, and say who did it. (delivery/ moves its rows in batches itself.)"""

from __future__ import annotations

from typing import Any

from django.db import models, transaction
from django.utils import timezone

from .models import Event, Person
from .models.lives import Lives


class Refusal(Exception):
    """A verb said no. str() is a sentence for people: what happened, to what, what to do now."""


class NotAllowed(Refusal):
    """The lifecycle has no such move."""


class Overtaken(Refusal):
    """Somebody else moved it first."""


def move(thing: Lives, to: str, *, by: Person | None, why: str = "", **fields: Any) -> None:
    """Move `thing` to state `to`, set `fields` with it, and write an Event: all, or nothing.

    NotAllowed where the table has no such move; Overtaken where the row is no longer in the state that
    the caller saw, so that of two who move at once exactly one succeeds.
    """
    model, before = type(thing), thing.state
    if to not in model.MOVES[before]:
        raise NotAllowed(f"“{thing}” is {word(thing, before)}: it cannot become {word(thing, to)}.")
    now = timezone.now()
    with transaction.atomic():
        moved = model._default_manager.filter(pk=thing.pk, state=before).update(state=to, state_since=now, **fields)
        if moved != 1:
            raise Overtaken(
                f"“{thing}” was {word(thing, before)} and has just been moved by somebody else. Look again."
            )
        kept = {name.removesuffix("_id"): getattr(thing, name) for name in model.MOVED_WITH}
        _write(thing, "moved", before, to, by, why, kept)
    for name, value in {"state": to, "state_since": now, **fields}.items():
        setattr(thing, name, value)


def note(thing: models.Model, verb: str, *, by: Person | None, why: str = "", **detail: Any) -> Event:
    """Write down something that was done to `thing` without moving it."""
    return _write(thing, verb, "", "", by, why, detail)


def history(thing: models.Model) -> models.QuerySet[Event]:
    return Event.objects.filter(noun=noun(thing), noun_id=thing.pk).select_related("by")


def noun(thing: models.Model) -> str:
    return thing._meta.model_name or ""


def word(thing: Lives, state: str) -> str:
    """A state as people read it: "in review"."""
    labels = dict(type(thing).State.choices)
    return str(labels.get(state, state))


def _write(
    thing: models.Model, verb: str, before: str, after: str, by: Person | None, why: str, detail: dict[str, Any]
) -> Event:
    return Event.objects.create(
        noun=noun(thing), noun_id=thing.pk, verb=verb, before=before, after=after, by=by, why=why, detail=detail
    )
