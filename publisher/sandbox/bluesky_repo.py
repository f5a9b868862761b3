"""An account's repository on Bluesky: records under keys, written, read and deleted."""

import json
from typing import Any

from aiohttp import web

from publisher.sandbox import bluesky_blobs, bluesky_lexicon, bluesky_sessions
from publisher.sandbox.behaviours import LAG
from publisher.sandbox.bluesky_errors import invalid, no_record, xrpc
from publisher.sandbox.bluesky_lexicon import POST, TID
from publisher.sandbox.store import Store, now

SCHEMA = """
CREATE TABLE IF NOT EXISTS bluesky_records (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    did TEXT NOT NULL,
    handle TEXT NOT NULL,
    rkey TEXT NOT NULL,
    cid TEXT NOT NULL,
    value TEXT NOT NULL,
    created_at TEXT NOT NULL,
    deleted_at TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS bluesky_one_record_a_key ON bluesky_records (did, rkey) WHERE deleted_at IS NULL;
"""

Account = dict[str, Any]
Body = dict[str, Any]

KEYS = {"repo", "collection", "rkey", "record", "validate", "swapCommit"}
#: `swapRecord` is not among what was sent: the record may be there or not. Null says that it must not.
WHATEVER = object()


async def put(store: Store, request: web.Request, account: Account) -> Body:
    wish = await _wish(request, account, KEYS | {"swapRecord"}, {"rkey", "record"})
    swap = wish.get("swapRecord", WHATEVER)
    _check_key(wish["rkey"])
    name = _checked(store, account, wish["record"])
    with store.transaction():
        there = one(store, account["id"], wish["rkey"])
        if there and there["cid"] == name:
            return _written(there)  # the same again: nothing is done
        if swap is not WHATEVER and swap != (there["cid"] if there else None):
            raise xrpc("invalid_swap", f"Record was at {there['cid'] if there else 'null'}")
        return _write(store, account, wish["rkey"], wish["record"], name, there)


async def create(store: Store, request: web.Request, account: Account) -> Body:
    """As the reference server, whose tree of records throws where there is one: a bare 500."""
    wish = await _wish(request, account, KEYS, {"record"})
    key = wish.get("rkey") or next_key(store)
    _check_key(key)
    name = _checked(store, account, wish["record"])
    with store.transaction():
        if one(store, account["id"], key):
            raise xrpc("internal_error")
        return _write(store, account, key, wish["record"], name, None)


async def delete(store: Store, request: web.Request, account: Account) -> Body:
    wish = await _wish(request, account, {"repo", "collection", "rkey", "swapRecord", "swapCommit"}, {"rkey"})
    with store.transaction():
        there = one(store, account["id"], wish["rkey"])
        if there is None:
            return {}
        store.run("UPDATE bluesky_records SET deleted_at = ? WHERE id = ?", now(), there["id"])
        store.record("bluesky", who=account["handle"], what="delete", id=address(there))
    return {"commit": _commit(there)}


async def get(store: Store, request: web.Request, account: Account | None) -> Body:
    asked = _asked(request, {"repo", "collection", "rkey", "cid"})
    key = asked.get("rkey", "")
    there = one(store, _did(store, asked), key, lag=request.get(LAG, 0))
    if there is None or asked.get("collection") != POST:
        raise no_record(f"at://{asked.get('repo')}/{asked.get('collection')}/{key}")
    return {"uri": address(there), "cid": there["cid"], "value": there["value"]}


async def listing(store: Store, request: web.Request, account: Account | None) -> Body:
    """The records of a repository, by their keys and newest first; `cursor` is the last key of a page."""
    asked = _asked(request, {"repo", "collection", "limit", "cursor", "reverse"})
    most = asked.get("limit", "50")
    if not most.isdigit() or not 1 <= int(most) <= 100:
        raise invalid("Error: limit must be between 1 and 100")
    upwards = asked.get("reverse") == "true"
    rows = [
        row
        for row in every(store, _did(store, asked))
        if not row["deleted_at"] and row["created_at"] <= now(ago=request.get(LAG, 0))
    ]
    rows.sort(key=lambda row: row["rkey"], reverse=not upwards)
    if cursor := asked.get("cursor"):
        rows = [row for row in rows if (row["rkey"] > cursor if upwards else row["rkey"] < cursor)]
    page = rows[: int(most)] if asked.get("collection") == POST else []
    found: Body = {"records": [{"uri": address(row), "cid": row["cid"], "value": row["value"]} for row in page]}
    return found | ({"cursor": page[-1]["rkey"]} if len(rows) > len(page) else {})


def one(store: Store, did: str, key: str, *, lag: float = 0) -> dict[str, Any] | None:
    found = store.row(
        "SELECT * FROM bluesky_records WHERE did = ? AND rkey = ? AND deleted_at IS NULL AND created_at <= ?",
        *(did, key, now(ago=lag)),
    )
    return _read(found) if found else None


def every(store: Store, did: str | None = None) -> list[dict[str, Any]]:
    """All posts, the latest first, deleted ones among them."""
    rows = store.rows("SELECT * FROM bluesky_records ORDER BY id DESC")
    return [_read(row) for row in rows if did in (None, row["did"])]


def public(row: dict[str, Any]) -> dict[str, Any]:
    """A post as the sandbox's own JSON shows it."""
    value = row["value"]
    card = (value.get("embed") or {}).get("external") or {}
    shown = {key: row[key] for key in ("handle", "created_at", "deleted_at")}
    media = bluesky_blobs.public(value, row["did"])
    return {"id": address(row), "text": value["text"], "link": card.get("uri"), "media": media} | shown


def address(row: dict[str, Any]) -> str:
    return f"at://{row['did']}/{POST}/{row['rkey']}"


def next_key(store: Store) -> str:
    """A key of this moment, as a server makes one that is given none."""
    alphabet = "234567abcdefghijklmnopqrstuvwxyz"
    number = store.new_id()
    return "".join(alphabet[number >> shift & 31] for shift in range(60, -1, -5))


async def _wish(request: web.Request, account: Account, known: set[str], needed: set[str]) -> Body:
    wish = await bluesky_sessions.body(request)
    if unknown := sorted(set(wish) - known):
        raise invalid(f"The sandbox does not support: {', '.join(unknown)}")
    for name in sorted({"repo", "collection"} | needed):
        if name not in wish:
            raise invalid(f'Input must have the property "{name}"')
    if wish["repo"] not in (account["id"], account["handle"]):
        raise xrpc("wrong_password", "Authentication Required")
    if wish["collection"] != POST:
        raise invalid(f"The sandbox keeps {POST} alone")
    bluesky_sessions.may_write(account)
    return wish


def _check_key(key: Any) -> None:
    if not isinstance(key, str) or not TID.fullmatch(key):
        raise invalid(f"Invalid record key for {POST}: {key!r} is not a TID")


def _checked(store: Store, account: Account, record: Any) -> str:
    """The content id of a record that the lexicon allows."""
    if wrong := next(bluesky_lexicon.faults(record), None):
        raise invalid(f"Invalid {POST} record: {wrong}")
    bluesky_blobs.check(store, account, record)
    return bluesky_blobs.cid(bluesky_blobs.DAG_CBOR, json.dumps(record, sort_keys=True).encode())


def _write(store: Store, account: Account, key: str, record: Body, name: str, there: Body | None) -> Body:
    """Make the record, or put it in the place of the one that is there."""
    if there:
        store.run("UPDATE bluesky_records SET deleted_at = ? WHERE id = ?", now(), there["id"])
    store.run(
        "INSERT INTO bluesky_records (did, handle, rkey, cid, value, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        *(account["id"], account["handle"], key, name, json.dumps(record), there["created_at"] if there else now()),
    )
    written = one(store, account["id"], key) or {}
    store.record(
        "bluesky",
        who=account["handle"],
        what="update" if there else "post",
        body=json.dumps(record),
        id=address(written),
        text=record["text"],
    )
    return _written(written) | {"commit": _commit(written)}


def _written(row: dict[str, Any]) -> Body:
    return {"uri": address(row), "cid": row["cid"], "validationStatus": "valid"}


def _commit(row: dict[str, Any]) -> dict[str, str]:
    return {"cid": bluesky_blobs.cid(bluesky_blobs.DAG_CBOR, str(row["id"]).encode()), "rev": row["rkey"]}


def _asked(request: web.Request, known: set[str]) -> dict[str, str]:
    if unknown := sorted(set(request.query) - known):
        raise invalid(f"The sandbox does not support: {', '.join(unknown)}")
    return dict(request.query)


def _did(store: Store, asked: dict[str, str]) -> str:
    found = store.row(
        "SELECT id FROM accounts WHERE network = 'bluesky' AND (id = ? OR handle = ?)", *[asked.get("repo", "")] * 2
    )
    if found is None:
        raise invalid(f"Could not find repo: {asked.get('repo')}")
    return str(found["id"])


def _read(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"value": json.loads(row["value"])}
