"""What time it is on the sandbox: the machine's time, put ahead or back on demand.

POST /control/clock {"ahead": 3600} puts it an hour ahead, so that a day of looking again is played in a second, and
so that a network whose clock is wrong can be had.
"""

import time as machine
from datetime import UTC, datetime

from aiohttp import web

from publisher.sandbox import control

_ahead = 0.0


def routes(store: object) -> list[web.RouteDef]:
    async def set_clock(request: web.Request) -> web.Response:
        try:
            wish = await control.payload(request, {"ahead"})
        except control.Wrong as wrong:
            return control.refused(wrong)
        if not isinstance(wish.get("ahead"), int | float):
            return control.refused(control.Wrong("Say by how many seconds the clock is ahead."))
        put(ahead=wish["ahead"])
        return web.json_response({"ahead": _ahead})

    return [web.post("/control/clock", set_clock)]


def put(*, ahead: float) -> None:
    global _ahead
    _ahead = float(ahead)


def time() -> float:
    """Seconds since 1970."""
    return machine.time() + _ahead


def moment() -> datetime:
    return datetime.fromtimestamp(time(), UTC)
