"""What a machine remembers of its database: a small file beside it, which knows when it was copied.

A copy of a file has another inode. The number alone does not tell, since ext4 gives a freed one to the next
file; with the inode's generation, which is drawn anew each time, it does. Where a file system has none
(tmpfs, NFS), the time of birth or the number alone has to do.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

#: FS_IOC_GETVERSION: _IOR('v', 1, long), although what the kernel writes is an int.
_GET_GENERATION = 0x80007601 | struct.calcsize("l") << 16
#: Ours is a fifth of this; what is longer was not written here.
_LONGEST = 1000


class Unreadable(Exception):
    """The file is there and says nothing; str() says why."""


@dataclass(frozen=True)
class Witness:
    installation: str
    counter: int
    #: The file is not the one that was written here, but a copy of it.
    copied: bool = False


def read(path: Path) -> Witness | None:
    """What the file says; None where there is none. Unreadable where there is one that cannot be read."""
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(_LONGEST))
            copied = said["file"] != _identity(file.fileno())
        return Witness(str(said["installation"]), int(said["counter"]), copied)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise Unreadable(os.strerror(problem.errno) if problem.errno else str(problem)) from problem
    except (ValueError, KeyError, TypeError) as problem:
        raise Unreadable("it is damaged") from problem


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """One process at a time between reading and writing; without it where the file system has no locks."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def write(path: Path, installation: str, counter: int) -> None:
    """Whole or not at all, and still there after a power cut. OSError where it cannot be done.

    Each writing makes a new file, which names itself: so one that is copied over it in place is told apart too.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump({"installation": installation, "counter": counter, "file": _identity(descriptor)}, file)
            file.flush()
            os.fsync(descriptor)
        os.replace(name, path)
    except OSError:
        with suppress(OSError):
            os.unlink(name)
        raise
    _sync(path.parent)


def _identity(descriptor: int) -> str:
    return f"{os.fstat(descriptor).st_ino}/{_generation(descriptor)}"


def _generation(descriptor: int) -> float:
    try:
        answer = fcntl.ioctl(descriptor, _GET_GENERATION, bytes(struct.calcsize("l")))
    except OSError:
        return float(getattr(os.fstat(descriptor), "st_birthtime", 0))
    return int.from_bytes(answer[:4], sys.byteorder)


def _sync(folder: Path) -> None:
    """The renaming itself. A file system that cannot do this for a folder has done what it can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
