"""What a rule is: a row with what it asks, where that is written, and a function that says what breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .letter import Opened

#: What is broken, in words; "" where nothing is.
Look = Callable[[Opened], str]


@dataclass(frozen=True)
class Rule:
    id: str
    what: str
    source: str
    look: Look


class Rules:
    """A table that is filled by decorating its functions, in the order in which they stand."""

    def __init__(self) -> None:
        self.rows: list[Rule] = []

    def __call__(self, id: str, what: str, source: str) -> Callable[[Look], Look]:
        def add(look: Look) -> Look:
            self.rows.append(Rule(id, what, source, look))
            return look

        return add

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rows)
