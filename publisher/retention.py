"""What is kept, and for how long: a table of rules, each with its reason, carried out in bounded steps.

The clock takes a step at each tick until nothing is left for the day, so that no transaction is long and nobody waits.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from . import erasure, members
from .lifecycle import Overtaken, move
from .models import Consent, Delivery, Digest, Event, Farewell, Member, Notice, Reading, Subscription, Upload

State = Subscription.State
#: Rows of one step of one rule; and people, of whom each takes many rows along.
ROWS, PEOPLE = 1_000, 20
#: Of an uploaded list that nobody started, and of the lines that could not be taken.
UPLOADS_DAYS = 7
#: Of what a member follows who agreed.
READINGS_DAYS = 400
#: Of the words in which somebody said why they left.
WORDS_DAYS = 730
#: The history of people: of what was published the history is kept for good.
_OF_PEOPLE = ("subscription", "notice", "member", "joinrequest")
_OVER = (Digest.State.SENT, Digest.State.CANCELLED)


@dataclass(frozen=True)
class Rule:
    """What is forgotten after how many days, why then, and the step that forgets the next of it."""

    name: str
    what: str
    why: str
    setting: str  # of days; "" where it is fixed
    days: Callable[[], int]
    rows: Callable[[datetime], QuerySet[Any]]
    forget: Callable[[list[int]], object]
    most: int = ROWS
    #: What follows when nothing is left.
    end: Callable[[datetime], object] | None = None

    def due(self, now: datetime) -> QuerySet[Any]:
        """What is overdue; nothing where it is kept for good."""
        return self.rows(now - timedelta(days=self.days())) if self.days() else self.rows(now).none()

    def step(self, now: datetime) -> int:
        """Forget the next of it; how many it was."""
        ids = list(self.due(now).order_by("pk").values_list("pk", flat=True)[: self.most])
        if ids:
            self.forget(ids)
        elif self.end and self.days():
            self.end(now - timedelta(days=self.days()))
        return len(ids)


def step(now: datetime | None = None) -> int:
    """The next of everything; 0 where nothing is left for today."""
    moment = now or timezone.now()
    return sum(rule.step(moment) for rule in RULES)


def overdue(now: datetime | None = None) -> dict[str, int]:
    moment = now or timezone.now()
    return {rule.name: rule.due(moment).count() for rule in RULES}


def _delivered(before: datetime) -> QuerySet[Delivery]:
    """Of digests that are over. What is unknown is kept with them: nobody has asked for so long."""
    over = list(_over(before).values_list("pk", flat=True))
    return Delivery.objects.filter(digest__in=over, address__contains="@")


def _over(before: datetime) -> QuerySet[Digest]:
    """Those of which nothing is left are not looked through again: each has a row for every member."""
    return Digest.objects.filter(state__in=_OVER, state_since__lt=before, forgotten_at=None)


def _all_blanked(before: datetime) -> None:
    _over(before).update(forgotten_at=timezone.now())


def _mailed(before: datetime) -> QuerySet[Notice]:
    return Notice.objects.filter(state__in=["sent", "failed", "unknown"], state_since__lt=before)


def _networks(before: datetime) -> QuerySet[Consent]:
    return Consent.objects.filter(at__lt=before).exclude(network="")


def _gone(before: datetime) -> QuerySet[Member]:
    """Who has left everything, all of it long ago."""
    mine = Subscription.objects.filter(member=OuterRef("pk"))
    there = mine.filter(Q(state__in=[State.ACTIVE, State.PENDING]) | Q(state_since__gte=before))
    return Member.objects.filter(Exists(mine.filter(state_since__lt=before)) & ~Exists(there))


def _erase(ids: list[int]) -> None:
    for member in Member.objects.filter(pk__in=ids):
        members.erase(member, by=None)


def _told(before: datetime) -> QuerySet[Event]:
    return Event.objects.filter(noun__in=_OF_PEOPLE, at__lt=before)


def _uploaded(before: datetime) -> QuerySet[Upload]:
    return Upload.objects.filter(at__lt=before).filter(Q(parts__isnull=False) | ~Q(rejected=[])).distinct()


def _drop(ids: list[int]) -> None:
    with transaction.atomic():
        for upload in Upload.objects.filter(pk__in=ids):
            upload.parts.all().delete()
            if upload.state == Upload.State.WAITING:
                with suppress(Overtaken):  # started just now: its worker will find nothing
                    move(upload, Upload.State.DROPPED, by=None, why=f"nobody started it within {UPLOADS_DAYS} days")
        Upload.objects.filter(pk__in=ids).update(rejected=[])


def _followed(before: datetime) -> QuerySet[Reading]:
    return Reading.objects.filter(at__lt=before)


def _said(before: datetime) -> QuerySet[Farewell]:
    return Farewell.objects.filter(on__lt=before.date()).exclude(words="")


def _ended(before: datetime) -> QuerySet[Session]:
    return Session.objects.filter(expire_date__lt=before)


def _setting(name: str) -> Callable[[], int]:
    return lambda: int(getattr(settings, name))


RULES = (
    Rule(
        "addresses",
        "the address of each delivery, and what the server said; the outcome is counted for good",
        "A letter may come back, and a relay's log be compared, for some weeks. Later the count is all that is needed.",
        "PUBLISHER_KEEP_ADDRESSES",
        _setting("KEEP_ADDRESSES"),
        _delivered,
        erasure.blank,
        end=_all_blanked,
    ),
    Rule(
        "notices",
        "mails to one person: please confirm, here is your link",
        "They answer “I got a mail from you”, which is asked soon or never.",
        "PUBLISHER_KEEP_NOTICES",
        _setting("KEEP_NOTICES"),
        _mailed,
        lambda ids: Notice.objects.filter(pk__in=ids).delete(),
    ),
    Rule(
        "networks",
        "from which network somebody agreed",
        "It is part of the proof of a consent while that may be doubted; the words and the moment are kept with it.",
        "PUBLISHER_KEEP_NETWORKS",
        _setting("KEEP_NETWORKS"),
        _networks,
        lambda ids: Consent.objects.filter(pk__in=ids).update(network=""),
    ),
    Rule(
        "left",
        "members who have left every publication, with their consents; the keyed hash of the address stays",
        "As long as somebody may ask on what ground they were mailed, the consent has to be shown (GDPR, article 7).",
        "PUBLISHER_KEEP_LEFT",
        _setting("KEEP_LEFT"),
        _gone,
        _erase,
        PEOPLE,
    ),
    Rule(
        "events",
        "the history of subscriptions and mails to one person; of what was published it is kept for good",
        "It says who did what to whom as a number, and explains a complaint.",
        "PUBLISHER_KEEP_EVENTS",
        _setting("KEEP_EVENTS"),
        _told,
        lambda ids: Event.objects.filter(pk__in=ids).delete(),
    ),
    Rule(
        "readings",
        "which links those followed who agreed that it is kept; how often each was followed is kept for good",
        "Who has read anything within a year is all that is asked of it.",
        "",
        lambda: READINGS_DAYS,
        _followed,
        lambda ids: Reading.objects.filter(pk__in=ids).delete(),
    ),
    Rule(
        "farewells",
        "what those who left wrote in their own words; the reason that they chose is counted for good",
        "Somebody may have named themselves, or others, and after two years nothing is done about it any more.",
        "",
        lambda: WORDS_DAYS,
        _said,
        lambda ids: Farewell.objects.filter(pk__in=ids).update(words=""),
    ),
    Rule(
        "uploads",
        "lists that were uploaded and not started, and lines that could not be taken",
        "They are full of addresses, and of no use once they were looked at.",
        "",
        lambda: UPLOADS_DAYS,
        _uploaded,
        _drop,
    ),
)


def clear_sessions(now: datetime | None = None) -> None:
    """Sessions that are over say who was signed in."""
    _ended(now or timezone.now()).delete()
