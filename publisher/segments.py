"""Parts of a publication's members, by rules that are data; and the words that members are filed under."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import IntegrityError, transaction

from .delivery import audiences, ledger
from .lifecycle import Refusal, note
from .models import Member, MemberTag, Person, Publication, Segment
from .models.items import tag_key

#: Keys of a rule whose answers are several, and those whose answer is a day.
SEVERAL, DAYS = ("languages", "tags", "not_tags", "receives", "not_receives"), ("joined_from", "joined_to")
_TAGS = ("tags", "not_tags")
_PUBLICATIONS = ("receives", "not_receives")


def add(publication: Publication, name: str, rule: Mapping[str, Any], *, by: Person) -> Segment:
    name, kept = " ".join(name.split())[:80], checked(rule)
    if not name:
        raise Refusal("A segment needs a name.")
    try:
        with transaction.atomic():
            made = Segment.objects.create(publication=publication, name=name, rule=kept)
    except IntegrityError as problem:
        raise Refusal(f"There is a segment “{name}” already.") from problem
    note(made, "edited", by=by, why="added", rule=kept)
    return made


def edit(segment: Segment, rule: Mapping[str, Any], *, by: Person) -> None:
    """From the next proof on. What is approved keeps the rule that it was approved with."""
    kept = checked(rule)
    if kept != segment.rule:
        segment.rule = kept
        segment.save(update_fields=["rule"])
        note(segment, "edited", by=by, rule=kept)


def remove(segment: Segment, *, by: Person) -> None:
    if segment.digests.exists():
        raise Refusal(f"“{segment}” is the audience of a digest: its history names it, so it stays.")
    note(segment, "removed", by=by)
    segment.delete()


def count(segment: Segment) -> int:
    return ledger.audience(segment.publication, segment.rule).count()


def checked(rule: Mapping[str, Any]) -> dict[str, Any]:
    """The rule as it is stored: no empty answers, tags as they are compared, days that are days."""
    given = {name: answer for name, answer in rule.items() if answer}
    if unknown := sorted(set(given) - set(audiences.ASKED)):
        raise Refusal(f"Nobody can be chosen by {', '.join(unknown)}: say one of {', '.join(audiences.ASKED)}.")
    days = {name: _day(str(given[name])) for name in DAYS if name in given}
    if days.get("joined_from", "") > days.get("joined_to", "9999"):
        raise Refusal("Nobody joined after the last day and before the first one: change the days.")
    return {**{name: _several(name, given[name]) for name in SEVERAL if name in given}, **days}


def tag(member: Member, typed: str, *, by: Person) -> None:
    """Let the member have these words, parted by commas, and no others."""
    wanted = _words(typed)
    with transaction.atomic():
        MemberTag.objects.filter(member=member).exclude(key__in=wanted).delete()
        for key, name in wanted.items():
            MemberTag.objects.update_or_create(member=member, key=key, defaults={"name": name})
        note(member, "tagged", by=by, tags=sorted(wanted))


def tags_of(publication: Publication) -> list[str]:
    """The words that its active members are filed under."""
    found = MemberTag.objects.filter(member__in=ledger.audience(publication).values("member"))
    return sorted(set(found.values_list("name", flat=True)))


def _several(name: str, given: Any) -> list[str]:
    answers = [str(each).strip() for each in ([given] if isinstance(given, str) else given)]
    if name in _TAGS:
        return sorted({key for each in answers if (key := tag_key(each))})
    if name in _PUBLICATIONS:
        known = set(Publication.objects.filter(slug__in=answers).values_list("slug", flat=True))
        if missing := sorted(set(answers) - known):
            raise Refusal(f"There is no publication “{missing[0]}”.")
    return sorted(set(answers))


def _day(typed: str) -> str:
    try:
        return date.fromisoformat(typed).isoformat()
    except ValueError as problem:
        raise Refusal(f"“{typed[:40]}” is no day: write it as 2026-03-31.") from problem


def _words(typed: str) -> dict[str, str]:
    names = [" ".join(part.split()) for part in re.split(r"[,;\n]", typed)]
    found = {tag_key(name): name[:64] for name in names if name}
    if "" in found:
        raise Refusal(f"“{found['']}” is no tag: it has no letter.")
    return found
