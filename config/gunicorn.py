"""How gunicorn serves the pages: `gunicorn --config config/gunicorn.py config.wsgi`."""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]  # it ships no types

from config import logs

bind = os.environ.get("PUBLISHER_BIND", "127.0.0.1:8000")
# Threads: a page waits for the database most of its time. More processes than two only where asked for,
# because each holds its own connection to the database.
worker_class = "gthread"
workers = int(os.environ.get("PUBLISHER_WEB_WORKERS") or 2)
threads = int(os.environ.get("PUBLISHER_WEB_THREADS") or 8)
timeout = 60  # a worker that does not answer its arbiter this long is ended
graceful_timeout = 20  # what is under way is finished when we are asked to stop
keepalive = 5
# A leak in any library is bounded; the jitter keeps the workers from restarting together.
max_requests, max_requests_jitter = 20_000, 2_000
limit_request_line, limit_request_fields, limit_request_field_size = 4094, 60, 8190
accesslog = "-"
control_socket_disable = True  # one name for all servers of a user, in their home


class JsonLog(Logger):
    """gunicorn's own lines and its access log, through the one formatter of config.logs."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        logs.configure()
        for log in (self.error_log, self.access_log):
            log.handlers, log.propagate = [], True

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """One line for each request, without its query, headers, cookies and address: none is needed to run this."""
        path = environ.get("PATH_INFO", "")
        # What asks every few seconds whether we live would be most of the log.
        level = logging.DEBUG if path in {"/healthz", "/readyz", "/metrics"} else logging.INFO
        self.access_log.log(
            level,
            "%s %s",
            environ.get("REQUEST_METHOD", ""),
            path,
            extra={
                "status": int(str(resp.status).split(maxsplit=1)[0]),
                "bytes": getattr(resp, "sent", None),
                "milliseconds": round(request_time.total_seconds() * 1000, 1),
            },
        )


logger_class = JsonLog
