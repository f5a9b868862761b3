"""What a fault can be: a table of named behaviours for each network.

A behaviour is a function (request, handler, options) → answer, its usual options, and a sentence about it.
Most are an answer in the network's place, told as data.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from publisher.sandbox import bluesky_errors, errors, mastodon_errors

STOPPING = web.AppKey("stopping", asyncio.Event)
# How many seconds behind a reading answers.
LAG = web.RequestKey("lag", float)
# How often one has to look at a picture before it is ready; -1: it never is.
LOOKS = web.RequestKey("looks", int)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Options = dict[str, Any]
Act = Callable[[web.Request, Handler, Options], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Behaviour:
    says: str
    act: Act
    usual: Options = field(default_factory=dict)


async def close(request: web.Request, handler: Handler, options: Options) -> web.StreamResponse:
    """Cut the connection without an answer."""
    await _commit(request, handler, options)
    return _cut(request)


async def silent(request: web.Request, handler: Handler, options: Options) -> web.StreamResponse:
    """Hold the connection until the client gives up or the sandbox stops."""
    await _commit(request, handler, options)
    await request.app[STOPPING].wait()
    return _cut(request)


async def late(request: web.Request, handler: Handler, options: Options) -> web.StreamResponse:
    """Do what was asked at once, and answer properly after some seconds."""
    answer = await handler(request)
    with suppress(TimeoutError):
        await asyncio.wait_for(request.app[STOPPING].wait(), options["seconds"])
    return answer


async def lagging(request: web.Request, handler: Handler, options: Options) -> web.StreamResponse:
    """Answer as the network knew it some seconds ago."""
    request[LAG] = options["seconds"]
    return await handler(request)


async def truncated(request: web.Request, handler: Handler, options: Options) -> web.StreamResponse:
    """The first half of the proper answer, as if that were all."""
    answer = await handler(request)
    body = _body(answer)
    return web.Response(body=body[: len(body) // 2], status=answer.status, content_type="application/json")


async def cut_body(request: web.Request, handler: Handler, options: Options) -> web.StreamResponse:
    """Announce the whole answer, send half of it, and cut the connection."""
    answer = await handler(request)
    body = _body(answer)
    half = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
    half.content_length = len(body)
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    _cut(request)
    return half


async def slow_body(request: web.Request, handler: Handler, options: Options) -> web.StreamResponse:
    """The proper answer, a byte at a time, spread over some seconds."""
    answer = await handler(request)
    body = _body(answer)
    slow = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
    await slow.prepare(request)
    for position in range(len(body)):
        await slow.write(body[position : position + 1])
        await asyncio.sleep(options["seconds"] / len(body))
    return slow


async def redirect(request: web.Request, handler: Handler, options: Options) -> web.StreamResponse:
    await _commit(request, handler, options)
    return web.Response(status=301, headers={"Location": options["location"]})


def answering(make: Callable[[web.Request, Options], errors.Refusal]) -> Act:
    """Answer this, whatever was asked."""

    async def act(request: web.Request, handler: Handler, options: Options) -> web.StreamResponse:
        proper = await _commit(request, handler, options)
        answer = make(request, options).response()
        if answer.status == 200 and proper is not None:
            answer.set_status(proper.status)
        return answer

    return act


def fixed(status: int, body: Any, content_type: str = "application/json") -> Act:
    return answering(lambda request, options: errors.Refusal(status, body, content_type=content_type))


def x_answer(name: str) -> Act:
    return answering(lambda request, options: errors.x_refusal(name))


def x_limit(name: str) -> Act:
    """X's 429 with its three headers; the reset lies `seconds` ahead, or behind where that is negative."""

    def make(request: web.Request, options: Options) -> errors.Refusal:
        reset = errors.in_seconds(options["seconds"])
        return errors.x_refusal(name, errors.rate_headers(100, 100, reset))

    return answering(make)


def already_posted(request: web.Request, options: Options) -> errors.Refusal:
    return errors.graph(368, message="You've already posted this. Try posting something different.")


def graph_answer(code: int, subcode: int | None) -> Act:
    return answering(lambda request, options: errors.graph(code, subcode))


def mastodon_answer(name: str) -> Act:
    return answering(lambda request, options: mastodon_errors.refusal(name))


def mastodon_limit(request: web.Request, options: Options) -> errors.Refusal:
    """Mastodon's 429; the reset lies `seconds` ahead, or behind where that is negative."""
    return mastodon_errors.refusal("rate_limited", mastodon_errors.rate_headers(300, 300, options["seconds"]))


def preparing(looks: int) -> Act:
    """The picture is taken, and not ready before it was looked at so often."""

    async def act(request: web.Request, handler: Handler, options: Options) -> web.StreamResponse:
        request[LOOKS] = looks
        return await handler(request)

    return act


def bluesky_answer(name: str) -> Act:
    return answering(lambda request, options: bluesky_errors.xrpc(name))


def bluesky_limit(request: web.Request, options: Options) -> errors.Refusal:
    """Bluesky's 429; the reset lies `seconds` ahead, or behind where that is negative."""
    reset = errors.in_seconds(options["seconds"])
    return bluesky_errors.xrpc("rate_limited", headers=bluesky_errors.rate_headers(30, 31, reset, 300))


async def _commit(request: web.Request, handler: Handler, options: Options) -> web.StreamResponse | None:
    """What the handler did, where this fault is to do what was asked; None where it is not."""
    return await handler(request) if options.get("commit") else None


def _body(answer: web.StreamResponse) -> bytes:
    body = answer.body if isinstance(answer, web.Response) else None
    return body if isinstance(body, bytes) else b""


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


HTML = "<!doctype html><title>Something went wrong</title><h1>Sorry, something went wrong.</h1>"
LARGE = json.dumps({"data": {"id": "1", "text": "x" * 10 * 2**20}, "id": "1_1"})
COMMIT = {"commit": True}

EVERYWHERE = {
    "close_before_reading": Behaviour("cuts the connection before it reads the body; nothing is done", close),
    "close_after_commit": Behaviour("does it, then cuts the connection without an answer", close, COMMIT),
    "silent": Behaviour("does nothing and never answers", silent),
    "silent_after_commit": Behaviour("does it and never answers", silent, COMMIT),
    "late_after_commit": Behaviour("does it and answers after `seconds`", late, {"seconds": 30}),
    "html_500": Behaviour("500 with a page of HTML", fixed(500, HTML, "text/html")),
    "html_503": Behaviour("503 with a page of HTML", fixed(503, HTML, "text/html")),
    "html_success": Behaviour("does it, and answers success with HTML", fixed(200, HTML, "text/html"), COMMIT),
    "json_list": Behaviour("does it, and answers success with a list", fixed(200, []), COMMIT),
    "empty_object": Behaviour("answers success with {}; nothing is done", fixed(200, {})),
    "success_false": Behaviour("200 with success: false; nothing is done", fixed(200, {"success": False})),
    "truncated_json": Behaviour("does it, and answers half of the JSON", truncated),
    "cut_body": Behaviour("does it, and cuts the connection within the answer", cut_body),
    "slow_body": Behaviour("does it, and answers a byte at a time over `seconds`", slow_body, {"seconds": 30}),
    "huge_body": Behaviour("does it, and answers 10 MB", fixed(200, LARGE), COMMIT),
    "redirect_301": Behaviour("301 to `location`; nothing is done", redirect, {"location": "/moved"}),
    "lagging": Behaviour("answers as it was `seconds` ago (timeline)", lagging, {"seconds": 60}),
}

QUARTER = {"seconds": 900}

ON_X = {
    "unauthorized": Behaviour("401", x_answer("unauthorized")),
    "payment_required": Behaviour("402: out of credits", x_answer("payment_required")),
    "duplicate": Behaviour("403: duplicate content", x_answer("duplicate")),
    "forbidden": Behaviour("403: not permitted", x_answer("forbidden")),
    "suspended": Behaviour("403: the account is suspended", x_answer("suspended")),
    "client_forbidden": Behaviour("403: the app is not enrolled", x_answer("client_forbidden")),
    "rate_limited": Behaviour("429 with a reset `seconds` ahead", x_limit("rate_limited"), QUARTER),
    "rate_limited_88": Behaviour("429 with code 88 and a reset", x_limit("rate_limited_88"), QUARTER),
    "rate_limited_reset_past": Behaviour("429, reset in the past", x_limit("rate_limited"), {"seconds": -60}),
    "rate_limited_without_reset": Behaviour("429 without headers", x_answer("rate_limited")),
    "usage_capped": Behaviour("429: the monthly cap", x_answer("usage_capped")),
    "duplicate_187": Behaviour("403 with code 187: duplicate", x_answer("duplicate_187")),
    "too_long": Behaviour("400: too long", x_answer("too_long")),
    "too_long_186": Behaviour("403 with code 186: too long", x_answer("too_long_186")),
    "daily_limit_185": Behaviour("403 with code 185: the daily number of posts", x_answer("daily_limit_185")),
    "locked": Behaviour("403: the account is locked", x_answer("locked")),
    "read_only": Behaviour("403: the app may only read", x_answer("read_only")),
    "not_enrolled": Behaviour("403: the user is not enrolled", x_answer("not_enrolled")),
    "spending_capped": Behaviour("403: the spending cap", x_answer("spending_capped")),
    "internal_error": Behaviour("500 as a problem", x_answer("internal_error")),
    "unreadable": Behaviour("503 as a problem (timeline)", x_answer("unavailable")),
    "partial_errors": Behaviour(
        "200 with errors and no data",
        fixed(200, {"errors": [errors.not_found("user", "id", "1")]}),
    ),
}

ON_FACEBOOK = {
    f"code_{code}" + (f"_{subcode}" if subcode else ""): Behaviour(f"{status}: {message}", graph_answer(code, subcode))
    for (code, subcode), (status, message) in errors.GRAPH.items()
} | {
    "code_1_published": Behaviour("does it, and answers 500 with code 1", graph_answer(1, None), COMMIT),
    "code_2_published": Behaviour("does it, and answers 500 with code 2", graph_answer(2, None), COMMIT),
    "already_posted": Behaviour("400, code 368 that means a duplicate", answering(already_posted)),
    "json_500_without_error": Behaviour("500, JSON without an error", fixed(500, {"message": "Oops"})),
    "unreadable": Behaviour("500 with code 2 (timeline)", graph_answer(2, None)),
}

# By its words; a limit has headers besides, and says when it ends.
ON_MASTODON = {
    name: Behaviour(f"{status}: {words}", mastodon_answer(name))
    for name, (status, words) in mastodon_errors.WORDS.items()
} | {
    "rate_limited": Behaviour("429 with a reset `seconds` ahead", answering(mastodon_limit), {"seconds": 300}),
    "rate_limited_reset_past": Behaviour("429, reset in the past", answering(mastodon_limit), {"seconds": -60}),
    "rate_limited_without_reset": Behaviour("429 without headers", mastodon_answer("rate_limited")),
    "internal_error": Behaviour("500, JSON that says so", fixed(500, {"error": "Internal server error"})),
    "unreadable": Behaviour("503, JSON (timeline)", mastodon_answer("remote_data")),
    "forbidden_page": Behaviour("403 with a page, of something in front", fixed(403, HTML, "text/html")),
    "too_large": Behaviour("413 with a page, of something in front", fixed(413, HTML, "text/html")),
    "gone": Behaviour("410", fixed(410, {"error": "Gone"})),
    "id_alone": Behaviour("200 with an id and nothing else; nothing is done", fixed(200, {"id": "1"})),
    # Antispam drops in silence: what would have been the status, and never was one.
    "dropped": Behaviour("200 with a status without an id; nothing is done", fixed(200, {"id": None, "content": ""})),
    "preparing": Behaviour("takes the picture, and needs two looks to prepare it (media)", preparing(2)),
    "preparing_forever": Behaviour("takes the picture, and never gets it ready (media)", preparing(10**6)),
    "preparing_failed": Behaviour("takes the picture, and cannot prepare it (media)", preparing(-1)),
}

# By their names; then what is said where the opposite is true, and what looks like a success.
ON_BLUESKY = (
    {
        name: Behaviour(f"{status} {error}: {words}", bluesky_answer(name))
        for name, (status, error, words) in bluesky_errors.XRPC.items()
    }
    | {
        f"{name}_published": Behaviour(
            f"does it, and answers {bluesky_errors.XRPC[name][0]}", bluesky_answer(name), COMMIT
        )
        for name in ("internal_error", "upstream_failure", "not_enough_resources", "upstream_timeout")
    }
    | {
        name: Behaviour(f"does it, and answers {says}", fixed(200, body), COMMIT)
        for name, (says, body) in bluesky_errors.FALSE.items()
    }
    | {
        "rate_limited": Behaviour("429 with a reset `seconds` ahead", answering(bluesky_limit), {"seconds": 300}),
        "rate_limited_reset_past": Behaviour("429, reset in the past", answering(bluesky_limit), {"seconds": -60}),
        "rate_limited_without_reset": Behaviour("429 without headers", bluesky_answer("rate_limited")),
        "unreadable": Behaviour("500 (timeline)", bluesky_answer("internal_error")),
    }
)

TABLE: dict[str, dict[str, Behaviour]] = {
    "x": EVERYWHERE | ON_X,
    "facebook": EVERYWHERE | ON_FACEBOOK,
    "mastodon": EVERYWHERE | ON_MASTODON,
    "bluesky": EVERYWHERE | ON_BLUESKY,
}
