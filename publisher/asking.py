"""How often we mail an address because somebody typed it: the limits that keep us from filling a stranger's inbox.

They are counted in the database, so that they hold over all processes, and by keyed hashes, so that they outlive every
row with an address in it. Each kind of mail has its own count: what many ask of one kind shuts no other. Whoever asks
is never told of a limit: the answer on the page is always the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from .models import Asked, Lease, Publication, Suppression

What = Asked.What
HOUR, DAY, MONTH = timedelta(hours=1), timedelta(hours=24), timedelta(days=30)
#: One address is asked to confirm once within a day, and so often within the time for which we remember.
MOST, REMEMBERED = 3, timedelta(days=90)
#: From one network so many are asked within an hour. A school, an office or a stall with one tablet is a network.
MOST_OF_NETWORK = 20
#: And so many altogether: what a shower of requests from everywhere costs the world, and our name as a sender.
MOST_OF_ALL = 1_000
#: Whoever may not be asked for so long, in the line of those who wait, is not asked at all.
WAITS = timedelta(hours=48)
#: Names of one mailbox, by what its provider does not look at. Behind a plus it is nearly everybody.
_WITHOUT_DOTS = frozenset({"gmail.com"})
_SAME_PROVIDER = {"googlemail.com": "gmail.com"}

Limit = tuple[int, timedelta]


@dataclass(frozen=True)
class Limits:
    """So many within how long: to one mailbox, from one network, altogether."""

    mailbox: tuple[Limit, ...]
    network: Limit
    altogether: Limit


#: Of the mails that are sent at once or not at all.
LIMITS = {
    What.LINK: Limits(((3, DAY), (10, MONTH)), (20, HOUR), (1_000, HOUR)),
    What.ADDRESS: Limits(((1, DAY), (3, REMEMBERED)), (20, DAY), (500, DAY)),
    What.FRIEND: Limits(((1, DAY), (3, REMEMBERED)), (20, DAY), (500, DAY)),
}


class NotNow(Exception):
    """A limit says later: `at` is when to look again. `crowded`: so many ask altogether."""

    def __init__(self, at: datetime, *, crowded: bool = False) -> None:
        super().__init__(f"not before {at.isoformat()}")
        self.at, self.crowded = at, crowded


def in_turn() -> None:
    """Until the transaction ends nobody else decides whom to ask: of two at once the second counts the first."""
    turn = Lease.objects.select_for_update().filter(name="asking")
    if turn.first() is None:
        Lease.objects.get_or_create(name="asking", defaults={"holder": "", "until": timezone.now()})
        turn.get()


def may_ask(publication: Publication, address: str, network: str) -> bool:
    """Whether this address may be asked to confirm now; NotNow where only the moment is wrong.

    No, where it was asked for the same publication a day ago at most, or too often altogether. Not now, where it was
    asked today for another publication: two mails of one visit would be two mails for anybody's inbox.
    """
    theirs = _to(What.JOIN, address)
    today = theirs.filter(publication=publication, at__gt=timezone.now() - DAY)
    if today.exists() or _full_until(theirs, (MOST, REMEMBERED)):
        return False
    if later := _full_until(theirs, (1, DAY)):
        raise NotNow(later)
    if network and (later := _full_until(_from(What.JOIN, network), (MOST_OF_NETWORK, HOUR))):
        raise NotNow(later)
    if later := _full_until(_all(What.JOIN), (MOST_OF_ALL, HOUR)):
        raise NotNow(later, crowded=True)
    return True


def allow(what: Asked.What, address: str, network: str) -> bool:
    """Whether one more mail of this kind may go to this address; if so it is counted. Within a transaction."""
    in_turn()
    limits, theirs = LIMITS[what], _to(what, address)
    full = [_full_until(theirs, limit) for limit in limits.mailbox]
    full += [_full_until(_from(what, network), limits.network), _full_until(_all(what), limits.altogether)]
    if any(full):
        return False
    count(what, address, network)
    return True


def count(what: Asked.What, address: str, network: str, publication: Publication | None = None) -> None:
    """The mail is written."""
    row = {"mailbox": prints("asked mailbox", mailbox(address))[0], "network": prints("asked network", network)[0]}
    Asked.objects.create(what=what, publication=publication, **row)


def forget() -> None:
    """What no limit looks at any more."""
    Asked.objects.filter(at__lte=timezone.now() - REMEMBERED).delete()


def mailbox(address: str) -> str:
    """What all the names of one mailbox have in common, so that nobody is asked once for each of them."""
    local, _, domain = address.rpartition("@")
    local, domain = local.partition("+")[0], _SAME_PROVIDER.get(domain, domain)
    return f"{local.replace('.', '') if domain in _WITHOUT_DOTS else local}@{domain}"


def prints(what: str, value: str) -> list[str]:
    """Keyed hashes, the newest key's first: a rotated key still knows what was counted under it.

    Named by what they are of, so that one table, or that of suppressions, tells nothing of another.
    """
    return Suppression.fingerprints(f"{what} {value}")


def _all(what: Asked.What) -> QuerySet[Asked]:
    return Asked.objects.filter(what=what)


def _to(what: Asked.What, address: str) -> QuerySet[Asked]:
    return _all(what).filter(mailbox__in=prints("asked mailbox", mailbox(address)))


def _from(what: Asked.What, network: str) -> QuerySet[Asked]:
    return _all(what).filter(network__in=prints("asked network", network))


def _full_until(rows: QuerySet[Asked], limit: Limit) -> datetime | None:
    """When there is room again: when the oldest of the newest so many is old enough. None where there is room."""
    most, within = limit
    lately = rows.filter(at__gt=timezone.now() - within).order_by("-at").values_list("at", flat=True)
    return next((at + within for at in lately[most - 1 : most]), None)
