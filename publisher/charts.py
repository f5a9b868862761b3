"""Where the bars of a small chart stand. Pure: numbers in, rectangles out; the words beside it are a table's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, GAP = 640, 140, 10


@dataclass(frozen=True)
class Bar:
    kind: str
    x: float
    y: float
    width: float
    height: float


def bars(groups: Sequence[Mapping[str, int]]) -> list[Bar]:
    """One group of bars side by side for each mapping, in the order of its kinds; the highest fills the height."""
    most = max((count for group in groups for count in group.values()), default=0) or 1
    room = WIDTH / max(1, len(groups))
    found = []
    for n, group in enumerate(groups):
        wide = (room - min(GAP, room / 3)) / max(1, len(group))
        for at, (kind, count) in enumerate(group.items()):
            high = round(count / most * (HEIGHT - 1), 1)
            found.append(
                Bar(kind, round(n * room + at * wide, 1), HEIGHT - 1 - high, round(max(wide - 1, wide / 2), 1), high)
            )
    return found
