"""Relays that hang, are away or hang up early, and domains that must wait: the others carry on."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest
from django.utils import timezone

from publisher.delivery import batch as batches
from publisher.delivery import engine as engines
from publisher.delivery import ledger, paces
from publisher.delivery import sending as engine_room
from publisher.delivery.pausing import Stopped
from publisher.models import Delivery, Pace

from .batches import forget_all
from .conftest import SILENCE
from .server import GOOD, Gone, Says

PIPELINING = {**GOOD, "EHLO": b"250-mail.example.org\r\n250-PIPELINING\r\n250 8BITMIME\r\n"}


class WhenReleased(Says):
    """The usual answer, when the test says so."""

    def play(self, talk, usual):
        talk.server.released.wait()
        super().play(talk, usual)


class OneEach(Says):
    """Each session ends behind its first letter, with what was begun of the second."""

    def play(self, talk, usual):
        talk.letters = getattr(talk, "letters", 0) + 1
        if talk.letters > 1:
            talk.send(b"421 4.7.0 one letter in a session\r\n")
            raise Gone
        talk.send(usual)


M = [f"m{n}@members.example" for n in range(5)]


@pytest.fixture(autouse=True)
def _an_engine_of_its_own():
    yield
    forget_all()


@pytest.fixture
def relays(settings):
    def connect(*servers):
        settings.SMTP_URL = ",".join(f"smtp://127.0.0.1:{server.port}" for server in servers)

    return connect


def add(members, digest):
    """Queue a row for each of these, too."""
    for each in members:
        Delivery.objects.create(digest=digest, member=each, address=each.email, state="queued", due_at=timezone.now())


def taken(*servers):
    return sorted(recipient for server in servers for recipient, _ in server.log)


def test_a_relay_that_never_greets_holds_up_nothing_that_another_takes(sending, serve, relays):
    silent, good = serve({"connect": SILENCE}), serve(good=PIPELINING)
    relays(silent, good)
    assert engine_room.send_batch(sending) == 5
    assert ledger.counts(sending)["sent"] == 5
    assert len(good.log) == 5


def test_a_sender_whose_domain_has_letters_beyond_ascii_needs_nothing_special_of_a_relay(sending, serve, relays):
    server = serve(good=PIPELINING)
    relays(server)
    sending.proof.sender["email"] = "news@bücher.example"
    engine_room.send_batch(sending)
    assert ledger.counts(sending)["sent"] == 5
    assert server.heard[0] == "EHLO xn--bcher-kva.example"
    mails = {line for line in server.heard if line.startswith("MAIL")}
    assert mails == {"MAIL FROM:<news@xn--bcher-kva.example>"}


def test_a_relay_that_never_greets_lets_the_digest_rest_when_the_turn_is_over(sending, serve, relays, settings):
    settings.TURN = 1
    relays(serve({"connect": SILENCE}))
    engine_room.send_batch(sending)
    sending.refresh_from_db()
    assert (sending.breaks, ledger.counts(sending)["queued"]) == (1, 5)


def test_a_relay_that_greets_after_a_turn_is_still_used(sending, serve, relays, settings):
    settings.TURN = 1
    server = serve({"connect": [WhenReleased(), *[SILENCE] * 20]}, good=PIPELINING)
    relays(server)
    engine_room.send_batch(sending)
    assert ledger.counts(sending)["queued"] == 5
    type(sending).objects.update(resting_until=None)
    server.released.set()
    engine_room.send_batch(sending)
    assert ledger.counts(sending)["sent"] == 5


def test_the_next_address_of_a_relay_is_tried_where_the_first_cannot_be_reached_at_all(
    sending, serve, relays, monkeypatch
):
    server = serve(good=PIPELINING)
    relays(server)
    unreachable = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("255.255.255.255", server.port))
    real = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [unreachable, real])
    engine_room.send_batch(sending)
    assert ledger.counts(sending)["sent"] == 5


def test_what_a_relay_refuses_of_us_another_takes(sending, serve, relays):
    """Else every other letter would be put off, and at the second refusal given up, with nobody asked."""
    good = serve({"connect": WhenReleased()}, good=PIPELINING)

    class Refusing(Says):
        def play(self, talk, usual):
            good.released.set()
            super().play(talk, usual)

    refusing = serve({"MAIL": Refusing("550 5.7.1 Not from you")}, good=PIPELINING)
    relays(refusing, good)
    engine_room.send_batch(sending)
    assert ledger.counts(sending)["sent"] == 5
    assert taken(good) == M
    assert sum(line.startswith("MAIL") for line in refusing.heard) == 1


def everywhere(count):
    """So many addresses, each of another domain."""
    return [f"m{n}@domain{n}.example" for n in range(count)]


@pytest.fixture
def to_many_domains(sending, make_members):
    """to_many_domains(60): the five and 55 more, each of another domain."""

    def make(count):
        add(make_members(count - 5, prefix="more"), sending)
        for row, address in zip(Delivery.objects.order_by("pk"), everywhere(count), strict=True):
            Delivery.objects.filter(pk=row.pk).update(address=address)
        return sending

    return make


DECLINED = {
    "denied for good": {"RCPT": "554 5.7.1 Relay access denied"},
    "denied for now": {"RCPT": "454 4.7.1 Relay access denied"},
    "denied without a code": {"RCPT": "550 relay not permitted"},
    "no sender of ours": {"MAIL": "550 5.7.1 Not from you"},
    "no data of ours": {"DATA": "554 5.7.1 Policy"},
    "no letter of ours": {"dot": "554 5.7.1 Policy"},
    "no room for letters": {"dot": "451 4.3.0 Queue file write error"},
}


@pytest.mark.parametrize("connections", [1, 2, 16])
@pytest.mark.parametrize("script", DECLINED.values(), ids=DECLINED)
def test_a_relay_that_carries_nothing_of_ours_is_left_to_be_and_another_takes_all(
    script, connections, to_many_domains, serve, relays, settings
):
    """Nobody is put off, or given up, and it is not asked of each letter."""
    settings.CONNECTIONS = connections
    digest = to_many_domains(100)
    refusing, good = serve(script, good=PIPELINING), serve(good=PIPELINING)
    relays(refusing, good)
    engine_room.send_batch(digest)
    assert ledger.counts(digest)["sent"] == 100
    assert taken(good) == sorted(everywhere(100))
    assert set(digest.deliveries.values_list("attempts", flat=True)) == {1}
    # Three that it refuses, and what each connection had begun by then.
    assert sum(line.startswith("MAIL") for line in refusing.heard) <= 3 + 2 * connections


def test_a_letter_that_is_too_large_for_one_relay_goes_through_the_other(sending, serve, relays):
    small = serve(good={**PIPELINING, "EHLO": b"250-mail.example.org\r\n250-PIPELINING\r\n250 SIZE 1000\r\n"})
    good = serve(good=PIPELINING)
    relays(small, good)
    engine_room.send_batch(sending)
    assert taken(good) == M
    assert small.log == []


def test_an_address_beyond_ascii_goes_through_the_relay_that_can_carry_it(sending, serve, relays, settings):
    settings.CONNECTIONS = 1
    Delivery.objects.filter(address=M[0]).update(address="josé@members.example")
    plain = serve(good=PIPELINING)
    able = serve(good={**PIPELINING, "EHLO": b"250-mail.example.org\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"})
    relays(plain, able)
    engine_room.send_batch(sending)
    assert ledger.counts(sending)["sent"] == 5
    assert [recipient for recipient, _ in able.log] == ["josé@members.example"]


def test_a_relay_that_denies_everybody_for_now_lets_the_digest_rest(to_many_domains, serve, relays):
    """Each would be refused at full speed, again and again for five days, and given up with nobody asked."""
    digest = to_many_domains(60)
    relays(serve({"RCPT": "454 4.7.1 Relay access denied"}, good=PIPELINING))
    engine_room.send_batch(digest)
    digest.refresh_from_db()
    assert digest.breaks == 1
    assert ledger.counts(digest)["deferred"] <= 16
    assert ledger.counts(digest)["queued"] >= 44


def test_what_a_relay_took_in_an_earlier_batch_does_not_speak_for_it(to_many_domains, serve, relays, settings):
    """Its connections are kept; what it thinks of us may have changed."""
    digest = to_many_domains(60)
    relay = serve(good=PIPELINING)
    relays(relay)
    settings.CLAIM_SIZE = 10
    engine_room.send_batch(digest)
    settings.CLAIM_SIZE = 1000
    relay.script["RCPT"] = "454 4.7.1 Relay access denied"
    engine_room.send_batch(digest)
    digest.refresh_from_db()
    assert (digest.breaks, len(relay.log)) == (1, 10)
    # Three, and what each connection had begun by then.
    assert ledger.counts(digest)["deferred"] <= 3 + 16


def test_recipients_whom_each_relay_refuses_for_our_sake_are_put_off_and_stop_nothing(to_many_domains, serve, relays):
    digest = to_many_domains(38)
    blocking = Delivery.objects.filter(address__in=everywhere(3))
    for number, row in enumerate(blocking):
        Delivery.objects.filter(pk=row.pk).update(address=f"m{number}@blocking.example")

    class Blocked(Says):
        def play(self, talk, usual):
            blocked = "@blocking" in talk.recipient
            talk.recipient = "" if blocked else talk.recipient
            talk.send(b"550 5.7.1 Not from you\r\n" if blocked else usual)

    both = [serve({"RCPT": Blocked()}, good=PIPELINING) for _ in range(2)]
    relays(*both)
    for state in ("deferred", "failed"):
        engine_room.send_batch(digest)
        assert (ledger.counts(digest)["sent"], ledger.counts(digest)[state]) == (35, 3)
        Delivery.objects.filter(state="deferred").update(due_at=timezone.now())
    digest.refresh_from_db()
    assert (digest.state, digest.breaks) == ("sending", 0)


def test_one_letter_at_which_a_relay_dies_waits_and_the_others_go_out(sending, serve, relays, settings):
    """It dies without a word, and with pipelining that is before it has answered MAIL."""
    settings.CONNECTIONS = 1
    Delivery.objects.filter(address=M[0]).update(due_at=timezone.now() - timedelta(minutes=1))

    class Unsaid(Says):
        def play(self, talk, usual):
            pass

    class Dying(Says):
        def play(self, talk, usual):
            if talk.recipient == M[0]:
                raise Gone
            talk.send(GOOD["MAIL"] + usual)

    relays(serve({"MAIL": Unsaid(), "RCPT": Dying()}, good=PIPELINING))
    engine_room.send_batch(sending)
    type(sending).objects.update(resting_until=None)
    engine_room.send_batch(sending)
    assert (ledger.counts(sending)["sent"], ledger.counts(sending)["deferred"]) == (4, 1)


def test_who_is_refused_for_our_sake_by_a_relay_that_takes_others_is_put_off(sending, serve, relays, monkeypatch):
    """The other one says nothing."""
    monkeypatch.setattr(engines, "_TRIED_FOR", 0.2)
    relays(serve({"RCPT": [None, "554 5.7.1 Not from you"]}, good=PIPELINING), serve({"connect": SILENCE}))
    engine_room.send_batch(sending)
    assert (ledger.counts(sending)["sent"], ledger.counts(sending)["deferred"]) == (4, 1)
    assert Delivery.objects.get(state="deferred").enhanced == "5.7.1"


@pytest.mark.parametrize("phase", ["MAIL", "RCPT"])
def test_where_each_relay_refuses_us_a_person_is_asked(phase, sending, serve, relays):
    relays(*(serve({phase: "550 5.7.1 Not from you"}, good=PIPELINING) for _ in range(2)))
    with pytest.raises(Stopped, match=f"refused us in the phase {phase}"):
        engine_room.send_batch(sending)
    assert ledger.counts(sending)["queued"] == 5


def test_many_rows_of_a_domain_that_rests_do_not_keep_those_behind_them_waiting(sending, serve, relays, monkeypatch):
    monkeypatch.setattr(batches, "GROUP", 2)
    monkeypatch.setattr(batches, "SLICE", 4)
    server = serve(good=PIPELINING)
    relays(server)
    others = Delivery.objects.filter(address=M[4])
    others.update(address="x@elsewhere.example", due_at=timezone.now())
    Delivery.objects.exclude(address="x@elsewhere.example").update(due_at=timezone.now() - timedelta(minutes=1))
    paces.rest("members.example", timezone.now())
    Pace.objects.update(resting_until=timezone.now() + timedelta(minutes=9))
    engine_room.send_batch(sending)
    assert taken(server) == ["x@elsewhere.example"]
    assert not Delivery.objects.filter(state="queued", due_at__lt=timezone.now() + timedelta(minutes=8)).exists()


def test_a_worker_does_not_hold_on_to_rows_of_a_domain_that_rests(sending, serve, relays, settings):
    settings.CLAIM_SIZE = 5
    relays(serve(good=PIPELINING))
    paces.rest("members.example", timezone.now())
    Pace.objects.update(resting_until=timezone.now() + timedelta(minutes=9))
    assert engine_room.send_batch(sending) == 5
    assert not Delivery.objects.filter(state="queued", due_at__lt=timezone.now() + timedelta(minutes=8)).exists()


def test_a_relay_that_ends_each_session_after_a_letter_puts_nobody_off(sending, make_members, serve, relays):
    more = make_members(95, prefix="more")
    Delivery.objects.bulk_create(
        Delivery(digest=sending, member=each, address=each.email, state="queued") for each in more
    )
    server = serve({"MAIL": OneEach()}, good=PIPELINING)
    relays(server)
    engine_room.send_batch(sending)
    assert ledger.counts(sending)["sent"] == 100
    assert len(set(taken(server))) == len(taken(server)) == 100


def test_many_rows_of_a_domain_with_a_low_rate_leave_room_for_those_behind_them(
    sending, make_members, serve, relays, settings
):
    settings.TURN, settings.CLAIM_SIZE, settings.DOMAINS = 1, 20, "members.example:rate=0.1"
    server = serve(good=PIPELINING)
    relays(server)
    Delivery.objects.filter(address=M[4]).update(address="x@elsewhere.example")
    before = timezone.now() - timedelta(minutes=1)
    for each in make_members(40, prefix="more"):
        Delivery.objects.create(digest=sending, member=each, address=each.email, state="queued", due_at=before)
    for _ in range(4):
        engine_room.send_batch(sending)
    assert [address for address in taken(server) if "@members" not in address] == ["x@elsewhere.example"]
