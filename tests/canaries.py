"""A mark in every credential of the cast, and a watch that nobody ever says it: in no log, page, payload, row or file.

The watch stands over the whole test run: tests/conftest.py begins it, and a test in which the mark is said fails. What
the sandbox gives out bears the mark as well; the demo's credentials are known by their shape.
"""

from __future__ import annotations

import base64
import logging
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from celery.signals import before_task_publish
from django.core.handlers.base import BaseHandler
from django.db.backends.signals import connection_created

MARK = "canary-of-the-cast"
#: As base64 has it in the middle of a longer text: at each of the three places where it may begin.
_FORMS = (MARK, *(base64.b64encode(b"x" * n + MARK.encode())[4:-4].decode() for n in range(3)))
#: Those forms; and what publisher/demo/cast.py gives to the accounts of the demo, and its apps.
_SAID = re.compile(
    b"|".join(map(re.escape, (form.encode() for form in _FORMS)))
    + rb"|demo-[a-z_]+-(?:consumer_|access_token|page-token|app-secret|mastodon-token|app-password)"
)
#: Who knows the credentials of accounts: the stand-in for the networks.
_MAY_KNOW = re.compile(r"^sandbox\.sqlite3")
_LARGEST_FILE = 50 * 2**20

_heard: list[str] = []


def secret(name: str) -> str:
    return f"{MARK}-{name}"


def look(where: str, said: str | bytes) -> None:
    content = said.encode(errors="replace") if isinstance(said, str) else said
    found = _SAID.search(content)
    if found:
        near = content[max(0, found.start() - 80) : found.end() + 80]
        _heard.append(f"{where}: …{near.decode(errors='replace')}…")


def heard() -> list[str]:
    """Where the mark was said since this was last asked."""
    said = _heard.copy()
    _heard.clear()
    return said


def begin() -> None:
    logging.getLogger().addHandler(LISTENER)
    before_task_publish.connect(_task, weak=False)
    connection_created.connect(_connected, weak=False)
    _answers()
    _marked_tokens()


def look_into(folder: Path) -> None:
    """Every file that a test has left there: logs, journals, databases, exports."""
    for file in folder.rglob("*"):
        if not _MAY_KNOW.match(file.name) and file.is_file() and file.stat().st_size <= _LARGEST_FILE:
            look(f"the file {file.relative_to(folder)}", file.read_bytes())


class _Listener(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        look(f"the log of {record.name}", self.format(record))


LISTENER = _Listener()


def _task(sender: str | None = None, body: Any = None, headers: Any = None, **_: Any) -> None:
    look(f"the task {sender}", f"{body!r} {headers!r}")


def _answers() -> None:
    """Every page that Django answers with, whoever asked for it, and every export as it streams."""
    answer = BaseHandler.get_response

    def watched(self: BaseHandler, request: Any) -> Any:
        response: Any = answer(self, request)
        look(f"the headers of {request.path}", str(response.headers))
        if not response.streaming:
            look(f"the page {request.path}", response.content)
        elif not response.is_async:
            response.streaming_content = _streamed(request.path, response.streaming_content)
        return response

    BaseHandler.get_response = watched  # type: ignore[method-assign]


def _streamed(path: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        look(f"the export {path}", piece)
        yield piece


def _connected(connection: Any, **_: Any) -> None:
    if _asked not in connection.execute_wrappers:
        connection.execute_wrappers.append(_asked)


def _asked(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    """Every value that is written into the database, or asked of it: what is stored of a credential is sealed."""
    for row in (params or ()) if many else (params or (),):
        for value in row.values() if isinstance(row, dict) else row:
            if isinstance(value, str | bytes):
                look(f"the database: {sql[:80]}", value)
    return execute(sql, params, many, context)


def _marked_tokens() -> None:
    """What the sandbox gives out for a consent: codes, tokens, secrets of apps."""
    from publisher.sandbox import graph_login, mastodon_login, oauth2

    marked = SimpleNamespace(
        token_urlsafe=lambda length: f"{MARK}-{secrets.token_urlsafe(length)}",
        token_hex=lambda length: f"{MARK}-{secrets.token_hex(length)}",
    )
    for module in (graph_login, mastodon_login, oauth2):
        module.secrets = marked  # type: ignore[attr-defined]
