"""How much a new sending domain may send on each of its first days, so that receivers learn to know it.

Four weeks as large senders advise them: 50 to 100 a day, 200 to 500, 1,000 to 2,000, 5,000 to 10,000; then doubling
about every other day. After the last day there is no cap.
"""

from __future__ import annotations

from datetime import date

# fmt: off
A_DAY = (
    50, 60, 70, 80, 90, 100, 100,
    200, 250, 300, 350, 400, 450, 500,
    1_000, 1_200, 1_400, 1_600, 1_800, 2_000, 2_000,
    5_000, 6_000, 7_000, 8_000, 9_000, 10_000, 10_000,
    15_000, 20_000, 30_000, 40_000, 60_000, 80_000, 120_000,
    160_000, 240_000, 320_000, 480_000, 640_000, 900_000, 1_000_000,
)
# fmt: on


def cap(first_day: date, day: date) -> int | None:
    """How many may go out on that day; None where there is no cap any more. Before the first day as on it."""
    age = max(0, (day - first_day).days)
    return A_DAY[age] if age < len(A_DAY) else None
