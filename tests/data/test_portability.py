"""A member's own data: all of it, whatever is added to the models, and nothing of anybody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.apps import apps
from django.db import models

from publisher import members, portability
from publisher.models import Member
from tests.data.filling import filled, told_of

#: Fields in which an address of somebody's may stand, on rows that do not hang on a member, and whose it is.
OTHERS = {
    "person.email": "one of the staff",
    "publication.sender_email": "the organisation",
    "joinrequest.email": "whoever asked: gone within seconds, and with an erasure",
    "linkrequest.email": "whoever asked: gone within seconds, and with an erasure",
    "publication.reply_to": "the organisation",
}


def below(model: type[models.Model]) -> list[type[models.Model]]:
    """This model and all whose rows hang on one of it, each after what it hangs on."""
    found = [model]
    for relation in portability.theirs(model):
        found += below(relation.related_model)
    return list(dict.fromkeys(found))


def test_every_field_of_every_row_of_a_member_is_in_their_data(publication: Any) -> None:
    rosa, luis = (Member.objects.create(email=f"{name}@members.example") for name in ("rosa", "luis"))
    mine = {model: filled(model, rosa) for model in below(Member)}
    theirs = {model: filled(model, luis) for model in below(Member)}
    told = json.loads(portability.portable_json(Member.objects.get(pk=rosa.pk)))

    missing = [
        f"{model._meta.model_name}.{name}"
        for model, row in mine.items()
        for name, value in told_of(row).items()
        if f"{model._meta.model_name}.{name}" not in portability.OMITTED and json.dumps(value) not in json.dumps(told)
    ]
    assert missing == []
    leaked = [
        name
        for model, row in theirs.items()
        for name, value in told_of(row).items()
        if isinstance(value, str) and len(value) > 12 and "-own-" in value and value in json.dumps(told)
    ]
    assert leaked == []


def test_what_is_left_out_is_there_to_be_left_out() -> None:
    fields = {f"{m._meta.model_name}.{f.name}" for m in below(Member) for f in m._meta.concrete_fields}
    assert set(portability.OMITTED) - fields == set()


def test_an_address_stands_nowhere_but_on_a_member_or_with_whom_it_belongs_to() -> None:
    """Whoever adds a field for an address says whose it is: an erasure would not find it otherwise."""
    ours = apps.get_app_config("publisher").get_models()
    found = {
        f"{model._meta.model_name}.{field.name}"
        for model in ours
        if model not in below(Member)
        for field in model._meta.concrete_fields
        if isinstance(field, models.EmailField) or "email" in field.name or field.name == "address"
    }
    assert found - {"source.address"} == set(OTHERS)


def test_a_person_learns_that_their_address_is_suppressed_and_by_whom_nothing_was_done(
    publication: Any, anne: Any, make_members: Any
) -> None:
    (rosa,) = make_members(1)
    members.suppress(rosa.email, "complaint")
    told = portability.portable(Member.objects.get(pk=rosa.pk))
    assert [row["why"] for row in told["may_not_be_mailed"]] == ["complaint"]
    assert [(row["what"], row["after"], row["by"]) for row in told["history"]] == [
        ("subscription moved", "suppressed", None)
    ]
    assert [row["publication"] for row in told["subscriptions"]] == ["update"]
    assert "anne" not in json.dumps(told).casefold()


@pytest.mark.django_db
def test_a_member_without_anything_has_data_too() -> None:
    told = portability.portable(Member.objects.create(email="new@members.example"))
    assert (told["email"], told["subscriptions"], told["history"]) == ("new@members.example", [], [])
