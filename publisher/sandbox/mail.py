"""The mail catcher: SMTP in, an inbox for people and JSON for programs out. Nothing is ever passed on.

What it was told to send back (the behaviour "bounce") lies in a mailbox of its own, which is read over IMAP.

/mail/ is the inbox, /mail/{id} one message, /mail/{id}/html its HTML alone, /mail/{id}/raw its bytes;
/mail/messages.json lists newest first (`to`, `subject`, `since`, `before`, `limit`); /mail/log.json is everything that
was ever accepted, in order, and the truth for tests.
"""

import re
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from publisher.sandbox import mail_box, mail_imap, mail_returns, mail_smtp, pages
from publisher.sandbox.store import Store

SCHEMA = mail_box.SCHEMA + mail_returns.SCHEMA
BEHAVIOURS = mail_smtp.BEHAVIOURS
start_smtp = mail_smtp.start
start_imap = mail_imap.start

PER_PAGE = 50
MOST = 1000

# The search form needs 'self'; frames come from here alone.
PAGE_POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
# A mail may colour itself and show pictures of this machine, such as those of our own pages. It runs nothing,
# fetches nothing else and sends nothing; its links open in a new window.
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: http://127.0.0.1:* http://localhost:*; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)


def routes(store: Store) -> list[web.RouteDef]:
    async def inbox(request: web.Request) -> web.Response:
        wish = {name: request.query.get(name, "") for name in ("q", "before")}
        messages, total = mail_box.find(store, _checked(wish), most=PER_PAGE)
        older = _next(messages, {"q": wish["q"]}, PER_PAGE)
        return _page("mail.html", messages=messages, total=total, q=wish["q"], older=older, first=not wish["before"])

    async def message(request: web.Request) -> web.Response:
        found, content = mail_box.one(store, _number(request)), _raw(store, request)
        return _page("mail_message.html", message=found, opened=mail_box.opened(content))

    async def html(request: web.Request) -> web.Response:
        body = mail_box.opened(_raw(store, request)).html
        if body is None:
            raise web.HTTPNotFound(text="This message has no HTML part.")
        elsewhere = re.sub(r"(<head\b[^>]*>)", r'\1<base target="_blank">', body, count=1, flags=re.IGNORECASE)
        return web.Response(text=elsewhere, content_type="text/html", headers={"Content-Security-Policy": MAIL_POLICY})

    async def raw(request: web.Request) -> web.Response:
        return web.Response(body=_raw(store, request), content_type="text/plain")

    async def listing(request: web.Request) -> web.Response:
        wish = _checked({name: request.query.get(name, "") for name in ("q", "to", "subject", "since", "before")})
        most = min(int(_digits(request.query.get("limit") or "100")), MOST)
        messages, total = mail_box.find(store, wish, most=most)
        filters = {name: value for name, value in request.query.items() if name != "before"}
        older = _next(messages, filters, most)
        return web.json_response(
            {"total": total, "messages": messages, "next": older and f"/mail/messages.json{older}"}
        )

    async def log(request: web.Request) -> web.Response:
        return web.json_response(store.log("mail"))

    return [
        web.get("/mail/", inbox),
        web.get("/mail/messages.json", listing),
        web.get("/mail/log.json", log),
        web.get(r"/mail/{id:\d{1,18}}", message),
        web.get(r"/mail/{id:\d{1,18}}/html", html),
        web.get(r"/mail/{id:\d{1,18}}/raw", raw),
    ]


def _page(template: str, **context: Any) -> web.Response:
    response = pages.render(template, **context)
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    return response


def _number(request: web.Request) -> int:
    return int(request.match_info["id"])


def _raw(store: Store, request: web.Request) -> bytes:
    content = mail_box.raw(store, _number(request))
    if content is None:
        raise web.HTTPNotFound(text="There is no such message.")
    return content


def _checked(wish: dict[str, str]) -> dict[str, str]:
    return wish | {"before": _digits(wish["before"])} if wish.get("before") else wish


def _digits(value: str) -> str:
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise web.HTTPBadRequest(text="`before` and `limit` are numbers.")
    return value


def _next(messages: list[dict[str, Any]], filters: dict[str, str], most: int) -> str | None:
    """The query of the page with older messages; None where this one is not full."""
    if len(messages) < most or not messages:
        return None
    return "?" + urlencode({**{name: value for name, value in filters.items() if value}, "before": messages[-1]["id"]})
