"""What the doctor says: a finding for each thing looked at, with the text to copy where something is to be mended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    WELL = "in order"
    WRONG = "wrong"
    #: Nobody answered, or it cannot be seen from here. It may be in order.
    UNASKED = "could not be asked"


@dataclass(frozen=True)
class Finding:
    """`copy` is what to put into the DNS, as a line of a zone file; name, type and value stand in it."""

    about: str
    name: str
    verdict: Verdict
    says: str
    mend: str = ""
    copy: str = ""

    @property
    def ok(self) -> bool:
        return self.verdict is Verdict.WELL


def record(name: str, value: str, kind: str = "TXT") -> str:
    """A line of a zone file. Of a TXT record, no string is longer than 255 characters."""
    if kind != "TXT":
        return f"{name}. IN {kind} {value}"
    strings = " ".join(f'"{value[at : at + 255]}"' for at in range(0, len(value), 255))
    return f"{name}. IN TXT {f'( {strings} )' if len(value) > 255 else strings}"
