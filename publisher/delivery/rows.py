"""One row of the ledger in a worker's hands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

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
