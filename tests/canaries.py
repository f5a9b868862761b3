"""A mark in every credential of the cast, and a watch that nobody ever says it: in no log, page, payload or export.

The watch stands over the whole test run: tests/conftest.py begins it, and a test in which the mark is said fails.
"""

from __future__ import annotations

import base64
import logging
from typing import Any

from celery.signals import before_task_publish
from django.core.handlers.base import BaseHandler

MARK = "canary-of-the-cast"
#: As base64 has it in the middle of a longer text: at each of the three places where it may begin.
_FORMS = (MARK, *(base64.b64encode(b"x" * n + MARK.encode())[4:-4].decode() for n in range(3)))

_heard: list[str] = []


def secret(name: str) -> str:
    return f"{MARK}-{name}"


def look(where: str, text: str) -> None:
    for form in _FORMS:
        at = text.find(form)
        if at >= 0:
            _heard.append(f"{where}: …{text[max(0, at - 80) : at + 80]}…")


def heard() -> list[str]:
    """Where the mark was said since this was last asked."""
    said = _heard.copy()
    _heard.clear()
    return said


def begin() -> None:
    logging.getLogger().addHandler(LISTENER)
    before_task_publish.connect(_task, weak=False)
    _answers()


class _Listener(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        look(f"the log of {record.name}", self.format(record))


LISTENER = _Listener()


def _task(sender: str | None = None, body: Any = None, headers: Any = None, **_: Any) -> None:
    look(f"the task {sender}", f"{body!r} {headers!r}")


def _answers() -> None:
    """Every page that Django answers with, whoever asked for it."""
    answer = BaseHandler.get_response

    def watched(self: BaseHandler, request: Any) -> Any:
        response: Any = answer(self, request)
        look(f"the headers of {request.path}", str(response.headers))
        if not response.streaming:
            look(f"the page {request.path}", response.content.decode(errors="replace"))
        return response

    BaseHandler.get_response = watched  # type: ignore[method-assign]
