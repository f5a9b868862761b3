"""How often an account has called: fixed windows, as X counts them and as Graph's percentages are made."""

from publisher.sandbox import clock
from publisher.sandbox.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS rates (
    who TEXT NOT NULL,
    operation TEXT NOT NULL,
    began INTEGER NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (who, operation)
);
"""


def count(store: Store, who: str, operation: str, *, seconds: int) -> tuple[int, int]:
    """Count one call; how many there are in this window with it, and when the window ends (epoch)."""
    now = int(clock.time())
    with store.transaction():
        row = store.row("SELECT began, used FROM rates WHERE who = ? AND operation = ?", who, operation)
        fresh = row is None or row["began"] + seconds <= now
        began, used = (now, 1) if row is None or fresh else (row["began"], row["used"] + 1)
        store.run("INSERT OR REPLACE INTO rates VALUES (?, ?, ?, ?)", who, operation, began, used)
    return used, began + seconds
