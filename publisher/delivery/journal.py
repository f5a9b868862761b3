"""The journal of one hold: what was about to be handed over, and each answer, before anything else is done about it.

    publisher-journal 1 <boot id>
    I 4711                                          about to hand over delivery 4711
    T 4711 250 2.0.0 Ok: queued as 3F2A             taken, with the server's words, as nearly all are
    deferred 4712 451 4.7.1 dot connection Later    any other answer

Written before anything is waited for, it survives the death of the process. It is synced only when it is left behind:
as long as all goes well the commit of the outcomes follows within a group, and is what survives a power cut. Whoever
takes over reads it under the file's lock. The kernel frees the lock when the process is dead, so who has the lock may
trust it.
"""

from __future__ import annotations

import fcntl
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, cast

from .. import holders
from ..printable import one_line
from .outcomes import Outcome, Result, taken, unnamed
from .replies import Phase, Scope

_HEAD = "publisher-journal 1 "
_NONE = "-"


class InUse(Exception):
    """Its writer lives."""


def journal_path(data: Path, name: str) -> Path:
    """Where a hold's journal lies below the data folder, by its name."""
    return data / "journal" / f"{name}.journal"


class Journal:
    """An open journal. For one writer, who holds the file's lock until it dies or closes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._heard = f"{_HEAD}{holders.boot_id() or _NONE}\n".encode()
        try:
            self.write()
        except OSError:
            self.close()
            raise

    def intend(self, *deliveries: int) -> None:
        """Their dots are next. What stands here without an answer may have been taken."""
        for delivery in deliveries:
            self._heard += b"I %d\n" % delivery
        self.write()

    def answer(self, delivery: int, outcome: Outcome) -> None:
        """Note an answer: it is written with the next intent, or by `write`, before anything is waited for."""
        result, phase, code, enhanced, text, scope = outcome
        said = text if text.isprintable() else one_line(text)
        self._heard += f"{result} {delivery} {code or _NONE} {enhanced or _NONE} {phase} {scope} {said}\n".encode()

    def taken(self, delivery: int, answer: bytes) -> None:
        """Note that the message was taken, says the server in one plain line."""
        said = answer if b"@" not in answer else unnamed(answer.decode()).encode()
        self._heard += b"T %d %b\n" % (delivery, said)

    def write(self) -> None:
        """All of it, or OSError: a disk that fills up takes the beginning of a line without a word."""
        while self._heard:
            self._heard = self._heard[os.write(self._file, self._heard) :]

    def close(self, *, keep: bool = False) -> None:
        """The lock is free. The file goes, unless there is something in it that nobody has read."""
        try:
            if keep:
                self.write()
                os.fdatasync(self._file)
            else:
                self.path.unlink(missing_ok=True)
        finally:
            file, self._file = self._file, -1  # closed again it must not be somebody else's by then
            os.close(file)


@dataclass
class Account:
    """What a journal says. `complete`: what does not stand in it did not happen; else power may have taken its end."""

    complete: bool
    intended: set[int] = field(default_factory=set)
    answered: dict[int, Outcome] = field(default_factory=dict)


NOTHING_KNOWN = Account(complete=False)


class AbandonedJournal:
    """A journal that another process left, with its lock. Raises FileNotFoundError, or InUse."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise InUse(str(path)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def read(self) -> Account:
        head, *lines = self.path.read_text("utf-8", "replace").split("\n")
        # The last piece has no line end: it is empty, or was cut by a power failure.
        # An older start's journal may lack what was not synced; so may any, where nobody can say which start is this.
        boot = holders.boot_id()
        account = Account(complete=bool(boot) and head == f"{_HEAD}{boot}")
        for line in lines[:-1]:
            _take(line, account)
        return account

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)


_INTENT = re.compile(r"I (\d+)")
_TAKEN = re.compile(r"T (\d+) (250 .*)")
_ANSWER = re.compile(r"(sent|deferred|failed|unknown) (\d+) (\d+|-) (\S+) (\w+) (recipient|sender|connection) (.*)")


def _take(line: str, account: Account) -> None:
    if found := _INTENT.fullmatch(line):
        account.intended.add(int(found[1]))
        account.answered.pop(int(found[1]), None)  # that was of an earlier connection, which broke off before the dot
    elif found := _TAKEN.fullmatch(line):
        account.answered[int(found[1])] = taken(found[2].encode())
    elif found := _ANSWER.fullmatch(line):
        code = int(found[3]) if found[3] != _NONE else None
        enhanced = found[4] if found[4] != _NONE else None
        outcome = Outcome(Result(found[1]), Phase(found[5]), code, enhanced, found[7], cast(Scope, found[6]))
        account.answered[int(found[2])] = outcome
