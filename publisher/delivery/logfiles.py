"""The files that a relay's log lies in: rotated, compressed, in any order; or a plain list of what was taken."""

import bz2
import csv
import gzip
import io
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, tzinfo
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, cast

from .logtimes import Coverage, Stamps
from .relaylogs import Found, Reader

#: How compressed files begin. Names tell nothing: mail.log.2.gz may have been unpacked by hand.
_PACKED: tuple[tuple[bytes, Callable[[BinaryIO], object]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"\xfd7zXZ\x00", lzma.open),
    (b"BZh", bz2.open),
)
#: Of a line that never ends, so much is one line.
_LONGEST = 65_536
_LOOKED_AT = 200

_ID = re.compile(r"<?([^\s<>@,;]+@[^\s<>@,;]+)>?")
#: The columns of a list, by the names that exports give them.
_COLUMNS = {
    "message": {"message-id", "messageid", "msgid", "smtp-id", "internet-message-id"},
    "status": {"status", "event", "state", "result", "outcome", "last-event"},
    "at": {"time", "timestamp", "date", "at", "datetime"},
    "queue": {"queue-id", "queueid", "id"},
    "said": {"reason", "response", "reply", "description", "dsn"},
}
#: What exports call what became of a letter. A word that is not here proves nothing: the letter was seen.
_STATUS = {
    Found.TAKEN: {"", "taken", "accepted", "sent", "send", "queued", "processed", "deferred", "ok", "submitted"},
    Found.DELIVERED: {"delivered", "delivery", "opened", "open", "clicked", "click", "complained", "complaint"},
    Found.BOUNCED: {"bounced", "bounce", "dropped", "failed", "expired", "undeliverable", "blocked", "suppressed"},
    Found.REFUSED: {"refused", "rejected", "reject"},
}
_FOUND = {word: found for found, words in _STATUS.items() for word in words}


class LogUnreadable(ValueError):
    """A file cannot be read as a log; the message names it and says why."""


def read(
    paths: Iterable[Path],
    asked: Mapping[str, str],
    *,
    now: datetime,
    zone: tzinfo = UTC,
) -> Reader:
    """What these files say of the Message-IDs asked for. "-" is standard input. Raises LogUnreadable.

    The oldest file is read first, whatever the order they are named in: a message may be taken at the end of one and
    bounce in the next.
    """
    reader = Reader(asked, now=now, zone=zone)
    with ExitStack() as opened:
        logs = [(path, *_begun(_open(path, opened), path, reader)) for path in paths]
        for path, _, lines in sorted(logs, key=lambda log: log[1]):
            with _in_words(path):
                _take(reader, lines)
    return reader


def _take(reader: Reader, lines: Iterator[bytes]) -> None:
    first = next(lines, b"")
    whole = chain([first], lines)
    head = first.decode("utf-8-sig", "replace").strip()
    if _ID.fullmatch(head):
        _list(reader, whole)
    elif columns := _columns(head):
        _table(reader, lines, columns, _delimiter(head))
    else:
        reader.log(whole)


def _list(reader: Reader, lines: Iterable[bytes]) -> None:
    """One Message-ID on each line: these were taken."""
    reader.spoken.add("a list")
    for line in lines:
        if match := _ID.fullmatch(line.decode("utf-8-sig", "replace").strip()):
            reader.listed(f"<{match[1]}>", Found.TAKEN, None, "", "")


def _table(reader: Reader, lines: Iterable[bytes], columns: Mapping[str, int], delimiter: str) -> None:
    """CSV with a header: message-id, and status, time, queue-id, reason where there are any."""
    reader.spoken.add("a table")
    for row in csv.reader((line.decode("utf-8", "replace") for line in lines), delimiter=delimiter):
        cells = {name: row[place].strip() for name, place in columns.items() if place < len(row)}
        if match := _ID.fullmatch(cells.get("message", "")):
            found = _FOUND.get(cells.get("status", "").lower(), Found.SEEN)
            at = _time(cells.get("at", ""), reader)
            reader.listed(f"<{match[1]}>", found, at, cells.get("queue", ""), cells.get("said", "")[:400])


def _columns(head: str) -> dict[str, int]:
    """Which column says what; empty where the line is no header of such a table."""
    names = [
        cell.strip().strip('"').lower().replace("_", "-").replace(" ", "-") for cell in head.split(_delimiter(head))
    ]
    found = {what: names.index(name) for what, called in _COLUMNS.items() for name in names if name in called}
    return found if "message" in found else {}


def _delimiter(head: str) -> str:
    return max(",;\t", key=head.count)


def _time(written: str, reader: Reader) -> datetime | None:
    """A time of a table counts for its letter; what span the table covers is not told by it."""
    stamps = Stamps(reader.stamps.now, reader.stamps.zone)
    stamps.read(written.encode() + b" ", Coverage())
    return stamps.at


def _open(path: Path, opened: ExitStack) -> BinaryIO:
    with _in_words(path):
        plain = sys.stdin.buffer if str(path) == "-" else opened.enter_context(path.open("rb"))
        # A buffer can be looked into without taking from it, and standard input cannot be read twice.
        start = cast(io.BufferedReader, plain).peek(8)[:8]
        for magic, unpack in _PACKED:
            if start.startswith(magic):
                return cast(BinaryIO, unpack(plain))
        return plain


def _begun(file: BinaryIO, path: Path, reader: Reader) -> tuple[datetime, Iterator[bytes]]:
    """When its first line was written, and all its lines. What has no times comes first."""
    lines = iter(lambda: file.readline(_LONGEST), b"")
    with _in_words(path):
        looked_at = list(islice(lines, _LOOKED_AT))
    stamps = Stamps(reader.stamps.now, reader.stamps.zone)
    begun = next((stamps.at for line in looked_at if stamps.read(line, Coverage()) is not None), None)
    return begun or datetime.min.replace(tzinfo=UTC), chain(looked_at, lines)


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """What goes wrong with a file, told with its name."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as problem:
        raise LogUnreadable(f"{path} is packed, and damaged or cut off: {problem}.") from problem
    except csv.Error as problem:
        raise LogUnreadable(f"{path} cannot be read as a table: {problem}.") from problem
    except OSError as problem:
        raise LogUnreadable(f"{path} cannot be read: {problem.strerror or problem}.") from problem
