"""How the control calls read their JSON: what is missing or unknown is said in one sentence."""

from typing import Any

from aiohttp import web


class Wrong(Exception):
    """The control call cannot be obeyed; its text says why."""


async def payload(request: web.Request, allowed: set[str]) -> dict[str, Any]:
    """The JSON object of a control call, with no keys but these.

    Only application/json is read: a page in a browser cannot send that to another site unasked.
    """
    if request.content_type != "application/json":
        raise Wrong("Send application/json.")
    try:
        found = await request.json()
    except ValueError as error:
        raise Wrong(f"This is not JSON: {error}.") from None
    if not isinstance(found, dict):
        raise Wrong("Send one JSON object.")
    if unknown := sorted(set(found) - allowed):
        raise Wrong(f"Unknown: {', '.join(unknown)}. Known: {', '.join(sorted(allowed))}.")
    return found


def refused(wrong: Wrong) -> web.Response:
    return web.json_response({"error": str(wrong)}, status=400)
