"""How often strangers may have us send a mail to an address that they typed: counted by keyed hashes alone."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from . import asking
from .models import Unasked

REMEMBERED = timedelta(days=90)
#: So many to one mailbox, from one network, and overall, within how long.
PER_MAILBOX = ((1, timedelta(hours=24)), (3, REMEMBERED))
PER_NETWORK = ((20, timedelta(hours=24)),)
OVERALL = ((500, timedelta(hours=24)),)


def allow(what: str, address: str, network: str) -> bool:
    """Whether one more mail may go to this address; if so it is counted. To be asked within a transaction."""
    asking.in_turn()
    now = timezone.now()
    Unasked.objects.filter(at__lt=now - REMEMBERED).delete()
    mailbox = asking.prints("unasked mailbox", asking.mailbox(address))
    origin = asking.prints("unasked network", network)
    asked = Unasked.objects.all()
    for rows, limits in (
        (asked.filter(mailbox__in=mailbox), PER_MAILBOX),
        (asked.filter(network__in=origin), PER_NETWORK),
        (asked, OVERALL),
    ):
        if any(rows.filter(at__gt=now - within).count() >= most for most, within in limits):
            return False
    Unasked.objects.create(what=what, mailbox=mailbox[0], network=origin[0])
    return True
