"""A process that sends and may be killed: it makes a scene, and sends it in children of its own.

    python -m tests.delivery.mortal MEMBERS

For each line of input a child begins, with that line as its PUBLISHER_FAULT ("-" for none), and sends batch by batch
until nothing is due or it dies. What it leaves is settled as the clock does it, and told in a line of JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from typing import Any

import django


def main(members: int) -> None:
    django.setup()
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
    from benchmarks import scene

    digest = scene.frozen(scene.approved(scene.audience("points", members), items=1))
    print(json.dumps({"frozen": digest.frozen_count}), flush=True)
    for line in sys.stdin:
        print(json.dumps(run(digest, line.strip().removeprefix("-"))), flush=True)


def run(digest: Any, fault: str) -> dict[str, Any]:
    from django.db import connections

    from benchmarks import scene
    from publisher.delivery import takeover

    connections.close_all()  # no connection is for two processes
    if (child := os.fork()) == 0:
        os.environ["PUBLISHER_FAULT"] = fault
        send(digest)
    _, status = os.waitpid(child, 0)
    takeover.recover()
    unknown = digest.deliveries.filter(state="unknown").values_list("address", flat=True)
    open_holds = digest.holds.filter(ended_at=None).count()
    told = {"status": os.waitstatus_to_exitcode(status), "holds": open_holds}
    return told | {"counts": scene.counts(digest), "unknown": sorted(unknown)}


def send(digest: Any) -> None:
    from publisher import faults
    from publisher.delivery import sending

    importlib.reload(faults)
    code = 1
    try:
        while sending.send_batch(digest):
            pass
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(int(sys.argv[1]))
