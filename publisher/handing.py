"""Handing work to the workers: by name, after the commit, and never the only way it gets done."""

from __future__ import annotations

import logging
from functools import partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


def hand_over(task: str, *ids: int) -> None:
    """Ask a worker to look at these rows soon. A lost message costs seconds: the clock finds what is due."""
    transaction.on_commit(partial(_send, task, ids))


def _send(task: str, ids: tuple[int, ...]) -> None:
    try:
        current_app.send_task(task, args=ids, retry=False)
    except OperationalError as problem:
        logger.warning("the broker cannot be reached (%s); the clock will find %s %s", problem, task, ids)
