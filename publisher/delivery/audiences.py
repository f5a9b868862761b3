"""Who receives a digest: the active members of its publication, or those of them that a rule names.

A rule is data, copied into the proof and approved with it: `{"languages": ["es"], "tags": ["lima"]}`. What is asked of
a member stands in a table; a key that is not in it is refused, because leaving it out would mail more people than were
approved. Counting and freezing ask the same query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from ..lifecycle import Refusal
from ..models import Consent, MemberTag, Publication, Reading, Subscription

Rule = Mapping[str, Any]
_ACTIVE = Subscription.State.ACTIVE


def _languages(wanted: list[str], _: Publication) -> Q:
    """“es” is Peru's too, “es-pe” only that. Who never said one is in no segment of a language, unless it names ""."""
    wider = (Q(member__language__startswith=f"{code}-") for code in wanted if code and "-" not in code)
    return reduce(or_, wider, Q(member__language__in=wanted))


def _tags(keys: list[str], _: Publication) -> Q:
    return Q(Exists(MemberTag.objects.filter(member_id=OuterRef("member_id"), key__in=keys)))


def _no_tags(keys: list[str], publication: Publication) -> Q:
    return ~_tags(keys, publication)


def _receives(slugs: list[str], _: Publication) -> Q:
    others = Subscription.objects.filter(member_id=OuterRef("member_id"), state=_ACTIVE)
    return Q(Exists(others.filter(publication__slug__in=slugs)))


def _no_receives(slugs: list[str], publication: Publication) -> Q:
    return ~_receives(slugs, publication)


def _joined_from(day: str, publication: Publication) -> Q:
    return Q(member__joined_at__gte=_midnight(day, publication))


def _joined_to(day: str, publication: Publication) -> Q:
    return Q(member__joined_at__lt=_midnight(day, publication, after=1))


def _engaged_from(day: str, publication: Publication) -> Q:
    """Who has said yes in person since, or followed a link: known only of those who agreed that it is kept."""
    since = _midnight(day, publication)
    followed = Reading.objects.filter(consent__subscription=OuterRef("pk"), at__gte=since)
    said_yes = Consent.objects.filter(subscription=OuterRef("pk"), confirmed_at__gte=since, by=None)
    return Q(Exists(followed)) | Q(Exists(said_yes))


def _midnight(day: str, publication: Publication, after: int = 0) -> datetime:
    """When a day begins where the publication is: days are those of its zone."""
    return datetime.combine(date.fromisoformat(day) + timedelta(days=after), time(), tzinfo=publication.zone)


ASKED: Mapping[str, Callable[[Any, Publication], Q]] = {
    "languages": _languages,
    "tags": _tags,
    "not_tags": _no_tags,
    "receives": _receives,
    "not_receives": _no_receives,
    "joined_from": _joined_from,
    "joined_to": _joined_to,
    "engaged_from": _engaged_from,
}


def of(publication: Publication, rule: Rule | None = None) -> QuerySet[Subscription]:
    """Who of the publication's active members the rule names; without one, all. Refusal for an unknown question."""
    if unknown := sorted(set(rule or {}) - set(ASKED)):
        raise Refusal(f"Nobody can be chosen by {', '.join(unknown)}: say one of {', '.join(ASKED)}.")
    found = Subscription.objects.filter(publication=publication, state=_ACTIVE)
    for name, wanted in (rule or {}).items():
        found = found.filter(ASKED[name](wanted, publication))
    return found


def next_ids(publication: Publication, rule: Rule, after: int, most: int) -> tuple[str, tuple[Any, ...]]:
    """SQL for the next members that the rule names, by their number, and what belongs into it."""
    found = of(publication, rule).filter(member_id__gt=after).order_by("member_id").values("member_id")[:most]
    return found.query.sql_with_params()
