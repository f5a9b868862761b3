"""Update 120, which went to five members an hour and a half ago; and the way by which a letter of it comes back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from benchmarks.bounces_frames import BACK, R
from publisher import bounces, links
from publisher.models import Bounce, Delivery, Digest, Subscription, Suppression

LONG_AGO = timedelta(minutes=90)


@pytest.fixture(autouse=True)
def _our_address(settings: Any) -> None:
    settings.BOUNCE_ADDRESS = "bounces@news.example.org"


@pytest.fixture
def went_out(publication: Any) -> Callable[..., Digest]:
    """went_out(members, 120, state="sent"): a digest, with a delivery that was taken for each of them."""

    def send(members: Any, number: int = 120, *, ago: timedelta = LONG_AGO, **fields: Any) -> Digest:
        at = timezone.now() - ago
        given = {"state": "sent", "started_at": at, "frozen_count": len(members), **fields}
        digest = Digest.objects.create(publication=publication, number=number, date=date(2007, 3, 31), **given)
        Subscription.objects.filter(member__in=members).update(state_since=at - timedelta(days=100))
        Delivery.objects.bulk_create(
            Delivery(digest=digest, member=each, address=each.email, state="sent", state_since=at, code=250)
            for each in members
        )
        return digest

    return send


@pytest.fixture
def digest(went_out: Any, members: Any) -> Digest:
    return went_out(members)


@pytest.fixture
def row(digest: Digest) -> Delivery:
    """The letter to m0."""
    return digest.deliveries.get(address="m0@members.example")


def back(raw: bytes, row: Delivery) -> bytes:
    """This mail, as an answer to that letter."""
    return raw.replace(BACK.encode(), links.bounce_address(row.pk).encode()).replace(R.encode(), row.address.encode())


def take(raw: bytes, row: Delivery) -> bounces.Taken:
    return bounces.take(back(raw, row), "file")


def suppressed() -> list[str]:
    """Who is not mailed any more, by the beginning of the address."""
    gone = Subscription.objects.filter(state="suppressed").values_list("member__email", flat=True)
    hashes = set(Suppression.objects.values_list("hash", flat=True))
    assert all(hashes & set(Suppression.fingerprints(email)) for email in gone)
    return sorted(email.partition("@")[0] for email in gone)


def everything() -> list[Any]:
    """All that must not change by what is forged, or comes again."""
    models = (Bounce, Delivery, Digest, Subscription, Suppression)
    return [list(model.objects.order_by("pk").values()) for model in models]
