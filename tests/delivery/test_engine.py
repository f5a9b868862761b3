"""Several relays and connections in one loop, over real sockets; what counts is what the servers took, how often."""

from __future__ import annotations

import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from publisher.delivery.dialogue import Transaction
from publisher.delivery.engine import MOST_STRIKES, Engine
from publisher.delivery.outcomes import Outcome, Result, Timeouts
from publisher.delivery.relays import Relay
from publisher.delivery.replies import Phase

from .certificates import Authority
from .in_line import InLine
from .server import CLOSE, GOOD, SILENCE, Closing, Late, Says, Server, Talk

OFFERS = b"250-mail.example.org\r\n250-SIZE 100000000\r\n250-AUTH PLAIN\r\n250-STARTTLS\r\n250 PIPELINING\r\n"
PIPELINING = GOOD | {"EHLO": OFFERS}
BUSY = "421 4.3.2 Too many messages in this session"

Serve = Callable[..., Server]


class Letters(InLine):
    """Work for an engine: numbered letters, and all that was said of each."""

    def __init__(self, count: int, *, first: int = 0, size: int = 0) -> None:
        self.size = size
        self.names = [f"reader{n}@example.org" for n in range(first, first + count)]
        self.waiting = deque(Transaction("news@example.org", name, 100, name) for name in self.names)
        self.said: dict[str, list[Outcome]] = {name: [] for name in self.names}
        self.returned: list[Outcome] = []
        #: Set when the loop comes round after a message was handed over.
        self.came_round = threading.Event()
        self._handed = False

    def make(self, transaction: Transaction) -> bool:
        transaction.message = (self.message(transaction.row),)
        return True

    def message(self, name: str) -> bytes:
        lines = b"And here is a line of it, one of very many.\r\n" * (self.size // 45)
        return f"To: {name}\r\n\r\nA letter to {name}.\r\n".encode() + lines

    def intend(self, transactions: Sequence[Transaction]) -> bool:
        self._handed = True
        return True

    def go_on(self) -> None:
        if self._handed:
            self.came_round.set()

    def settled(self, transaction: Transaction, outcome: Outcome) -> None:
        self.said[transaction.row].append(outcome)

    def unsent(self, transaction: Transaction, outcome: Outcome) -> None:
        self.returned.append(outcome)
        self.waiting.appendleft(transaction)

    @property
    def results(self) -> Counter[str]:
        return Counter(outcome.result.value for said in self.said.values() for outcome in said)

    @property
    def all_sent_once(self) -> bool:
        return all([outcome.result for outcome in said] == [Result.SENT] for said in self.said.values())


@pytest.fixture
def engine_for(authority: Authority) -> Iterator[Callable[..., Engine]]:
    engines: list[Engine] = []

    def make(*relays: Relay, connections: int = 4, **options: Any) -> Engine:
        engines.append(
            Engine(relays, helo="news.example.org", connections=connections, tls=authority.client(), **options)
        )
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Nobody listens there, and nobody else will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def relay(server: Server, **options: Any) -> Relay:
    return Relay("127.0.0.1", server.port, **{"tls": "none", **options})


def took(*servers: Server) -> list[str]:
    return sorted(recipient for server in servers for recipient, _ in server.log)


# ---- One relay


def test_what_a_relay_cannot_carry_keeps_no_connection_from_what_it_can(serve, engine_for):
    """All of it is settled as soon as there is a connection, without waiting for anything."""
    server = serve(good={**GOOD, "EHLO": b"250-mail.example.org\r\n250 8BITMIME\r\n"})
    work, rounds = Letters(1), []
    beyond = [Transaction("news@example.org", f"josé{n}@example.org", 100, f"José {n}") for n in range(5)]
    work.waiting.extendleft(beyond)
    work.said.update({each.row: [] for each in beyond})

    def go_on():
        rounds.append(sum(bool(work.said[each.row]) for each in beyond))

    work.go_on = go_on
    assert engine_for(relay(server), connections=1).run(work) is None
    assert (work.results, took(server)) == ({"failed": 5, "sent": 1}, ["reader0@example.org"])
    assert set(rounds) == {0, 5}


def test_a_size_in_digits_of_another_kind_is_none(serve, engine_for):
    server = serve(good={**GOOD, "EHLO": "250-mail.example.org\r\n250-PIPELINING\r\n250 SIZE ²\r\n".encode()})
    work = Letters(1)
    assert engine_for(relay(server)).run(work) is None
    assert work.all_sent_once


# ---- Several relays


@dataclass(frozen=True)
class Gathering(Says):
    """The usual answer: to a server's first letter at once, to the others when so many connections are there in all."""

    count: int = 0
    servers: list[Server] = field(default_factory=list)
    #: How many there were at each answer.
    seen: list[int] = field(default_factory=list)

    def play(self, talk: Talk, usual: bytes) -> None:
        for _ in range(1000 if len(talk.server.log) > 1 else 0):
            if sum(server.connections for server in self.servers) >= self.count or talk.server.stopping.wait(0.01):
                break
        self.seen.append(sum(server.connections for server in self.servers))
        super().play(talk, usual)


@pytest.mark.parametrize("heavy_first", [True, False])
def test_two_relays_share_the_connections_and_so_the_letters_by_their_weights(serve, engine_for, heavy_first):
    gathering = Gathering(count=8)
    heavy, light = (serve({"dot": gathering}, good=PIPELINING) for _ in range(2))
    gathering.servers.extend([heavy, light])
    relays = [relay(heavy, weight=3), relay(light)]
    work = Letters(400)
    assert engine_for(*relays[:: 1 if heavy_first else -1], connections=8).run(work) is None
    assert work.all_sent_once
    assert (heavy.connections, light.connections) == (6, 2)
    assert took(heavy, light) == sorted(work.names)
    assert len(heavy.log) > len(light.log)


DEAD: dict[str, tuple[dict[str, Any], int]] = {
    "hangs up at once": ({"connect": CLOSE}, MOST_STRIKES),
    "is full": ({"connect": Closing("421 4.3.2 Too many")}, MOST_STRIKES),
    "knows no EHLO": ({"EHLO": "502 5.5.1 What?"}, 1),
    "refuses the login": ({"AUTH": "535 5.7.8 Who are you?"}, 1),
    "cannot log anybody in just now": ({"AUTH": "454 4.7.0 Later"}, MOST_STRIKES),
    "wants nothing of us": ({"MAIL": Closing("421 4.7.0 Not you")}, MOST_STRIKES),
    "hangs up at each letter": ({"RCPT": CLOSE}, MOST_STRIKES),
}


@pytest.mark.parametrize(("script", "strikes"), DEAD.values(), ids=DEAD)
def test_where_one_relay_is_dead_the_other_carries_all_and_it_is_left_alone(serve, engine_for, script, strikes):
    dead, well = serve(script, good=PIPELINING), serve(good=PIPELINING)
    engine = engine_for(relay(dead, user="anne", password="s3cret", weight=10), relay(well))
    work = Letters(40)
    assert engine.run(work) is None
    assert work.all_sent_once
    assert took(well) == sorted(work.names)
    assert dead.connections <= strikes
    # In the next run it is asked again; by a connection that was left open, or by new ones.
    assert engine.run(Letters(40, first=40)) is None
    assert dead.connections <= 2 * strikes
    assert (len(dead.log), len(well.log)) == (0, 80)


@pytest.mark.parametrize(("script", "strikes"), DEAD.values(), ids=DEAD)
def test_a_dead_relay_is_asked_again_unless_it_is_sure_of_it(serve, engine_for, script, strikes):
    dead, work = serve(script, good=PIPELINING), Letters(5)
    assert engine_for(relay(dead, user="anne", password="s3cret")).run(work) is not None
    assert (dead.connections, work.left, work.results) == (strikes, 5, {})


def test_where_nobody_listens_the_other_relay_carries_all(serve, engine_for, closed_port):
    well, work = serve(good=PIPELINING), Letters(40)
    assert engine_for(Relay("127.0.0.1", closed_port, tls="none"), relay(well)).run(work) is None
    assert work.all_sent_once
    assert took(well) == sorted(work.names)


def test_nobody_waits_for_a_relay_that_hangs_at_the_greeting(serve, engine_for):
    """Its time limit is five minutes, and here there is no other: a batch that waited for it would never end."""
    hanging, well = serve({"connect": SILENCE}), serve(good=PIPELINING)
    engine = engine_for(relay(hanging, weight=10), relay(well), timeouts=Timeouts(greeting=3600))
    for first in (0, 40, 80):
        work = Letters(40, first=first)
        assert engine.run(work) is None
        assert work.all_sent_once
    assert (hanging.connections, len(well.log)) == (1, 120)


def test_a_relay_that_dies_in_the_midst_of_it_leaves_the_rest_to_the_other(serve, engine_for):
    dying = serve({"connect": [None, *[CLOSE] * 100], "MAIL": [None] * 5 + [CLOSE]}, good=PIPELINING)
    well, work = serve(good=PIPELINING), Letters(300)
    assert engine_for(relay(dying, weight=10), relay(well), connections=2).run(work) is None
    assert work.all_sent_once
    assert took(dying, well) == sorted(work.names)
    assert len(dying.log) == 5
    assert dying.connections <= 1 + MOST_STRIKES


def test_where_all_relays_are_dead_the_run_ends_with_what_they_said(serve, engine_for, closed_port):
    dead, work = serve({"connect": Closing("421 4.3.2 Too many")}), Letters(5)
    broke = engine_for(relay(dead), Relay("127.0.0.1", closed_port, tls="none")).run(work)
    assert (broke.result, broke.scope) == (Result.DEFERRED, "connection")
    assert (work.left, work.results) == (5, {})
    assert dead.connections == MOST_STRIKES


def test_a_refused_connection_says_so(engine_for, closed_port):
    broke = engine_for(Relay("127.0.0.1", closed_port, tls="none")).run(Letters(1))
    assert (broke.result, broke.phase) == (Result.DEFERRED, Phase.CONNECT)
    assert broke.text == f"127.0.0.1:{closed_port}: connecting failed: Connection refused."


def test_a_refusal_of_us_counts_more_than_a_break(serve, engine_for, closed_port):
    """It needs a person; waiting alone mends only the other."""
    refusing = serve({"AUTH": "535 5.7.8 Who are you?"}, good=PIPELINING)
    relays = [relay(refusing, user="anne", password="s3cret"), Relay("127.0.0.1", closed_port, tls="none")]
    broke = engine_for(*relays).run(Letters(5))
    assert (broke.result, broke.phase, broke.code) == (Result.FAILED, Phase.AUTH, 535)


def test_a_run_with_nothing_to_do_opens_nothing(serve, engine_for):
    server = serve()
    assert engine_for(relay(server)).run(Letters(0)) is None
    assert server.connections == 0


def test_the_next_address_of_a_name_is_tried_where_the_first_does_not_answer(
    serve, engine_for, closed_port, monkeypatch
):
    server, work = serve(good=PIPELINING), Letters(5)
    family = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    addresses = [(*family, ("127.0.0.1", port)) for port in (closed_port, server.port)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
    assert engine_for(Relay("mail.example.org", 25, tls="none")).run(work) is None
    assert work.all_sent_once
    assert took(server) == sorted(work.names)


def test_a_name_that_nobody_knows_is_a_break_and_no_error(engine_for, monkeypatch):
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    broke = engine_for(Relay("mail.example.org", 25, tls="none")).run(Letters(5))
    assert (broke.result, broke.text) == (
        Result.DEFERRED,
        "mail.example.org:25: connecting failed: Name or service not known.",
    )


def test_a_relay_that_is_well_again_has_its_part_after_some_runs(serve, engine_for):
    ill, well = serve({"connect": [CLOSE] * MOST_STRIKES}, good=PIPELINING), serve(good=PIPELINING)
    engine = engine_for(relay(ill), relay(well), connections=4)
    shares: Counter[int] = Counter()
    for first in range(0, 2000, 40):
        assert engine.run(Letters(40, first=first)) is None
        shares = Counter(standing.relay.port for standing in engine._open.values())
        if shares == {ill.port: 2, well.port: 2}:
            break
    assert shares == {ill.port: 2, well.port: 2}
    assert took(ill, well) == sorted(f"reader{n}@example.org" for n in range(first + 40))


# ---- Connections


def test_one_connection_alone_is_risked_until_a_letter_was_taken(serve, engine_for):
    gathering = Gathering(count=4)
    server = serve({"dot": gathering}, good=PIPELINING)
    gathering.servers.append(server)
    assert engine_for(relay(server), connections=4).run(Letters(60)) is None
    assert (gathering.seen[0], server.connections, len(server.log)) == (1, 4, 60)


def test_no_more_connections_are_opened_than_there_are_letters(serve, engine_for):
    server = serve(good=PIPELINING)
    engine_for(relay(server), connections=4).run(Letters(1))
    assert server.connections == 1


@pytest.mark.parametrize("step", ["MAIL", "dot"])
@pytest.mark.parametrize("every", [1, 3])
def test_a_relay_that_says_421_after_every_few_letters_takes_all(serve, engine_for, step, every):
    """With the next letter's MAIL, or in place of the answer to the dot: then that letter goes once more."""
    script = {step: [*[None] * every, Closing(BUSY)] * 20}
    server, work = serve(script, good=PIPELINING), Letters(12)
    assert engine_for(relay(server), connections=1).run(work) is None
    assert work.all_sent_once
    assert took(server) == sorted(work.names)
    assert 12 // every - 1 <= server.connections <= 12 // every + 1


def test_connections_are_used_again_in_the_next_run(serve, engine_for):
    server = serve(good=PIPELINING)
    engine = engine_for(relay(server), connections=1)
    for first in (0, 5, 10):
        assert engine.run(Letters(5, first=first)) is None
    assert (server.connections, len(server.log)) == (1, 15)
    assert [line for line in server.heard if line.startswith("EHLO")] == ["EHLO news.example.org"]


ENDS = {
    "closed": b"",
    "closed with a word": b"421 4.4.2 Idle too long\r\n",
    "something nobody asked for": b"250 2.0.0 Fine\r\n",
    "half a word": b"42",
}


@pytest.mark.parametrize("word", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("tls", ["none", "starttls"])
def test_a_connection_that_ended_between_two_runs_costs_no_outcome(serve, engine_for, authority, word, tls):
    server = serve({"dot": [*[None] * 4, Late(then=Closing(word))]}, good=PIPELINING, tls=authority.good)
    engine, work = engine_for(relay(server, tls=tls), connections=1), Letters(5, first=5)
    assert engine.run(Letters(5)) is None
    server.settle()
    assert engine.run(work) is None
    assert work.all_sent_once
    assert {outcome.phase for outcome in work.returned} <= {Phase.CONNECT}
    assert (server.connections, len(server.log)) == (2, 10)


def test_goodbye_is_said(serve, engine_for):
    server = serve(good=PIPELINING)
    engine = engine_for(relay(server), connections=1)
    engine.run(Letters(5))
    engine.close()
    server.threads[-1].join(10)
    assert server.heard[-1] == "QUIT"


def test_an_engine_that_is_abandoned_says_what_it_does_not_know(serve, engine_for):
    """The worker met an error: whatever had its dot and no answer is unknown, the rest was not sent."""
    server, work = serve({"dot": [None, SILENCE]}, good=PIPELINING), Letters(5)
    engine = engine_for(relay(server), connections=1)
    engine._begin(work)
    while not work.results:
        engine._turn(work)
    engine.abandon("an error in the worker")
    assert work.results == {"sent": 1, "unknown": 1}
    assert len(work.returned) == 1


# ---- Bytes


@dataclass(frozen=True)
class Later(Says):
    """Nothing is read of a message before the client could send no more of it."""

    come: threading.Event = field(default_factory=threading.Event)

    def play(self, talk: Talk, usual: bytes) -> None:
        assert self.come.wait(10)


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
@pytest.mark.parametrize("size", [0, 8_000_000])
def test_letters_arrive_whole_however_many_pieces_the_kernel_takes_them_in(serve, engine_for, authority, tls, size):
    work = Letters(4, size=size)
    script = {"body": Later(come=work.came_round)} if size else {}
    server = serve(script, good=PIPELINING, tls=authority.good, implicit=tls == "implicit")
    engine = engine_for(relay(server, tls=tls), connections=1)
    assert engine.run(work) is None
    assert work.all_sent_once
    assert sorted(server.log) == [(name, work.message(name)) for name in work.names]
    assert server.hasty == []


@pytest.mark.parametrize("size", [0, 8_000_000])
def test_without_pipelining_it_goes_step_by_step(serve, engine_for, size):
    work = Letters(4, size=size)
    server = serve({"body": Later(come=work.came_round)} if size else {})
    assert engine_for(relay(server), connections=2).run(work) is None
    assert work.all_sent_once
    assert sorted(server.log) == [(name, work.message(name)) for name in work.names]
    assert server.hasty == []


def test_a_certificate_of_somebody_else_ends_it_before_a_letter(serve, engine_for, authority):
    server = serve(good=PIPELINING, tls=authority.server("wrong name"))
    broke = engine_for(relay(server, tls="starttls")).run(Letters(3))
    assert (broke.phase, server.log) == (Phase.STARTTLS, [])
    assert "certificate is not valid" in broke.text
