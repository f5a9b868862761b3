"""One process that stands in for the outside world: HTTP for X, Graph, pages and control; SMTP and IMAP for mail."""

import asyncio
import json
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from aiohttp import web

from publisher.sandbox import clock, faults, mail, pages, store
from publisher.sandbox.store import Store

log = logging.getLogger("publisher.sandbox")

# An image of 5 MB is 6.7 MB in base64; what is larger than this is not read at all.
LARGEST_BODY = 8 * 2**20

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Running:
    """A started sandbox: its real ports, and how to stop it."""

    http: int
    smtp: int
    imap: int
    stop: Callable[[], Awaitable[None]]


def application(things: Store) -> web.Application:
    """The HTTP side, without a socket: every room's routes over one store."""
    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[logged, with_headers])
    app[faults.STOPPING] = asyncio.Event()
    app.on_shutdown.append(let_go)
    for name in store.ROOMS:
        room = store.room(name)
        if hasattr(room, "routes"):
            app.add_routes(room.routes(things))
    app.add_routes(
        [
            web.get("/sandbox.css", stylesheet),
            web.get("/favicon.ico", nothing),
            web.delete("/control", forgetting(things)),
        ]
    )
    return app


async def let_go(app: web.Application) -> None:
    """End the connections that a fault holds open, so that stopping does not wait for their clients."""
    app[faults.STOPPING].set()


@web.middleware
async def logged(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One line per request. The query stays out of it: Graph clients put their token there."""
    began, status = time.monotonic(), 0
    try:
        response = await handler(request)
        status = response.status
        return response
    except web.HTTPException as answer:
        status = answer.status
        raise
    finally:
        took = (time.monotonic() - began) * 1000
        log.info("%s %s %s %.0f ms", request.method, request.path, status or "no answer", took)


@web.middleware
async def with_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    if not response.prepared:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["Date"] = formatdate(clock.time(), usegmt=True)
    return response


async def stylesheet(request: web.Request) -> web.FileResponse:
    return web.FileResponse(pages.TEMPLATES / "sandbox.css")


async def nothing(request: web.Request) -> web.Response:
    """Browsers ask for an icon by themselves; a 404 would stand in their log as an error."""
    return web.Response(status=204)


def forgetting(things: Store) -> Handler:
    async def forget(request: web.Request) -> web.Response:
        things.forget()
        return web.json_response({"forgotten": True})

    return forget


async def start(
    things: Store, http: tuple[str, int], smtp: tuple[str, int], imap: tuple[str, int] = ("127.0.0.1", 0)
) -> Running:
    """Listen on all addresses; port 0 takes a free one.

    A room may have `SCHEMA` and `routes(store)`; mail also has `start_smtp(store, host, port)` and `start_imap`, which
    give an object with the real `port` and `async def stop()`.
    """
    # With cancellation, a handler that holds a connection on purpose ends when its client goes away.
    runner = web.AppRunner(application(things), access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, *http).start()
    catcher = await mail.start_smtp(things, *smtp)
    mailbox = await mail.start_imap(things, *imap)

    async def stop() -> None:
        await catcher.stop()
        await mailbox.stop()
        await runner.cleanup()

    return Running(runner.addresses[0][1], catcher.port, mailbox.port, stop)


async def serve(
    folder: Path, http: tuple[str, int], smtp: tuple[str, int], imap: tuple[str, int], announce: Path | None
) -> None:
    """Run until SIGTERM or SIGINT, then let go of the sockets and the file."""
    things = store.open(folder)
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    try:
        running = await start(things, http, smtp, imap)
        ports = {"http": running.http, "smtp": running.smtp, "imap": running.imap}
        if announce:
            write_whole(announce, ports)
        log.info("listening: %s", ", ".join(f"{name} at port {port}" for name, port in ports.items()))
        await asked_to_stop.wait()
        await running.stop()
    finally:
        things.close()
    log.info("stopped")


def write_whole(path: Path, ports: dict[str, int]) -> None:
    """Whoever waits for the file never sees half of it."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.write_text(json.dumps(ports))
    os.replace(unfinished, path)
