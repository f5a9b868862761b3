"""What a sending does before it goes out at full speed, and what stops it: warm-up, canary, the check of the list.

    allowance         how many rows a worker may claim now, and why a person must look first
    unsent            those that did not go out after all
    verdict           why a person must look at the list before anything more is sent
    came_back         the same by what came back later, where the relay had taken everything
    refused           why a person must look at what servers say of us
    accepted          what a person who resumes says yes to
    believed          whether failures speak of their addresses, and not of a wrong list
    bounces_believed  whether letters that came back do
    to_learn_from     the digests whose failures are to be looked through
    sender_domain     whose warm-up it is
    first_day         and since when, as it is set
    standing          what holds a sending back, in sentences for those who watch

A worker that asks for an allowance or a verdict holds the digest's lock. Most only read: `allowance` counts for the day
and moves the canary on, `unsent` takes off that count, and `verdict`, whoever asks, notes in `list_checked` that the
first 500 have passed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from ..models import Bounce, Delivery, Digest
from . import paces, warming
from .limits import LimitsWrong
from .pausing import MOST_AMONG_TAKEN, MOST_REFUSALS
from .replies import Phase, scope_of

State = Delivery.State
#: With these the first letters have not fared well: more than a tenth of them, and two at least.
CANARY_SHARE, CANARY_LEAST = 0.10, 2
_UNWELL = (State.FAILED, State.DEFERRED, State.UNKNOWN)
#: A list is looked at when so many have their outcome: more than a twentieth failed for good, and twenty at least.
LOOKED_AT, LIST_SHARE, LIST_LEAST = 500, 0.05, 20
#: So many letters that came back because of us ask a person, where they are more than a twentieth as well.
REFUSED_LEAST = 10
#: A letter of which nothing was heard for so long has not come back: most do within minutes.
NOT_BACK_AFTER = timedelta(hours=1)
#: The outcomes that the relay's answer gave.
_ANSWERED = (State.SENT, State.FAILED, State.UNKNOWN, State.BOUNCED)
_TAKEN = (State.SENT, State.BOUNCED)
_BEGUN = (*_ANSWERED, State.CLAIMED, State.ARMED, State.DEFERRED)
#: The enhanced codes (RFC 3463) of an address that does not exist. Not 5.2.2, a full mailbox; never 5.7.x, about us.
NO_SUCH_ADDRESS = (
    "5.1.1",  # bad destination mailbox address
    "5.1.2",  # bad destination system address
    "5.1.3",  # bad destination mailbox address syntax
    "5.1.10",  # the recipient's domain takes no mail (a null MX, RFC 7505)
)
#: How often the failures of a sending under way are looked through, for addresses that do not exist.
LOOK_AGAIN_AFTER = timedelta(minutes=1)
#: A claim holds no more rows than the rate lets go in so many seconds.
CLAIMED_AHEAD = 30
_NAMED = 5
_PHASES = frozenset(Phase)


@dataclass(frozen=True)
class Allowance:
    """How many rows may be claimed; where it goes on only when a person has looked, why."""

    count: int
    stop: str = ""


def allowance(digest: Digest, wanted: int, now: datetime) -> Allowance:
    """How many of the rows that a worker wants it may claim now. What is allowed counts for the day of a new sender:
    `unsent` gives back what did not go out."""
    for rule in (_paced, _canary, _warmed):
        allowed = rule(digest, wanted, now)
        if not allowed.count:
            return allowed
        wanted = allowed.count
    return Allowance(wanted)


def unsent(digest: Digest, allowed_at: Iterable[datetime]) -> None:
    """Rows that were allowed at these moments, each at its own, did not go out: they count no more for that day."""
    for moment, count in Counter(allowed_at).items():
        if _cap(moment) is not None:
            paces.give_back_of_day(sender_domain(digest), count, moment)


def verdict(digest: Digest) -> str | None:
    """Why the list may be the wrong one, in a sentence with which the digest is paused; None where all is well.

    Hard failures: at least 20, and more than 5 % of the first 500 outcomes (of a shorter list: of all). Said as soon
    as it is certain. It suppresses nobody. When the first 500 have passed, or a person went on, it is not asked again.
    What comes back later is asked as long as it comes: a relay may take everything.
    """
    if digest.failures_accepted:
        return None
    return came_back(digest) or (None if digest.list_checked else _refused_at_once(digest))


def came_back(digest: Digest) -> str | None:
    """The same by the letters that were taken and came back: at least 20, and more than 5 % of those taken."""
    count = digest.bounces.filter(kind=Bounce.Kind.HARD).count()
    if digest.failures_accepted or not _many(digest, count, LIST_LEAST):
        return None
    return (
        f"{count} letters came back because there is no such address: is this the right list? Nobody was taken off it "
        "for that. Look at what came back, then say that the list is right, or cancel."
    )


def refused(digest: Digest) -> str | None:
    """Why a person must look at what servers say of us; None where few do. It says nothing about any address."""
    count = digest.bounces.filter(kind=Bounce.Kind.POLICY).count()
    if not _many(digest, count, REFUSED_LEAST):
        return None
    return (
        f"{count} letters came back because servers refuse us, not because of their addresses. Nobody was taken off "
        "the list. Look at their reasons below: authentication, reputation, content."
    )


def _many(digest: Digest, count: int, least: int) -> bool:
    if count < least:
        return False
    return count > LIST_SHARE * digest.deliveries.filter(state__in=_TAKEN).count()


def _refused_at_once(digest: Digest) -> str | None:
    outcomes = list(_first_outcomes(digest))
    hard = sum(state == State.FAILED and _hard(*answer) for state, *answer in outcomes)
    looked_at = min(LOOKED_AT, digest.frozen_count or LOOKED_AT)
    if hard >= LIST_LEAST and hard > LIST_SHARE * looked_at:
        return (
            f"{hard} of the first {len(outcomes)} letters failed for good: is this the right list? Nobody was taken "
            "off it. Look at what failed; resuming says that the list is right."
        )
    if len(outcomes) >= LOOKED_AT:
        digest.list_checked = True
        Digest.objects.filter(pk=digest.pk).update(list_checked=True)
    return None


def accepted(digest: Digest) -> dict[str, bool]:
    """The fields by which a person who resumes says yes to what stopped the digest; only to what can be seen now."""
    fields = {
        "failures_accepted": verdict(digest) is not None,
        "refusals_accepted": _refused_at_once_for_our_sake(digest) > MOST_AMONG_TAKEN - MOST_REFUSALS,
        "canary_passed": bool(_canary_verdict(digest)),
    }
    return {name: True for name, said in fields.items() if said}


def believed(digest: Digest) -> bool:
    """Whether failures speak of the addresses, and not of a wrong list: the check has passed, or a person said so."""
    if digest.failures_accepted:
        return True
    if came_back(digest):
        return False
    return digest.list_checked or (digest.state == Digest.State.SENT and verdict(digest) is None)


def bounces_believed(digest: Digest, now: datetime) -> bool:
    """Whether letters that came back speak of their addresses: a person said so, or enough others did not come back.

    Of the first 500 (when it is over: of all) it must be known that they came back, or for an hour nothing. Where there
    are too few for the check nothing is waited for.
    """
    if digest.failures_accepted:
        return True
    if verdict(digest):
        return False
    over = digest.state in {Digest.State.SENT, Digest.State.CANCELLED}
    taken = digest.deliveries.filter(state__in=_TAKEN)[:LOOKED_AT].count() if over else LOOKED_AT
    quiet = digest.deliveries.filter(state=State.SENT, state_since__lte=now - NOT_BACK_AFTER)[:LOOKED_AT].count()
    known = quiet + digest.deliveries.filter(state=State.BOUNCED)[:LOOKED_AT].count()
    return taken < LIST_LEAST or known >= taken


def to_learn_from(now: datetime) -> QuerySet[Digest]:
    """The digests whose failures have not been looked through since they were last known to grow."""
    under_way = Q(state__in=[Digest.State.SENDING, Digest.State.PAUSED])
    over = Q(state__in=[Digest.State.SENT, Digest.State.CANCELLED])
    never = Q(failures_suppressed_at=None)
    grown = under_way & Q(failures_suppressed_at__lt=now - LOOK_AGAIN_AFTER)
    ended = over & Q(failures_suppressed_at__lt=F("state_since"))
    return Digest.objects.filter((never & (under_way | over)) | grown | ended).select_related("publication")


def sender_domain(digest: Digest) -> str:
    sender = digest.proof.sender["email"] if digest.proof else digest.publication.sender_email
    return str(sender).rpartition("@")[2].lower()


def first_day() -> date | None:
    """The first day of a new sending domain, as it is set. LimitsWrong where it is no date."""
    if not settings.WARM_UP:
        return None
    try:
        return date.fromisoformat(settings.WARM_UP)
    except ValueError as problem:
        raise LimitsWrong(f"PUBLISHER_WARM_UP is “{settings.WARM_UP}”: give a date, as 2026-11-23.") from problem


def standing(digest: Digest, now: datetime | None = None) -> list[str]:
    """What holds a sending back just now, in sentences; none where it is not sending."""
    now = now or timezone.now()
    if digest.state != Digest.State.SENDING:
        return []
    try:
        rate, day = paces.limits().rate, _said_of_the_day(digest, now)
    except LimitsWrong as problem:
        return [str(problem)]
    pace = f"At most {rate:g} letters a second." if rate else ""
    relay, canary = _said_of_the_relay(digest, now), _said_of_the_canary(digest, now)
    said = [relay, canary, day, pace, *_said_of_domains(digest, now)]
    return [sentence for sentence in said if sentence]


# ---- The rules


def _paced(digest: Digest, wanted: int, now: datetime) -> Allowance:
    rate = paces.limits().rate
    return Allowance(min(wanted, max(1, int(rate * CLAIMED_AHEAD))) if rate else wanted)


def _canary(digest: Digest, wanted: int, now: datetime) -> Allowance:
    size = digest.publication.canary_size
    if not size or digest.canary_passed:
        return Allowance(wanted)
    begun = digest.deliveries.filter(state__in=_BEGUN)[:size].count()
    if begun < size:
        return Allowance(min(wanted, size - begun))
    # Read anew: another worker may have set it since ours has loaded the digest.
    digest.refresh_from_db(fields=["canary_until", "canary_passed"])
    until = digest.canary_until or now + timedelta(minutes=digest.publication.canary_minutes)
    if digest.canary_until is None:
        _keep(digest, canary_until=until)
    if not digest.canary_passed and until > now:
        return Allowance(0)
    if why := _canary_verdict(digest):
        return Allowance(0, stop=why)
    _keep(digest, canary_passed=True)
    return Allowance(wanted)


def _canary_verdict(digest: Digest) -> str:
    """Why the first letters stop the others; empty where they do not, or it has been decided."""
    if digest.canary_until is None or digest.canary_passed:
        return ""
    unwell = digest.deliveries.filter(state__in=_UNWELL).count()
    begun = digest.deliveries.filter(state__in=_BEGUN).count()
    if unwell < CANARY_LEAST or unwell <= CANARY_SHARE * begun:
        return ""
    return (
        f"Of the first {begun} letters {unwell} failed, were put off or are unknown: look why. "
        "Resuming sends the others."
    )


def _warmed(digest: Digest, wanted: int, now: datetime) -> Allowance:
    cap = _cap(now)
    return Allowance(wanted if cap is None else paces.take_of_day(sender_domain(digest), wanted, cap, now))


def _cap(now: datetime) -> int | None:
    """How many letters a new sender may send today; None where there is no cap."""
    first = first_day()
    return None if first is None else warming.cap(first, _day(now))


def _day(now: datetime) -> date:
    return now.astimezone(UTC).date()


def _keep(digest: Digest, **fields: Any) -> None:
    Digest.objects.filter(pk=digest.pk).update(**fields)
    for name, value in fields.items():
        setattr(digest, name, value)


# ---- The list


def _first_outcomes(digest: Digest) -> Iterable[tuple[Any, ...]]:
    """Asked only until the first 500 are there: so they are few, and sorting them costs little."""
    answered = digest.deliveries.filter(state__in=_ANSWERED).order_by("state_since", "id")
    return answered.values_list("state", "code", "enhanced", "phase", "reply")[:LOOKED_AT]


def _refused_at_once_for_our_sake(digest: Digest) -> int:
    """How many letters were refused for good because of us: given up, or to be tried once more.

    Of those with which `pausing` stops a batch the last few go back to the queue.
    """
    refused = digest.deliveries.filter(state__in=(State.FAILED, State.DEFERRED), code__gte=500)
    return sum(not _hard(*answer) for answer in refused.values_list("code", "enhanced", "phase", "reply"))


def _hard(code: int | None, enhanced: str, phase: str, said: str) -> bool:
    """Whether a permanent answer was about the recipient: not about us, and not a retry that was given up."""
    if code is None or not 500 <= code < 600 or phase not in _PHASES:
        return False
    return scope_of(Phase(phase), code, enhanced or None, said) == "recipient"


# ---- What is said


def _said_of_the_relay(digest: Digest, now: datetime) -> str:
    if digest.resting_until is None or digest.resting_until <= now or not digest.breaks:
        return ""
    why = digest.resting_why.rstrip(".") or "it broke off"
    again = _moment(digest, digest.resting_until, now)
    return f"The mail server cannot be used just now ({why}); it is tried again at {again}."


def _said_of_the_canary(digest: Digest, now: datetime) -> str:
    size = digest.publication.canary_size
    if not size or digest.canary_passed:
        return ""
    if digest.canary_until is None:
        minutes = digest.publication.canary_minutes
        return f"Canary: the first {size} letters go out, then the others wait {minutes} minutes."
    if digest.canary_until <= now:
        return ""
    return (
        f"Canary: the first {size} letters are out; the others follow at {_moment(digest, digest.canary_until, now)}, "
        f"unless more than {CANARY_SHARE:.0%} of those fail."
    )


def _said_of_the_day(digest: Digest, now: datetime) -> str:
    cap = _cap(now)
    if cap is None:
        return ""
    count = paces.of_day(sender_domain(digest), now)
    tomorrow = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time.min, UTC)
    goes_on = f", goes on at {_moment(digest, tomorrow, now)}" if count >= cap else ""
    return f"Warm-up: {count:,} of {cap:,} today{goes_on}."


def _said_of_domains(digest: Digest, now: datetime) -> list[str]:
    rests = sorted(paces.resting(None, now).items())
    ends = [(domain, _moment(digest, until, now)) for domain, until in rests[:_NAMED]]
    said = [f"{domain} asked for patience: it rests until {end}." for domain, end in ends]
    return [*said, f"{len(rests) - _NAMED} more domains rest."] if len(rests) > _NAMED else said


def _moment(digest: Digest, at: datetime, now: datetime) -> str:
    """By the publication's clock, as the other times of its page: "14:05", and the day where it is another one."""
    local, today = (each.astimezone(digest.publication.zone) for each in (at, now))
    return f"{local:%H:%M}" if local.date() == today.date() else f"{local:%H:%M} on {local:%A} {local.day} {local:%B}"
