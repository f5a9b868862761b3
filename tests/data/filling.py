"""Rows with something in every field, whatever fields there are: a value that is found again, and whose it is."""

from __future__ import annotations

import datetime
from itertools import count
from typing import Any

from django.db import models
from django.utils import timezone

from publisher.models import Digest, Entry, Item, Member, Publication

_NUMBERS = count(1)


def filled(model: type[models.Model], member: Any) -> models.Model:
    """One row of the model that hangs on the member, each of its fields filled."""
    row = member if model is Member else model(**_related(model, member))
    for field in model._meta.concrete_fields:
        if not isinstance(field, models.AutoField) and not field.is_relation:
            setattr(row, field.attname, _value(field, member))
    row.save()
    return row


def told_of(row: models.Model) -> dict[str, Any]:
    """Its values as data has them."""
    row.refresh_from_db()
    found = {}
    for field in row._meta.concrete_fields:
        if not field.primary_key and not field.is_relation:
            value = field.value_from_object(row)
            found[field.name] = value.isoformat() if isinstance(value, datetime.date) else value
    return found


def _related(model: type[models.Model], member: Any) -> dict[str, Any]:
    return {
        field.name: _row(field, member)
        for field in model._meta.concrete_fields
        if field.is_relation and (not field.null or field.related_model is Member)
    }


def _row(field: Any, member: Any) -> Any:
    if field.related_model is Member:
        return member
    mine = field.related_model._default_manager.filter(**_of(field.related_model, member)).first()
    return mine or _other(field.related_model)


def _of(model: type[models.Model], member: Any, depth: int = 2) -> dict[str, Any]:
    """By which of its fields, or of a row it hangs on, a row is the member's."""
    mine = {f.name: member for f in model._meta.concrete_fields if f.related_model is Member}
    above = [f for f in model._meta.concrete_fields if f.is_relation and not f.null and depth and not mine]
    return mine or {f"{f.name}__{name}": member for f in above for name in _of(f.related_model, member, depth - 1)}


def _other(model: type[models.Model]) -> Any:
    """Somebody else's row that this one only names: one is enough."""
    return model._default_manager.first() or _MADE[model]()


def _digest() -> Digest:
    return Digest.objects.create(
        publication=Publication.objects.get(), date=datetime.date(2007, 3, 31), number=120, state="draft"
    )


def _entry() -> Entry:
    digest: Digest = _other(Digest)
    item = Item.objects.create(publication=digest.publication, identity="jetty", title="A poem", state="received")
    return Entry.objects.create(digest=digest, publication=digest.publication, item=item, position=1, title=item.title)


_MADE: dict[type[models.Model], Any] = {Digest: _digest, Entry: _entry}


def _value(field: Any, member: Any) -> Any:
    number = next(_NUMBERS)
    if field.name == "email":
        return member.email
    if field.name == "state":
        return {"subscription": "active", "delivery": "sent", "notice": "sent"}[field.model._meta.model_name]
    if field.choices:
        return field.choices[0][0]
    if isinstance(field, models.EmailField):
        return f"own-{number}@{member.pk}.example"
    if isinstance(field, models.BooleanField):
        return True
    if isinstance(field, models.DateTimeField):
        return timezone.now() - datetime.timedelta(seconds=number)
    if isinstance(field, models.DateField):
        return datetime.date(2007, 1, 1) + datetime.timedelta(days=number)
    if isinstance(field, models.GenericIPAddressField):
        return f"198.51.100.{number % 250}"
    if isinstance(field, models.JSONField):
        return {"own": number}
    if isinstance(field, models.IntegerField):
        return number
    return f"m{member.pk}-own-{number}"[: field.max_length or None]
