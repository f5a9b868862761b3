"""The clock: one process that finds what is due. `python -m workers.clock`

APScheduler fires the ticks from memory; the truth of what is due stands in the database, so a restart
forgets nothing. A second clock waits for the lease and does nothing until it has it.
"""

from __future__ import annotations

import logging
import os
import signal
from types import FrameType

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from apscheduler.schedulers.blocking import BlockingScheduler  # noqa: E402 - after django.setup()
from apscheduler.triggers.interval import IntervalTrigger  # noqa: E402
from django.conf import settings  # noqa: E402
from django.db import DatabaseError, close_old_connections  # noqa: E402

from config import celery  # noqa: E402 - the application that hand_over sends with
from publisher import clockwork, holders  # noqa: E402

logger = logging.getLogger("workers.clock")


def tick(holder: str) -> None:
    """One beat. A database that is away costs this beat, not the clock."""
    close_old_connections()
    try:
        if clockwork.hold_lease(holder):
            clockwork.tick()
    except DatabaseError as problem:
        logger.error("the database did not answer, the clock goes on: %s", problem)


def main() -> None:
    celery.app.set_current()
    holder = holders.me()
    scheduler = BlockingScheduler(timezone="UTC")
    # coalesce and no grace limit: after a stop one tick finds everything that fell due meanwhile.
    scheduler.add_job(
        tick,
        IntervalTrigger(seconds=settings.CLOCK_TICK),
        args=[holder],
        coalesce=True,
        max_instances=1,
        misfire_grace_time=None,
    )

    def stop(signum: int, frame: FrameType | None) -> None:
        scheduler.shutdown(wait=False)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    tick(holder)
    scheduler.start()
    clockwork.drop_lease(holder)


if __name__ == "__main__":
    main()
