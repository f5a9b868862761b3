from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from publisher import clockwork, digests, holders
from publisher.models import Channel, Delivery, Digest, Lease, Notice, Post, Run, Source

DEAD = holders.me().rpartition("/")[0] + "/not-me"
ELSEWHERE = "another-host:boot:1/1/1"


@pytest.fixture
def handed(monkeypatch):
    """What the clock hands over, as (task, id): the broker itself is another room's."""
    found = []
    monkeypatch.setattr(clockwork, "hand_over", lambda task, *ids: found.append((task.rpartition(".")[2], *ids)))
    return found


def test_one_clock_at_a_time_holds_the_lease(db):
    assert clockwork.hold_lease(ELSEWHERE)
    assert not clockwork.hold_lease(holders.me())
    assert clockwork.hold_lease(ELSEWHERE)
    assert Lease.objects.get().holder == ELSEWHERE


def test_a_clock_whose_time_is_over_is_followed(db):
    clockwork.hold_lease(ELSEWHERE, timedelta(seconds=-1))
    assert clockwork.hold_lease(holders.me())
    assert not clockwork.hold_lease(ELSEWHERE)


def test_a_dead_clock_of_this_machine_is_followed_at_once(db):
    clockwork.hold_lease(DEAD)
    assert clockwork.hold_lease(holders.me())


def test_a_clock_that_stops_lets_the_next_go_on_at_once(db):
    clockwork.hold_lease(holders.me())
    clockwork.drop_lease(holders.me())
    assert clockwork.hold_lease(ELSEWHERE)


def test_an_occurrence_runs_once_with_two_clocks(db):
    runs = []
    for _ in range(2):
        clockwork.once("update", "2007-03-31T09:00", lambda: runs.append("ran"))
    assert runs == ["ran"]
    assert clockwork.once("update", "2007-05-31T09:00", lambda: runs.append("ran"))
    assert Run.objects.count() == 2


def test_an_occurrence_that_broke_may_run_again(db):
    with pytest.raises(ZeroDivisionError):
        clockwork.once("update", "2007-03-31T09:00", lambda: 1 / 0)
    assert clockwork.once("update", "2007-03-31T09:00", lambda: None)


def test_what_is_due_is_handed_over_and_nothing_else(proof, ben, handed, publication):
    digests.approve(proof, by=ben)
    digest = proof.digest
    clockwork.tick()
    assert handed == []
    Digest.objects.filter(pk=digest.pk).update(start_at=timezone.now())
    clockwork.tick()
    assert handed == [("start", digest.pk)]


def test_a_sending_is_handed_to_some_workers_once_and_again_when_nobody_answers(sending, handed, settings):
    settings.SENDERS_AT_ONCE = 3
    Post.objects.update(state="cancelled")
    clockwork.tick()
    assert handed == [("send", sending.pk)] * 3
    clockwork.tick()
    assert len(handed) == 3
    Digest.objects.update(handed_at=timezone.now() - timedelta(seconds=11))
    clockwork.tick()
    assert len(handed) == 6


def test_a_sending_that_somebody_is_at_is_left_to_them(sending, handed):
    Post.objects.update(state="cancelled")
    until = timezone.now() + timedelta(seconds=30)
    sending.holds.create(holder=holders.me(), until=until)
    clockwork.tick()
    assert handed == []


def test_a_resting_digest_is_left_alone(sending, handed):
    Post.objects.update(state="cancelled")
    Digest.objects.update(resting_until=timezone.now() + timedelta(seconds=30))
    clockwork.tick()
    assert handed == []


def test_a_digest_with_nothing_left_to_do_is_sent(sending, handed):
    Delivery.objects.update(state="sent")
    clockwork.tick()
    sending.refresh_from_db()
    assert sending.state == "sent"


def test_a_paused_digest_is_not_touched(sending, handed, anne):
    Post.objects.update(state="cancelled")
    digests.pause(sending, by=anne)
    clockwork.tick()
    assert handed == []


def test_due_notices_sources_and_the_next_post_of_each_channel_are_handed_over(sending, handed, publication):
    Digest.objects.update(handed_at=timezone.now())
    now = timezone.now()
    due = Source.objects.create(publication=publication, address="https://a.example", poll_minutes=60, next_poll_at=now)
    later = now + timedelta(minutes=5)
    Source.objects.create(publication=publication, address="https://b.example", poll_minutes=60, next_poll_at=later)
    notice = Notice.objects.create(kind="confirm", address="a@b.example", sender_email="c@d.example", state="queued")
    Notice.objects.create(kind="confirm", address="a@b.example", sender_email="c@d.example", state="sent")
    clockwork.tick()
    posts = [channel.posts.order_by("position")[0].pk for channel in Channel.objects.all()]
    assert sorted(handed) == sorted([("notice", notice.pk), ("poll", due.pk), *(("publish", pk) for pk in posts)])


def test_a_tick_costs_the_same_however_much_there_is(make_members, sending, handed, django_assert_max_num_queries):
    make_members(200, prefix="more")
    with django_assert_max_num_queries(80):
        clockwork.tick()
