"""How long a worker stays with its batch: for its turn, and as long after it as it has to wait for an answer anyway.

A domain may be silent for minutes. Who only waited for it, in each turn, would send hardly anything to the others.
"""

from __future__ import annotations

import time
from collections import deque

from .dialogue import Transaction

#: Who has waited so many seconds for an answer, with all else done, takes more than was meant for this batch.
IDLE_AFTER = 0.25


class Stay:
    """One batch's. Times are those of time.monotonic()."""

    def __init__(self, seconds: float) -> None:
        self.ends = time.monotonic() + seconds
        #: What had no answer when the turn was over, and the domains of which nothing more is begun then.
        self._awaited: set[Transaction] | None = None
        self._avoided: set[str] = set()

    def over(self, now: float, under_way: set[Transaction]) -> bool:
        """The turn is over, and what had no answer then has it by now."""
        if now <= self.ends:
            return False
        if self._awaited is None:
            self._awaited = set(under_way)
            self._avoided = {each.row.domain for each in under_way}
        self._awaited &= under_way
        return not self._awaited

    def idle(self, now: float, under_way: set[Transaction]) -> bool:
        """Whether somebody is waited for who takes long."""
        return now - min((each.row.begun or now for each in under_way), default=now) > IDLE_AFTER

    def pick(self, ready: deque[Transaction]) -> Transaction | None:
        """The next that may be begun, taken out of these. There is at least one."""
        if not self._avoided:
            return ready.popleft()
        for _ in range(len(ready)):
            if (transaction := ready.popleft()).row.domain not in self._avoided:
                return transaction
            ready.append(transaction)
        return None
