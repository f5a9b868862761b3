"""Who left, or must not be mailed, says a former system: taken in before its members are.

Both only ever take somebody away. A leaver is remembered for one publication and may join again; of an address that
must not be mailed only the keyed hash is kept, for all publications.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from django.db import transaction

from ..delivery.claims import suppressed_among
from ..delivery.outcomes import unnamed
from ..lifecycle import move, note
from ..models import Member, Person, Publication, Subscription, Suppression
from .chunks import Chunk, Wanted, opened, read_in
from .reading import Broken

State = Subscription.State
_ROWS = 1_000


@dataclass
class Departed:
    """What was done so far. Every record of the file is counted in exactly one of these."""

    taken: int = 0
    known: int = 0  # gone already
    kept: int = 0  # confirmed here by themselves, later than that list knows; or still there, says the list
    rejected: int = 0

    @property
    def rows(self) -> int:
        return self.taken + self.known + self.kept + self.rejected


def import_leavers(
    blocks: Iterable[bytes],
    publication: Publication,
    *,
    by: Person,
    how: str,
    reject: Callable[[Broken], object],
    columns: Mapping[str, str] | None = None,
) -> Iterator[Departed]:
    """Remember who left this publication: no import makes them members. Whoever confirmed here by themselves stays.

    Of a list with a column of states only those who left are taken.
    """
    why = unnamed(how)
    for report in _over(blocks, columns, reject, lambda people: _leave(people, publication, by, why)):
        yield report
    note(publication, "imported leavers", by=by, why=why, **vars(report))


def import_suppressions(
    blocks: Iterable[bytes],
    publication: Publication,
    *,
    by: Person,
    how: str,
    reject: Callable[[Broken], object],
    columns: Mapping[str, str] | None = None,
) -> Iterator[Departed]:
    """Never mail these addresses, in any publication, until the persons themselves join anew."""
    why = unnamed(how)
    for report in _over(blocks, columns, reject, lambda people: _suppress(people, by, why), all_of_it=True):
        yield report
    note(publication, "barred addresses", by=by, why=why, **vars(report))


def _over(
    blocks: Iterable[bytes],
    columns: Mapping[str, str] | None,
    reject: Callable[[Broken], object],
    take: Callable[[list[str]], tuple[int, int]],
    all_of_it: bool = False,
) -> Iterator[Departed]:
    """Chunk after chunk: `take` is given addresses, and says how many it took and how many it kept."""
    report, reading = Departed(), opened(blocks, columns)
    if all_of_it:
        reading.forget("state")
    for chunk in read_in(reading, lambda: _ROWS, Wanted(leavers=True)):
        with transaction.atomic():
            taken, kept = take(list(chunk.people))
        _count(report, chunk, taken, kept)
        for broken in chunk.broken:
            reject(broken)
        yield report


def _count(report: Departed, chunk: Chunk, taken: int, kept: int) -> None:
    report.taken += taken
    report.kept += kept + chunk.gone
    report.known += len(chunk.people) - taken - kept + chunk.repeated
    report.rejected += len(chunk.broken)


def _leave(addresses: list[str], publication: Publication, by: Person, why: str) -> tuple[int, int]:
    gone = suppressed_among(addresses)
    wanted = [address for address in addresses if address not in gone]
    Member.objects.bulk_create([Member(email=address) for address in wanted], ignore_conflicts=True)
    people = Member.objects.select_for_update().filter(email__in=wanted).order_by("pk")
    ids = [member.pk for member in people]
    there = {row.member_id: row for row in Subscription.objects.filter(publication=publication, member_id__in=ids)}
    new = [Subscription(member_id=pk, publication=publication, state=State.LEFT) for pk in ids if pk not in there]
    Subscription.objects.bulk_create(new)
    going = [row for row in there.values() if row.state in {State.ACTIVE, State.PENDING}]
    own = confirmed_here(going)
    for row in going:
        if row.pk not in own:
            move(row, State.LEFT, by=by, why=why)
    return len(new) + len(going) - len(own), len(own)


def confirmed_here(rows: list[Subscription]) -> set[int]:
    """Whoever said yes to us in person: no list of somebody else's takes that back."""
    confirmed = Subscription.objects.filter(
        pk__in=[row.pk for row in rows], state=State.ACTIVE, consents__by=None, consents__confirmed_at__isnull=False
    )
    return set(confirmed.values_list("pk", flat=True))


def _suppress(addresses: list[str], by: Person, why: str) -> tuple[int, int]:
    known = suppressed_among(addresses)
    new = [address for address in addresses if address not in known]
    list(Member.objects.select_for_update().filter(email__in=new).order_by("pk"))  # in turns with whoever joins
    hashes = [Suppression(hash=Suppression.fingerprints(address)[0], why=why[:200]) for address in new]
    Suppression.objects.bulk_create(hashes, ignore_conflicts=True)
    for row in Subscription.objects.filter(member__email__in=new, state=State.ACTIVE):
        move(row, State.SUPPRESSED, by=by, why=why)
    return len(new), 0
