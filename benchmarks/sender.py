"""One process of the engine, told by its input which digest to send: `python -m benchmarks.sender`.

For each line with a digest's number it answers with a line of JSON: when its first claim began and its last outcome
was committed, the processor time between, the most memory, and how many rows it claimed. A process of its own for
each case, because the engine's settings are read once.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import django

from benchmarks import usage


def main() -> None:
    django.setup()
    from django.db import connection

    # An idle worker has its code in memory and its connection open: what it needs beyond that is counted.
    from publisher.delivery import sending

    connection.ensure_connection()
    me = os.getpid()
    usage.forget_peak(me)
    print(json.dumps({"idle": usage.resident(me)}), flush=True)
    for line in sys.stdin:
        print(json.dumps(send(int(line), sending.send_batch) | {"peak": usage.peak(me)}), flush=True)


def send(pk: int, send_batch: Callable[[Any], int]) -> dict[str, float]:
    """All that is due of this digest, batch by batch."""
    from publisher.models import Digest

    digest = Digest.objects.select_related("publication", "proof").get(pk=pk)
    spent, began, rows = _spent(), time.monotonic(), 0
    ended = began
    while claimed := send_batch(digest):
        rows, ended = rows + claimed, time.monotonic()
    return {"began": began, "ended": ended, "spent": _spent() - spent, "rows": rows}


def _spent() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
