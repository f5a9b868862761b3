"""The JSON body of a request to X, checked against its shape."""

import json
from typing import Any

from aiohttp import web

from publisher.sandbox import errors, shapes


async def read(request: web.Request) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise errors.invalid("Requests with bodies must have content-type of application/json.")
    try:
        wish = json.loads(await request.read())
    except ValueError:
        raise errors.invalid("The request body is not valid JSON.") from None
    if not isinstance(wish, dict):
        raise errors.invalid("[$] must be an object")
    return wish


def check(wish: dict[str, Any], shape: dict[str, Any]) -> None:
    """Every fault of the body in one refusal."""
    if wrong := list(shapes.faults(wish, shape)):
        raise errors.invalid(*wrong)
