"""Letters that were taken, one for each mail that comes back. To be imported after `django.setup()`."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from benchmarks import bounces_corpus, scene
from benchmarks.bounces_frames import BACK, R
from publisher import links
from publisher.models import Delivery, Digest, Member, Subscription


def sent_to(count: int) -> list[Delivery]:
    """A digest that went out an hour and a half ago to so many members, of which a person said that the list is right:
    nearly all of it comes back."""
    publication = scene.audience("bounced", count)
    at = timezone.now() - timedelta(minutes=90)
    Subscription.objects.update(state_since=at - timedelta(days=100))
    digest = Digest.objects.create(
        publication=publication, number=120, date=at.date(), state="sent", started_at=at, failures_accepted=True,
        frozen_count=count,
    )  # fmt: skip
    members = Member.objects.order_by("pk")
    Delivery.objects.bulk_create(
        Delivery(digest=digest, member=each, address=each.email, state="sent", state_since=at, code=250)
        for each in members
    )
    return list(digest.deliveries.select_related("digest").order_by("pk"))


def answering(raw: bytes, row: Delivery) -> bytes:
    """This mail as the answer to that letter."""
    leave = links.leaver(row.digest.publication_id)(row.member_id or 0)
    told = {BACK: links.bounce_address(row.pk), R: row.address, bounces_corpus.LEAVE: leave}
    for before, after in told.items():
        raw = raw.replace(before.encode(), after.encode())
    return raw
