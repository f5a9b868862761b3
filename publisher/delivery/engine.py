"""Many connections of one process in one loop: each takes the next message as soon as it has nothing to do.

The engine knows connections and relays; the batch knows rows. A relay that breaks off before it has taken anything,
three times in a row, or declines letters to three domains, is left alone for the rest of the batch, and the others
carry on.
"""

from __future__ import annotations

import logging
import selectors
import socket
import ssl
import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from .. import faults
from .connection import Connection, Place
from .dialogue import Dialogue, Keeper, Transaction
from .outcomes import BY_THE_BOOK, Outcome, Result, Timeouts, break_in_words, broken
from .relays import Relay
from .replies import NO_RELAYING, Phase

logger = logging.getLogger(__name__)

#: A relay breaks off this often in a row without having taken a message: it is left alone.
MOST_STRIKES = 3
#: Seconds after which somebody must look at pauses, leases and time limits, whatever the sockets do.
_GLANCE = 1.0
#: Seconds for which the addresses of a relay's name are believed.
_PLACES_FOR = 60.0
#: Seconds in which answers under way are heard when the worker itself broke down: unheard, each would be a doubt.
LAST_WORDS = 5.0
#: So many seconds after a connection to it was begun, a relay that has not answered yet keeps its share of the
#: connections; then the other relays may have them.
_TRIED_FOR = 5.0


class Work(Keeper, Protocol):
    """What the engine works on: see batch.Batch."""

    def take(self, relay: Relay | None = None) -> Transaction | None:
        """The next one that may be announced to this relay, if there is one just now."""

    def wants(self, relay: Relay) -> bool:
        """Whether any of what is left may be this relay's: what it has declined is for others."""

    def left_to(self, relays: Collection[Relay]) -> None:
        """No other relays are of use: settle what all of these have declined."""

    def make(self, transaction: Transaction) -> bool:
        """Make its message. False: it cannot be made, and is settled."""

    def intend(self, transactions: Sequence[Transaction]) -> bool:
        """Their dots are next. False: none of them must be handed over any more."""

    def go_on(self) -> None:
        """Once a turn: write down what is decided, and make ready what is next."""

    @property
    def left(self) -> int:
        """How many `take` will still give, now or later."""

    @property
    def wait(self) -> float:
        """Seconds until `take` may give one; only asked when nothing is under way."""


_Going = tuple[Connection, Transaction, Transaction | None]


@dataclass
class _Standing:
    """How a relay has behaved in this batch."""

    relay: Relay
    patience: int
    strikes: int = 0
    #: It has taken a message since it last broke off; before, one connection at a time is risked.
    proven: bool = False
    #: It has done so in this batch.
    used: bool = False
    tried_at: float = field(default=float("-inf"))
    last: Outcome | None = None
    #: The domains of those whom it refused for our sake, as long as it has taken nothing in this batch.
    refusing: set[str] = field(default_factory=set)
    places: Sequence[Place] = ()
    places_at: float = field(default=float("-inf"))
    turn: int = 0

    @property
    def out(self) -> bool:
        return self.strikes >= self.patience

    def proved(self) -> None:
        self.strikes, self.proven, self.used = 0, True, True
        self.refusing.clear()

    def begin(self) -> None:
        """A new batch: where it was left alone it is tried again. That a batch was short is no pardon."""
        self.used = False
        self.refusing.clear()
        if self.out:
            self.strikes = 0

    def strike(self, outcome: Outcome) -> None:
        self.last, self.proven, self.used = outcome, False, False
        # A login that is refused, a sender that it does not want: once is enough.
        self.strikes += self.patience if outcome.result is Result.FAILED else 1

    def refused(self, domain: str, outcome: Outcome) -> None:
        """It did not take a letter, for our sake. Of one domain it may be that one's rule; of some it is about us."""
        if self.used or (domain in self.refusing and not NO_RELAYING.search(outcome.text)):
            return
        self.refusing.add(domain)
        self.strikes, self.last = self.strikes + 1, outcome


class Engine:
    """Connections to the relays, kept from batch to batch. For one thread."""

    def __init__(
        self,
        relays: Sequence[Relay],
        *,
        helo: str,
        connections: int,
        patience: int = MOST_STRIKES,
        timeouts: Timeouts = BY_THE_BOOK,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.helo, self.timeouts = helo, timeouts
        self.most = connections
        self._tls = tls
        self._standings = [_Standing(relay, patience) for relay in relays]
        self._selector = selectors.DefaultSelector()
        self._open: dict[Connection, _Standing] = {}
        self._interests: dict[Connection, int] = {}
        self._idle: set[Connection] = set()
        self._looked_at = 0.0

    @property
    def relays(self) -> int:
        return len(self._standings)

    def run(self, work: Work) -> Outcome | None:
        """Send what the work gives until it is exhausted; with what all relays broke off, if they did."""
        self._begin(work)
        while self._turn(work):
            pass
        return self._worst(self._out() if work.left else self._silent())

    def close(self) -> None:
        """Say goodbye to every relay."""
        for connection in list(self._open):
            connection.close()
            self._forget(connection)
        self._selector.close()

    def abandon(self, why: str) -> None:
        """Hear what the servers say of what has its dot, and end every connection: something of ours broke."""
        with suppress(Exception):
            self._hear_out()
        for connection in list(self._open):
            connection.drop(why)
            self._forget(connection)

    def _hear_out(self) -> None:
        until = time.monotonic() + LAST_WORDS
        while (left := until - time.monotonic()) > 0:
            waiting = [each for each in self._open if each.phase is Phase.DOT]
            if not waiting:
                return
            for key, mask in self._selector.select(left):
                connection = key.fileobj
                assert isinstance(connection, Connection)
                connection.ready(mask)
                self._watch(connection)

    # One turn of the loop.

    def _turn(self, work: Work) -> bool:
        """Do what can be done now, then wait for what comes first. False when nothing is left to wait for."""
        work.go_on()
        wait = _GLANCE
        # As a rule all are at work, and there is nothing to decide.
        if self._idle or len(self._open) < self.most or not work.left:
            self._employ(work)
            # Whoever is still opening, or never will be, does so for the next run.
            if not work.left and not self._talking():
                return False
            if len(self._idle) == len(self._open) and self._all_out():
                return False
            if (self._idle or not self._open) and not self._talking():
                wait = min(work.wait, _GLANCE)
        ready = []
        for key, mask in self._selector.select(wait):
            connection = key.fileobj
            assert isinstance(connection, Connection)
            connection.ready(mask)
            ready.append(connection)
        self._serve(ready, work)
        if time.monotonic() > self._looked_at + _GLANCE / 4:
            self._look_at_clock()
        return True

    def _serve(self, connections: Iterable[Connection], work: Work) -> None:
        """Whatever these are ready for. Those who are invited go together: one write of the journal is for all."""
        invited = []
        for connection in connections:
            dialogue = connection.dialogue
            if connection.over is None and dialogue is not None:
                if dialogue.taken and not self._open[connection].used:
                    self._open[connection].proved()
                if dialogue.refusals and self._closed_for_refusals(connection, dialogue):
                    continue
                if dialogue.invited:
                    invited.append(connection)
                    continue
                if dialogue.idle:
                    self._announce(connection, work)
            self._watch(connection)
        if invited:
            self._hand_over(invited, work)
        for connection in invited:
            # As a rule it is busy as before, and waits for what it waited for; or it is gone, and that was ours.
            if connection in self._open and (
                connection.over is not None or connection.interest != self._interests[connection]
            ):
                self._watch(connection)

    def _closed_for_refusals(self, connection: Connection, dialogue: Dialogue) -> bool:
        """Count what was refused for our sake; True where its relay is left alone for that, and this one was closed.

        Where it is the only relay, refusals for good are the batch's to judge: a person is asked.
        """
        standing, refusals = self._open[connection], dialogue.refusals
        for domain, outcome in refusals:
            if len(self._standings) > 1 or outcome.result is Result.DEFERRED:
                standing.refused(domain, outcome)
        refusals.clear()
        if not (standing.out and dialogue.idle):
            return False
        connection.close()
        self._forget(connection)
        return True

    def _hand_over(self, invited: list[Connection], work: Work) -> None:
        faults.point("invited")
        going = [pair for connection in invited if (pair := self._ready_to_go(connection, work))]
        if not going or not work.intend([transaction for _, transaction, _ in going]):
            for connection, _, following in going:
                self._hold_back(connection, following, work)
            return
        for connection, _, following in going:
            connection.hand_over(following)
        for _, _, following in going:
            if following:
                work.make(following)

    def _ready_to_go(self, connection: Connection, work: Work) -> _Going | None:
        """With what it is invited to hand over, and what is to be announced behind that."""
        dialogue = connection.dialogue
        assert dialogue is not None
        assert dialogue.invited is not None
        chained = dialogue.pipelining and not self._open[connection].out
        following = work.take(connection.relay) if chained else None
        # Behind a group of commands a shifted answer shows; where nothing follows, it must be looked for.
        quiet = following is not None or connection.quiet()
        # Unmade where it could not be made: the relay waits for it already, and nobody takes what breaks off here.
        if quiet and dialogue.invited.message:
            return connection, dialogue.invited, following
        self._hold_back(connection, following, work)
        return None

    def _hold_back(self, connection: Connection, following: Transaction | None, work: Work) -> None:
        """Not a byte of the message has left, and neither the relay nor the letter is to blame."""
        withheld = [following] if following else []
        if connection.over is None and connection.dialogue:
            withheld += connection.dialogue.withdraw()
            connection.drop("stopped before the message, which nobody has begun to take")
            self._watch(connection, struck=False)
        for transaction in withheld:
            work.unsent(transaction, broken(connection.relay, Phase.CONNECT, "nothing was begun"))

    def _announce(self, connection: Connection, work: Work) -> None:
        # Built before it is announced: nothing waits, so nothing is gained by building it meanwhile.
        while (transaction := work.take(connection.relay)) is not None:
            if work.make(transaction) and connection.quiet():
                connection.announce(transaction)
            elif connection.over:
                work.unsent(transaction, broken(connection.relay, Phase.CONNECT, "nothing was begun"))
            # Idle still, where it could not be made, or this relay cannot carry it.
            if not (connection.dialogue and connection.dialogue.idle):
                return

    # Connections.

    def _begin(self, work: Work) -> None:
        for standing in self._standings:
            standing.begin()
        for connection in list(self._open):
            connection.go_over_to(work)
            if connection.dialogue:
                connection.quiet()
                self._watch(connection, struck=False)
        self._make_room()

    def _make_room(self) -> None:
        """Where a relay has too few connections, and all are open, another's is closed: it may be well again."""
        count = Counter(map(id, self._open.values()))
        poor = min(self._standings, key=lambda each: (count[id(each)] + 1) / each.relay.weight)
        rich = max(self._standings, key=lambda each: count[id(each)] / each.relay.weight)
        fair = (count[id(poor)] + 1) / poor.relay.weight >= count[id(rich)] / rich.relay.weight
        if fair or len(self._open) < self.most or count[id(rich)] == 1:
            return
        for connection in [each for each in self._idle if self._open[each] is rich][:1]:
            connection.close()
            self._forget(connection)

    def _employ(self, work: Work) -> None:
        """Let idle connections work, and open more while there is work for them."""
        work.left_to({standing.relay for standing in self._standings if self._is_of_use(standing)})
        self._serve(list(self._idle), work)
        if work.left and len(self._standings) > 1:
            self._make_way(work)
        useful = min(self.most, len(self._open) - len(self._idle) + work.left)
        while len(self._open) < useful and (standing := self._next_relay(work)):
            self._connect(standing, work)

    def _is_of_use(self, standing: _Standing) -> bool:
        """Whether what the others declined should wait for it. Not, where it is out, or has been silent for long."""
        silent = time.monotonic() - standing.tried_at > _TRIED_FOR and standing in self._open.values()
        return not standing.out and (standing.proven or not silent)

    def _make_way(self, work: Work) -> None:
        """What is left may be for other relays than those whose connections are idle."""
        for connection in list(self._idle):
            if not work.wants(connection.relay):
                connection.close()
                self._forget(connection)

    def _next_relay(self, work: Work) -> _Standing | None:
        """The one that is furthest below its share of the connections, by weight; none to wait for one being tried."""
        count = Counter(map(id, self._open.values()))
        now = time.monotonic()
        free = {id(each) for each in self._standings if each.proven or not count[id(each)]}
        able = [each for each in self._standings if id(each) in free or now - each.tried_at < _TRIED_FOR]
        able = [each for each in able if not each.out and work.wants(each.relay)]
        found = min(able, key=lambda each: (bool(n := count[id(each)]), (n + 1) / each.relay.weight), default=None)
        return found if id(found) in free else None

    def _connect(self, standing: _Standing, work: Work) -> None:
        standing.tried_at = time.monotonic()
        try:
            place = self._place(standing)
            connection = Connection(
                standing.relay, place, helo=self.helo, keeper=work, timeouts=self.timeouts, tls=self._tls
            )
        except OSError as error:
            standing.strike(broken(standing.relay, Phase.CONNECT, break_in_words(error)))
            standing.turn += 1
            if isinstance(error, socket.gaierror):  # asking for a name takes long, and nobody is served meanwhile
                standing.strikes = standing.patience
            return
        self._open[connection] = standing
        self._interests[connection] = connection.interest
        self._selector.register(connection, connection.interest)

    def _place(self, standing: _Standing) -> Place:
        """The relay's next address: the one after a name's first is tried when that did not answer."""
        now = time.monotonic()
        if now - standing.places_at > _PLACES_FOR:
            found = socket.getaddrinfo(standing.relay.host, standing.relay.port, type=socket.SOCK_STREAM)
            standing.places = [Place(family, kind, protocol, address) for family, kind, protocol, _, address in found]
            standing.places_at = now
        return standing.places[standing.turn % len(standing.places)]

    def _watch(self, connection: Connection, *, struck: bool = True) -> None:
        """Listen for what it now waits for; where it is over, say what that tells of its relay."""
        if connection.over is None:
            if connection.dialogue and connection.dialogue.idle:
                self._idle.add(connection)
            else:
                self._idle.discard(connection)
            if connection.interest != self._interests[connection]:
                self._interests[connection] = connection.interest
                self._selector.modify(connection, connection.interest)
            return
        standing = self._open[connection]
        dialogue = connection.dialogue
        if struck and not (dialogue and (dialogue.taken or dialogue.proven)):
            standing.strike(connection.over)
            standing.turn += connection.over.phase is Phase.CONNECT
        elif connection.over.result is Result.UNKNOWN:
            standing.proven = standing.used = False
        logger.info("a connection to %s ended in %s: %s", connection.relay, connection.over.phase, connection.over.text)
        self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        # The socket is closed by now, and the kernel has forgotten it; the selector finds it by the object.
        self._selector.unregister(connection)
        self._idle.discard(connection)
        del self._open[connection], self._interests[connection]

    def _look_at_clock(self) -> None:
        now = self._looked_at = time.monotonic()
        for connection in list(self._open):
            if now > connection.late_at:
                connection.late()
                self._watch(connection)

    def _talking(self) -> bool:
        return any(connection.dialogue for connection in self._open if connection not in self._idle)

    def _all_out(self) -> bool:
        return all(standing.out for standing in self._standings)

    def _out(self) -> list[Outcome]:
        return [standing.last for standing in self._standings if standing.out and standing.last]

    def _silent(self) -> list[Outcome]:
        """Where a turn was over before it was certain that no relay is of use: what each does meanwhile, if so."""
        silent = [self._silence(standing) for standing in self._standings]
        return [outcome for outcome in silent if outcome] if None not in silent else []

    def _silence(self, standing: _Standing) -> Outcome | None:
        """Why a relay is of no use just now; None where it is, or was not asked."""
        mine = [connection for connection, of in self._open.items() if of is standing]
        if standing.used or any(connection.dialogue for connection in mine):
            return None
        if standing.strikes and standing.last:
            doubt = standing.last.result is Result.UNKNOWN and not standing.out  # not as often as is too often
            return standing.last._replace(result=Result.DEFERRED) if doubt else standing.last
        return broken(standing.relay, mine[0].phase, "no answer yet") if mine else None

    def _worst(self, found: Sequence[Outcome]) -> Outcome | None:
        """What the relays broke off with: a refusal of ours before a break, a doubt before both."""
        order = (Result.UNKNOWN, Result.FAILED, Result.DEFERRED)
        return min(found, key=lambda outcome: order.index(outcome.result), default=None)
