"""The caught messages: how they are kept, found again and taken apart."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email import policy
from email.header import decode_header, make_header
from email.message import Message as Parsed
from email.parser import BytesHeaderParser, BytesParser
from typing import Any

from publisher.sandbox.store import Store, now

SCHEMA = """
CREATE TABLE IF NOT EXISTS mail_messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    connection INTEGER NOT NULL,
    mail_from TEXT NOT NULL,
    rcpt_to TEXT NOT NULL,
    subject TEXT NOT NULL,
    header_from TEXT NOT NULL,
    header_to TEXT NOT NULL,
    date TEXT NOT NULL,
    message_id TEXT NOT NULL,
    size INTEGER NOT NULL,
    raw BLOB NOT NULL
);
"""

# Everything but the message itself.
COLUMNS = "id, at, connection, mail_from, rcpt_to, subject, header_from, header_to, date, message_id, size"


@dataclass(frozen=True)
class Message:
    """As it came: who said they send it, to whom, and its bytes."""

    connection: int
    mail_from: str
    rcpt_to: tuple[str, ...]
    raw: bytes


@dataclass(frozen=True)
class Opened:
    """A message taken apart for a page."""

    headers: list[tuple[str, str]]
    text: str | None
    html: str | None
    leave: list[tuple[str, bool]]  # an address of List-Unsubscribe, and whether it is one of the web


def keep(store: Store, message: Message) -> int:
    """Add it to the box and to the log; its number. Within the caller's transaction."""
    head = BytesHeaderParser(policy=policy.compat32).parsebytes(message.raw.partition(b"\r\n\r\n")[0])
    facts = {
        "connection": message.connection,
        "mail_from": message.mail_from,
        "rcpt_to": list(message.rcpt_to),
        "subject": readable(head.get("Subject")),
        "message_id": readable(head.get("Message-ID")),
        "size": len(message.raw),
    }
    number = store.run(
        "INSERT INTO mail_messages (at, connection, mail_from, rcpt_to, subject, header_from, header_to, date, "
        "message_id, size, raw) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        now(),
        message.connection,
        message.mail_from,
        json.dumps(message.rcpt_to, ensure_ascii=False),
        facts["subject"],
        readable(head.get("From")),
        readable(head.get("To")),
        readable(head.get("Date")),
        facts["message_id"],
        facts["size"],
        message.raw,
    )
    store.record("mail", who=message.mail_from, what="message", body=message.raw, id=number, **facts)
    return number


def find(store: Store, wish: Mapping[str, str], *, most: int) -> tuple[list[dict[str, Any]], int]:
    """The newest messages that fit, and how many fit in all.

    `q` is a part of a recipient or of the subject, `to` and `subject` of that alone; `since` is a time as `at` prints
    it; `before` the number of the last message of the page before.
    """
    conditions = {
        "q": "(rcpt_to LIKE :q ESCAPE '!' OR header_to LIKE :q ESCAPE '!' OR subject LIKE :q ESCAPE '!')",
        "to": "(rcpt_to LIKE :to ESCAPE '!' OR header_to LIKE :to ESCAPE '!')",
        "subject": "subject LIKE :subject ESCAPE '!'",
        "since": "at >= :since",
    }
    asked = {name: condition for name, condition in conditions.items() if wish.get(name)}
    values: dict[str, Any] = {name: wish[name] if name == "since" else _part(wish[name]) for name in asked}
    fits = " AND ".join(["1", *asked.values()])
    total = _rows(store, f"SELECT count(*) AS n FROM mail_messages WHERE {fits}", values)[0]["n"]  # noqa: S608 - fixed
    values |= {"before": int(wish.get("before") or 2**62), "most": most}
    page = f"SELECT {COLUMNS} FROM mail_messages WHERE {fits} AND id < :before ORDER BY id DESC LIMIT :most"  # noqa: S608
    return [public(row) for row in _rows(store, page, values)], total


def raw(store: Store, number: int) -> bytes | None:
    found = store.row("SELECT raw FROM mail_messages WHERE id = ?", number)
    return bytes(found["raw"]) if found else None


def one(store: Store, number: int) -> dict[str, Any] | None:
    found = store.row(f"SELECT {COLUMNS} FROM mail_messages WHERE id = ?", number)  # noqa: S608 - fixed
    return public(found) if found else None


def public(row: dict[str, Any]) -> dict[str, Any]:
    shown = {
        name: row[name] for name in ("id", "at", "connection", "mail_from", "subject", "date", "message_id", "size")
    }
    return shown | {"rcpt_to": json.loads(row["rcpt_to"]), "from": row["header_from"], "to": row["header_to"]}


def opened(content: bytes) -> Opened:
    """Never fails, whatever was sent: the older, lenient policy of the library reads everything somehow."""
    message = BytesParser(policy=policy.compat32).parsebytes(content)
    bodies = dict(reversed(list(_bodies(message))))
    headers = [(name, readable(value)) for name, value in message.items()]
    said = " ".join(value for name, value in headers if name.lower() == "list-unsubscribe")
    leave = [(at, at.startswith(("https://", "http://"))) for at in re.findall(r"<([^<>\s]+)>", said)]
    return Opened(headers, bodies.get("text/plain"), bodies.get("text/html"), leave)


def readable(value: Any) -> str:
    """A header as people read it: unfolded and decoded where that is possible."""
    unfolded = (
        re.sub(r"\r?\n[ \t]*", " ", str(value or "")).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    )
    if "=?" not in unfolded:
        return unfolded.strip()
    try:
        return str(make_header(decode_header(unfolded))).strip()
    except (ValueError, LookupError):
        return unfolded.strip()


def _bodies(message: Parsed) -> Iterator[tuple[str, str]]:
    for part in message.walk():
        content = part.get_payload(decode=True)
        if part.get_content_disposition() != "attachment" and isinstance(content, bytes):
            yield part.get_content_type(), _decoded(content, part.get_content_charset("utf-8"))


def _decoded(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset, "replace")
    except LookupError:
        return content.decode("utf-8", "replace")


def _part(value: str) -> str:
    return "%" + re.sub(r"([!%_])", r"!\1", value) + "%"


def _rows(store: Store, sql: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    with store.lock:
        return [dict(row) for row in store.db.execute(sql, values)]
