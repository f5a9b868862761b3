"""When the threads that hand letters to a provider give up, go on, or break down, for a digest of five members."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from publisher.delivery import batch as batches
from publisher.delivery import couriers, parcels, statements
from publisher.delivery import sending as engine_room
from publisher.delivery.pausing import Stopped
from publisher.models import Digest

from .batches import counted, in_state

M = [f"m{n}@members.example" for n in range(5)]


def test_a_provider_that_is_not_reached_lets_the_digest_rest_where_a_turn_is_too_short_for_three_tries(
    sending, through, settings, monkeypatch
):
    through("postmark")
    monkeypatch.setattr(parcels, "CONNECT", 0.6)
    settings.TURN = 1
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.MAIL_PROVIDER_URL = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        for breaks in (1, 2):
            engine_room.send_batch(sending)
            sending.refresh_from_db()
            assert sending.breaks == breaks
            assert "connecting failed: no answer in time" in sending.resting_why
            Digest.objects.update(resting_until=None)
    assert counted(sending) == {"queued": 5}


def test_a_turn_in_which_a_letter_was_taken_lets_the_digest_go_on_and_a_short_wait_outlives_it(
    sending, through, settings
):
    provider = through("resend")
    settings.TURN = settings.CONNECTIONS = 1
    provider.fault(match=M[1], status=429, body="{}", headers={"Retry-After": "10"})
    engine_room.send_batch(sending)
    engine_room.send_batch(sending)
    sending.refresh_from_db()
    assert (provider.mailed(), sending.breaks) == (Counter([M[0]]), 0)
    assert len(provider.requests) == 2


def test_what_is_answered_when_the_turn_is_over_lets_the_digest_rest_too(sending, through, settings):
    provider = through("resend")
    settings.TURN, provider.delay = 1, 1.5
    provider.fault(times=None, status=429, body="{}", headers={"Retry-After": "1800"})
    engine_room.send_batch(sending)
    sending.refresh_from_db()
    assert sending.resting_until - timezone.now() > timedelta(minutes=29)
    assert counted(sending) == {"queued": 5}


def test_a_key_that_is_refused_when_the_turn_is_over_stops_the_sending_too(sending, through, settings):
    provider = through("resend")
    settings.TURN, provider.delay = 1, 1.5
    provider.fault(times=None, status=401, body="{}")
    with pytest.raises(Stopped, match="refused us in the phase AUTH"):
        engine_room.send_batch(sending)
    assert counted(sending) == {"queued": 5}


@pytest.fixture
def first_first(monkeypatch: Any) -> None:
    """The answer about the first letter is judged before any other is heard: it is a refusal."""
    judged = threading.Event()
    strike, deliver = couriers.Couriers._strike, parcels.ProviderDesk.deliver

    def judge(*given: Any) -> None:
        strike(*given)
        judged.set()

    def later(desk: parcels.ProviderDesk, recipient: str, *given: Any) -> couriers.Answer:
        answer = deliver(desk, recipient, *given)
        assert recipient == M[0] or judged.wait(10)
        return answer

    monkeypatch.setattr(couriers.Couriers, "_strike", judge)
    monkeypatch.setattr(parcels.ProviderDesk, "deliver", later)


def test_a_letter_taken_meanwhile_does_not_shorten_the_rest_that_the_provider_asks_for(
    sending, through, settings, first_first
):
    provider = through("resend")
    settings.TURN = 1
    provider.fault(match=M[0], status=429, body="{}", headers={"Retry-After": "1800"})
    engine_room.send_batch(sending)
    sending.refresh_from_db()
    assert sending.resting_until - timezone.now() > timedelta(minutes=29)
    assert counted(sending) == {"sent": 2, "queued": 3}


@pytest.mark.parametrize("other", [{"status": 429, "body": "{}"}, None])
def test_a_refused_key_stops_the_sending_whatever_becomes_of_the_others_under_way(sending, through, first_first, other):
    provider = through("resend")
    provider.fault(match=M[0], status=401, body="{}")
    if other:
        provider.fault(times=2, **other)
    with pytest.raises(Stopped, match="refused us in the phase AUTH"):
        engine_room.send_batch(sending)
    assert provider.mailed() == (Counter() if other else Counter(M[1:3]))
    assert len(provider.requests) == 3


def test_what_is_not_answered_in_time_is_unknown_and_its_answer_is_not_heard(sending, through, monkeypatch):
    provider = through("postmark")
    fault = provider.fault(match=M[2], taken=True, silent=True)
    monkeypatch.setattr(couriers, "LIMIT", 0.5)
    monkeypatch.setattr(couriers, "_GLANCE", 0.1)
    engine_room.send_batch(sending)
    assert counted(sending) == {"sent": 4, "unknown": 1}
    assert provider.mailed() == Counter(M)
    fault.release.set()


def test_a_broken_courier_leaves_what_it_held_unknown_and_the_rest_queued(sending, through, monkeypatch):
    through("resend")
    monkeypatch.setattr(parcels.ProviderDesk, "deliver", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        engine_room.send_batch(sending)
    assert counted(sending) == {"queued": 2, "unknown": 3}


def breaks_down_over(number: int, monkeypatch: Any, *, together: int = 0) -> None:
    """The thread that has this letter breaks down; those with so many of the first letters end together."""
    deliver, end = parcels.ProviderDesk.deliver, threading.Barrier(together or 1)

    def broken(desk: parcels.ProviderDesk, recipient: str, *given: Any) -> couriers.Answer:
        answer = None if recipient == M[number] else deliver(desk, recipient, *given)
        if recipient in M[:together]:
            end.wait(10)
        assert answer, "broken"
        return answer

    monkeypatch.setattr(parcels.ProviderDesk, "deliver", broken)


def doubts_of(digest: Digest) -> list[str]:
    """Who is unknown after the worker broke down."""
    with pytest.raises(AssertionError, match="broken"):
        engine_room.send_batch(digest)
    assert sum(counted(digest).values()) == 5
    return in_state(digest, "unknown")


def test_where_a_courier_breaks_down_the_provider_is_heard_of_what_the_others_have_under_way(
    sending, through, monkeypatch
):
    provider = through("postmark")
    provider.delay = 0.3
    breaks_down_over(0, monkeypatch)
    assert doubts_of(sending) == [M[0]]
    assert in_state(sending, "sent") == sorted(provider.mailed())


@pytest.mark.parametrize("number", range(3))
def test_an_answer_that_waits_behind_a_broken_couriers_is_heard_too(sending, through, monkeypatch, number):
    provider = through("postmark")
    breaks_down_over(number, monkeypatch, together=3)
    assert doubts_of(sending) == [M[number]]
    assert in_state(sending, "sent") == sorted(provider.mailed())


def test_who_is_silent_when_the_worker_breaks_down_is_not_waited_for_without_end(sending, through, monkeypatch):
    provider = through("postmark")
    provider.fault(match=M[2], taken=True, silent=True)
    monkeypatch.setattr(couriers, "LAST_WORDS", 1.0)
    breaks_down_over(0, monkeypatch)
    assert doubts_of(sending) == [M[0], M[2]]


def away(*_: Any) -> None:
    raise OperationalError("the database is away")


def test_where_the_database_breaks_down_what_is_under_way_is_heard_and_stands_in_the_journal(
    sending, through, monkeypatch
):
    provider = through("postmark")
    provider.fault(match=M[1], status=429, body="{}")
    provider.delay = 0.3
    steps = iter([statements.step, away])
    monkeypatch.setattr(batches, "BEAT", 0)
    monkeypatch.setattr(statements, "step", lambda *given: next(steps)(*given))
    with pytest.raises(OperationalError):
        engine_room.send_batch(sending)
    assert provider.mailed() == Counter([M[0], M[2]])
    assert counted(sending) == {"sent": 2, "queued": 3}


def test_where_no_more_threads_can_be_had_nothing_is_in_doubt(sending, through, monkeypatch):
    provider = through("postmark")
    hire, left = couriers._Crew.hire, iter([True])

    def hire_one(crew: couriers._Crew) -> None:
        if not next(left, False):
            raise RuntimeError("can't start new thread")
        hire(crew)

    monkeypatch.setattr(couriers._Crew, "hire", hire_one)
    with pytest.raises(RuntimeError):
        engine_room.send_batch(sending)
    assert provider.mailed() == Counter([M[0]])
    assert counted(sending) == {"sent": 1, "queued": 4}
