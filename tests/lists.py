"""Lists of members, imported as the command does it, for tests that care for what comes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from publisher import imports


@dataclass
class Brought(imports.Imported):
    """The last report, and each rejected line with what was wrong with it."""

    broken: list[tuple[int, str]] = field(default_factory=list)


def bring(publication: Any, by: Any, *lines: str, basis: str = "consent") -> Brought:
    """Import these lines."""
    return bring_bytes(publication, by, "".join(f"{line}\n" for line in lines).encode(), basis=basis)


def bring_bytes(publication: Any, by: Any, content: bytes, *, basis: str = "consent") -> Brought:
    rejected: list[imports.Broken] = []
    *_, told = imports.import_csv(
        in_blocks(content), publication, by=by, basis=basis, how="import members.csv", reject=rejected.append
    )
    return Brought(**vars(told), broken=[(one.line, one.why) for one in rejected])


def in_blocks(content: bytes, size: int = 4096) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]
