"""What is remembered for seconds or minutes: wrong passwords, who asked how often, links that were just followed.

In the Redis that the processes share, where there is one. While it does not answer each process remembers for itself:
somebody may sign in then, and a count is a little off, but no page breaks.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

#: Seconds for which a server that did not answer is not asked again: nobody who signs in waits for it each time.
REST = 10.0


class Json:
    """How values stand there: as text, and never as what Python would run."""

    dumps: Callable[[Any], str] = staticmethod(json.dumps)
    loads: Callable[[Any], Any] = staticmethod(json.loads)


class Shared(RedisCache):
    """Django's own, with a memory of the process's for when it fails."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        options = {"serializer": Json(), "socket_connect_timeout": 1.0, "socket_timeout": 1.0}
        super().__init__(server, {**params, "OPTIONS": options})
        self._own = LocMemCache("own", params)
        self._rests_until = 0.0

    def get(self, *given: Any, **more: Any) -> Any:
        return self._ask("get", *given, **more)

    def set(self, *given: Any, **more: Any) -> None:
        self._ask("set", *given, **more)

    def add(self, *given: Any, **more: Any) -> bool:
        return bool(self._ask("add", *given, **more))

    def incr(self, *given: Any, **more: Any) -> int:
        return int(self._ask("incr", *given, **more))

    def delete(self, *given: Any, **more: Any) -> bool:
        return bool(self._ask("delete", *given, **more))

    def _ask(self, verb: str, *given: Any, **more: Any) -> Any:
        if time.monotonic() >= self._rests_until:
            try:
                return getattr(super(), verb)(*given, **more)
            except RedisError as problem:
                self._rests_until = time.monotonic() + REST
                logger.warning("Redis does not answer (%s); this process counts for itself", type(problem).__name__)
        return getattr(self._own, verb)(*given, **more)
