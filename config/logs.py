"""Logging: one line of JSON for each event, the same from web, clock, workers and commands.

Everything that any library logs goes through one formatter, and its last step but one takes out what must
not be in a log: addresses of people, tokens, passwords. It is the last step and not a habit of whoever
writes a log line, because the line that leaks is written in a library, on a bad day.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

GONE = "[…]"

#: Keys whose values are never printed, whatever they hold.
SECRET_KEYS = re.compile(
    r"authorization|cookie|password|passwd|secret|token|credential|signature|api_?key|private_?key", re.IGNORECASE
)
#: What is taken out of any text, in this order: (pattern, what stands there instead).
SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    # The tokens in the addresses of letters: /leave/<token>/, /confirm/<token>/, /preferences/address/<token>/.
    (re.compile(r"/(leave|confirm|preferences(?:/address)?)/[^/\s\"'?#]+"), rf"/\1/{GONE}"),
    # smtp://user:password@host, redis://:password@host
    (re.compile(r"(://)[^/\s@\"']{1,300}@"), rf"\1{GONE}@"),
    # A header's value goes to the end of its line, unless it is quoted.
    (
        re.compile(r"(authorization[\"']?\s*[:=]\s*)(?:\"[^\"\r\n]*\"|'[^'\r\n]*'|[^\r\n]+)", re.IGNORECASE),
        rf"\1{GONE}",
    ),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1 {GONE}"),
    # access_token=…, "page_token": "…", oauth_signature="…", password=…: in addresses, JSON and reprs alike.
    (
        re.compile(
            r"\b([\w-]{0,40}(?:token|secret|password|passwd|signature|appsecret_proof|api_?key|nonce)[\"']?\s*"
            r"(?:=|:|%3D)\s*[\"']?)[^\s&\"',;}]+",
            re.IGNORECASE,
        ),
        rf"\1{GONE}",
    ),
    # Tokens of the Graph API, wherever they turn up.
    (re.compile(r"\bEAA[A-Za-z0-9]{20,}"), GONE),
    # E-mail addresses. The length is bounded, else a long word without an @ would take quadratic time.
    (re.compile(r"[^\s<>()\[\],;:\"/=?&@]{1,64}(?:@|%40)(?:[\w-]+(?:\.[\w-]+)*|\[[^\]\s]*\])", re.IGNORECASE), GONE),
)


def scrub(value: Any) -> Any:
    """`value` without addresses and secrets, however deep they are in it."""
    match value:
        case str():
            return scrub_text(value)
        case bytes():
            return scrub_text(value.decode(errors="replace"))
        case Mapping():
            return {key: GONE if SECRET_KEYS.search(str(key)) else scrub(held) for key, held in value.items()}
        case list() | tuple() | set() | frozenset():
            return [scrub(held) for held in value]
        case int() | float() | None:
            return value
        case _:
            return scrub_text(str(value))


def scrub_text(text: str) -> str:
    for pattern, instead in SECRETS:
        text = pattern.sub(instead, text)
    return text


def scrubbed(_logger: Any, _method: str, event: EventDict) -> EventDict:
    return dict(scrub(event))


#: What an event carries, whoever logged it: structlog or the standard library.
SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.CallsiteParameterAdder({structlog.processors.CallsiteParameter.PROCESS}),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
)


def formatter(style: str) -> logging.Formatter:
    """The one formatter: "json", one object a line; or "console", for a person at a terminal."""
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer: Processor = console if style == "console" else structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *SHARED],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, scrubbed, renderer],
    )


def configure(style: str | None = None, *, stream: TextIO | None = None) -> None:
    """Set logging up for this process. Called again, it starts afresh.

    `style` is PUBLISHER_LOG_FORMAT ("json" or "console") where it is not given; the level is
    PUBLISHER_LOG_LEVEL. Lines go to standard error: a command's standard output is its result.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter(style or os.environ.get("PUBLISHER_LOG_FORMAT") or "json"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(os.environ.get("PUBLISHER_LOG_LEVEL", "INFO").upper())
    logging.captureWarnings(True)  # else they are lines of another shape
    # These would say again what our own lines say, once a tick.
    for chatty in ("apscheduler", "mail.log", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
