"""What is kept no longer than it may be: each rule forgets what is too old, and never all of it at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from publisher import clockwork, retention
from publisher.lifecycle import note
from publisher.models import (
    Consent,
    Delivery,
    Digest,
    Event,
    Member,
    Notice,
    Person,
    Run,
    Subscription,
    Suppression,
    Upload,
    UploadPart,
)
from tests.lists import bring


def ago(days: float) -> Any:
    return timezone.now() - timedelta(days=days)


def left() -> dict[str, int]:
    return {name: count for name, count in retention.overdue().items() if count}


@pytest.fixture
def sent_long_ago(sending: Any) -> Any:
    """Update 120, 91 days ago, to five; and 119, which was sent 89 days ago, to one."""
    Digest.objects.filter(pk=sending.pk).update(state="sent", state_since=ago(91))
    other = Digest.objects.create(
        publication=sending.publication, number=119, date=sending.date, state="sent", state_since=ago(89)
    )
    Delivery.objects.create(digest=other, address="young@members.example", state="sent")
    return sending


def test_addresses_of_old_deliveries_go_and_the_counts_stay(sent_long_ago: Any) -> None:
    Delivery.objects.filter(digest=sent_long_ago).update(reply="250 ok")
    before = sent_long_ago.deliveries.count()
    while retention.step():
        pass
    assert left() == {}
    assert not Delivery.objects.filter(digest=sent_long_ago, address__contains="@").exists()
    assert set(Delivery.objects.filter(digest=sent_long_ago).values_list("reply", flat=True)) == {""}
    assert sent_long_ago.deliveries.count() == before
    assert Delivery.objects.filter(address="young@members.example").exists()
    sent_long_ago.refresh_from_db()
    assert sent_long_ago.forgotten_at is not None


def test_one_step_takes_no_more_than_it_may(sent_long_ago: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [rule for rule in retention.RULES if rule.name == "addresses"]
    monkeypatch.setattr(retention, "RULES", [rules[0].__class__(**{**vars(rules[0]), "most": 2})])
    assert [retention.step() for _ in range(4)] == [2, 2, 1, 0]


def test_who_left_everything_long_ago_is_forgotten_and_refused(
    publication: Any, other_publication: Any, make_members: Any, anne: Any
) -> None:
    gone, half, lately, there = make_members(4)
    Subscription.objects.filter(member__in=[gone, half]).update(state="left", state_since=ago(731))
    Subscription.objects.filter(member=lately).update(state="left", state_since=ago(729))
    Subscription.objects.create(member=half, publication=other_publication, state="active")
    assert left() == {"left": 1}
    while retention.step():
        pass
    assert sorted(Member.objects.values_list("pk", flat=True)) == [half.pk, lately.pk, there.pk]
    assert bring(publication, anne, "email", gone.email).refused == 1
    assert Suppression.objects.count() == 1


def test_mails_networks_histories_and_lists_go_in_their_time(publication: Any, make_members: Any, anne: Any) -> None:
    (member,) = make_members(1)
    row = Subscription.objects.get()
    given = {"kind": "confirm", "member": member, "address": member.email, "sender_email": "a@b.example"}
    for days, state in ((91, "sent"), (89, "sent"), (91, "queued")):
        Notice.objects.create(**given, subject=str(days), html="", text="", state=state, state_since=ago(days))
    for days in (401, 399):
        Consent.objects.create(subscription=row, how="page", network="192.0.2.0/24", at=ago(days))
    for noun_of in (row, publication):
        Event.objects.filter(pk=note(noun_of, "edited", by=anne).pk).update(at=ago(1101))
    for days in (8, 6):
        upload = Upload.objects.create(
            publication=publication, by=anne, name=str(days), state="done", at=ago(days), rejected=[[2, "why", "text"]]
        )
        UploadPart.objects.create(upload=upload, position=0, content=b"x")
    for days in (732, 729):
        publication.farewells.create(reason="often", words=str(days), on=ago(days).date())
    assert left() == {"notices": 1, "networks": 1, "events": 1, "farewells": 1, "uploads": 1}
    while retention.step():
        pass
    assert left() == {}
    assert sorted(Notice.objects.values_list("subject", "state")) == [("89", "sent"), ("91", "queued")]
    assert sorted(Consent.objects.values_list("network", flat=True)) == ["", "192.0.2.0/24"]
    assert [event.noun for event in Event.objects.filter(verb="edited")] == ["publication"]
    assert sorted(Upload.objects.values_list("name", "rejected")) == [("6", [[2, "why", "text"]]), ("8", [])]
    assert UploadPart.objects.count() == 1
    assert list(publication.farewells.order_by("on").values_list("words", flat=True)) == ["", "729"]


def test_nought_days_keep_for_good(sent_long_ago: Any, settings: Any) -> None:
    settings.KEEP_ADDRESSES = 0
    assert (left(), retention.step()) == ({}, 0)
    sent_long_ago.refresh_from_db()
    assert sent_long_ago.forgotten_at is None


def test_the_clock_takes_a_step_at_each_tick_and_rests_until_tomorrow(sent_long_ago: Any) -> None:
    clockwork.tick()
    assert (left(), Run.objects.filter(schedule="retention").exists()) == ({}, False)
    clockwork.tick()
    assert Run.objects.filter(schedule="retention").count() == 1
    assert Person.objects.exists()


def test_every_rule_says_what_and_why() -> None:
    assert all(rule.what and rule.why.endswith(".") for rule in retention.RULES)
    assert len({rule.name for rule in retention.RULES}) == len(retention.RULES)
