"""Failures on demand: what a network does when it does not do what one hopes.

POST /control/faults {"network": "x", "operation": "post", "behaviour": "silent_after_commit", "times": 1}
orders one; the next matching requests meet it, oldest order first. GET lists the orders and every
behaviour; DELETE withdraws all. `operation` "*" (the default) means any, `times` null means until withdrawn.

Where a behaviour answers in the network's place, `"commit": true` does first what the request asked for, and
`"commit": false` does not: so each answer can be had as a true failure and as a lie. `"seconds"` is how late,
how slow, how far behind, or how far ahead the reset of a rate limit lies.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from publisher.sandbox import behaviours, control, weather
from publisher.sandbox.behaviours import STOPPING as STOPPING
from publisher.sandbox.store import Store, room

SCHEMA = """
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    network TEXT NOT NULL,
    operation TEXT NOT NULL,
    behaviour TEXT NOT NULL,
    times INTEGER,
    options TEXT NOT NULL
);
"""

OPERATIONS = {
    "x": ("post", "media", "metadata", "me", "timeline", "figures", "delete", "token"),
    "facebook": (
        *("token", "accounts", "post", "photo", "me", "page"),
        *("timeline", "object", "insights", "debug_token", "delete"),
    ),
    "mastodon": (
        *("post", "media", "media_status", "delete"),
        *("me", "app", "instance", "timeline", "status", "statuses", "apps", "token"),
    ),
    "bluesky": (*("post", "session", "refresh", "me", "media", "record", "timeline", "figures", "delete", "profile"),),
    "mail": ("connect", "mail", "rcpt", "data", "dot"),
}
NAMED = ("network", "operation", "behaviour", "times")
OPTIONS: dict[str, dict[str, Any]] = {
    "x": {"commit": bool, "seconds": (int, float), "location": str},
    "facebook": {"commit": bool, "seconds": (int, float), "location": str},
    "mastodon": {"commit": bool, "seconds": (int, float), "location": str},
    "bluesky": {"commit": bool, "seconds": (int, float), "location": str},
    "mail": {"seconds": (int, float), "code": int, "text": str, "match": str},
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Fault:
    id: int
    network: str
    operation: str
    behaviour: str
    times: int | None
    options: dict[str, Any]


def routes(store: Store) -> list[web.RouteDef]:
    async def order(request: web.Request) -> web.Response:
        try:
            fault = add(store, await request_for(request))
        except control.Wrong as wrong:
            return control.refused(wrong)
        return web.json_response(public(fault), status=201)

    async def listing(request: web.Request) -> web.Response:
        known = {network: known_behaviours(network) for network in OPERATIONS}
        return web.json_response({"faults": [public(fault) for fault in ordered(store)], "behaviours": known})

    async def withdraw(request: web.Request) -> web.Response:
        return web.json_response({"withdrawn": store.run("DELETE FROM faults")})

    async def moved(request: web.Request) -> web.Response:
        # Where a redirect leads: an answer that a careless client takes for its own success.
        return web.json_response({"data": {"id": "1", "text": ""}, "id": "1"})

    return [
        web.post("/control/faults", order),
        web.get("/control/faults", listing),
        web.delete("/control/faults", withdraw),
        web.get("/moved", moved),
    ]


async def request_for(request: web.Request) -> dict[str, Any]:
    """The order, checked: a fault that never comes because of a slip in its name would prove nothing."""
    found = await control.payload(request, {*NAMED, *(name for options in OPTIONS.values() for name in options)})
    network = found.get("network")
    if network not in OPERATIONS:
        raise control.Wrong(f"The network must be one of: {', '.join(OPERATIONS)}.")
    found["operation"] = str(found.get("operation", "*")).lower()
    if found["operation"] not in (*OPERATIONS[network], "*"):
        raise control.Wrong(f"The operation must be one of: {', '.join(OPERATIONS[network])}, *.")
    if found.get("behaviour") not in (known := known_behaviours(network)):
        raise control.Wrong(f"The behaviour must be one of: {', '.join(known)}.")
    times = found.setdefault("times", 1)
    if times is not None and (not isinstance(times, int) or times < 1):
        raise control.Wrong("Times must be a number from 1, or null for until it is withdrawn.")
    _check_options(network, {name: value for name, value in found.items() if name not in NAMED})
    return found


def _check_options(network: str, options: dict[str, Any]) -> None:
    for name, value in options.items():
        if name not in OPTIONS[network]:
            raise control.Wrong(f"A fault of {network} has no {name}; it has: {', '.join(OPTIONS[network])}.")
        if not isinstance(value, OPTIONS[network][name]):
            raise control.Wrong(f"This is not a value for {name}: {value!r}.")


def known_behaviours(network: str) -> dict[str, str]:
    """The behaviours of a network, each with its sentence."""
    if network == "mail":
        return dict(room("mail").BEHAVIOURS)
    return {name: behaviour.says for name, behaviour in behaviours.TABLE[network].items()}


def add(store: Store, wish: dict[str, Any]) -> Fault:
    options = {key: value for key, value in wish.items() if key not in NAMED}
    number = store.run(
        "INSERT INTO faults (network, operation, behaviour, times, options) VALUES (?, ?, ?, ?, ?)",
        *(wish[key] for key in NAMED),
        json.dumps(options),
    )
    return Fault(number, wish["network"], wish["operation"], wish["behaviour"], wish["times"], options)


def ordered(store: Store) -> list[Fault]:
    rows = store.rows("SELECT * FROM faults ORDER BY id")
    return [Fault(**{**row, "options": json.loads(row["options"])}) for row in rows]


def take(store: Store, network: str, operation: str) -> Fault | None:
    """The fault that this operation must now meet, counted down; None where none is ordered."""
    with store.transaction():
        for fault in ordered(store):
            if fault.network == network and fault.operation in (operation, "*"):
                _count_down(store, fault)
                return fault
    return None


def _count_down(store: Store, fault: Fault) -> None:
    if fault.times == 1:
        store.run("DELETE FROM faults WHERE id = ?", fault.id)
    elif fault.times is not None:
        store.run("UPDATE faults SET times = times - 1 WHERE id = ?", fault.id)


def public(fault: Fault) -> dict[str, Any]:
    return {key: getattr(fault, key) for key in ("id", *NAMED)} | fault.options


def guarded(store: Store, network: str, operation: str, handler: Handler) -> Handler:
    """The handler, behind whatever fault is ordered for it, or comes by chance."""

    async def answer(request: web.Request) -> web.StreamResponse:
        fault = take(store, network, operation)
        name = fault.behaviour if fault else weather.met(store, network, operation)
        if name is None:
            return await handler(request)
        behaviour = behaviours.TABLE[network][name]
        return await behaviour.act(request, handler, {**behaviour.usual, **(fault.options if fault else {})})

    return answer
