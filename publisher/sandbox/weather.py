"""Failures by chance, which a seed makes the same each time: which requests of a network fail, and how.

POST /control/weather {"network": "x", "seed": 7, "one_in": 4}
lets about one of four requests to X meet one of its behaviours (see behaviours.py). Which ones, and what they meet,
follows from the seed, from what is asked for and from how often it was asked for before: the same requests meet the
same failures. What is ordered at /control/faults comes first. DELETE ends it for all networks.
"""

from hashlib import sha256
from typing import Any

from aiohttp import web

from publisher.sandbox import behaviours, control
from publisher.sandbox.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS weather (
    network TEXT PRIMARY KEY,
    seed INTEGER NOT NULL,
    one_in INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS weathered (
    network TEXT NOT NULL,
    operation TEXT NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (network, operation)
);
"""


def routes(store: Store) -> list[web.RouteDef]:
    async def order(request: web.Request) -> web.Response:
        try:
            wish = checked(await control.payload(request, {"network", "seed", "one_in"}))
        except control.Wrong as wrong:
            return control.refused(wrong)
        begin(store, **wish)
        return web.json_response(wish, status=201)

    async def clear(request: web.Request) -> web.Response:
        return web.json_response({"cleared": store.run("DELETE FROM weather")})

    return [web.post("/control/weather", order), web.delete("/control/weather", clear)]


def checked(wish: dict[str, Any]) -> dict[str, Any]:
    if wish.get("network") not in behaviours.TABLE:
        raise control.Wrong(f"The network must be one of: {', '.join(behaviours.TABLE)}.")
    numbers = (wish.get("seed"), wish.setdefault("one_in", 4))
    if not all(isinstance(number, int) and 0 <= number < 2**63 for number in numbers) or not wish["one_in"]:
        raise control.Wrong("Seed is a whole number from 0, and one_in one from 1.")
    return wish


def begin(store: Store, *, network: str, seed: int, one_in: int) -> None:
    """From now on, with nothing counted: the same seed begins the same weather."""
    with store.transaction():
        store.run("DELETE FROM weathered WHERE network = ?", network)
        store.run("INSERT OR REPLACE INTO weather VALUES (?, ?, ?)", network, seed, one_in)


def met(store: Store, network: str, operation: str) -> str | None:
    """The behaviour that this request meets; None where it is let through."""
    with store.transaction():
        order = store.row("SELECT seed, one_in FROM weather WHERE network = ?", network)
        if order is None:
            return None
        row = store.row("SELECT requests FROM weathered WHERE network = ? AND operation = ?", network, operation)
        before = row["requests"] if row else 0
        store.run("INSERT OR REPLACE INTO weathered VALUES (?, ?, ?)", network, operation, before + 1)
    thrown = int(sha256(f"{order['seed']} {network} {operation} {before}".encode()).hexdigest(), 16)
    chosen, rest = divmod(thrown, order["one_in"])
    names = sorted(behaviours.TABLE[network])
    return None if rest else names[chosen % len(names)]
