"""Letters to a provider that answers in 50 to 500 ms: a few threads, each with one request under way.

The threads know nothing of rows: they get a transaction, hand its message over, and put the answer in a line. The work,
its journal and its database are only touched by the thread that runs it. A request begins when its intent stands in the
journal, and there are never more intents than threads: a killed worker leaves at most one doubt for each.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol

from .dialogue import Transaction
from .engine import LAST_WORDS, MOST_STRIKES, Work
from .outcomes import Outcome, Result, made
from .replies import Phase

logger = logging.getLogger(__name__)

#: What is not answered after so many seconds, all tries together, is given up: the time that SMTP gives a dot.
LIMIT = 600.0
#: Asked to wait longer than this, the digest rests; shorter, the threads do.
LONGEST_WAIT = 10.0
_GLANCE = 1.0


class Answer(NamedTuple):
    """What became of it; and for how long the provider wants to be left alone, where it said so."""

    outcome: Outcome
    wait: float = 0.0


class Desk(Protocol):
    """Where one thread hands over, one letter after the other."""

    def deliver(self, recipient: str, message: bytes, pause: Callable[[float], bool], sender: str = "") -> Answer:
        """Hand it over. `pause` waits so many seconds, and says whether to give up instead."""

    def close(self) -> None: ...


class _Crew:
    """Threads with a line of jobs and a line of answers. Dismissed, it is never used again."""

    def __init__(self, desk: Callable[[], Desk]) -> None:
        self.jobs: SimpleQueue[Transaction | None] = SimpleQueue()
        self.answers: SimpleQueue[tuple[Transaction, Answer | Exception]] = SimpleQueue()
        self.threads: list[threading.Thread] = []
        self._desk = desk
        self._over = threading.Event()

    def hire(self) -> None:
        # Daemons: a request that never ends must not keep the process from ending.
        thread = threading.Thread(target=self._serve, name="courier", daemon=True)
        thread.start()
        self.threads.append(thread)

    def dismiss(self) -> None:
        self._over.set()
        for _ in self.threads:
            self.jobs.put(None)

    def _serve(self) -> None:
        desk: Desk | None = None
        while (transaction := self.jobs.get()) is not None:
            answer: Answer | Exception
            try:
                desk = desk or self._desk()
                answer = desk.deliver(
                    transaction.recipient, b"".join(transaction.message), self._over.wait, transaction.sender
                )
            except Exception as problem:
                answer = problem
            self.answers.put((transaction, answer))
        if desk:
            desk.close()


class Couriers:
    """What engine.Engine is for relays, for one provider. For one thread, which has others help it."""

    def __init__(self, desk: Callable[[], Desk], *, most: int, patience: int = MOST_STRIKES) -> None:
        self.most = most
        #: For how many seconds the provider wants to be left alone, as it said when it broke off.
        self.asked_for = 0.0
        self._desk, self._patience = desk, patience
        self._crew = _Crew(desk)
        self._given_up = 0
        self._work: Work | None = None
        self._under_way: dict[Transaction, float] = {}
        #: So many threads broke down over a letter, and what became of it nobody knows.
        self._broken = 0
        self._strikes = 0
        self._struck_at = self._quiet_until = 0.0
        #: With what it broke off in this run; and whether it has taken a letter in it.
        self._last: Outcome | None = None
        self._used = False

    relays = 1

    def run(self, work: Work) -> Outcome | None:
        """Send what the work gives until it is exhausted; with what the provider broke off, if it did."""
        self._begin(work)
        while self._turn(work):
            pass
        # A turn may be over before there were strikes enough: who took nothing in it is of no use just now.
        return self._last if self._out or not self._used else None

    def close(self) -> None:
        crew, self._crew = self._crew, _Crew(self._desk)
        self._under_way.clear()
        self._given_up = self._broken = 0
        self._work = None
        crew.dismiss()

    def abandon(self, why: str) -> None:
        """Hear for a while what the provider says of what is under way: something of ours broke. Then end it all."""
        if self._work:
            self._hear_out(self._work)
        if unheard := len(self._under_way) + self._broken:
            logger.warning("%d letters to the provider are left without their answer: %s", unheard, why)
        self.close()

    def _hear_out(self, work: Work) -> None:
        until = time.monotonic() + LAST_WORDS
        while self._under_way and (left := until - time.monotonic()) > 0:
            for transaction, answer in self._heard(left):
                # It may break again over this one: the next may be well.
                with suppress(Exception):
                    self._take(work, transaction, answer)

    @property
    def _out(self) -> bool:
        return self._strikes >= self._patience

    def _begin(self, work: Work) -> None:
        """Where it was left alone it is tried again. That a batch was short is no pardon."""
        self._work = work
        self._last, self._used, self.asked_for = None, False, 0.0
        if self._out:
            self._strikes = 0

    def _turn(self, work: Work) -> bool:
        work.go_on()
        self._employ(work)
        if not self._under_way and (self._out or not work.left):
            return False
        for transaction, answer in self._heard(self._wait(work)):
            self._take(work, transaction, answer)
        self._look_at_clock(work)
        return True

    def _employ(self, work: Work) -> None:
        # After a break one is risked alone, until it is taken.
        room = 0 if self._out else 1 if self._strikes else self.most
        while len(self._under_way) < room and time.monotonic() >= self._quiet_until:
            transaction = work.take()
            if transaction is None:
                return
            if work.make(transaction) and not self._hand_over(transaction, work):
                return

    def _hand_over(self, transaction: Transaction, work: Work) -> bool:
        # Before the intent: where no thread can be had, nothing was begun.
        if len(self._crew.threads) - self._given_up <= len(self._under_way):
            self._crew.hire()
        if not work.intend([transaction]):
            work.unsent(transaction, made(Result.DEFERRED, Phase.CONNECT, "stopped before it was begun"))
            self._quiet_until = time.monotonic() + 0.1  # the hold is renewed soon, or it is over
            return False
        self._under_way[transaction] = time.monotonic()
        self._crew.jobs.put(transaction)
        return True

    def _wait(self, work: Work) -> float:
        if self._under_way:
            return _GLANCE
        return min(max(work.wait, self._quiet_until - time.monotonic(), 0.01), _GLANCE)

    def _heard(self, wait: float) -> Iterator[tuple[Transaction, Answer | Exception]]:
        """One after the other: where it breaks over one, those behind it are still in the line."""
        with suppress(Empty):
            yield self._crew.answers.get(timeout=wait)
            while True:
                yield self._crew.answers.get_nowait()

    def _take(self, work: Work, transaction: Transaction, answer: Answer | Exception) -> None:
        begun = self._under_way.pop(transaction, None)
        if begun is None:
            self._given_up -= 1  # too late: it was called unknown, and its thread is free again
            return
        if isinstance(answer, Exception):
            self._broken += 1
            raise answer
        self._conclude(work, transaction, answer, begun)

    def _conclude(self, work: Work, transaction: Transaction, answer: Answer, begun: float) -> None:
        outcome = answer.outcome
        if outcome.phase in (Phase.CONNECT, Phase.AUTH):
            self._strike(answer, begun)
            work.unsent(transaction, outcome)
            return
        if outcome.result is Result.SENT:
            self._used = True
            # Where it is left alone, this was begun before: it takes nothing back.
            if not self._out:
                self._strikes = 0
        work.answered(transaction, outcome)
        work.settled(transaction, outcome)

    def _strike(self, answer: Answer, begun: float) -> None:
        """Not this letter's fault. What was begun before the last strike says nothing new."""
        now = time.monotonic()
        # A key that is refused stays refused, whatever is said of what was under way.
        if self._last is None or self._last.result is not Result.FAILED:
            self._last = answer.outcome
        if answer.outcome.result is Result.FAILED or answer.wait > LONGEST_WAIT:
            # Once is enough.
            self._strikes, self.asked_for = self._patience, max(self.asked_for, answer.wait)
        elif begun >= self._struck_at:
            self._strikes += 1
        self._struck_at = now
        if answer.wait <= LONGEST_WAIT:  # for longer it is the digest that rests
            self._quiet_until = max(self._quiet_until, now + answer.wait)

    def _look_at_clock(self, work: Work) -> None:
        late = [each for each, begun in self._under_way.items() if time.monotonic() - begun > LIMIT]
        for transaction in late:
            del self._under_way[transaction]
            self._given_up += 1
            outcome = made(Result.UNKNOWN, Phase.DOT, f"No answer came within {LIMIT:g} s, so it may have been taken.")
            work.answered(transaction, outcome)
            work.settled(transaction, outcome)
