"""How a chunk of people becomes members: loaded into a temporary table, and from there moved in sets.

One transaction for a chunk, all or nothing. Who is first made and then locked, in one order, waits for another
import, for somebody who joins and for an erasure, and never do two wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from ..models import Consent, Publication, Suppression

# The numbers that each person and their subscription will have are taken beforehand: whoever is a member under the
# number that was taken for them was made here, and nothing has to be read back.
_STAGED = {
    "postgresql": """
        CREATE TEMPORARY TABLE IF NOT EXISTS staged (
            email text, first_name text, last_name text, language text, agreed text,
            id bigint DEFAULT nextval('publisher_member_id_seq'),
            subscription_id bigint DEFAULT nextval('publisher_subscription_id_seq'))""",
    "sqlite": """
        CREATE TEMPORARY TABLE IF NOT EXISTS staged (
            email text, first_name text, last_name text, language text, agreed text,
            id bigint, subscription_id bigint)""",
}
_LAST_NUMBERS = """
    SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'publisher_member'), 0),
           coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'publisher_subscription'), 0)"""
_MEMBERS = """
    INSERT INTO publisher_member (id, email, first_name, last_name, language, joined_at)
    SELECT id, email, first_name, last_name, language, %s FROM staged WHERE true ORDER BY email
    ON CONFLICT (email) DO NOTHING"""
_LOCK = """
    SELECT count(*) FROM (
        SELECT m.id FROM staged CROSS JOIN publisher_member m
        WHERE m.email = staged.email AND m.id <> staged.id ORDER BY m.id FOR UPDATE OF m) locked"""
_THEIR_NUMBERS = """
    UPDATE staged SET id = m.id FROM publisher_member m WHERE m.email = staged.email AND m.id <> staged.id"""
# CROSS JOIN says to SQLite which of the two to go through: the few. PostgreSQL is told in `_meet`.
_STATES = """
    SELECT s.state, count(*) FROM staged CROSS JOIN publisher_subscription s
    WHERE s.member_id = staged.id AND s.publication_id = %s GROUP BY s.state"""
_NOTHING_TO_ADD = """
    DELETE FROM staged WHERE EXISTS (
        SELECT 1 FROM publisher_subscription s WHERE s.member_id = staged.id AND s.publication_id = %s)"""
_SUBSCRIPTIONS = """
    INSERT INTO publisher_subscription (id, member_id, publication_id, state, state_since)
    SELECT subscription_id, id, %s, 'active', %s FROM staged"""
# PostgreSQL looks up each key that a row refers to, row by row, which is half of its work here. What these rows refer
# to was made or locked in this very transaction, so that there is nothing to find out; and whether the publication and
# the person are there, is asked here for all. Only a superuser may do without: for others it looks them up.
_REFERENCES_HOLD = """
    SELECT set_config('session_replication_role', 'replica', true)
    FROM (SELECT id FROM publisher_publication WHERE id = %s FOR KEY SHARE) publication
    LEFT JOIN LATERAL (SELECT id FROM publisher_person WHERE id = %s FOR KEY SHARE) person ON true
    WHERE current_setting('is_superuser') = 'on' AND person.id IS NOT DISTINCT FROM %s"""
_LOOK_THEM_UP = """
    SELECT set_config('session_replication_role', 'origin', true) WHERE current_setting('is_superuser') = 'on'"""
_AGREED = {
    "postgresql": "coalesce(nullif(agreed, '')::timestamptz, %s)",
    "sqlite": "coalesce(nullif(agreed, ''), %s)",
}
_CONSENTS = """
    INSERT INTO publisher_consent (subscription_id, basis, how, wording, by_id, at, imported_at)
    SELECT subscription_id, %s, %s, %s, %s, {agreed}, %s FROM staged"""

#: Addresses whose suppression is asked for at once: SQLite takes so many in one statement.
_ASKED = 5_000


@dataclass(frozen=True, slots=True)
class Terms:
    """To what, and on what grounds, all the people of a list are brought."""

    publication: Publication
    basis: Consent.Basis
    how: str
    by_id: int | None
    wording: str = ""  # what they said yes to elsewhere


@dataclass(frozen=True, slots=True)
class Counted:
    added: int
    known: int
    refused: int


class _Overtaken(Exception):
    """Somebody was erased or suppressed while we waited for them: nothing was done, look again."""


def staged(address: str, first_name: str, last_name: str, language: str = "", agreed: str = "") -> str:
    """A person as a line of COPY, but for backslashes. No tab and no line end is in an address or a name by now."""
    return f"{address}\t{first_name}\t{last_name}\t{language}\t{agreed}\n"


def bring(people: list[str], terms: Terms) -> Counted:
    """Make active members of these `staged` people, but for who left, is suppressed, or was erased."""
    while True:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                return _bring(cursor, people, terms)
        except _Overtaken:
            continue


def _bring(cursor: CursorWrapper, people: list[str], terms: Terms) -> Counted:
    prints = _Prints(people)
    gone = prints.suppressed()
    wanted = [person for person in people if _address(person) not in gone] if gone else people
    _stage(cursor, wanted)
    cursor.execute(_MEMBERS, [_now()])
    standing = len(wanted) - cursor.rowcount
    states = _meet(cursor, standing, terms.publication) if standing else {}
    if prints.suppressed() != gone:
        raise _Overtaken
    left = states.get("left", 0) + states.get("suppressed", 0)
    added = _add(cursor, terms)
    cursor.execute("DELETE FROM staged")  # the table lives as long as the connection, and nobody may be found in it
    return Counted(added, sum(states.values()) - left, len(gone) + left)


def _meet(cursor: CursorWrapper, expected: int, publication: Publication) -> dict[str, int]:
    """Lock who stands there already, in the order of their numbers; how many have a subscription here, in which state.

    Who has one is staged no longer.
    """
    if connection.vendor == "postgresql":
        # It would rather read all members for each chunk than look up these few.
        cursor.execute("SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)")
        cursor.execute(_LOCK)
    cursor.execute(_THEIR_NUMBERS)
    if cursor.rowcount != expected:
        raise _Overtaken
    cursor.execute(_STATES, [publication.pk])
    states = dict(cursor.fetchall())
    cursor.execute(_NOTHING_TO_ADD, [publication.pk])
    return states


class _Prints:
    """The keyed hashes of people, which are made only where anybody is suppressed at all."""

    def __init__(self, people: list[str]) -> None:
        self._people, self._made = people, dict[str, str]()

    def suppressed(self) -> set[str]:
        """Who of them is suppressed as of now."""
        if not Suppression.objects.exists():
            return set()
        self._made = self._made or {
            made: who for who in map(_address, self._people) for made in Suppression.fingerprints(who)
        }
        rest, found = iter(self._made), set[str]()
        while some := list(islice(rest, _ASKED)):
            hashes = Suppression.objects.filter(hash__in=some).values_list("hash", flat=True)
            found |= {self._made[hash_] for hash_ in hashes}
        return found


def _stage(cursor: CursorWrapper, people: list[str]) -> None:
    cursor.execute(_STAGED[connection.vendor])
    if connection.vendor == "postgresql":
        with cursor.copy("COPY staged (email, first_name, last_name, language, agreed) FROM STDIN") as copy:
            copy.write("".join(people).replace("\\", "\\\\"))
        return
    cursor.execute(_LAST_NUMBERS)
    member, subscription = cursor.fetchone()
    rows = [(*person[:-1].split("\t"), member + n, subscription + n) for n, person in enumerate(people, start=1)]
    cursor.executemany("INSERT INTO staged VALUES (%s, %s, %s, %s, %s, %s, %s)", rows)


def _add(cursor: CursorWrapper, terms: Terms) -> int:
    """Subscribe all who are staged, and say how they agreed."""
    now = _now()
    with _references_held(cursor, terms):
        cursor.execute(_SUBSCRIPTIONS, [terms.publication.pk, now])
        consents = _CONSENTS.format(agreed=_AGREED[connection.vendor])
        cursor.execute(consents, [terms.basis, terms.how, terms.wording, terms.by_id, now, now])
        added = int(cursor.rowcount)
    return added


@contextmanager
def _references_held(cursor: CursorWrapper, terms: Terms) -> Iterator[None]:
    if connection.vendor != "postgresql":
        yield
        return
    cursor.execute(_REFERENCES_HOLD, [terms.publication.pk, terms.by_id, terms.by_id])
    yield  # where it fails, the setting goes with the transaction
    cursor.execute(_LOOK_THEM_UP)


def _address(person: str) -> str:
    return person.partition("\t")[0]


def _now() -> Any:
    return connection.ops.adapt_datetimefield_value(timezone.now())
