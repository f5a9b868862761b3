"""What an import would do to each line, found out without doing it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from ..delivery.claims import suppressed_among
from ..models import Publication, Subscription
from .chunks import Chunk, Wanted, opened, read_in
from .reading import Broken, Reading

#: What becomes of somebody, by the state that they are in; and of those whom nobody knows.
_BECOMES = {
    "active": "is a member already",
    "pending": "has been asked to confirm: stays so",
    "left": "left: stays away",
    "suppressed": "must not be mailed: stays away",
}
NEW, REPEATED, GONE = "becomes a member", "stands in the list before", "left, says the list: is not added"
_AT_ONCE = 2_000


@dataclass(frozen=True)
class Judged:
    """One line: its number, the address or how the line begins, and what would become of it."""

    line: int
    email: str
    name: str
    becomes: str
    good: bool = False


@dataclass(frozen=True)
class Preview:
    """What a list looks like, and what would become of its first lines."""

    names: list[str]
    #: Which of these names stands for what: {"email": "Correo"}.
    columns: dict[str, str]
    delimiter: str
    encoding: str
    lines: list[Judged]


def preview(
    blocks: Iterable[bytes], publication: Publication, *, columns: Mapping[str, str] | None = None, soft: bool = False,
    first: int = 20,
) -> Preview:  # fmt: skip
    """The list's columns and first lines. Refusal where it names no addresses. Nothing is stored."""
    reading = opened(blocks, columns)
    lines: list[Judged] = []
    for chunk in islice(read_in(reading, lambda: 1, Wanted(soft=soft, lines=True)), first):
        lines += _lines(chunk, publication, {line.email for line in lines})
    where = {what: reading.names[at] for what, at in reading.where.items()}
    return Preview(reading.names, where, reading.delimiter, reading.encoding, lines[:first])


def dry_run(reading: Reading, publication: Publication, *, soft: bool = False) -> Iterator[tuple[Chunk, int, int, int]]:
    """Chunk after chunk with how many would be added, are known, are refused. Each address is counted as new once."""
    seen: set[int] = set()  # hashes: a million addresses would be a hundred megabytes
    for chunk in read_in(reading, lambda: _AT_ONCE, Wanted(soft=soft)):
        states = judged(list(chunk.people), publication)
        new = {hash(address) for address in chunk.people if address not in states} - seen
        refused = sum(state in {"left", "suppressed"} for state in states.values())
        yield chunk, len(new), len(chunk.people) - len(new) - refused + chunk.repeated, refused + chunk.gone
        seen |= new


def judged(addresses: list[str], publication: Publication) -> dict[str, str]:
    """The state of each of them that is known here; “suppressed” also where only the hash is."""
    found: dict[str, str] = {}
    for start in range(0, len(addresses), _AT_ONCE):
        some = addresses[start : start + _AT_ONCE]
        here = Subscription.objects.filter(publication=publication, member__email__in=some)
        found |= dict(here.values_list("member__email", "state"))
        found |= dict.fromkeys(suppressed_among(some), "suppressed")
    return found


def _lines(chunk: Chunk, publication: Publication, before: set[str]) -> list[Judged]:
    if chunk.gone:
        return [Judged(0, "", "", GONE)]
    lines = [Judged(broken.line, broken.text, "", _sentence(broken)) for broken in chunk.broken]
    states = judged(list(chunk.people), publication)
    for address, person in chunk.people.items():
        _, first, last, *_ = person.split("\t")
        becomes = REPEATED if address in before else _BECOMES.get(states.get(address, ""), NEW)
        name = f"{first} {last}".strip()
        lines.append(Judged(chunk.lines[address], address, name, becomes, good=becomes == NEW))
    return lines


def _sentence(broken: Broken) -> str:
    return f"rejected: {broken.why}"
