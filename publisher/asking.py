"""How often anybody is asked by mail to confirm: the limits that keep us from filling a stranger's inbox.

They are counted in the database, so that they hold over all processes, and by keyed hashes, so that they outlive every
row with an address in it. Whoever asks is never told of a limit: the answer on the page is always the same.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from .models import Asked, Lease, Publication, Suppression

#: One address is asked once within a day,
DAY = timedelta(hours=24)
#: and so often within the time for which we remember.
MOST, REMEMBERED = 3, timedelta(days=90)
#: From one network so many are asked within an hour. A school, an office or a stall with one tablet is a network.
MOST_OF_NETWORK = 20
#: And so many altogether: what a shower of requests from everywhere costs the world, and our name as a sender.
MOST_OF_ALL = 1_000
HOUR = timedelta(hours=1)
#: Whoever may not be asked for so long, in the line of those who wait, is not asked at all.
WAITS = timedelta(hours=48)
#: Names of one mailbox, by what its provider does not look at. Behind a plus it is nearly everybody.
_WITHOUT_DOTS = frozenset({"gmail.com", "googlemail.com"})


class NotNow(Exception):
    """A limit says later: `at` is when to look again."""

    def __init__(self, at: datetime) -> None:
        super().__init__(f"not before {at.isoformat()}")
        self.at = at


def in_turn() -> None:
    """Until the transaction ends nobody else decides whom to ask: of two at once the second counts the first."""
    turn = Lease.objects.select_for_update().filter(name="asking")
    if turn.first() is None:
        Lease.objects.get_or_create(name="asking", defaults={"holder": "", "until": timezone.now()})
        turn.get()


def may_ask(publication: Publication, address: str, network: str) -> bool:
    """Whether this address may be asked now; NotNow where only the moment is wrong.

    No, where it was asked for the same publication a day ago at most, or too often altogether. Not now, where it was
    asked today for another publication: two mails of one visit would be two mails for anybody's inbox.
    """
    now = timezone.now()
    asked = Asked.objects.filter(mailbox__in=prints("asked mailbox", mailbox(address)), at__gt=now - REMEMBERED)
    times = list(asked.order_by("-at").values_list("at", "publication"))
    today = [(at, of) for at, of in times if at > now - DAY]
    if len(times) >= MOST or publication.pk in {of for _, of in today}:
        return False
    if today:
        raise NotNow(today[0][0] + DAY)
    _have_room(network, now)
    return True


def count(publication: Publication, address: str, network: str) -> None:
    """The mail is written."""
    row = {"mailbox": prints("asked mailbox", mailbox(address))[0], "network": prints("asked network", network)[0]}
    Asked.objects.create(publication=publication, **row)


def forget() -> None:
    """What no limit looks at any more."""
    Asked.objects.filter(at__lte=timezone.now() - REMEMBERED).delete()


def mailbox(address: str) -> str:
    """What all the names of one mailbox have in common, so that nobody is asked once for each of them."""
    local, _, domain = address.rpartition("@")
    local = local.partition("+")[0]
    return f"{local.replace('.', '') if domain in _WITHOUT_DOTS else local}@{domain}"


def _have_room(network: str, now: datetime) -> None:
    lately = Asked.objects.filter(at__gt=now - HOUR)
    theirs = lately.filter(network__in=prints("asked network", network))
    for asked, most in ((theirs, MOST_OF_NETWORK), (lately, MOST_OF_ALL))[0 if network else 1 :]:
        # When the oldest of the newest so many is an hour old, there is room again.
        if full := asked.order_by("-at").values_list("at", flat=True)[most - 1 : most]:
            raise NotNow(full[0] + HOUR)


def prints(what: str, value: str) -> list[str]:
    """Keyed hashes, the newest key's first: a rotated key still knows what was counted under it.

    Named by what they are of, so that one table, or that of suppressions, tells nothing of another.
    """
    return Suppression.fingerprints(f"{what} {value}")
