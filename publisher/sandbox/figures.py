"""What followers did with a post: as told by POST /control/figures, and nothing where nothing was told.

{"network": "x", "id": "77", "likes": 3, "reposts": 1, "comments": 2, "views": 400}
"""

from typing import Any

from aiohttp import web

from publisher.sandbox import control
from publisher.sandbox.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS figures (
    network TEXT NOT NULL,
    id TEXT NOT NULL,
    likes INTEGER NOT NULL,
    reposts INTEGER NOT NULL,
    comments INTEGER NOT NULL,
    views INTEGER NOT NULL,
    PRIMARY KEY (network, id)
);
"""

COUNTED = ("likes", "reposts", "comments", "views")


def routes(store: Store) -> list[web.RouteDef]:
    async def tell(request: web.Request) -> web.Response:
        try:
            wish = await control.payload(request, {"network", "id", *COUNTED})
            put(store, wish)
        except control.Wrong as wrong:
            return control.refused(wrong)
        return web.json_response(of(store, wish["network"], wish["id"]), status=201)

    return [web.post("/control/figures", tell)]


def put(store: Store, wish: dict[str, Any]) -> None:
    counts = [wish.get(name, 0) for name in COUNTED]
    if not all(isinstance(wish.get(name), str) for name in ("network", "id")):
        raise control.Wrong("Say of which network and of which post (its id as a text).")
    if not all(isinstance(count, int) and count >= 0 for count in counts):
        raise control.Wrong(f"Each of {', '.join(COUNTED)} is a number from 0.")
    store.run("INSERT OR REPLACE INTO figures VALUES (?, ?, ?, ?, ?, ?)", wish["network"], wish["id"], *counts)


def of(store: Store, network: str, post: str) -> dict[str, int]:
    found = store.row("SELECT * FROM figures WHERE network = ? AND id = ?", network, post)
    return {name: found[name] if found else 0 for name in COUNTED}
