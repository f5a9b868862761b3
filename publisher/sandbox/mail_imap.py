"""The mailbox of what came back, over IMAP: as much of RFC 3501 and RFC 6851 as who reads a mailbox needs.

Whoever comes is let in: it listens on this machine alone. A mail's number is never given to another, whatever folder
it is moved to, so that one UIDVALIDITY is enough for all of them.
"""

import asyncio
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from publisher.sandbox import mail_returns
from publisher.sandbox.store import Store

log = logging.getLogger("publisher.sandbox")

LARGEST = 50 * 2**20
CAPABILITIES = "IMAP4rev1 MOVE"
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"|(\([^()]*\))|(\S+)')
_LITERAL = re.compile(rb"\{(\d{1,9})\+?\}\r\n$")
_PART = re.compile(rb"BODY(?:\.PEEK)?\[\](?:<(\d+)\.(\d+)>)?", re.IGNORECASE)


class No(Exception):
    """What was asked cannot be done; the text says why."""


class Bad(Exception):
    """What was asked is nothing that we know."""


@dataclass(frozen=True)
class Running:
    port: int
    server: asyncio.Server
    sessions: set[asyncio.StreamWriter]

    async def stop(self) -> None:
        self.server.close()
        for writer in list(self.sessions):
            writer.close()
        await self.server.wait_closed()


async def start(store: Store, host: str, port: int) -> Running:
    sessions: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sessions.add(writer)
        try:
            await _Session(store, reader, writer).run()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client is gone, or says too much at once
        finally:
            sessions.discard(writer)
            writer.close()

    server = await asyncio.start_server(serve, host, port, limit=2**16)
    return Running(server.sockets[0].getsockname()[1], server, sessions)


@dataclass
class _Session:
    store: Store
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    folder: str = ""
    literals: list[bytes] = field(default_factory=list)

    async def run(self) -> None:
        self._say(f"* OK [CAPABILITY {CAPABILITIES}] sandbox".encode())
        while line := await self._line():
            tag, _, asked = line.rstrip(b"\r\n").partition(b" ")
            self._say(tag + b" " + self._answered(asked))
            await self.writer.drain()
            if asked.upper().startswith(b"LOGOUT"):
                return

    async def _line(self) -> bytes:
        """One command; what it hands over by its length stands in `literals`, and as {} in the line."""
        line, self.literals = await self._piece(), []
        while found := _LITERAL.search(line):
            if int(found[1]) > LARGEST:
                raise asyncio.LimitOverrunError("too much", 0)
            self._say(b"+ go on")
            await self.writer.drain()
            self.literals.append(await self.reader.readexactly(int(found[1])))
            line = line[: found.start()] + b"{}" + await self._piece()
        return line

    async def _piece(self) -> bytes:
        return await self.reader.readline()

    def _say(self, line: bytes) -> None:
        self.writer.write(line + b"\r\n")

    def _answered(self, asked: bytes) -> bytes:
        try:
            return b"OK " + self._done([*_words(asked)]).encode()
        except No as problem:
            return f"NO {problem}".encode()
        except (Bad, IndexError, ValueError) as problem:
            return f"BAD {type(problem).__name__}".encode()

    def _done(self, words: list[bytes]) -> str:
        name = words[0].decode("ascii", "replace").upper()
        if name == "UID":
            name = f"UID {words[1].decode('ascii', 'replace').upper()}"
            words = words[1:]
        if name not in _COMMANDS:
            raise Bad(name)
        return _COMMANDS[name](self, words[1:]) or f"{name} completed"

    # Commands. Each says what it found, and gives what stands behind OK, or nothing.

    def capability(self, words: list[bytes]) -> None:
        self._say(f"* CAPABILITY {CAPABILITIES}".encode())

    def login(self, words: list[bytes]) -> None:
        if len(words) != 2:
            raise Bad("LOGIN")

    def logout(self, words: list[bytes]) -> None:
        self._say(b"* BYE until next time")

    def noop(self, words: list[bytes]) -> None:
        """There is nothing to do."""

    def list_(self, words: list[bytes]) -> None:
        asked = (words[0] + words[1]).decode()
        fits = re.compile(re.escape(asked).replace(r"\*", ".*").replace("%", "[^/]*"))
        for name in self._folders():
            if fits.fullmatch(name):
                self._say(f'* LIST () "/" "{name}"'.encode())

    def create(self, words: list[bytes]) -> None:
        if not self.store.run("INSERT OR IGNORE INTO mail_folders VALUES (?)", words[0].decode()):
            raise No("it is there")

    def select(self, words: list[bytes]) -> str:
        self.folder = self._known(words[0])
        count, following = self._counted(self.folder)
        self._say(b"* FLAGS (\\Seen \\Deleted)")
        self._say(f"* {count} EXISTS".encode())
        self._say(b"* 0 RECENT")
        self._say(b"* OK [UIDVALIDITY 1] one for all")
        self._say(f"* OK [UIDNEXT {following}] the next".encode())
        return "[READ-WRITE] selected"

    def status(self, words: list[bytes]) -> None:
        folder = self._known(words[0])
        count, following = self._counted(folder)
        self._say(f'* STATUS "{folder}" (MESSAGES {count} UIDNEXT {following} UIDVALIDITY 1)'.encode())

    def append(self, words: list[bytes]) -> None:
        mail_returns.put(self.store, self.literals[-1], self._known(words[0]))

    def search(self, words: list[bytes]) -> None:
        found = " ".join(str(uid) for uid in self._uids())
        self._say(f"* SEARCH {found}".rstrip().encode())

    def fetch(self, words: list[bytes]) -> None:
        part = _PART.search(b" ".join(words[1:]))
        if part is None:
            raise Bad("FETCH")
        start, most = (int(part[1]), int(part[2])) if part[1] else (0, LARGEST)
        for place, uid in enumerate(self._uids(), 1):
            if _wanted(uid, words[0]):
                raw = bytes(self._raw(uid))[start : start + most]
                origin = f"<{start}>" if part[1] else ""
                self._say(f"* {place} FETCH (UID {uid} BODY[]{origin} {{{len(raw)}}}".encode())
                self.writer.write(raw)
                self._say(b")")

    def move(self, words: list[bytes]) -> None:
        target = self._known(words[1])
        places = [(place, uid) for place, uid in enumerate(self._uids(), 1) if _wanted(uid, words[0])]
        with self.store.transaction():
            for _, uid in places:
                # A folder's numbers grow: what is moved there gets the next one.
                copied = (
                    "INSERT INTO mail_returned (folder, at, raw) SELECT ?, at, raw FROM mail_returned WHERE uid = ?"
                )
                self.store.run(copied, target, uid)
                self.store.run("DELETE FROM mail_returned WHERE uid = ?", uid)
        for place, _ in reversed(places):
            self._say(f"* {place} EXPUNGE".encode())

    # What there is.

    def _folders(self) -> list[str]:
        return [row["name"] for row in self.store.rows("SELECT name FROM mail_folders ORDER BY name")]

    def _known(self, name: bytes) -> str:
        found = name.decode("utf-8", "replace")
        if found not in self._folders():
            raise No("[TRYCREATE] there is no such folder")
        return found

    def _counted(self, folder: str) -> tuple[int, int]:
        row = self.store.row("SELECT count(*) AS n FROM mail_returned WHERE folder = ?", folder)
        last = self.store.row("SELECT seq AS n FROM sqlite_sequence WHERE name = 'mail_returned'")
        return (row or {"n": 0})["n"], (last or {"n": 0})["n"] + 1

    def _uids(self) -> list[int]:
        if not self.folder:
            raise Bad("no folder is selected")
        rows = self.store.rows("SELECT uid FROM mail_returned WHERE folder = ? ORDER BY uid", self.folder)
        return [row["uid"] for row in rows]

    def _raw(self, uid: int) -> bytes:
        row = self.store.row("SELECT raw FROM mail_returned WHERE uid = ?", uid)
        return row["raw"] if row else b""


_COMMANDS = {
    "CAPABILITY": _Session.capability,
    "LOGIN": _Session.login,
    "LOGOUT": _Session.logout,
    "NOOP": _Session.noop,
    "LIST": _Session.list_,
    "CREATE": _Session.create,
    "SELECT": _Session.select,
    "EXAMINE": _Session.select,
    "STATUS": _Session.status,
    "APPEND": _Session.append,
    "UID SEARCH": _Session.search,
    "UID FETCH": _Session.fetch,
    "UID MOVE": _Session.move,
}


def _words(line: bytes) -> Iterator[bytes]:
    for quoted, group, plain in _WORD.findall(line):
        yield group or plain or re.sub(rb"\\(.)", rb"\1", quoted)


def _wanted(uid: int, written: bytes) -> bool:
    """Whether "1,3:5,8:*" names it."""
    for part in written.split(b","):
        first, _, last = part.partition(b":")
        if int(first) <= uid <= (2**62 if last == b"*" else int(last or first)):
            return True
    return False
