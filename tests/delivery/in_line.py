"""What every work of a test does alike: its letters stand in line, and no relay may stand in for another."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from publisher.delivery.dialogue import Transaction
from publisher.delivery.outcomes import Outcome, taken
from publisher.delivery.relays import Relay


class InLine:
    """The part of `engine.Work` that takes letters out of `waiting`."""

    wait = 0.0
    waiting: deque[Transaction]

    @property
    def left(self) -> int:
        return len(self.waiting)

    def wants(self, relay: Relay) -> bool:
        return True

    def left_to(self, relays: Collection[Relay]) -> None:
        pass

    def declined(self, transaction: Transaction, outcome: Outcome, relay: Relay) -> bool:
        return False

    def take(self, relay: Relay | None = None) -> Transaction | None:
        return self.waiting.popleft() if self.waiting else None

    def answered(self, transaction: Transaction, outcome: Outcome) -> None:
        pass

    def taken(self, transaction: Transaction, answer: bytes) -> None:
        outcome = taken(answer)
        self.answered(transaction, outcome)
        self.settled(transaction, outcome)

    def settled(self, transaction: Transaction, outcome: Outcome) -> None:
        raise NotImplementedError
