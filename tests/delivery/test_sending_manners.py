"""Batches that are kept back: by a domain, the day of a new sender, the first letters, a list that looks wrong.

What was mailed is what the servers took; what waits is in the ledger, each row with its moment.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from publisher import digests
from publisher.delivery import ledger, paces
from publisher.delivery.batch import GROUP
from publisher.delivery.pausing import Stopped
from publisher.delivery.sending import send_batch
from publisher.models import Delivery, Digest, Member, Subscription, Suppression
from workers.delivery import send

from .batches import batch_of, forget_all
from .server import CLOSE, GOOD, Closing, Says, Server, Talk

PIPELINING = GOOD | {"EHLO": b"250-mail.example.org\r\n250-SIZE 100000000\r\n250 PIPELINING\r\n"}
SENDER = "reading-rooms.example"

Serve = Callable[..., Server]
Sending = Callable[..., Digest]


@pytest.fixture(autouse=True)
def _a_worker_of_its_own() -> Iterator[None]:
    yield
    forget_all()


@pytest.fixture
def sending_to(digest: Digest, anne: Any, ben: Any, publication: Any, settings: Any) -> Sending:
    """sending_to(SERVER, ADDRESSES): Update 120, its audience frozen, nothing sent yet."""

    def make(server: Server, addresses: list[str]) -> Digest:
        settings.SMTP_URL = f"smtp://127.0.0.1:{server.port}"
        members = Member.objects.bulk_create(Member(email=address) for address in addresses)
        Subscription.objects.bulk_create(
            Subscription(member=m, publication=publication, state="active") for m in members
        )
        digests.approve(digests.proof(digest, by=anne), by=ben)
        Digest.objects.filter(pk=digest.pk).update(start_at=timezone.now())
        due = Digest.objects.select_related("publication", "proof").get(pk=digest.pk)
        digests.start(due)
        digests.prepare(due)
        return due

    return make


def at(domain: str, count: int) -> list[str]:
    return [f"m{n}@{domain}" for n in range(count)]


def mailed(server: Server) -> Counter[str]:
    """How many letters each domain was sent; nobody had two."""
    recipients = [recipient for recipient, _ in server.log]
    assert len(recipients) == len(set(recipients))
    return Counter(recipient.partition("@")[2] for recipient in recipients)


def states(digest: Digest) -> dict[str, int]:
    return {state: count for state, count in ledger.counts(digest).items() if count}


# ---- Domains


def test_a_domain_with_a_rate_gets_its_letters_in_time_and_the_others_at_once(serve, sending_to, settings):
    settings.DOMAINS, settings.CLAIM_SIZE = "slow.example:rate=0.02", 100
    server = serve(good=PIPELINING)
    digest = sending_to(server, at("slow.example", 5) + at("fast.example", 20))
    # More than it has: only when the next slice is claimed are the rows that must wait given back.
    send_batch(digest)
    assert mailed(server) == {"slow.example": 1, "fast.example": 20}
    assert states(digest) == {"sent": 21, "queued": 4}


def test_a_resting_domain_goes_back_to_the_queue_with_its_moment(serve, sending_to, monkeypatch):
    monkeypatch.setattr("publisher.delivery.batch.SLICE", 10)
    server = serve(good=PIPELINING)
    digest = sending_to(server, at("slow.example", 5) + at("fast.example", 25))
    until = paces.rest("slow.example", timezone.now())
    send_batch(digest)
    assert mailed(server) == {"fast.example": 25}
    assert states(digest) == {"sent": 25, "queued": 5}
    rows = digest.deliveries.filter(state="queued")
    assert {abs(row.due_at - until) < timedelta(seconds=2) for row in rows} == {True}
    assert send_batch(digest) == 0


def test_a_domain_that_asks_for_patience_rests_for_this_worker_and_the_next(serve, sending_to):
    server = serve({"RCPT": ["450 4.7.1 Try again later"] * 3}, good=PIPELINING)
    digest = sending_to(server, at("slow.example", 300))
    send_batch(digest)
    assert set(paces.resting(None, timezone.now())) == {"slow.example"}
    found = states(digest)
    # What was armed by then still goes.
    assert found == {"sent": len(server.log), "deferred": 3, "queued": 297 - len(server.log)}
    assert len(server.log) < 2 * GROUP
    forget_all()
    while send_batch(digest):
        pass
    assert states(digest) == found
    assert not digest.deliveries.filter(state="queued", due_at__lt=timezone.now()).exists()


@dataclass(frozen=True)
class KeptBack(Says):
    """No answer about slow.example before so many other letters were taken."""

    others: threading.Event = field(default_factory=threading.Event)

    def play(self, talk: Talk, usual: bytes) -> None:
        if talk.recipient.endswith("@slow.example"):
            assert self.others.wait(20), "the others were not sent meanwhile"
        super().play(talk, usual)


@dataclass(frozen=True)
class Counting(Says):
    """Says so when so many have been taken."""

    kept_back: KeptBack = field(default_factory=KeptBack)
    count: int = 0

    def play(self, talk: Talk, usual: bytes) -> None:
        if len(talk.server.log) == self.count:
            self.kept_back.others.set()
        super().play(talk, usual)


FAST = {f"fast{n}.example" for n in range(6)}


def beside_silence(serve, sending_to, silent):
    """A digest to so many of a domain that says nothing until all 120 of six others are taken, and its server."""
    kept_back = KeptBack()
    server = serve({"RCPT": kept_back, "dot": Counting(kept_back=kept_back, count=120)}, good=PIPELINING)
    others = [address for domain in sorted(FAST) for address in at(domain, 20)]
    digest = sending_to(server, at("slow.example", silent) + others)
    # The very first letter shows that the relay is well: until it is taken there is one connection.
    Delivery.objects.filter(address=others[0]).update(due_at=timezone.now() - timedelta(minutes=1))
    return server, digest


def first_domains(server):
    return {recipient.partition("@")[2] for recipient, _ in server.log[:120]}


@pytest.mark.parametrize("connections", [4, 2])
def test_a_domain_that_does_not_answer_keeps_none_of_the_others_from_being_sent(
    connections, serve, sending_to, settings
):
    settings.CONNECTIONS = connections
    server, digest = beside_silence(serve, sending_to, 20)
    send_batch(digest)
    assert first_domains(server) == FAST
    assert states(digest)["sent"] == len(server.log) >= 120
    assert sum(mailed(server).values()) + states(digest).get("queued", 0) == 140


def test_a_relay_that_will_not_have_us_now_is_left_alone_and_no_attempt_is_counted(serve, sending_to):
    """Else a whole list would be refused at full speed, again after five minutes, and given up after five days."""
    server = serve({"MAIL": "450 4.7.1 You send too fast"}, good=PIPELINING)
    digest = sending_to(server, at("members.example", 300))
    send_batch(digest)
    digest.refresh_from_db()
    assert (states(digest), digest.breaks) == ({"queued": 300}, 1)
    assert sum(line.startswith("MAIL") for line in server.heard) == 3


def test_who_waits_for_a_silent_domain_goes_on_with_the_others_when_its_batch_is_done(
    serve, sending_to, settings, monkeypatch
):
    monkeypatch.setattr("publisher.delivery.stay.IDLE_AFTER", 0.05)
    settings.CONNECTIONS, settings.CLAIM_SIZE = 4, 30
    server, digest = beside_silence(serve, sending_to, 2)
    send_batch(digest)
    assert first_domains(server) == FAST
    assert states(digest)["sent"] == len(server.log) >= 121


# ---- A new sender


def test_a_new_sender_sends_no_more_than_its_day_allows_and_the_rest_waits(serve, sending_to, settings):
    settings.WARM_UP = timezone.now().date().isoformat()
    server = serve(good=PIPELINING)
    digest = sending_to(server, at("members.example", 60))
    assert send_batch(digest) == 50
    assert send_batch(digest) == 0
    assert mailed(server) == {"members.example": 50}
    assert states(digest) == {"sent": 50, "queued": 10}
    assert paces.of_day(SENDER, timezone.now()) == 50
    send(digest.pk)
    digest.refresh_from_db()
    assert digest.state == "sending"


def test_what_did_not_go_out_does_not_count_for_the_day(serve, sending_to, settings):
    settings.WARM_UP = timezone.now().date().isoformat()
    server = serve({"connect": CLOSE})
    digest = sending_to(server, at("members.example", 60))
    send_batch(digest)
    assert states(digest) == {"queued": 60}
    assert paces.of_day(SENDER, timezone.now()) == 0


def test_of_a_batch_that_was_stopped_only_what_went_out_counts_for_the_day(serve, sending_to, settings):
    settings.WARM_UP = timezone.now().date().isoformat()
    settings.CONNECTIONS = 1
    script = {"connect": [None, *[CLOSE] * 10], "MAIL": [None] * 7 + [Closing("421 4.3.2 Going down")]}
    server = serve(script, good=PIPELINING)
    digest = sending_to(server, at("members.example", 30))
    send_batch(digest)
    assert states(digest) == {"sent": 7, "queued": 23}
    assert paces.of_day(SENDER, timezone.now()) == 7


def test_what_waits_for_a_domain_at_rest_and_who_left_do_not_count_for_the_day(serve, sending_to, settings):
    settings.WARM_UP = timezone.now().date().isoformat()
    server = serve(good=PIPELINING)
    digest = sending_to(server, at("slow.example", 40) + at("members.example", 45))
    paces.rest("slow.example", timezone.now())
    Subscription.objects.filter(member__email__in=at("members.example", 5)).update(state="left")
    while send_batch(digest):
        pass
    assert states(digest) == {"sent": 40, "skipped": 5, "queued": 40}
    assert paces.of_day(SENDER, timezone.now()) == 40


def test_a_batch_that_was_begun_before_midnight_takes_nothing_off_what_others_sent_of_the_new_day(
    serve, sending_to, settings, monkeypatch
):
    midnight = (timezone.now() + timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
    settings.WARM_UP = midnight.date().isoformat()
    monkeypatch.setattr("publisher.delivery.batch.SLICE", 20)
    digest = sending_to(serve(), at("members.example", 60))
    with time_machine.travel(midnight - timedelta(seconds=10), tick=False) as clock:
        batch = batch_of(digest)
        clock.move_to(midnight + timedelta(seconds=10))
        assert paces.take_of_day(SENDER, 15, 50, timezone.now()) == 15  # by another worker
        batch.go_on()
        assert (batch.claimed, paces.of_day(SENDER, timezone.now())) == (40, 35)
        batch.close()
        assert states(digest) == {"queued": 60}
        assert paces.of_day(SENDER, timezone.now()) == 15


# ---- The first letters, and the list


def test_the_first_letters_go_out_alone_and_the_others_when_their_time_is_over(serve, sending_to, publication):
    type(publication).objects.update(canary_size=3, canary_minutes=30)
    server = serve(good=PIPELINING)
    digest = sending_to(server, at("members.example", 12))
    assert (send_batch(digest), send_batch(digest)) == (3, 0)
    assert states(digest) == {"sent": 3, "queued": 9}
    Digest.objects.update(canary_until=timezone.now())
    digest.refresh_from_db()
    assert send_batch(digest) == 9
    assert mailed(server) == {"members.example": 12}


def test_where_the_first_letters_did_not_fare_well_the_others_wait_for_a_person(serve, sending_to, publication, anne):
    type(publication).objects.update(canary_size=3, canary_minutes=30)
    server = serve({"RCPT": ["550 5.1.1 Nobody"] * 2}, good=PIPELINING)
    digest = sending_to(server, at("members.example", 12))
    send(digest.pk)
    Digest.objects.update(canary_until=timezone.now())
    send(digest.pk)
    digest.refresh_from_db()
    assert digest.state == "paused"
    assert digest.attention.startswith("Of the first 3 letters 2 failed, were put off or are unknown: look why.")
    assert mailed(server) == {"members.example": 1}
    digests.resume(digest, by=anne)
    send(digest.pk)
    assert mailed(server) == {"members.example": 10}


def test_a_list_of_which_many_addresses_do_not_exist_is_stopped_and_nobody_is_suppressed(serve, sending_to):
    server = serve({"RCPT": "550 5.1.1 Nobody"}, good=PIPELINING)
    digest = sending_to(server, at("members.example", 300))
    with pytest.raises(Stopped, match="is this the right list"):
        send_batch(digest)
    # Seen with the first outcomes that were written, and not when all had been tried.
    assert 20 <= states(digest)["failed"] <= 200
    assert states(digest)["failed"] + states(digest)["queued"] == 300
    assert not Suppression.objects.exists()
    assert Delivery.objects.filter(state__in=["claimed", "armed"]).count() == 0


def test_where_every_eighth_recipient_is_refused_for_our_sake_a_person_is_asked_once(serve, sending_to, anne):
    """By a filter, or one domain behind the relay. Never five in a row, and still no accident."""
    server = serve({"RCPT": [*[None] * 7, "550 5.7.1 Not from you"] * 200}, good=PIPELINING)
    digest = sending_to(server, at("members.example", 600))
    send(digest.pk)
    digest.refresh_from_db()
    assert digest.state == "paused"
    said = "The mail server refused us in the phase RCPT: 550 5.7.1 Not from you."
    assert digest.attention.startswith(f"{said} So it does for many")
    assert 20 <= states(digest)["deferred"] < 60
    assert states(digest)["deferred"] + states(digest)["queued"] + len(server.log) == 600

    digests.resume(digest, by=anne)
    send(digest.pk)
    digest.refresh_from_db()
    assert (digest.state, states(digest)) == ("sending", {"sent": len(server.log), "deferred": 600 - len(server.log)})
    assert not Suppression.objects.exists()


def test_a_refusal_for_our_sake_here_and_there_stops_nothing(serve, sending_to):
    server = serve({"RCPT": [*[None] * 24, "550 5.7.1 Not from you"] * 100}, good=PIPELINING)
    digest = sending_to(server, at("members.example", 600))
    send(digest.pk)
    digest.refresh_from_db()
    assert digest.state == "sending"
    assert states(digest) == {"sent": 576, "deferred": 24}
