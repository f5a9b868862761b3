"""What becomes of a publication's members over time, and of each Update: counts alone, without persons.

Members are counted by day, from the history of their subscriptions as it is written; the counts stay when a person is
forgotten, and when the history is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, F, QuerySet, Sum
from django.db.models.functions import TruncMonth, TruncYear
from django.utils import timezone

from .models import Click, Digest, Entry, Event, MembersOfDay, Publication, Reading, Subscription, TalliedTo

#: Counted so often, and only what is so old: a transaction may be over later than one that began after it.
EVERY, AGED = timedelta(minutes=1), timedelta(seconds=30)
AT_ONCE = 2_000
#: Who leaves within these days after an Update went out is counted with it.
AFTER = timedelta(days=7)
KINDS = ("joined", "left", "bounced")
State = Subscription.State


@dataclass(frozen=True)
class Month:
    """A month of a publication; `first` is its first day."""

    first: date
    joined: int = 0
    left: int = 0
    bounced: int = 0


@dataclass(frozen=True)
class Followed:
    """How often an entry's link was followed: by people, by machines, and by how many who agreed to be told apart."""

    entry: Entry
    people: int
    machines: int
    readers: int


@dataclass(frozen=True)
class Issue:
    """What became of one digest's letters."""

    digest: Digest
    sent: int
    bounced: int
    failed: int
    left_after: int
    links: list[Followed] = field(default_factory=list)

    @property
    def followed(self) -> int:
        return sum(link.people for link in self.links)


def tally() -> int:
    """Count what was written since the last time; how many events were looked at. One at a time counts."""
    now = timezone.now()
    with transaction.atomic():
        TalliedTo.objects.get_or_create(pk=1)
        mark = TalliedTo.objects.select_for_update().get(pk=1)
        if mark.at > now - EVERY:
            return 0
        found = list(Event.objects.filter(pk__gt=mark.event, at__lt=now - AGED).order_by("pk")[:AT_ONCE])
        for (publication, day, kind), number in _counted(found).items():
            row, _ = MembersOfDay.objects.get_or_create(publication_id=publication, day=day)
            MembersOfDay.objects.filter(pk=row.pk).update(**{kind: F(kind) + number})
        last = found[-1].pk if found else mark.event
        # Where more waits, the next tick goes on.
        TalliedTo.objects.filter(pk=1).update(event=last, **({} if len(found) == AT_ONCE else {"at": now}))
    return len(found)


def months(publication: Publication, number: int = 12) -> list[Month]:
    """The last months up to this one, those without anything too."""
    this = publication.today().replace(day=1)
    firsts = [this]
    while len(firsts) < number:
        firsts.append((firsts[-1] - timedelta(days=1)).replace(day=1))
    days = MembersOfDay.objects.filter(publication=publication, day__gte=firsts[-1])
    sums = days.annotate(month=TruncMonth("day")).values("month").order_by("month")
    known: dict[Any, dict[str, Any]] = {
        row["month"]: dict(row) for row in sums.annotate(**{f"n_{kind}": Sum(kind) for kind in KINDS})
    }
    return [Month(first, *(known.get(first, {}).get(f"n_{kind}", 0) for kind in KINDS)) for first in reversed(firsts)]


def years(publication: Publication) -> list[Month]:
    """Each year of which anything was counted, by its first day, up to this one."""
    days = MembersOfDay.objects.filter(publication=publication)
    sums = days.annotate(year=TruncYear("day")).values("year").order_by("year")
    rows = sums.annotate(joined_=Sum("joined"), left_=Sum("left"), bounced_=Sum("bounced"))
    return [Month(row["year"], row["joined_"], row["left_"], row["bounced_"]) for row in rows]


def joined(publication: Publication, number: int) -> None:
    """So many were brought by a list just now. Counted with each part of it: an import may be killed halfway."""
    if number:
        row, _ = MembersOfDay.objects.get_or_create(publication=publication, day=publication.today())
        MembersOfDay.objects.filter(pk=row.pk).update(joined=F("joined") + number)


def active(publication: Publication) -> int:
    return Subscription.objects.filter(publication=publication, state=State.ACTIVE).count()


def issues(publication: Publication, digests: list[Digest]) -> list[Issue]:
    """These digests with what became of them, in as many queries however many they are."""
    states: dict[int, Counter[str]] = {digest.pk: Counter() for digest in digests}
    rows = Digest.objects.filter(pk__in=states).values("pk", "deliveries__state").annotate(n=Count("deliveries"))
    for row in rows:
        states[row["pk"]][row["deliveries__state"] or ""] = row["n"]
    links, left = _links(digests), _left(publication, digests)
    return [
        Issue(
            digest,
            sent=states[digest.pk]["sent"] + states[digest.pk]["bounced"],
            bounced=states[digest.pk]["bounced"],
            failed=states[digest.pk]["failed"],
            left_after=left[digest.pk],
            links=links.get(digest.pk, []),
        )
        for digest in digests
    ]


def mailed(publication: Publication) -> QuerySet[Digest]:
    """Its digests of which letters have gone out from here, the newest first: past numbers were brought, not mailed."""
    found = Digest.objects.filter(publication=publication, started_at__isnull=False, archived=False)
    found = found.order_by("-started_at")
    return found.select_related("publication", "proof").defer("proof__html", "proof__text", "proof__posts")


def _links(digests: list[Digest]) -> dict[int, list[Followed]]:
    clicks = Click.objects.filter(digest__in=digests).values("entry", "by").annotate(n=Sum("count"))
    counted = {(row["entry"], row["by"]): row["n"] for row in clicks}
    persons = Reading.objects.filter(entry__digest__in=digests).values("entry").annotate(n=Count("pk"))
    readers = {row["entry"]: row["n"] for row in persons}
    found: dict[int, list[Followed]] = {}
    for entry in Entry.objects.filter(digest__in=digests).exclude(link="").order_by("position", "pk"):
        people, machines = (counted.get((entry.pk, by), 0) for by in (Click.By.PERSON, Click.By.MACHINE))
        found.setdefault(entry.digest_id, []).append(Followed(entry, people, machines, readers.get(entry.pk, 0)))
    return found


def _left(publication: Publication, digests: list[Digest]) -> dict[int, int]:
    """Who left in the days after each began; where two went out close together, with the later one alone."""
    oldest = min((digest.started_at for digest in digests if digest.started_at), default=None)
    # Those on other pages too, which may have taken over within the week.
    began = mailed(publication).filter(started_at__gte=oldest).values_list("started_at", "pk") if oldest else []
    starts = sorted((at.astimezone(publication.zone).date(), pk) for at, pk in began if at)
    days = MembersOfDay.objects.filter(publication=publication, day__gte=starts[0][0]) if starts else []
    left: dict[int, int] = {digest.pk: 0 for digest in digests}
    for row in days:
        before = [(day, pk) for day, pk in starts if day <= row.day < day + AFTER]
        if before and before[-1][1] in left:
            left[before[-1][1]] += row.left
    return left


def _counted(events: list[Event]) -> Counter[tuple[int, date, str]]:
    zones = {each.pk: each for each in Publication.objects.all()}
    found: Counter[tuple[int, date, str]] = Counter()
    for event in events:
        publication, kind, number = _meant(event)
        if publication in zones and kind:
            found[publication, event.at.astimezone(zones[publication].zone).date(), kind] += number
    return found


def _meant(event: Event) -> tuple[int, str, int]:
    """Which publication an event is about, as what it counts there, and for how many."""
    if event.noun != "subscription" or event.verb != "moved":
        return 0, "", 0
    publication = int(event.detail.get("publication", 0))
    if event.after == State.ACTIVE:
        return publication, "joined", 1
    if event.before != State.ACTIVE:
        return publication, "", 0
    return publication, "bounced" if event.after == State.SUPPRESSED and event.why != "erased" else "left", 1
