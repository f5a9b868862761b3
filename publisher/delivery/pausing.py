"""When a sending stops until a person has looked: refusals of us, or doubts, that come too often in a batch."""

from __future__ import annotations

import logging
from typing import Generic, TypeVar

from .outcomes import Outcome, refusal_in_words

logger = logging.getLogger(__name__)

#: Pause at so many refusals of us in a row: nothing taken between them.
MOST_REFUSALS = 5
#: Pause also where others are taken, when the refusals of us are so many more than one for twenty taken. (Up to that
#: they may be single recipients' own rules.)
MOST_AMONG_TAKEN = 20
#: Pause when the doubts, less one for twenty taken, are so many more than there are connections: when a server dies
#: once, each connection leaves one.
MOST_DOUBTS = 3

R = TypeVar("R")


class Stopped(Exception):
    """A person is needed before anything more is sent; the text says why.

    A relay refuses us and no address, too much is in doubt, the list seems wrong, the canary did not fare well, or
    there is no way out at all.
    """


class Suspicion(Generic[R]):
    """One batch's. What is said of a refusal or a doubt is why to stop; "" where it is no reason yet."""

    def __init__(self, connections: int, *, accepted: bool = False) -> None:
        """`accepted`: a person knows that many are refused, as long as others are taken."""
        #: Refusals of us since a message was last taken: perhaps not the fault of these rows.
        self.refused: list[tuple[R, Outcome]] = []
        self._most_doubts, self._accepted = connections + MOST_DOUBTS, accepted
        # Both fall by a twentieth with each message that is taken.
        self._doubts = self._refusals = 0.0

    def __bool__(self) -> bool:
        return bool(self._doubts or self._refusals)

    def taken(self, times: int) -> list[tuple[R, Outcome]]:
        """So many messages were taken, so the refusals before them stand: they are given up here."""
        self._doubts = max(0.0, self._doubts - 0.05 * times)
        self._refusals = max(0.0, self._refusals - 0.05 * times)
        stand, self.refused = self.refused, []
        return stand

    def doubt(self) -> str:
        self._doubts += 1
        if self._doubts < self._most_doubts:
            return ""
        return "The mail server broke off after a letter again and again: look at it, then resume."

    def refusal(self, row: R, outcome: Outcome) -> str:
        self.refused.append((row, outcome))
        self._refusals += 1
        in_a_row = len(self.refused) >= MOST_REFUSALS
        if not in_a_row and (self._refusals < MOST_AMONG_TAKEN or self._accepted):
            return ""
        # These rows may go back, and then nothing of it stands on them.
        logger.warning("refused because of us in the phase %s: %s", outcome.phase, outcome.text)
        many = "" if in_a_row else " So it does for many recipients: look why. Resuming sends the others."
        return refusal_in_words(outcome) + many
