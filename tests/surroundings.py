"""The environment of the tests: a data folder of their own, nothing connected, nothing but this machine reached.

SQLite by default; with PUBLISHER_TEST_DATABASE=postgres an embedded PostgreSQL, started once for all the
worker processes of a run.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import tempfile
from typing import Any

from tests import databases

_ours = contextlib.ExitStack()
_UNSET = (
    "REDIS_URL",
    "CELERY_BROKER_URL",
    "PUBLISHER_BASE_URL",
    "PUBLISHER_SMTP_URL",
    "PUBLISHER_MAIL_PROVIDER",
    "PUBLISHER_MAIL_PROVIDER_KEY",
    "PUBLISHER_MAIL_PROVIDER_URL",
    "PUBLISHER_MAIL_PROVIDER_OPTIONS",
    "PUBLISHER_BOUNCE_ADDRESS",
    "PUBLISHER_DKIM_FOLDER",
    "PUBLISHER_X_API_URL",
    "PUBLISHER_GRAPH_API_URL",
    "PUBLISHER_MASTODON_URL",
    "PUBLISHER_BLUESKY_URL",
    "PUBLISHER_X_CLIENT_ID",
    "PUBLISHER_X_CLIENT_SECRET",
    "PUBLISHER_FACEBOOK_APP_ID",
    "PUBLISHER_FACEBOOK_APP_SECRET",
    "PUBLISHER_FACEBOOK_INSIGHTS",
    "PUBLISHER_GRAPH_VERSION",
    "PUBLISHER_PRICES",
    "PUBLISHER_SANDBOX_URL",
    "PUBLISHER_SANDBOXED",
)


def _prepare() -> None:
    os.environ["PUBLISHER_DATA"] = _ours.enter_context(tempfile.TemporaryDirectory(prefix="publisher-tests-"))
    os.environ["PUBLISHER_LOOPBACK_ONLY"] = "1"
    for name in _UNSET:
        os.environ.pop(name, None)
    if os.environ.get("PUBLISHER_TEST_DATABASE") != "postgres":
        os.environ.pop("DATABASE_URL", None)
    elif "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ["DATABASE_URL"] = _ours.enter_context(databases.postgres())


def stop(config: Any) -> None:
    _ours.close()


atexit.register(_ours.close)
_prepare()
