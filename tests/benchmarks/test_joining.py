"""What the figure for telling members from strangers says."""

from __future__ import annotations

import pytest

from benchmarks.joining import auc


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ([1, 2, 3], [1, 2, 3], 0.5),
        ([4, 5], [1, 2], 1.0),
        ([1, 2], [4, 5], 1.0),
        ([1, 3], [2, 2], 0.5),
        ([2, 3], [1, 3], 0.625),
    ],
)
def test_who_is_above_whom_is_counted_and_equals_by_half(one: list[float], other: list[float], told: float) -> None:
    assert auc(one, other) == told
