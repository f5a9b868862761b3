"""One worker's rows, from the claim to their outcomes; the ledger in the database is what is looked at."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import CharField, F, Value
from django.db.models.functions import Concat
from django.utils import timezone

from publisher import digests, members
from publisher.delivery import batch as batches
from publisher.delivery import ledger, statements
from publisher.delivery.outcomes import unnamed
from publisher.delivery.replies import Phase
from publisher.models import Delivery, Digest, Hold, Member, Subscription, Suppression

from .batches import BROKEN, GREYLISTED, NOBODY, POLICY, SILENCE, TAKEN, answer, batch_of, in_state, ready


def test_two_workers_claim_different_rows(sending):
    first, second = batch_of(sending, 3), batch_of(sending, 3)
    assert (first.claimed, second.claimed) == (3, 2)
    theirs = [{each.recipient for each in ready(batch)} for batch in (first, second)]
    assert theirs[0].isdisjoint(theirs[1])
    first.close()
    second.close()
    assert ledger.counts(sending)["queued"] == 5


def test_where_nothing_is_due_no_hold_is_taken(sending):
    Delivery.objects.update(due_at=timezone.now() + timedelta(hours=1))
    assert batch_of(sending).claimed == 0
    assert not Hold.objects.exists()


def test_who_left_between_the_freeze_and_the_claim_is_skipped(sending):
    Subscription.objects.filter(member__email="m1@members.example").update(state="left")
    batch = batch_of(sending)
    assert [each.recipient for each in ready(batch)] == [f"m{n}@members.example" for n in (0, 2, 3, 4)]
    assert in_state(sending, "skipped") == ["m1@members.example"]
    batch.close()


def test_who_was_suppressed_or_erased_meanwhile_is_skipped(sending, anne):
    members.suppress("m2@members.example", "asked by telephone")
    members.erase(Member.objects.get(email="m3@members.example"), by=anne)
    batch = batch_of(sending)
    assert [each.recipient for each in ready(batch)] == [f"m{n}@members.example" for n in (0, 1, 4)]
    assert ledger.counts(sending)["skipped"] == 2
    assert not Delivery.objects.filter(address__contains="m3@").exists()
    batch.close()


def test_an_older_suppression_key_still_suppresses(sending, settings):
    members.suppress("m2@members.example", "asked")
    settings.KEYS = {**settings.KEYS, "suppression": ["a-newer-key", *settings.KEYS["suppression"]]}
    Subscription.objects.update(state="active")
    batch = batch_of(sending)
    assert "m2@members.example" not in [each.recipient for each in ready(batch)]
    assert Suppression.objects.count() == 1
    batch.close()


def test_who_left_long_after_the_claim_is_still_skipped(sending, monkeypatch):
    monkeypatch.setattr(batches, "ASK_AGAIN_AFTER", -1.0)
    batch = batch_of(sending, 2)
    Subscription.objects.filter(member__email="m0@members.example").update(state="left")
    assert ready(batch) == []
    monkeypatch.undo()
    batch._acted_at = 0.0
    assert [each.recipient for each in ready(batch)] == ["m1@members.example"]
    assert in_state(sending, "skipped") == ["m0@members.example"]
    batch.close()


def test_no_more_than_a_group_is_armed_at_once(sending, monkeypatch):
    monkeypatch.setattr(batches, "GROUP", 3)
    batch = batch_of(sending)
    first = ready(batch)
    assert (len(first), len(in_state(sending, "armed"))) == (3, 3)
    batch._acted_at = 0.0
    assert ready(batch) == []
    for each in first[:2]:
        answer(batch, each, TAKEN)
    batch._acted_at = 0.0
    assert len(ready(batch)) == 2
    assert ledger.counts(sending) | {"sent": 2, "armed": 3} == ledger.counts(sending)
    batch.close()


def test_all_states_sum_to_the_frozen_count_after_every_step(sending, monkeypatch):
    monkeypatch.setattr(batches, "GROUP", 2)
    batch, sums = batch_of(sending), []
    while under_way := ready(batch):
        for each in under_way:
            answer(batch, each, TAKEN)
        sums.append(sum(ledger.counts(sending).values()))
        batch._acted_at = 0.0
    batch.close()
    assert set(sums) == {5}
    assert ledger.counts(sending)["sent"] == 5


def test_nothing_is_armed_while_the_digest_is_paused_and_all_goes_back(sending, anne):
    batch = batch_of(sending)
    digests.pause(sending, by=anne)
    assert ready(batch) == []
    assert batch.left == 0
    batch.close()
    assert ledger.counts(sending)["queued"] == 5


def test_a_pause_is_noticed_when_there_is_nothing_left_to_arm(sending, anne):
    batch = batch_of(sending)
    first, *_ = ready(batch)
    digests.pause(sending, by=anne)
    batch._acted_at = 0.0
    batch.go_on()
    assert not batch.intend([first])


def test_a_worker_that_slept_past_its_lease_writes_no_dot(sending, monkeypatch):
    batch = batch_of(sending)
    first, *_ = ready(batch)
    monkeypatch.setattr(batches, "_clock", time.CLOCK_REALTIME)  # far ahead of the time since the machine's start
    assert not batch.intend([first])


def test_a_worker_whose_hold_was_ended_changes_nothing_but_a_late_yes(sending):
    batch = batch_of(sending)
    yes, no, *_ = ready(batch)
    Hold.objects.update(ended_at=timezone.now())
    Delivery.objects.filter(state="armed").update(state="unknown")
    answer(batch, yes, TAKEN)
    answer(batch, no, NOBODY)
    batch.close()
    assert ledger.counts(sending) | {"sent": 1, "unknown": 4} == ledger.counts(sending)


def test_what_a_connection_left_unsent_is_taken_by_another(sending):
    batch = batch_of(sending, 1)
    (first,) = ready(batch)
    batch.unsent(first, BROKEN)
    again = batch.take()
    assert again is first
    answer(batch, again, TAKEN)
    batch.close()
    assert in_state(sending, "sent") == ["m0@members.example"]


def test_a_letter_at_which_three_connections_broke_waits_and_does_not_hold_up_the_others(sending):
    batch = batch_of(sending, 1)
    (first,) = ready(batch)
    for _ in range(batches.MOST_TRIES):
        batch.unsent(first, BROKEN)
        again = batch.take()
    assert again is None
    batch.close()
    assert in_state(sending, "deferred") == ["m0@members.example"]


def test_what_breaks_between_two_letters_is_not_held_against_the_one_that_was_to_follow(sending):
    batch = batch_of(sending, 1)
    (first,) = ready(batch)
    for _ in range(batches.MOST_TRIES + 1):
        batch.unsent(first, BROKEN._replace(phase=Phase.RSET))
        assert batch.take() is first
    answer(batch, first, TAKEN)
    batch.close()
    assert in_state(sending, "sent") == ["m0@members.example"]


def test_after_its_turn_a_worker_goes_on_for_as_long_as_it_must_wait_and_begins_nothing_slow(sending):
    Delivery.objects.filter(address__in=["m0@members.example", "m1@members.example"]).update(
        address=Concat(Value("x"), F("pk"), Value("@slow.example"), output_field=CharField()),
        due_at=timezone.now() - timedelta(minutes=1),
    )
    batch = batch_of(sending)
    batch.go_on()
    slow = batch.take()
    assert slow.row.domain == "slow.example"
    batch._stay.ends = 0.0
    batch.go_on()
    others = list(iter(batch.take, None))
    assert Counter(each.row.domain for each in others) == {"members.example": 3}
    assert batch.left > 0
    answer(batch, slow, TAKEN)
    batch.go_on()
    assert batch.left == 0
    for each in others:
        answer(batch, each, TAKEN)
    batch.close()
    assert ledger.counts(sending) | {"sent": 4, "queued": 1} == ledger.counts(sending)


def test_a_reply_keeps_no_address(sending):
    batch = batch_of(sending, 1)
    answer(batch, *ready(batch), NOBODY._replace(text="<m0@members.example> unknown"))
    batch.close()
    assert sending.deliveries.get(state="failed").reply == "<the address> unknown"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("<sean.o'connor@members.example>: no such user", "<(address)>: no such user"),
        ('"sean connor"@members.example is unknown', "(address) is unknown"),
        ("passed on to bounce+sean=members.example@list.example", "passed on to (address)"),
        ("rfc822;sean@[192.0.2.1], or müller@bücher.example", "rfc822;(address), or (address)"),
        ("try again @ noon, says mx@", "try again @ noon, says mx@"),
    ],
)
def test_what_a_server_says_is_kept_without_any_address_whole_or_in_part(said, kept):
    assert unnamed(said) == kept


OUTCOMES = {
    "taken": (TAKEN, "sent", 0),
    "no such address": (NOBODY, "failed", 0),
    "greylisted": (GREYLISTED, "deferred", 300),
    "no reply to the dot": (SILENCE, "unknown", 0),
    "broke before the dot": (BROKEN, "queued", 0),
}


@pytest.mark.parametrize(("outcome", "state", "wait"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_each_outcome_has_its_state(sending, outcome, state, wait):
    batch = batch_of(sending, 1)
    before = timezone.now()
    answer(batch, *ready(batch), outcome)
    batch.close()
    row = sending.deliveries.get(address="m0@members.example")
    assert (row.state, row.reply) == (state, outcome.text)
    if wait:
        assert timedelta(seconds=wait) <= row.due_at - before < timedelta(seconds=wait + 30)


def test_retries_double_and_end_five_days_after_the_first(sending):
    waits = []
    for _ in range(3):
        before = timezone.now()
        _refuse_for_now(sending)
        row = sending.deliveries.get(address="m0@members.example")
        waits.append(round((row.due_at - before).total_seconds() / 60))
    assert waits == [5, 10, 20]

    Delivery.objects.filter(pk=row.pk).update(first_tried_at=timezone.now() - timedelta(days=5))
    _refuse_for_now(sending)
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("failed", 4)


def _refuse_for_now(sending):
    Delivery.objects.filter(address="m0@members.example").update(due_at=timezone.now())
    Delivery.objects.exclude(address="m0@members.example").update(due_at=timezone.now() + timedelta(hours=1))
    batch = batch_of(sending)
    answer(batch, *ready(batch), GREYLISTED)
    batch.close()


def test_one_refusal_of_us_is_tried_again_and_stands_the_second_time(sending):
    for state in ("deferred", "failed"):
        batch = batch_of(sending, 2)
        under_way = {each.recipient: each for each in ready(batch)}
        answer(batch, under_way.pop("m0@members.example"), POLICY)
        answer(batch, *under_way.values(), TAKEN)
        batch.close()
        assert (in_state(sending, state), batch.trouble) == (["m0@members.example"], "")
        Delivery.objects.filter(state="deferred").update(due_at=timezone.now())
    assert not Suppression.objects.exists()


def test_a_storm_of_refusals_stops_the_batch_and_is_held_against_no_row(sending):
    batch = batch_of(sending)
    for each in ready(batch):
        answer(batch, each, POLICY)
    batch.close()
    assert batch.trouble == "The mail server refused us in the phase DOT: 554 5.7.1 policy."
    assert ledger.counts(sending)["queued"] == 5


def test_doubt_after_doubt_stops_the_batch(sending):
    batch = batch_of(sending)
    for each in ready(batch):
        answer(batch, each, SILENCE)
    batch.close()
    assert "broke off after a letter again and again" in batch.trouble
    assert ledger.counts(sending)["unknown"] == 5


def _step(pool, batch, *, outcomes=(), arm=()):
    """A step of this batch's worker, elsewhere at the same time."""
    hold, now = batch.hold.pk, timezone.now()
    return pool.submit(_in_thread, statements.step, batch.digest.pk, hold, 60, outcomes, arm, now)


@pytest.mark.django_db(transaction=True)
def test_arming_loses_against_a_cancellation_that_holds_the_row(sending):
    """On PostgreSQL a join would have let it win: the subselect is not asked again after the wait."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time: there is nothing to wait for")
    batch = batch_of(sending, 2)
    row, other = sending.deliveries.filter(state="claimed").order_by("pk")
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Delivery.objects.filter(pk=row.pk).update(state="skipped")
            Digest.objects.filter(pk=sending.pk).update(state="cancelled")
            step = _step(pool, batch, arm=[row.pk, other.pk])
            _until_somebody_waits()
        assert row.pk not in step.result(10).armed
        assert _step(pool, batch, arm=[other.pk]).result(10) == statements.Told(False)
    row.refresh_from_db()
    assert row.state == "skipped"
    batch.close()


@pytest.mark.django_db(transaction=True)
def test_a_step_that_waited_for_somebody_who_took_its_rows_changes_none_of_them(sending):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time: there is nothing to wait for")
    batch = batch_of(sending, 2)
    first, second = sending.deliveries.filter(state="claimed").order_by("pk")
    written = statements.Written(first.pk, "sent", timezone.now(), 1, 250, "2.0.0", "250 2.0.0 Ok", "dot")
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Hold.objects.filter(pk=batch.hold.pk).update(ended_at=timezone.now())
            sending.deliveries.filter(hold=batch.hold.pk).update(state="queued", hold=None)
            step = _step(pool, batch, outcomes=[written], arm=[second.pk])
            _until_somebody_waits()
        assert step.result(10) == statements.Told(False)
    assert ledger.counts(sending) == ledger.counts(sending) | {"queued": 5, "sent": 0, "armed": 0}
    batch.close()


def _in_thread(work, *arguments):
    try:
        return work(*arguments)
    finally:
        connection.close()


def _until_somebody_waits():
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
    raise AssertionError("nobody waits for the row")
