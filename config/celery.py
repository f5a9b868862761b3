"""The Celery application. A message only says "look at this row": the row is the queue."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from kombu import Queue

from config import logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("publisher")
app.conf.update(
    broker_url=os.environ.get("REDIS_URL") or "memory://",
    result_backend=None,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    # A lost or doubled message changes nothing, because a task claims its rows by compare-and-set.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    # Not the default hour: the clock asks for what is due anyway, this only limits what a dead worker hoards.
    broker_transport_options={
        "visibility_timeout": 900,
        "socket_connect_timeout": 2,
        "socket_timeout": 10,
        "unacked_restore_interval": 5,
    },
    task_default_queue="default",
    task_queues=[Queue("default"), Queue("delivery"), Queue("social"), Queue("intake")],
    task_routes={
        # Somebody waits for this one: it does not stand behind a digest's batches.
        "workers.delivery.notice": {"queue": "default"},
        "workers.delivery.joining": {"queue": "default"},
        "workers.delivery.*": {"queue": "delivery"},
        "workers.social.*": {"queue": "social"},
        "workers.intake.*": {"queue": "intake"},
    },
    worker_hijack_root_logger=False,
    enable_utc=True,
    include=["workers.delivery", "workers.social", "workers.intake"],
)


@setup_logging.connect
def _log_as_everything_else_does(**_: Any) -> None:
    """Whoever takes this signal sets logging up; Celery then leaves it alone."""
    logs.configure()
