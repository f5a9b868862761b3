"""Parts of a publication's members, by rules that are data; and the words that members are filed under."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, QuerySet

from .delivery import audiences, ledger
from .lifecycle import Refusal, note
from .models import Digest, Member, MemberTag, Person, Publication, Segment
from .models.items import tag_key
from .printable import one_line

#: Keys of a rule whose answers are several, and those whose answer is a day.
SEVERAL = ("languages", "tags", "not_tags", "receives", "not_receives")
DAYS = ("joined_from", "joined_to", "engaged_from")
#: The answer for who never said a language.
NONE = "none"
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]{2,4})?")
_TAGS = ("tags", "not_tags")
_PUBLICATIONS = ("receives", "not_receives")


def add(publication: Publication, name: str, rule: Mapping[str, Any], *, by: Person) -> Segment:
    made = Segment(publication=publication, name=_named(name), rule=checked(rule))
    _save(made)
    note(made, "edited", by=by, why="added", rule=made.rule)
    return made


def edit(segment: Segment, rule: Mapping[str, Any], *, by: Person, name: str = "") -> None:
    """From the next proof on: what is approved goes to whom its own copy of the rule names.

    What lies before an approver is out of date with it, as after any other edit: it is sent to review anew.
    """
    before = segment.name, segment.rule
    segment.name, segment.rule = _named(name or segment.name), checked(rule)
    if (segment.name, segment.rule) != before:
        _save(segment)
        note(segment, "edited", by=by, rule=segment.rule)


def remove(segment: Segment, *, by: Person) -> None:
    try:
        with transaction.atomic():
            note(segment, "removed", by=by)
            segment.delete()
    except ProtectedError as problem:
        raise Refusal(f"“{segment}” is the audience of a digest: its history names it, so it stays.") from problem


def used_by(segment: Segment) -> QuerySet[Digest]:
    """The digests that are still to go out to it, the newest first."""
    waiting = [Digest.State.DRAFT, Digest.State.IN_REVIEW, Digest.State.APPROVED]
    return segment.digests.filter(state__in=waiting).select_related("publication").order_by("-pk")


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
    several = {name: _several(name, given[name]) for name in SEVERAL if name in given}
    return {**{name: answers for name, answers in several.items() if answers}, **days}


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


def _named(typed: str) -> str:
    if not (name := one_line(typed)[:80]):
        raise Refusal("A segment needs a name.")
    return name


def _save(segment: Segment) -> None:
    try:
        with transaction.atomic():
            segment.save()
    except IntegrityError as problem:
        raise Refusal(f"There is a segment “{segment.name}” already.") from problem


def _several(name: str, given: Any) -> list[str]:
    answers = [str(each).strip() for each in ([given] if isinstance(given, str) else given)]
    if name == "languages":
        return sorted({_language(each) for each in answers})
    answers = [each for each in answers if each]
    if name in _TAGS:
        return sorted(_words(";".join(answers)))
    if name in _PUBLICATIONS:
        known = set(Publication.objects.filter(slug__in=answers).values_list("slug", flat=True))
        if missing := sorted(set(answers) - known):
            raise Refusal(f"There is no publication “{missing[0]}”.")
    return sorted(set(answers))


def _language(typed: str) -> str:
    code = typed.replace("_", "-").casefold()
    if code in {NONE, ""}:
        return ""
    if not _LANGUAGE.fullmatch(code):
        raise Refusal(f"“{typed[:40]}” is no language: write “es”, “es-pe”, or “{NONE}” for who never said one.")
    return code


def _day(typed: str) -> str:
    try:
        day = date.fromisoformat(typed)
    except ValueError as problem:
        raise Refusal(f"“{typed[:40]}” is no day: write it as 2026-03-31.") from problem
    if not 1970 <= day.year <= 2999:
        raise Refusal(f"“{typed[:40]}” is no day on which anybody joins: write it as 2026-03-31.")
    return day.isoformat()


def _words(typed: str) -> dict[str, str]:
    names = [" ".join(part.split()) for part in re.split(r"[,;\n]", typed)]
    found = {tag_key(name): name[:64] for name in names if name}
    if "" in found:
        raise Refusal(f"“{found['']}” is no tag: it has no letter.")
    return found
