"""Mail that came back: what it says, and what that changes.

    hard        the delivery bounced; the address is suppressed, once the list has shown to be the right one
    soft        the delivery bounced; the address is suppressed with the fourth day on which that happened, in thirty
    policy      the delivery bounced, because of us: never a word about the address; many of them ask a person
    complaint   suppressed at once
    delivered   what was unknown was sent; so says a machine that answers for a person
    all else    changes nothing

Whom it is about is told by a token of ours alone, never by an address that it names. What came before its letter was
known to be sent waits for that; what came twice changes nothing the second time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils import timezone

from .. import digests, lifecycle, links, members, notices
from ..delivery import evidence, manners
from ..lifecycle import Overtaken, Refusal
from ..models import Bounce, Delivery, Digest, Mailbox, Member, Person, Subscription
from .phrases import Kind
from .reading import Report, read

#: A mailbox that is full on so many days of thirty is one that nobody reads.
SOFT_DAYS, SOFT_WITHIN = 4, timedelta(days=30)
#: Where more than this share of a digest's letters, and so many at least, came back for now, the fault is not theirs: a
#: provider that turns us away in words that nobody knows would take all of its people off within four digests.
STORM_SHARE, STORM_LEAST = 0.05, 20
#: For so long what came back waits for its letter, or for the list's check; then it stays without effect.
WAITS_AT_MOST = timedelta(days=30)
MAILBOX = "mailbox"

_KINDS = {
    Kind.HARD: Bounce.Kind.HARD,
    Kind.SOFT: Bounce.Kind.SOFT,
    Kind.POLICY: Bounce.Kind.POLICY,
    Kind.COMPLAINT: Bounce.Kind.COMPLAINT,
}
#: These only somebody sends who has the letter.
_ARRIVED = {
    Kind.DELIVERED: "It was delivered, says its mail server.",
    Kind.AUTO_REPLY: "It arrived: a machine answered it.",
    Kind.CHALLENGE: "It arrived: a machine asked who we are.",
}
_LEFT_US = ("sent", "unknown", "bounced")
_UNDER_WAY = ("queued", "claimed", "armed", "deferred")
_ADDRESS = re.compile(r"[^\s<>\"'(;,@]{1,100}@[\w.\-\[\]]+")


@dataclass(frozen=True)
class Taken:
    """A mail, what it says, which delivery it is about, and whether that was news."""

    report: Report
    delivery: Delivery | None
    new: bool

    @property
    def understood(self) -> bool:
        return self.delivery is not None and self.report.kind is not Kind.OTHER


def look(raw: bytes) -> Taken:
    """What a mail says, and of which delivery; nothing is changed."""
    report = read(raw)
    found = (delivery_of(address) for address in report.returned_to)
    complained = (_left_by(url) for url in report.leaving)
    return Taken(report, next(filter(None, chain(found, complained)), None), False)


def take(raw: bytes, source: str) -> Taken:
    """Read a mail and let follow from it what does. Without a token of ours nothing follows."""
    seen = look(raw)
    new = seen.delivery is not None and note(seen.delivery, seen.report, source)
    return Taken(seen.report, seen.delivery, new)


def delivery_of(address: str) -> Delivery | None:
    """The delivery whose return address this is; None for every other address."""
    number = links.read_bounce(address)
    return Delivery.objects.select_related("digest").filter(pk=number).first() if number is not None else None


def _left_by(url: str) -> Delivery | None:
    """The newest letter with this address to leave, which is of one person and one publication. Whoever has it may end
    what they get, so it is enough to complain with; it is no evidence of anything else."""
    prefix = links.leave_prefix()
    named = links.read("leave", url.removeprefix(prefix).strip("/")) if url.startswith(prefix) else None
    if named is None or len(named) != 2:
        return None
    theirs = Delivery.objects.filter(member=named[0], digest__publication=named[1], state__in=_LEFT_US)
    return theirs.select_related("digest").order_by("-pk").first()


def note(delivery: Delivery, report: Report, source: str) -> bool:
    """Write down what is known of a delivery, and let follow from it what may by now; True where it was news."""
    if report.kind in _ARRIVED:
        return evidence.arrived(delivery, _ARRIVED[report.kind])
    if report.kind not in _KINDS:
        return False
    with transaction.atomic():
        delivery = _in_turn(delivery.pk, delivery.member_id)
        bounce, new = Bounce.objects.get_or_create(
            delivery=delivery, kind=_KINDS[report.kind], defaults=_said(delivery, report, source)
        )
        if not new:
            return False
        lifecycle.note(delivery, "came back", by=None, why=str(report.kind), bounce=bounce.pk)
        _apply(bounce, _believed(bounce))
    if bounce.kind in _ASKS:
        _ask(delivery.digest_id, bounce.kind)
    return True


def settle(most: int = 200) -> int:
    """What waited and may follow by now: its letter is known to be sent, the list to be the right one. How many."""
    waiting = _waiting()
    found = Digest.objects.filter(pk__in=waiting.order_by().values("digest")).select_related("publication", "proof")
    return sum(_settle_of(digest, waiting.filter(digest=digest), most) for digest in found)


def believe(digest: Digest, *, by: Person) -> None:
    """A person says that the list is right, although so much came back: the addresses that do not exist go."""
    if not manners.verdict(digest):
        raise Refusal(f"Of {digest.label} nothing is asked just now.")
    Digest.objects.filter(pk=digest.pk).update(failures_accepted=True, attention="")
    lifecycle.note(digest, "believed", by=by, why="the list is right")


# What follows.


def _settle_of(digest: Digest, waiting: QuerySet[Bounce], most: int) -> int:
    believed = manners.bounces_believed(digest, timezone.now())
    if not believed:
        waiting = waiting.exclude(kind=Bounce.Kind.HARD, delivery__state=Delivery.State.BOUNCED)
    done = 0
    for bounce in waiting.exclude(_unread_behind())[:most]:
        with transaction.atomic():
            _in_turn(bounce.delivery_id, bounce.delivery.member_id)
            done += _apply(bounce, believed)
    return done


def _in_turn(pk: int, member: int | None) -> Delivery:
    """The delivery as it is now, its person locked: an erasure, too, takes the person first and their letters then."""
    if member is not None:
        members.lock(pk=member)
    return Delivery.objects.select_related("digest").get(pk=pk)


def _waiting() -> QuerySet[Bounce]:
    late = Bounce.objects.filter(applied_at=None, at__gt=timezone.now() - WAITS_AT_MOST)
    # A complaint waits for nothing; what else is under way has no outcome yet.
    return late.exclude(delivery__state__in=_UNDER_WAY).select_related("delivery__digest", "digest").order_by("pk")


def _believed(bounce: Bounce) -> bool:
    if bounce.kind != Bounce.Kind.HARD:
        return True  # it is asked of no other
    behind = Bounce.objects.filter(_unread_behind(), pk=bounce.pk).exists()
    return not behind and manners.bounces_believed(bounce.digest, timezone.now())


def _unread_behind() -> Q:
    """What was read from the mailbox before its end was reached: what lies there yet may tell of a wrong list."""
    emptied = Mailbox.objects.aggregate(at=Max("emptied_at"))["at"]
    unread = Q(source=MAILBOX, kind=Bounce.Kind.HARD)
    return unread & Q(at__gt=emptied) if emptied else unread


def _apply(bounce: Bounce, believed: bool) -> bool:
    """Let follow what may; True where nothing is left to follow. Within a transaction."""
    delivery = Delivery.objects.select_related("digest", "member").get(pk=bounce.delivery_id)
    done = _EFFECTS[Bounce.Kind(bounce.kind)](delivery, bounce, believed)
    if done:
        Bounce.objects.filter(pk=bounce.pk, applied_at=None).update(applied_at=timezone.now())
    return done


def _hard(delivery: Delivery, bounce: Bounce, believed: bool) -> bool:
    if not _came_back(delivery, bounce) or not believed:
        return False
    code = bounce.enhanced or bounce.code or ""
    members.suppress_returned(delivery, f"no such address: {code} to {delivery.digest.label}")
    return True


def _soft(delivery: Delivery, bounce: Bounce, believed: bool) -> bool:
    if not _came_back(delivery, bounce):
        return False
    if len(_soft_days(delivery, bounce.at)) >= SOFT_DAYS:
        members.suppress_returned(delivery, f"came back on {SOFT_DAYS} days, last {delivery.digest.label}")
    return True


def _policy(delivery: Delivery, bounce: Bounce, believed: bool) -> bool:
    return _came_back(delivery, bounce)


def _complaint(delivery: Delivery, bounce: Bounce, believed: bool) -> bool:
    """Whatever became of the letter, and whatever the list: the person wants no more of it."""
    evidence.arrived(delivery, "It arrived, and was called spam.")
    if delivery.member:
        members.suppress(delivery.member.email, f"complained of {delivery.digest.label}")
    return True


_EFFECTS = {
    Bounce.Kind.HARD: _hard,
    Bounce.Kind.SOFT: _soft,
    Bounce.Kind.POLICY: _policy,
    Bounce.Kind.COMPLAINT: _complaint,
}


def _came_back(delivery: Delivery, bounce: Bounce) -> bool:
    """Whether the delivery has its outcome: it is bounced now, unless it had failed or been skipped before."""
    evidence.bounced(delivery, bounce.says or "It came back.")
    return not Delivery.objects.filter(pk=delivery.pk, state__in=_UNDER_WAY).exists()


def _soft_days(delivery: Delivery, now: datetime) -> set[str]:
    """Days on which letters to this person, at this address, came back; since they joined, where that is later."""
    if delivery.member is None:
        return set()
    active = delivery.member.subscriptions.filter(state=Subscription.State.ACTIVE)
    since = max(filter(None, [now - SOFT_WITHIN, active.aggregate(at=Max("state_since"))["at"]]))
    to_them = Bounce.objects.filter(delivery__member=delivery.member, delivery__address=delivery.address)
    soft = to_them.filter(kind=Bounce.Kind.SOFT, at__gt=since, at__lte=now)
    days = [(digest, f"{at:%Y-%m-%d}") for digest, at in soft.values_list("digest", "at")]
    counted = {day for _, day in days}
    if len(counted) < SOFT_DAYS:
        return counted
    stormy = _stormy({digest for digest, _ in days})
    return {day for digest, day in days if digest not in stormy}


def _stormy(digests: set[int]) -> set[int]:
    soft = Q(bounces__kind=Bounce.Kind.SOFT)
    found = Digest.objects.filter(pk__in=digests).annotate(n=Count("bounces", filter=soft))
    return {each.pk for each in found if each.n >= STORM_LEAST and each.n > STORM_SHARE * (each.frozen_count or 0)}


# When a person has to look.


_ASKS = {Bounce.Kind.HARD.value: manners.came_back, Bounce.Kind.POLICY.value: manners.refused}


def _ask(digest_id: int, kind: str) -> None:
    """Pause it where too much comes back; where it is over, say so on its page and by mail. Once for each reason."""
    digest = Digest.objects.select_related("publication").get(pk=digest_id)
    why = _ASKS[kind](digest)
    if why and not lifecycle.history(digest).filter(verb="asked", detail__of=kind).exists():
        _ask_of(digest, kind, why)


def _ask_of(digest: Digest, what: str, why: str) -> None:
    with transaction.atomic(), suppress(Overtaken):
        if digest.state in {Digest.State.SENDING, Digest.State.PREPARING}:
            digests.pause(digest, by=None, why=why)
        else:
            Digest.objects.filter(pk=digest.pk).update(attention=why)
        Digest.objects.filter(pk=digest.pk).update(told_at=timezone.now())
        lifecycle.note(digest, "asked", by=None, why=why, of=what)
        headline = f"{digest.label}: letters come back"
        notices.tell_staff(digest.publication, headline=headline, sentence=why, link=links.sending_url(digest))


# What is said of it.


def counts(digest: Digest) -> dict[str, int]:
    """How many letters of each kind came back; all kinds."""
    found = dict(digest.bounces.values_list("kind").annotate(n=Count("pk")).order_by())
    return {kind.value: found.get(kind.value, 0) for kind in Bounce.Kind}


def reasons(digest: Digest, most: int = 5) -> list[dict[str, Any]]:
    """What servers answered most often: kind, code, enhanced, count, and in `one` a sentence of theirs."""
    rows = digest.bounces.exclude(kind=Bounce.Kind.COMPLAINT).values("kind", "code", "enhanced").order_by()
    found = rows.annotate(count=Count("pk"), one=Min("says")).order_by("-count", "kind", "enhanced", "code")
    return [dict(row) for row in found[:most]]


@dataclass(frozen=True)
class Told:
    """A letter of a member's that came back, and what followed from it, in words."""

    bounce: Bounce
    followed: str


def of_member(member: Member, *, mailed: bool, most: int = 50) -> list[Told]:
    """What came back of a member's letters, the newest first. `mailed`: whether the address still may be mailed."""
    theirs = Bounce.objects.filter(delivery__member=member).select_related("digest__publication")
    return [Told(each, _followed(each, mailed)) for each in theirs.order_by("-at", "-pk")[:most]]


def _followed(bounce: Bounce, mailed: bool) -> str:
    if bounce.applied_at is None:
        waits = bounce.at > timezone.now() - WAITS_AT_MOST
        return "it waits until the list has shown to be the right one" if waits else "nothing: nobody said yes in time"
    if bounce.kind == Bounce.Kind.POLICY:
        return "nothing: it was about us"
    if bounce.kind == Bounce.Kind.SOFT:
        return f"a day that counts: with {SOFT_DAYS} in {SOFT_WITHIN.days} days the address is not mailed any more"
    return "nothing any more: they joined anew, or have another address" if mailed else "not mailed any more"


def _said(delivery: Delivery, report: Report, source: str) -> dict[str, Any]:
    # After an erasure nothing is kept that may name the person, and a server may name them without an @.
    kept = without_addresses(report.says, [delivery.address, report.recipient]) if delivery.member_id else ""
    return {
        "digest_id": delivery.digest_id,
        "code": report.code,
        "enhanced": report.enhanced[:12],
        "says": kept[:500],
        "source": source[:20],
    }


def without_addresses(says: str, known: Iterable[str]) -> str:
    """What a server said, without anybody's address, and without the name before its @ standing alone."""
    said = _ADDRESS.sub("the address", says)
    for address in known:
        name = address.rpartition("@")[0]
        if len(name) > 2:
            said = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", said, flags=re.IGNORECASE)
    return said
