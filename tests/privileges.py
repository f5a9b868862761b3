"""What root may do and others may not: tests of a file's mode are for everybody who runs them."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION_3 = 0x20080522  # linux/capability.h; three words of 32 bits for each half: effective, permitted, inheritable.


@contextmanager
def as_anybody() -> Iterator[None]:
    """This thread obeys the modes of files, as one who is not root: capabilities(7), none of them effective."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, held = (ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    _succeed(libc.capget(header, held))
    _succeed(libc.capset(header, (ctypes.c_uint32 * 6)(0, *held[1:3], 0, *held[4:])))
    try:
        yield
    finally:
        _succeed(libc.capset(header, held))


def _succeed(answer: int) -> None:
    if answer:
        raise OSError(ctypes.get_errno(), "capabilities(7)")
