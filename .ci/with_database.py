"""A plugin of pytest: keep only the tests that use a database, for a second run on another one."""

from __future__ import annotations

from typing import Any

FIXTURES = {"db", "transactional_db", "django_db_setup", "live_server"}


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    kept = [item for item in items if item.get_closest_marker("django_db") or FIXTURES & set(item.fixturenames)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept
