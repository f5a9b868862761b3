"""Handing work to the workers: by name, after the commit, and never the only way it gets done."""

from __future__ import annotations

import logging
from functools import partial

from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu import Connection
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


def hand_over(task: str, *ids: int) -> None:
    """Ask a worker to look at these rows soon. A lost message costs seconds: the clock finds what is due."""
    transaction.on_commit(partial(_send, task, ids))


def trouble(wait: float) -> str:
    """Why the message server that is used does not answer within so many seconds; "" where it does, or none is set."""
    if not settings.BROKER_URL:
        return ""
    patience = {"socket_connect_timeout": wait, "socket_timeout": wait}
    try:
        with Connection(settings.BROKER_URL, transport_options=patience) as broker:
            broker.ensure_connection(max_retries=1, timeout=wait, interval_start=0)
    except (OperationalError, OSError) as problem:
        return str(problem)
    except (KeyError, ValueError):  # kombu's own words for an address that it cannot read
        return "its address cannot be used"
    return ""


def _send(task: str, ids: tuple[int, ...]) -> None:
    try:
        current_app.send_task(task, args=ids, retry=False)
    except OperationalError as problem:
        logger.warning("the broker cannot be reached (%s); the clock will find %s %s", problem, task, ids)
