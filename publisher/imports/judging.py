"""What an import would do to each line, found out without doing it.

The dry run. How the lines of a real import are read and taken in: chunks.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from ..delivery.claims import suppressed_among
from ..models import Publication, Subscription
from .chunks import Chunk, Wanted, opened, read_in
from .departures import confirmed_here
from .reading import Broken, Reading

REPEATED = "stands in the list before"
#: An active member who has said yes here in person: no list of somebody else's takes that back.
CONFIRMED = "confirmed"
_AT_ONCE = 2_000


@dataclass(frozen=True)
class Kind:
    """What becomes of the people of a list, by the state that they are in."""

    becomes: Mapping[str, str]
    new: str
    #: Those who are not meant, by what the list itself says.
    others: str = ""
    leavers: bool = False
    #: Whatever the list says of their states.
    all_of_it: bool = False


MEMBERS = Kind(
    {
        "active": "is a member already",
        CONFIRMED: "is a member already",
        "pending": "has been asked to confirm: stays so",
        "left": "left: stays away",
        "suppressed": "must not be mailed: stays away",
    },
    new="becomes a member",
    others="left, says the list: is not added",
)
KINDS = {
    "members": MEMBERS,
    "leavers": Kind(
        {
            "active": "is a member here, and leaves",
            CONFIRMED: "has confirmed here in person: stays",
            "pending": "has been asked to confirm, and leaves",
            "left": "has left already",
            "suppressed": "must not be mailed as it is",
        },
        new="is remembered as having left",
        others="is still there, says the list: is left as they are",
        leavers=True,
    ),
    "suppressions": Kind(
        {"suppressed": "must not be mailed as it is"}, new="will be mailed no more, in no publication", all_of_it=True
    ),
}


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
    first: int = 20, kind: Kind = MEMBERS,
) -> Preview:  # fmt: skip
    """The list's columns and first lines. Refusal where it names no addresses. Nothing is stored."""
    reading = opened(blocks, columns)
    if kind.all_of_it:
        reading.forget("state")
    lines: list[Judged] = []
    wanted = Wanted(soft=soft and kind is MEMBERS, leavers=kind.leavers or kind.all_of_it, lines=True)
    for chunk in islice(read_in(reading, lambda: 1, wanted), first):
        lines += _lines(chunk, publication, {line.email for line in lines}, kind)
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


def _lines(chunk: Chunk, publication: Publication, before: set[str], kind: Kind) -> list[Judged]:
    lines = [Judged(broken.line, broken.text, "", _sentence(broken)) for broken in chunk.broken]
    lines += [
        Judged(at, address, "", kind.others) for address, at in chunk.lines.items() if address not in chunk.people
    ]
    states = judged(list(chunk.people), publication)
    own = _confirmed([address for address, state in states.items() if state == "active"], publication)
    for address, person in chunk.people.items():
        _, first, last, *_ = person.split("\t")
        state = CONFIRMED if address in own else states.get(address, "")
        becomes = REPEATED if address in before else kind.becomes.get(state, kind.new)
        name = f"{first} {last}".strip()
        lines.append(Judged(chunk.lines[address], address, name, becomes, good=becomes == kind.new))
    return lines


def _confirmed(addresses: list[str], publication: Publication) -> set[str]:
    if not addresses:
        return set()
    rows = Subscription.objects.filter(publication=publication, member__email__in=addresses).select_related("member")
    own = confirmed_here(list(rows))
    return {row.member.email for row in rows if row.pk in own}


def _sentence(broken: Broken) -> str:
    return f"rejected: {broken.why}"
