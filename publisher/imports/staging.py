"""How a chunk of people becomes members: loaded into a temporary table, and from there moved in sets.

One transaction for a chunk, all or nothing. Who is first made and then locked, in one order, waits for another
import, for somebody who joins and for an erasure, and never do two wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from ..models import Consent, Publication, Suppression

#: By address: first and last name.
People = dict[str, tuple[str, str]]

_TABLES = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS staged (email text, first_name text, last_name text)",
    "CREATE TEMPORARY TABLE IF NOT EXISTS joining (member_id bigint)",
    "CREATE TEMPORARY TABLE IF NOT EXISTS standing (member_id bigint)",
    "DELETE FROM staged",
    "DELETE FROM joining",
    "DELETE FROM standing",
)
_MEMBERS = """
    INSERT INTO publisher_member (email, first_name, last_name, language, joined_at)
    SELECT email, first_name, last_name, '', %s FROM staged WHERE true ORDER BY email
    ON CONFLICT (email) DO NOTHING"""
# CROSS JOIN says to SQLite which of the two to go through: the few. PostgreSQL is told in `_meet`.
_STANDING = """
    INSERT INTO standing
    SELECT m.id FROM staged CROSS JOIN publisher_member m
    WHERE m.email = staged.email AND m.id NOT IN (SELECT member_id FROM joining) ORDER BY m.id"""
_STATES = """
    SELECT s.state, count(*) FROM standing CROSS JOIN publisher_subscription s
    WHERE s.member_id = standing.member_id AND s.publication_id = %s GROUP BY s.state"""
_OTHERS = """
    INSERT INTO joining
    SELECT member_id FROM standing WHERE NOT EXISTS (
        SELECT 1 FROM publisher_subscription s
        WHERE s.member_id = standing.member_id AND s.publication_id = %s)"""
_SUBSCRIPTIONS = """
    INSERT INTO publisher_subscription (member_id, publication_id, state, state_since)
    SELECT member_id, %s, 'active', %s FROM joining"""
_CONSENTS = """
    INSERT INTO publisher_consent (subscription_id, basis, how, wording, by_id, at, confirmed_at)
    SELECT id, %s, %s, '', %s, %s, %s FROM """

#: Addresses whose suppression is asked for at once: SQLite takes so many in one statement.
_ASKED = 5_000


@dataclass(frozen=True, slots=True)
class Terms:
    """To what, and on what grounds, all the people of a list are brought."""

    publication: Publication
    basis: Consent.Basis
    how: str
    by_id: int | None


@dataclass(frozen=True, slots=True)
class Counted:
    added: int
    known: int
    refused: int


class _Overtaken(Exception):
    """Somebody was erased or suppressed while we waited for them: nothing was done, look again."""


def bring(people: People, terms: Terms) -> Counted:
    """Make these people active members, but for who left, is suppressed, or was erased."""
    while True:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                return _bring(cursor, people, terms)
        except _Overtaken:
            continue


def _bring(cursor: CursorWrapper, people: People, terms: Terms) -> Counted:
    prints = _Prints(people)
    gone = prints.suppressed()
    wanted = {address: names for address, names in people.items() if address not in gone} if gone else people
    _stage(cursor, wanted)
    made = _make(cursor)
    states = _meet(cursor, len(wanted) - made, terms.publication) if made < len(wanted) else {}
    if prints.suppressed() != gone:
        raise _Overtaken
    left = states.get("left", 0) + states.get("suppressed", 0)
    return Counted(_add(cursor, terms), sum(states.values()) - left, len(gone) + left)


def _meet(cursor: CursorWrapper, expected: int, publication: Publication) -> dict[str, int]:
    """Lock who stands there already, in the order of their numbers; how many are in which state here.

    Who has no subscription here joins those who were just made.
    """
    if connection.vendor == "postgresql":
        # It would rather read all members for each chunk than look up these few.
        cursor.execute("SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)")
    cursor.execute(_STANDING + (" FOR UPDATE OF m" if connection.vendor == "postgresql" else ""))
    if cursor.rowcount != expected:
        raise _Overtaken
    cursor.execute(_STATES, [publication.pk])
    states = dict(cursor.fetchall())
    cursor.execute(_OTHERS, [publication.pk])
    return states


class _Prints:
    """The keyed hashes of people, which are made only where anybody is suppressed at all."""

    def __init__(self, people: Iterable[str]) -> None:
        self._people, self._made = people, dict[str, str]()

    def suppressed(self) -> set[str]:
        """Who of them is suppressed as of now."""
        if not Suppression.objects.exists():
            return set()
        self._made = self._made or {made: who for who in self._people for made in Suppression.fingerprints(who)}
        rest, found = iter(self._made), set[str]()
        while some := list(islice(rest, _ASKED)):
            hashes = Suppression.objects.filter(hash__in=some).values_list("hash", flat=True)
            found |= {self._made[hash_] for hash_ in hashes}
        return found


def _stage(cursor: CursorWrapper, people: People) -> None:
    for statement in _TABLES:
        cursor.execute(statement)
    if connection.vendor == "postgresql":
        with cursor.copy("COPY staged FROM STDIN") as copy:
            # No tab and no line end is in an address or a name by now.
            lines = (f"{email}\t{first}\t{last}\n" for email, (first, last) in people.items())
            copy.write("".join(lines).replace("\\", "\\\\"))
    else:
        rows = [(email, first, last) for email, (first, last) in people.items()]
        cursor.executemany("INSERT INTO staged VALUES (%s, %s, %s)", rows)


def _make(cursor: CursorWrapper) -> int:
    """Make members of whoever is none yet, and say how many."""
    return _insert(cursor, "publisher_member", _MEMBERS, [_now()], "INSERT INTO joining SELECT id FROM ", [])


def _add(cursor: CursorWrapper, terms: Terms) -> int:
    now = _now()
    given = [terms.basis, terms.how, terms.by_id, now, now]
    return _insert(cursor, "publisher_subscription", _SUBSCRIPTIONS, [terms.publication.pk, now], _CONSENTS, given)


def _insert(cursor: CursorWrapper, table: str, rows: str, given: list[Any], then: str, then_given: list[Any]) -> int:
    """Insert rows, and then something for each of them; how many there were."""
    if connection.vendor == "postgresql":
        cursor.execute(f"WITH made AS ({rows} RETURNING id) {then} made", [*given, *then_given])
        return int(cursor.rowcount)
    # SQLite has one writer at a time: whatever is above the highest number so far was made here.
    cursor.execute(f"SELECT coalesce(max(id), 0) FROM {table}")  # noqa: S608
    (highest,) = cursor.fetchone()
    cursor.execute(rows, given)
    cursor.execute(f"{then} {table} WHERE id > %s", [*then_given, highest])
    return int(cursor.rowcount)


def _now() -> Any:
    return connection.ops.adapt_datetimefield_value(timezone.now())
