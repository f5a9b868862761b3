"""One row of the ledger in a worker's hands, and what its letter is made with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from .statements import Due


@dataclass(slots=True, eq=False)
class Row:
    due: Due
    claimed_at: float
    #: When it was allowed: for that day it counts, until it goes back without an attempt.
    allowed_at: datetime
    recipient: str = ""
    domain: str = ""
    begun: float = 0.0
    tries: int = 0
    armed: bool = False
    intended: bool = False
    settled: bool = False


class Frame(Protocol):
    """What is the same in every member's message."""

    @property
    def size(self) -> int: ...

    def sender_for(self, due: Due) -> str: ...

    def pieces(self, due: Due) -> Sequence[bytes]: ...
