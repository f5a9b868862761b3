"""When what a domain answers means that it wants to be left alone for a while. Tables, and a count in a row.

Only what is said when a recipient was named is about that one's domain; what comes before is about the relay, or us.
"""

from __future__ import annotations

import re
from collections import Counter

from .replies import Phase

#: Where a relay, or the domain itself, speaks of the domain.
OF_THE_DOMAIN = frozenset({Phase.RCPT, Phase.DATA, Phase.DOT})

#: How many in a row, with no letter taken between, mean: not now. By reply code and the beginning of the enhanced code;
#: the first line that fits decides. A temporary answer that fits none is about one mailbox, and means nothing here.
IN_A_ROW: tuple[tuple[int | None, str, int], ...] = (
    (421, "4.7", 1),  # "421 4.7.0 our system has detected an unusual rate of mail": and hung up on it
    (None, "4.2.2", 0),  # a full mailbox says nothing of the domain
    (None, "4.7", 3),  # policy, reputation, rate
    (None, "4.4", 3),  # no route, no answer, congestion between the relay and the domain
    (None, "4.3", 3),  # the domain's system is full, or takes nothing just now
    (421, "", 0),  # without a word on policy it is this connection that ends
    (450, "", 5),
    (451, "", 5),
    (452, "", 5),
)

#: Greylisting is meant for each recipient by itself, and over when that one is tried again.
GREYLISTED = re.compile(r"gr[ae]y-?\s?list", re.IGNORECASE)


def in_a_row(phase: Phase, code: int | None, enhanced: str | None, text: str) -> int:
    """How many answers such as this one in a row mean that the domain needs rest; 0 where it means nothing of that."""
    if phase not in OF_THE_DOMAIN or code is None or not 400 <= code < 500 or GREYLISTED.search(text):
        return 0
    fits = (most for said, prefix, most in IN_A_ROW if said in (None, code) and _begins(enhanced or "", prefix))
    return next(fits, 0)


class Refusals:
    """What each domain has refused in a row, in one worker."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._counts)

    def taken(self, domain: str) -> None:
        """A letter was taken."""
        self._counts.pop(domain, None)

    def note(self, domain: str, phase: Phase, code: int | None, enhanced: str | None, text: str) -> bool:
        """An answer that was no yes. True: let the domain rest; the count begins anew."""
        most = in_a_row(phase, code, enhanced, text)
        if not most:
            return False
        self._counts[domain] += 1
        if self._counts[domain] < most:
            return False
        del self._counts[domain]
        return True


def _begins(enhanced: str, prefix: str) -> bool:
    return not prefix or f"{enhanced}.".startswith(f"{prefix}.")
