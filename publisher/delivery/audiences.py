"""Who receives a digest: the active members of its publication, or those of them that a rule names.

A rule is data, copied into the proof and approved with it: `{"languages": ["es"], "tags": ["lima"]}`. What is asked of
a member stands in a table; a key that is not in it is refused, because leaving it out would mail more people than were
approved. Counting and freezing ask the same query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from ..lifecycle import Refusal
from ..models import MemberTag, Publication, Subscription

Rule = Mapping[str, Any]
_ACTIVE = Subscription.State.ACTIVE


def _languages(wanted: list[str]) -> Q:
    """Nothing chosen counts as "": whoever never said a language is in no segment of one, unless it names ""."""
    return Q(member__language__in=wanted)


def _tags(keys: list[str]) -> Q:
    return Q(Exists(MemberTag.objects.filter(member_id=OuterRef("member_id"), key__in=keys)))


def _no_tags(keys: list[str]) -> Q:
    return ~_tags(keys)


def _receives(slugs: list[str]) -> Q:
    others = Subscription.objects.filter(member_id=OuterRef("member_id"), state=_ACTIVE)
    return Q(Exists(others.filter(publication__slug__in=slugs)))


def _no_receives(slugs: list[str]) -> Q:
    return ~_receives(slugs)


def _joined_from(day: str) -> Q:
    return Q(member__joined_at__gte=_midnight(day))


def _joined_to(day: str) -> Q:
    """Days are those of UTC, the last one within."""
    return Q(member__joined_at__lt=_midnight(day) + timedelta(days=1))


def _midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


ASKED: Mapping[str, Callable[[Any], Q]] = {
    "languages": _languages,
    "tags": _tags,
    "not_tags": _no_tags,
    "receives": _receives,
    "not_receives": _no_receives,
    "joined_from": _joined_from,
    "joined_to": _joined_to,
}


def of(publication: Publication, rule: Rule | None = None) -> QuerySet[Subscription]:
    """Who of the publication's active members the rule names; without one, all. Refusal for an unknown question."""
    if unknown := sorted(set(rule or {}) - set(ASKED)):
        raise Refusal(f"Nobody can be chosen by {', '.join(unknown)}: say one of {', '.join(ASKED)}.")
    found = Subscription.objects.filter(publication=publication, state=_ACTIVE)
    for name, wanted in (rule or {}).items():
        found = found.filter(ASKED[name](wanted))
    return found


def next_ids(publication: Publication, rule: Rule, after: int, most: int) -> tuple[str, tuple[Any, ...]]:
    """SQL for the next members that the rule names, by their number, and what belongs into it."""
    found = of(publication, rule).filter(member_id__gt=after).order_by("member_id").values("member_id")[:most]
    return found.query.sql_with_params()
