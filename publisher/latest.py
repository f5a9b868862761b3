"""The latest Update for somebody who has just joined: the approved bytes, as a Notice.

Not a Delivery: a sending's rows are its frozen audience, and their sum is what was approved and counted. Whoever joins
later is no part of it. The letter is the same, byte for byte but for their own values, with the same way out.
"""

from __future__ import annotations

from django.db.models import Q

from . import notices
from .models import Delivery, Digest, Notice, Subscription


def of(subscription: Subscription) -> Digest | None:
    """The newest one that has gone out, if they have not had it already."""
    member = subscription.member
    # One for a part of the members is not for whoever comes: nobody approved it for them.
    sent = Digest.objects.filter(publication=subscription.publication_id, state=Digest.State.SENT, segment=None)
    newest = sent.filter(number__isnull=False).select_related("publication", "proof").order_by("-number").first()
    if newest is None or newest.proof is None:
        return None
    had = Delivery.objects.filter(Q(address=member.email) | Q(member=member), digest=newest).exists()
    return None if had or Notice.objects.filter(digest=newest, member=member).exists() else newest


def send(subscription: Subscription) -> bool:
    """Put it in line; False where there is none that they have not had."""
    digest = of(subscription)
    if digest is None:
        return False
    notices.write_letter(digest, subscription.member)
    return True
