"""What the sandbox has accepted: one SQLite file, and an append-only log that the tests take as the truth.

Each room (faults, accounts, x, graph, mail) names its tables in a `SCHEMA` string; `open` creates them all.
"""

import hashlib
import importlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from publisher.sandbox import clock

# 4 November 2010, where X's own ids begin to count.
EPOCH = 1288834974.657

ROOMS = (
    "clock",
    "accounts",
    "rates",
    "faults",
    "weather",
    "figures",
    "oauth2",
    "consents",
    "graph_login",
    "mastodon_login",
    "x",
    "graph",
    "mastodon",
    "bluesky",
    "mail",
    "pages",
)

LOG = """
CREATE TABLE IF NOT EXISTS log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    room TEXT NOT NULL,
    at TEXT NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    facts TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS log_room ON log (room, id);
CREATE TRIGGER IF NOT EXISTS log_is_never_changed BEFORE UPDATE ON log
    BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER IF NOT EXISTS log_is_never_shortened BEFORE DELETE ON log
    BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
"""


@dataclass
class Store:
    """One open file. Safe from several threads: an SMTP server may run in its own."""

    db: sqlite3.Connection
    schema: str
    lock: threading.RLock = field(default_factory=threading.RLock)
    last_id: int = 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing; inside another transaction it is part of that one."""
        with self.lock:
            if self.db.in_transaction:
                yield
                return
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self.db.execute("ROLLBACK")
                raise
            self.db.execute("COMMIT")

    def run(self, sql: str, *values: Any) -> int:
        """The id of the row that an INSERT made; otherwise how many rows were touched."""
        with self.lock:
            cursor = self.db.execute(sql, values)
            return (cursor.lastrowid or 0) if sql.lstrip().upper().startswith("INSERT") else cursor.rowcount

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        with self.lock:
            return [dict(row) for row in self.db.execute(sql, values)]

    def row(self, sql: str, *values: Any) -> dict[str, Any] | None:
        found = self.rows(sql, *values)
        return found[0] if found else None

    def new_id(self) -> int:
        """A number above every earlier one, of the length that both networks print (made of the time)."""
        with self.lock:
            self.last_id = max(self.last_id + 1, int((clock.time() - EPOCH) * 1000) << 22)
            return self.last_id

    def record(self, room: str, *, who: str, what: str, body: bytes | str = b"", **facts: Any) -> int:
        """Add a line to the log and return its number. Facts are JSON values and never secrets."""
        content = body.encode() if isinstance(body, str) else body
        return self.run(
            "INSERT INTO log (room, at, who, what, body_sha256, facts) VALUES (?, ?, ?, ?, ?, ?)",
            room,
            now(),
            who,
            what,
            hashlib.sha256(content).hexdigest(),
            json.dumps(facts, ensure_ascii=False),
        )

    def log(self, room: str, who: str | None = None) -> list[dict[str, Any]]:
        """The lines of one room, oldest first: seq, at, who, what, body_sha256 and the facts beside them.

        With `who`, those of one account alone.
        """
        return [
            {key: row[key] for key in ("at", "who", "what", "body_sha256")}
            | {"seq": row["id"]}
            | json.loads(row["facts"])
            for row in self.rows("SELECT * FROM log WHERE room = ? AND who = coalesce(?, who) ORDER BY id", room, who)
        ]

    def forget(self) -> None:
        """Forget everything, the log too: the tables are dropped and made anew, the clock is right again."""
        clock.put(ahead=0)
        with self.lock:
            for table in self.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
                self.db.execute(f'DROP TABLE "{table["name"]}"')
            self.db.executescript(self.schema)

    def close(self) -> None:
        with self.lock:
            self.db.close()


def open(folder: Path | str) -> Store:
    """The store in this folder, created with all tables where it is missing."""
    clock.put(ahead=0)
    path = Path(folder) / "sandbox.sqlite3"
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    # NORMAL survives kill -9 of this process, which the tests do; only a power cut may lose the last lines.
    db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=5000;")
    schema = LOG + "".join(getattr(module, "SCHEMA", "") for module in map(room, ROOMS))
    db.executescript(schema)
    return Store(db, schema)


def now(*, ago: float = 0) -> str:
    """This moment (or so many seconds ago) in UTC, as X prints times: 2027-03-31T09:00:00.000Z."""
    return printed(clock.moment() - timedelta(seconds=ago))


def printed(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def room(name: str) -> ModuleType:
    """The module of a room, found by name: the rooms know the store, the store must not import them."""
    return importlib.import_module(f"publisher.sandbox.{name}")
