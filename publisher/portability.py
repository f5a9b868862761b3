"""What we keep of one person, all of it, as data that they may take along.

Not written field by field: the models are walked from the member on, so that a field that is added tomorrow is in it.
What is left out stands in a table, with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.db import models

from . import links
from .models import ConsentWording, Digest, Entry, Event, Member, Person, Publication, Suppression

#: Fields by model that a person is not given, and why not.
OMITTED = {
    "delivery.hold": "which of our processes handed it over",
    "notice.holder": "which of our processes handed it over",
    "notice.html": "says what its text says",
}
#: Rows that hang on a member and are not of them.
NOT_THEIRS: dict[str, str] = {}

#: How a row of somebody else's is named: not by our number, and never by the name of one of the staff.
_NAMED = {
    Publication: lambda row: row.slug,
    Digest: lambda row: row.label,
    Entry: lambda row: row.title,
    ConsentWording: lambda row: row.text,
    Person: lambda row: "somebody of the staff",
}


def portable(member: Member) -> dict[str, Any]:
    """All that is kept of the member, in their own words and ours; nothing of anybody else."""
    told = _row(member)
    told["may_not_be_mailed"] = [
        {"why": row.why, "at": row.at.isoformat()}
        for row in Suppression.objects.filter(hash__in=Suppression.fingerprints(member.email))
    ]
    told["history"] = [_event(event) for event in _events(member)]
    return told


def portable_json(member: Member) -> bytes:
    return json.dumps(portable(member), ensure_ascii=False, indent=2).encode()


def theirs(model: type[models.Model]) -> Iterable[Any]:
    """The relations by which rows hang on a row of this model, below which everything is the member's."""
    for relation in model._meta.related_objects:
        if relation.related_model._meta.label_lower not in NOT_THEIRS and not relation.many_to_many:
            yield relation


def _row(row: models.Model, above: type[models.Model] | None = None) -> dict[str, Any]:
    noun = row._meta.model_name
    told = {
        field.name: _value(row, field)
        for field in row._meta.concrete_fields
        if f"{noun}.{field.name}" not in OMITTED
        and not field.primary_key
        and not (above and field.related_model is above)
    }
    for relation in theirs(type(row)):
        found = relation.related_model._default_manager.filter(**{relation.field.name: row}).order_by("pk")
        name = relation.get_accessor_name() or relation.related_model._meta.model_name
        told[name] = [_row(each, above=type(row)) for each in found]
    return told


def _value(row: models.Model, field: Any) -> Any:
    """As JSON has it. Without the keys in our mails: one opens what was mailed to an address that is not theirs yet."""
    value = getattr(row, field.name) if field.is_relation else field.value_from_object(row)
    if isinstance(value, models.Model):
        return _NAMED.get(type(value), str)(value)
    if isinstance(value, str):
        return links.keyless(value)
    return value.isoformat() if isinstance(value, date | datetime) else value


def _events(member: Member) -> Iterable[Event]:
    numbers = [member.pk, *member.merged.values_list("number", flat=True)]
    mine = models.Q(noun="member", noun_id__in=numbers)
    for relation in theirs(Member):
        ids = relation.related_model._default_manager.filter(**{relation.field.name: member}).values("pk")
        mine |= models.Q(noun=relation.related_model._meta.model_name, noun_id__in=ids)
    return Event.objects.filter(mine)


def _event(event: Event) -> dict[str, Any]:
    return {
        "at": event.at.isoformat(),
        "what": f"{event.noun} {event.verb}",
        "before": event.before,
        "after": event.after,
        "why": event.why,
        "by": "somebody of the staff" if event.by_id else None,
        "detail": event.detail,
    }
