"""The ledger's hot statements, as each database does them best. Compare-and-set all of them: on the state and the hold.

SQL by hand, because they run once for every thirty messages: compiling them anew from querysets costs more than running
them does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections

from .. import faults
from ..models import Consent, Delivery, Digest, Hold, Member, Subscription

_NAMES = {
    "consent": Consent._meta.db_table,
    "delivery": Delivery._meta.db_table,
    "digest": Digest._meta.db_table,
    "hold": Hold._meta.db_table,
    "member": Member._meta.db_table,
    "subscription": Subscription._meta.db_table,
}


class Due(NamedTuple):
    """A row that may be claimed, with its member as they are now.

    `wanted` is whether they still want it, `plain` whether they want it as plain text alone, `met` whether they are
    mailed on the charitable soft opt-in: they never asked.
    """

    id: int
    address: str
    attempts: int
    first_tried_at: datetime | None
    code: int | None
    member_id: int | None
    first_name: str
    last_name: str
    wanted: bool
    plain: bool = False
    met: bool = False


class Written(NamedTuple):
    """One row's outcome."""

    id: int
    state: str
    due_at: datetime
    tried: int
    code: int | None
    enhanced: str
    reply: str
    phase: str


def freeze(digest: int, publication: int, after: int, most: int, now: datetime) -> int | None:
    """Queue a row for each of the next members who want it, by their number; the last one's, None for no more."""
    audience = "{subscription} s WHERE s.publication_id = %s AND s.state = 'active' AND s.member_id > %s"
    chunk = f"SELECT s.member_id AS id FROM {audience} ORDER BY s.member_id LIMIT %s"  # noqa: S608 - our own tables
    last = _ask(f"SELECT max(id) FROM ({chunk}) chunk", publication, after, most)[0][0]  # noqa: S608
    if last is None:
        return None
    among = f"m.id > %s AND m.id <= %s AND EXISTS (SELECT 1 FROM {audience} AND s.member_id = m.id)"  # noqa: S608
    _queue(digest, now, among, after, last, publication, after)
    return int(last)


def freeze_some(digest: int, chunk: tuple[str, Sequence[Any]], now: datetime) -> int | None:
    """Queue a row for each member whose number a statement gives; the last one's, None for no more.

    The statement is run twice, so it names its members by their number, and in that order.
    """
    ids, given = chunk
    last = _ask(f"SELECT max(member_id) FROM ({ids}) chunk", *given)[0][0]  # noqa: S608 - Django's own, of a rule
    if last is None:
        return None
    _queue(digest, now, f"m.id <= %s AND m.id IN (SELECT member_id FROM ({ids}) chunk)", last, *given)  # noqa: S608
    return int(last)


def _queue(digest: int, now: datetime, among: str, *given: Any) -> None:
    """A row for each member `m` of whom the condition holds, where there is none yet."""
    _do(
        f"""INSERT INTO {{delivery}}
                   (digest_id, member_id, address, state, state_since, due_at, attempts, enhanced, reply, phase)
            SELECT %s, m.id, m.email, 'queued', %s, %s, 0, '', '', '' FROM {{member}} m
            WHERE {among} ORDER BY m.id ON CONFLICT DO NOTHING""",  # noqa: S608 - no value is put into the text
        digest, _time(now), _time(now), *given,
    )  # fmt: skip


def renew(hold: int, seconds: float) -> bool:
    """Keep the hold; False when it was ended. Whoever ends it waits until the transaction with this is done."""
    if _postgres():
        until = "clock_timestamp() + %s * interval '1 second'"
    else:
        until = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s || ' seconds')"
    return _do(f"UPDATE {{hold}} SET until = {until} WHERE id = %s AND ended_at IS NULL", seconds, hold) == 1  # noqa: S608


def due(digest: int, publication: int, state: str, most: int, now: datetime) -> list[Due]:
    """The next rows in this state that are due, locked against other claims, each with its member."""
    lock = "FOR UPDATE OF d SKIP LOCKED" if _postgres() else ""
    found = _ask(
        f"""SELECT d.id, d.address, d.attempts, d.first_tried_at, d.code, m.id,
                   COALESCE(m.first_name, ''), COALESCE(m.last_name, ''), COALESCE(s.state, '') = 'active',
                   COALESCE(m.plain_text, false),
                   COALESCE((SELECT c.basis FROM {{consent}} c WHERE c.subscription_id = s.id
                             ORDER BY c.at DESC, c.id DESC LIMIT 1), '') = 'soft_opt_in'
            FROM {{delivery}} d
            LEFT JOIN {{member}} m ON m.id = d.member_id
            LEFT JOIN {{subscription}} s ON s.member_id = d.member_id AND s.publication_id = %s
            WHERE d.digest_id = %s AND d.state = %s AND d.due_at <= %s
            ORDER BY d.due_at LIMIT %s {lock}""",  # noqa: S608 - names of our own tables
        publication, digest, state, _time(now), most,
    )  # fmt: skip
    return [Due(*row)._replace(first_tried_at=_aware(row[3])) if row[3] else Due(*row) for row in found]


def still_wanted(publication: int, deliveries: Sequence[int]) -> set[int]:
    """Those of these rows whose members still want to be mailed."""
    chosen, ids = _among(deliveries)
    found = _ask(
        f"""SELECT d.id FROM {{delivery}} d JOIN {{subscription}} s
            ON s.member_id = d.member_id AND s.publication_id = %s AND s.state = 'active' WHERE d.id {chosen}""",  # noqa: S608
        publication, ids,
    )  # fmt: skip
    return {row[0] for row in found}


def move(deliveries: Sequence[int], before: str, after: str, now: datetime, *, hold: int) -> int:
    """Move rows from one state to another, as this hold's: claimed, queued again, skipped. How many it was."""
    if not deliveries:
        return 0
    chosen, ids = _among(deliveries)
    mine = "AND hold_id = %s" if before in {"claimed", "armed"} else ""
    given = [after, _time(now), None if after == "queued" else hold, ids, before, *([hold] if mine else [])]
    return _do(
        f"UPDATE {{delivery}} SET state = %s, state_since = %s, hold_id = %s WHERE id {chosen} AND state = %s {mine}",  # noqa: S608
        *given,
    )


def postpone(hold: int, rows: Sequence[tuple[int, datetime]], now: datetime) -> None:
    """Give claimed rows back to the queue until a moment of their own."""
    if not rows:
        return
    with _committed():
        _do_many(
            """UPDATE {delivery} SET state = 'queued', state_since = %s, due_at = %s, hold_id = NULL
               WHERE id = %s AND hold_id = %s AND state = 'claimed'""",
            [(_time(now), _time(at), pk, hold) for pk, at in rows],
        )


class Told(NamedTuple):
    """What came of a step. Not going on: the hold has ended, or the digest is not being sent any more."""

    going_on: bool
    armed: frozenset[int] = frozenset()


def step(
    digest: int, hold: int, seconds: float, outcomes: Sequence[Written], deliveries: Sequence[int], now: datetime
) -> Told:
    """A worker's step, committed: its hold renewed, these outcomes written, and these rows armed.

    Nothing is armed while the digest is anything but sending, nor once the hold has ended.
    """
    if _postgres():
        return _step_postgres(digest, hold, seconds, outcomes, deliveries, now)
    with _committed():
        held = renew(hold, seconds)
        write(hold, outcomes, now)
        armed = _arm(digest, hold, deliveries, now) if held and deliveries else []
        going_on = held and bool(armed or sending(digest))
        faults.point("committing")
    return Told(going_on, frozenset(armed))


def _step_postgres(
    digest: int, hold: int, seconds: float, outcomes: Sequence[Written], deliveries: Sequence[int], now: datetime
) -> Told:
    """One statement, since the database may be far away. The hold is locked first, as by those who take it over.

    All of it sees one moment, and asks a row's own conditions again where it had to wait for the row. EXISTS and no
    join: that would move them into a subselect, which is not asked again.
    """
    faults.point("committing")
    ((held, going_on, armed),) = _ask_postgres(
        f"""WITH held AS (
                UPDATE {{hold}} SET until = clock_timestamp() + %(seconds)s::float8 * interval '1 second'
                WHERE id = %(hold)s::bigint AND ended_at IS NULL RETURNING id
            ), sending AS (
                SELECT id FROM {{digest}} WHERE id = %(digest)s::bigint AND state = 'sending'
            ), written AS (
                {_OUTCOMES} AND (SELECT count(*) FROM held) >= 0
            ), armed AS (
                UPDATE {{delivery}} SET state = 'armed', state_since = %(now)s::timestamptz
                WHERE id = ANY (%(deliveries)s::bigint[]) AND hold_id = %(hold)s::bigint AND state = 'claimed'
                  AND EXISTS (SELECT 1 FROM held) AND EXISTS (SELECT 1 FROM sending) RETURNING id
            )
            SELECT EXISTS (SELECT 1 FROM held), EXISTS (SELECT 1 FROM sending), (SELECT array_agg(id) FROM armed)""",  # noqa: S608
        {
            "digest": digest, "hold": hold, "seconds": seconds, "now": now, "outcomes": _as_json(outcomes),
            "deliveries": f"{{{','.join(map(str, deliveries))}}}",
        },
    )  # fmt: skip
    return Told(held and going_on, frozenset(armed or ()))


def sending(digest: int) -> bool:
    return bool(_ask("SELECT 1 FROM {digest} WHERE id = %s AND state = 'sending'", digest))


def _arm(digest: int, hold: int, deliveries: Sequence[int], now: datetime) -> list[int]:
    """On SQLite: those for which it holds."""
    chosen, ids = _among(deliveries)
    armed = _do(
        f"""UPDATE {{delivery}} SET state = 'armed', state_since = %s
            WHERE id {chosen} AND hold_id = %s AND state = 'claimed'
              AND EXISTS (SELECT 1 FROM {{digest}} WHERE id = %s AND state = 'sending')""",  # noqa: S608
        _time(now), ids, hold, digest,
    )  # fmt: skip
    if armed == len(deliveries):
        return list(deliveries)
    found = _ask(f"SELECT id FROM {{delivery}} WHERE id {chosen} AND hold_id = %s AND state = 'armed'", ids, hold)  # noqa: S608
    really = {row[0] for row in found}
    return [pk for pk in deliveries if pk in really]


def write(hold: int, outcomes: Sequence[Written], now: datetime) -> None:
    """The outcomes of rows that this hold has. A late "sent" also settles what was called unknown meanwhile."""
    if not outcomes:
        return
    if _postgres():
        _ask_postgres(f"{_OUTCOMES} RETURNING 1", {"hold": hold, "outcomes": _as_json(outcomes), "now": now})
    else:
        _write_sqlite(hold, outcomes, now)


_HELD = "hold_id = %s AND (d.state IN ('claimed', 'armed') OR (d.state = 'unknown' AND {state} = 'sent'))"


def _write_sqlite(hold: int, outcomes: Sequence[Written], now: datetime) -> None:
    moment = _time(now)
    rows = [
        (o.state, moment, moment if o.due_at is now else _time(o.due_at), o.tried, moment if o.tried else None, o.code,
         o.enhanced, o.reply, o.phase, o.id, hold, o.state)
        for o in outcomes
    ]  # fmt: skip
    _do_many(
        f"""UPDATE {{delivery}} AS d
            SET state = %s, state_since = %s, due_at = %s, attempts = attempts + %s,
                first_tried_at = COALESCE(first_tried_at, %s), code = %s, enhanced = %s, reply = %s, phase = %s
            WHERE id = %s AND {_HELD.replace("{state}", "%s")}""",  # noqa: S608 - no value is put into the text
        rows,
    )


#: The same for PostgreSQL, all rows at once.
_OUTCOMES = f"""UPDATE {{delivery}} AS d SET state = o.state, state_since = %(now)s::timestamptz, due_at = o.due_at,
           attempts = d.attempts + o.tried,
           first_tried_at = COALESCE(d.first_tried_at, CASE WHEN o.tried > 0 THEN %(now)s::timestamptz END),
           code = o.code, enhanced = o.enhanced, reply = o.reply, phase = o.phase
    FROM json_to_recordset(%(outcomes)s::json) AS o(id bigint, state text, due_at timestamptz, tried int, code int,
                                                    enhanced text, reply text, phase text)
    WHERE d.id = o.id AND d.{_HELD.replace("%s", "%(hold)s::bigint").replace("{state}", "o.state")}"""  # noqa: S608


def _as_json(outcomes: Sequence[Written]) -> str:
    """One value for all: an array's members are each looked at twice by the driver."""
    return json.dumps([each._asdict() for each in outcomes], default=str)


def _among(ids: Sequence[int]) -> tuple[str, Any]:
    """A condition for many keys that is one parameter, so that the statement stays the same."""
    return (
        ("= ANY(%s)", list(ids))
        if _postgres()
        else ("IN (SELECT value FROM json_each(%s))", f"[{','.join(map(str, ids))}]")
    )


def _time(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)  # SQLite's have none, and are in UTC


def _postgres() -> bool:
    return connection.vendor == "postgresql"


@lru_cache(maxsize=64)
def _written_for(vendor: str, statement: str) -> str:
    named = statement.format(**_NAMES)
    return named if vendor == "postgresql" else named.replace("%s", "?").replace("%%", "%")


def _run(statement: str, *given: Any) -> Any:
    """The driver's own cursor. Django's would look at each statement for what these never have: hooks, logs, names."""
    here = connections[DEFAULT_DB_ALIAS]
    here.ensure_connection()
    with here.wrap_database_errors:
        return here.connection.execute(_written_for(here.vendor, statement), given)


def _do(statement: str, *given: Any) -> int:
    return int(_run(statement, *given).rowcount)


def _do_many(statement: str, rows: Sequence[Sequence[Any]]) -> None:
    connection.ensure_connection()
    with connection.wrap_database_errors, closing(connection.connection.cursor()) as cursor:
        cursor.executemany(_written_for(connection.vendor, statement), rows)


def _ask(statement: str, *given: Any) -> list[Any]:
    with connection.wrap_database_errors:
        return list(_run(statement, *given).fetchall())


def _ask_postgres(statement: str, given: dict[str, Any]) -> list[Any]:
    """By the driver's plain cursor: Django's writes the values into the text.

    Not prepared: the plan of a table that was small when it was prepared reads all of it when it is large.
    """
    from psycopg import Cursor  # some megabytes that SQLite does not need

    connection.ensure_connection()
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:
        return cursor.execute(_written_for("postgresql", statement), given).fetchall()


@contextmanager
def _committed() -> Iterator[None]:
    """A transaction for a worker's step: as atomic(), without what that does for nesting and for hooks.

    Within another transaction it is a part of that.
    """
    if connection.in_atomic_block:
        yield
        return
    _do("BEGIN" if _postgres() else "BEGIN IMMEDIATE")
    try:
        yield
        _do("COMMIT")
    except BaseException:
        # Where the connection itself is gone there is nothing to roll back, and it must not be used again.
        try:
            _do("ROLLBACK")
        except DatabaseError:
            connection.close()
        raise
