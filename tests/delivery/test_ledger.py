from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from publisher import digests, holders, members
from publisher.delivery import ledger
from publisher.delivery.conversation import Outcome, Phase, Result
from publisher.lifecycle import Refusal
from publisher.models import Delivery, Digest, Member, Subscription, Suppression

OTHER = holders.me().rpartition("/")[0] + "/not-me"
ELSEWHERE = "another-host/boot/1/1"
SENT = Outcome(Result.SENT, Phase.DOT, 250, "2.0.0", "taken", "recipient")


def in_state(digest, state):
    return sorted(digest.deliveries.filter(state=state).values_list("address", flat=True))


def test_counts_name_every_state_and_sum_to_the_frozen_audience(sending):
    found = ledger.counts(sending)
    assert list(found) == list(Delivery.State.values)
    assert sum(found.values()) == sending.frozen_count == 5


def test_two_workers_claim_different_rows(sending):
    first, second = ledger.claim(sending, holders.me(), 3), ledger.claim(sending, OTHER, 3)
    assert (len(first), len(second)) == (3, 2)
    assert {row.pk for row in first}.isdisjoint(row.pk for row in second)


def test_who_left_between_the_freeze_and_the_claim_is_skipped(sending):
    Subscription.objects.filter(member__email="m1@members.example").update(state="left")
    rows = ledger.claim(sending, holders.me())
    assert [row.address for row in rows] == [f"m{n}@members.example" for n in (0, 2, 3, 4)]
    assert in_state(sending, "skipped") == ["m1@members.example"]


def test_who_was_suppressed_or_erased_meanwhile_is_skipped(sending, anne):
    members.suppress("m2@members.example", "asked by telephone")
    members.erase(Member.objects.get(email="m3@members.example"), by=anne)
    rows = ledger.claim(sending, holders.me())
    assert [row.address for row in rows] == [f"m{n}@members.example" for n in (0, 1, 4)]
    assert ledger.counts(sending)["skipped"] == 2
    assert not Delivery.objects.filter(address__contains="m3@").exists()


def test_an_older_suppression_key_still_suppresses(sending, settings):
    members.suppress("m2@members.example", "asked")
    settings.KEYS = {**settings.KEYS, "suppression": ["a-newer-key", *settings.KEYS["suppression"]]}
    Subscription.objects.update(state="active")
    assert "m2@members.example" not in [row.address for row in ledger.claim(sending, holders.me())]
    assert Suppression.objects.count() == 1


def test_a_row_is_armed_only_by_who_holds_it(sending):
    row, *_ = ledger.claim(sending, holders.me(), 1)
    row.holder = OTHER
    assert not ledger.arm(row)
    row.holder = holders.me()
    assert ledger.arm(row)
    assert not ledger.arm(row)


def test_a_row_that_went_back_to_the_queue_meanwhile_is_not_armed(sending):
    row, *_ = ledger.claim(sending, holders.me(), 1)
    Delivery.objects.filter(pk=row.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert ledger.recover() == 1
    assert not ledger.arm(row)
    assert ledger.claim(sending, OTHER, 1)[0].pk == row.pk
    assert not ledger.arm(row)


def test_a_slow_relay_does_not_lose_a_row_that_nobody_wants(sending):
    row, *_ = ledger.claim(sending, holders.me(), 1)
    Delivery.objects.filter(pk=row.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert ledger.arm(row)


def test_who_left_long_after_the_claim_is_still_skipped(sending):
    rows = ledger.claim(sending, holders.me(), 2)
    Subscription.objects.filter(member__email="m0@members.example").update(state="left")
    for row in rows:
        row.state_since -= timedelta(seconds=31)
    assert [ledger.keep(row) for row in rows] == [False, True]
    assert in_state(sending, "skipped") == ["m0@members.example"]


def test_the_lease_of_an_old_claim_is_renewed_and_a_lost_one_is_not(sending):
    row, *_ = ledger.claim(sending, holders.me(), 1)
    Delivery.objects.filter(pk=row.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    row.state_since -= timedelta(seconds=31)
    assert ledger.keep(row)
    assert ledger.recover() == 0
    Delivery.objects.filter(pk=row.pk).update(fence=row.fence + 1)
    assert not ledger.keep(row)


def test_a_late_answer_settles_what_recovery_called_unknown(sending):
    row, *_ = ledger.claim(sending, holders.me(), 1)
    ledger.arm(row)
    Delivery.objects.filter(pk=row.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert ledger.recover() == 1
    assert not ledger.record(row, OUTCOMES["no such address"][0])
    assert ledger.record(row, SENT)
    assert in_state(sending, "sent") == [row.address]


def test_nothing_is_claimed_while_the_relay_rests_and_each_rest_is_longer(sending):
    now = timezone.now()
    pauses = []
    for breaks in (1, 2, 3):
        assert ledger.rest(sending) == breaks
        sending.refresh_from_db()
        pauses.append(round((sending.resting_until - now).total_seconds() / 30))
    assert pauses == [1, 2, 4]
    assert ledger.claim(sending, holders.me()) == []
    ledger.go_on(sending)
    assert len(ledger.claim(sending, holders.me())) == 5


def test_a_reply_keeps_no_address(sending):
    row, *_ = ledger.claim(sending, holders.me(), 1)
    ledger.record(row, Outcome(Result.FAILED, Phase.RCPT, 550, "5.1.1", f"<{row.address}> unknown", "recipient"))
    row.refresh_from_db()
    assert row.reply == "<the address> unknown"


def test_an_unknown_one_is_queued_again_also_after_the_digest_was_sent_but_not_after_it_was_cancelled(sending, ben):
    rows = ledger.claim(sending, holders.me())
    for row in rows:
        ledger.record(row, SENT if row != rows[0] else OUTCOMES["no reply to the dot"][0])
    assert digests.finish(sending)
    ledger.settle(rows[0], "queued", by=ben, why="she says that it did not come")
    sending.refresh_from_db()
    assert (sending.state, in_state(sending, "queued")) == ("sending", ["m0@members.example"])

    row, *_ = ledger.claim(sending, holders.me())
    ledger.record(row, OUTCOMES["no reply to the dot"][0])
    digests.cancel(sending, by=ben, why="enough")
    with pytest.raises(Refusal, match="was cancelled: nothing of it is sent again"):
        ledger.settle(row, "queued", by=ben, why="again")


@pytest.mark.django_db(transaction=True)
def test_arming_loses_against_a_cancellation_that_holds_the_row(sending, anne):
    """On PostgreSQL a join would have let it win: the subselect is not asked again after the wait."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time: there is nothing to wait for")
    row, *_ = ledger.claim(sending, holders.me(), 1)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Delivery.objects.filter(pk=row.pk).update(state="skipped")
            Digest.objects.filter(pk=sending.pk).update(state="cancelled")
            armed = pool.submit(_in_thread, ledger.arm, row)
            _until_somebody_waits()
        assert armed.result(10) is False


def _in_thread(work, *arguments):
    try:
        return work(*arguments)
    finally:
        connection.close()


def _until_somebody_waits():
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
    raise AssertionError("nobody waits for the row")


def test_nothing_is_armed_while_the_digest_is_paused(sending, anne):
    row, *_ = ledger.claim(sending, holders.me(), 1)
    digests.pause(sending, by=anne)
    assert not ledger.arm(row)


def test_a_worker_that_lost_its_row_cannot_write_an_outcome(sending):
    row, *_ = ledger.claim(sending, holders.me(), 1)
    ledger.arm(row)
    Delivery.objects.filter(pk=row.pk).update(fence=row.fence + 1)
    assert not ledger.record(row, SENT)
    assert in_state(sending, "armed") == [row.address]


def test_the_rows_of_a_dead_worker_are_settled_at_once(sending):
    claimed = ledger.claim(sending, OTHER, 3)
    ledger.arm(claimed[0])
    assert ledger.recover() == 3
    assert in_state(sending, "unknown") == ["m0@members.example"]
    assert len(in_state(sending, "queued")) == 4


def test_the_rows_of_a_living_worker_are_left_alone(sending):
    claimed = ledger.claim(sending, holders.me(), 3)
    ledger.arm(claimed[0])
    assert ledger.recover() == 0
    assert (len(in_state(sending, "claimed")), len(in_state(sending, "armed"))) == (2, 1)


def test_the_rows_of_another_machine_are_settled_when_their_lease_is_over(sending):
    claimed = ledger.claim(sending, ELSEWHERE, 2)
    assert ledger.recover() == 0
    Delivery.objects.filter(pk=claimed[0].pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert ledger.recover() == 1
    assert in_state(sending, "claimed") == ["m1@members.example"]


OUTCOMES = {
    "taken": (Outcome(Result.SENT, Phase.DOT, 250, "2.0.0", "ok", "recipient"), "sent", None),
    "no such address": (Outcome(Result.FAILED, Phase.RCPT, 550, "5.1.1", "no", "recipient"), "failed", None),
    "greylisted": (Outcome(Result.DEFERRED, Phase.RCPT, 450, "4.2.0", "later", "recipient"), "deferred", 300),
    "no reply to the dot": (Outcome(Result.UNKNOWN, Phase.DOT, None, None, "gone", "connection"), "unknown", None),
    "login refused": (Outcome(Result.FAILED, Phase.AUTH, 535, "5.7.8", "no", "sender"), "queued", None),
    "broke before the dot": (Outcome(Result.DEFERRED, Phase.BODY, None, None, "gone", "connection"), "queued", None),
}


@pytest.mark.parametrize(("outcome", "state", "wait"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_each_outcome_has_its_state(sending, outcome, state, wait):
    row, *_ = ledger.claim(sending, holders.me(), 1)
    before = timezone.now()
    assert ledger.record(row, outcome)
    row.refresh_from_db()
    assert (row.state, row.reply, row.lease_until) == (state, outcome.text, None)
    if wait:
        assert timedelta(seconds=wait) <= row.due_at - before < timedelta(seconds=wait + 30)


def test_retries_double_and_end_five_days_after_the_first(sending):
    waits = []
    for _ in range(3):
        row = ledger.claim(sending, holders.me(), 1)[0]
        before = timezone.now()
        ledger.record(row, OUTCOMES["greylisted"][0])
        row.refresh_from_db()
        waits.append(round((row.due_at - before).total_seconds() / 60))
        Delivery.objects.filter(pk=row.pk).update(due_at=before)
    assert waits == [5, 10, 20]

    Delivery.objects.filter(pk=row.pk).update(first_tried_at=timezone.now() - timedelta(days=5))
    row = ledger.claim(sending, holders.me(), 1)[0]
    ledger.record(row, OUTCOMES["greylisted"][0])
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("failed", 4)


def test_an_unknown_delivery_is_settled_by_a_person_once(sending, ben):
    row, *_ = ledger.claim(sending, holders.me(), 1)
    ledger.record(row, OUTCOMES["no reply to the dot"][0])
    assert [each.pk for each in ledger.unsettled(sending)] == [row.pk]
    ledger.settle(row, "sent", by=ben, why="the relay's log has it")
    with pytest.raises(Refusal, match="settled this delivery already"):
        ledger.settle(row, "queued", by=ben, why="no")
    row.refresh_from_db()
    assert row.state == "sent"
