"""Letters that a relay would not carry for our sake, until another one takes them.

"Relay access denied", a policy, too large for this server: the address is not to blame, and the next relay may think
otherwise. Each is asked once.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .dialogue import Transaction
from .outcomes import Outcome
from .relays import Relay


class Declined:
    """One batch's, with so many relays."""

    def __init__(self, relays: int) -> None:
        self._relays = relays
        #: Each with what was said of it last.
        self.waiting: list[tuple[Transaction, Outcome]] = []
        self._by: dict[Any, set[Relay]] = {}  # by row

    def by(self, relay: Relay, transaction: Transaction, outcome: Outcome) -> bool:
        """Keep it for another relay. False where there is none that has not declined it."""
        if self._relays == 1:
            return False
        declined = self._by.setdefault(transaction.row, set())
        declined.add(relay)
        if len(declined) == self._relays:
            return False
        self.waiting.append((transaction, outcome))
        return True

    def wants(self, relay: Relay) -> bool:
        """Whether one waits that this relay has not declined."""
        return any(relay not in self._by[transaction.row] for transaction, _ in self.waiting)

    def take(self, relay: Relay | None) -> Transaction | None:
        """One that this relay has not declined."""
        for number, (transaction, _) in enumerate(self.waiting):
            if relay not in self._by[transaction.row]:
                del self.waiting[number]
                return transaction
        return None

    def by_all(self, relays: Collection[Relay]) -> list[tuple[Transaction, Outcome]]:
        """Take out those that all of these have declined, and what was said of each last; none without any relay."""
        found = [each for each in self.waiting if relays and self._by[each[0].row].issuperset(relays)]
        self.waiting = [each for each in self.waiting if each not in found]
        return found

    def drain(self) -> list[Transaction]:
        """Take out all."""
        transactions = [transaction for transaction, _ in self.waiting]
        self.waiting.clear()
        return transactions
