"""A day through a change of the clocks, in small: what benchmarks/timetable.py plays with 10,000 posts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from django.db import connection

from benchmarks import timetable

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def at_once() -> Iterator[Any]:
    """Where two can write, they do so at once."""
    together = timetable.two_threads() if connection.vendor == "postgresql" else nullcontext(timetable.in_turn)
    with together as at_once:
        yield at_once


def test_each_post_of_a_day_goes_out_once_in_its_place(at_once: Any) -> None:
    figures, wrong = timetable.played("London, autumn", posts=24, channels=4, at_once=at_once)

    assert wrong == []
    # Both clocks handed the posts over, and limits were met.
    assert (figures["posts"], figures["doubled"] >= 20, figures["refused"] > 0) == (24, True, True)
