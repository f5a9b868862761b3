"""The ledger's own moves: freezing, counting, resting, and a person's decisions."""

from __future__ import annotations

import pytest
from django.db import connection
from django.utils import timezone

from publisher import digests
from publisher.delivery import ledger
from publisher.lifecycle import Refusal
from publisher.models import Delivery, Digest

from .batches import batch_of, in_state, settle_all, unknown_one


def test_counts_name_every_state_and_sum_to_the_frozen_audience(sending):
    found = ledger.counts(sending)
    assert list(found) == list(Delivery.State.values)
    assert sum(found.values()) == sending.frozen_count == 5


def test_the_audience_is_frozen_chunk_by_chunk_and_once(sending, make_members, publication):
    make_members(4, prefix="late")
    Digest.objects.update(state="preparing", freeze_cursor=0, frozen_count=None)
    chunks = 0
    while ledger.freeze_chunk(sending, size=2):
        chunks += 1
    assert chunks == 5
    assert sorted(sending.deliveries.values_list("address", flat=True)) == sorted(
        [f"m{n}@members.example" for n in range(5)] + [f"late{n}@members.example" for n in range(4)]
    )


def test_between_two_chunks_others_may_write(sending, monkeypatch):
    """On PostgreSQL they need no pause for it: nobody waits there for a writer of other rows."""
    sending.deliveries.all().delete()
    Digest.objects.update(state="preparing", freeze_cursor=0, frozen_count=None)
    pauses = []
    monkeypatch.setattr(
        ledger.time, "sleep", lambda s: pauses.append((0 < s <= ledger.LONGEST_GAP, sending.deliveries.count()))
    )
    ledger.freeze_all(sending, size=2)
    assert pauses == ([] if connection.vendor == "postgresql" else [(True, 2), (True, 4), (True, 5)])


def test_nothing_is_claimed_while_the_relay_rests_and_each_rest_is_longer(sending):
    now = timezone.now()
    pauses = []
    for breaks in (1, 2, 3):
        assert ledger.rest(sending, "away") == breaks
        sending.refresh_from_db()
        pauses.append(round((sending.resting_until - now).total_seconds() / 30))
    assert pauses == [1, 2, 4]
    assert batch_of(sending).claimed == 0
    ledger.go_on(sending)
    batch = batch_of(sending)
    assert batch.claimed == 5
    batch.close()


def test_an_unknown_one_is_queued_again_also_after_the_digest_was_sent_but_not_after_it_was_cancelled(sending, ben):
    settle_all(sending, unknown=1)
    assert digests.finish(sending)
    row = sending.deliveries.get(state="unknown")
    ledger.settle(row, "queued", by=ben, why="she says that it did not come")
    sending.refresh_from_db()
    assert (sending.state, in_state(sending, "queued")) == ("sending", [row.address])

    settle_all(sending, unknown=1)
    digests.cancel(sending, by=ben, why="enough")
    with pytest.raises(Refusal, match="was cancelled: nothing of it is sent again"):
        ledger.settle(row, "queued", by=ben, why="again")


def test_an_unknown_delivery_is_settled_by_a_person_once(sending, ben):
    row = unknown_one(sending)
    assert [each.pk for each in ledger.unsettled(sending)] == [row.pk]
    ledger.settle(row, "sent", by=ben, why="the relay's log has it")
    with pytest.raises(Refusal, match="settled this delivery already"):
        ledger.settle(row, "queued", by=ben, why="no")
    row.refresh_from_db()
    assert row.state == "sent"
