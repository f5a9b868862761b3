"""The mail catcher's SMTP side: takes every message, and answers as badly as it was told to.

POST /control/faults {"network": "mail", "operation": "rcpt", "behaviour": "5xx", "match": "rosa@", "times": 2}
`operation` is connect, mail, rcpt, data or dot; `match` is a part of the address (of the sender at mail, of a
recipient from rcpt on, of the client at connect); `code` and `text` replace the usual answer.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope

from publisher.sandbox import faults, mail_box, mail_returns
from publisher.sandbox.store import Store

LARGEST = 50 * 2**20
LONGEST_LINE = 998

BEHAVIOURS = {
    "4xx": "refuses for now: 451, or `code` and `text`",
    "5xx": "refuses for good: 550 or 554, or `code` and `text`",
    "421": "says 421 and closes the connection",
    "close": "closes the connection without an answer; at the dot, without accepting the message",
    "accept_close": "at the dot: accepts the message, then closes the connection without an answer",
    "bounce": "at the dot: accepts the message, and reports later that there is no such mailbox; or `code` and `text`",
    "slow": "waits `seconds` (30), then goes on as usual",
}

USUAL = {
    ("4xx", "rcpt"): (450, "4.2.0 Greylisted, come back later"),
    ("4xx", "*"): (451, "4.3.0 Try again later"),
    ("5xx", "rcpt"): (550, "5.1.1 There is no such mailbox"),
    ("5xx", "*"): (554, "5.7.1 Refused by policy"),
    ("bounce", "*"): (550, "5.1.1 There is no such mailbox"),
    ("421", "*"): (421, "4.3.2 Closing the connection"),
}

log = logging.getLogger("publisher.sandbox")

# One line per command, at every level, costs as much as the message itself.
logging.getLogger("mail.log").setLevel(logging.WARNING)


class Leave(asyncio.CancelledError):
    """The connection ends here without another word. (aiosmtpd ends a cancelled session quietly.)"""


@dataclass(frozen=True)
class Running:
    port: int
    server: asyncio.Server
    catcher: Catcher

    async def stop(self) -> None:
        self.server.close()
        self.catcher.hang_up()
        await self.server.wait_closed()


async def start(store: Store, host: str, port: int) -> Running:
    catcher = Catcher(store)
    server = await asyncio.get_running_loop().create_server(lambda: Session(catcher), host, port)
    return Running(server.sockets[0].getsockname()[1], server, catcher)


class Catcher:
    """aiosmtpd's handler. What it answers 250 is committed: many at once, none too early."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.sessions: set[Session] = set()
        self.numbers = itertools.count(1)
        self._waiting: list[tuple[mail_box.Message, asyncio.Future[int]]] = []

    async def handle_MAIL(self, server: Session, session: Any, envelope: Envelope, address: str, options: Any) -> str:
        if refusal := await server.meet("mail", [address]):
            return refusal
        envelope.mail_from = address
        return "250 2.1.0 Sender accepted"

    async def handle_RCPT(self, server: Session, session: Any, envelope: Envelope, address: str, options: Any) -> str:
        if refusal := await server.meet("rcpt", [address]):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Recipient accepted"

    async def handle_DATA(self, server: Session, session: Any, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        if complaint := malformed(envelope.content):
            return complaint
        if refusal := await server.meet("dot", envelope.rcpt_tos):
            return refusal
        number = await self.keep(server.number, envelope)
        if server.comes_back and envelope.mail_from:  # never of a report itself (RFC 5321 §6.1)
            self.send_back(envelope, server.comes_back)
        if server.leaves_after_accepting:
            raise Leave
        return f"250 2.0.0 Kept as {number}"

    def send_back(self, envelope: Envelope, answer: str) -> None:
        assert isinstance(envelope.content, bytes)
        assert envelope.mail_from
        for recipient in envelope.rcpt_tos:
            report = mail_returns.report(envelope.mail_from, recipient, answer, envelope.content)
            mail_returns.put(self.store, report)

    async def handle_exception(self, error: Exception) -> str:
        log.exception("not kept", exc_info=error)
        return f"451 4.3.0 Not kept: {type(error).__name__}"

    async def keep(self, connection: int, envelope: Envelope) -> int:
        """Returns once the message is committed, together with whatever else arrived in this turn of the loop."""
        assert isinstance(envelope.content, bytes)
        message = mail_box.Message(connection, envelope.mail_from or "", tuple(envelope.rcpt_tos), envelope.content)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[int] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._commit)
        self._waiting.append((message, done))
        return await done

    def _commit(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            with self.store.transaction():
                numbers = [mail_box.keep(self.store, message) for message, _ in batch]
        except Exception as error:
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
            return
        for (_, done), number in zip(batch, numbers, strict=True):
            # A client that has gone meanwhile cancelled it; its message is kept all the same.
            if not done.done():
                done.set_result(number)

    def hang_up(self) -> None:
        for session in list(self.sessions):
            if session.transport is not None:
                session.transport.close()


class Session(SMTP):
    """One connection. Reads a message in few pieces, where aiosmtpd's own way is line by line."""

    line_length_limit = LARGEST  # Of the stream; the lines of a message are measured in `malformed`.

    def __init__(self, catcher: Catcher) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            catcher, data_size_limit=LARGEST, enable_SMTPUTF8=True, hostname="sandbox", ident="SMTP", loop=loop
        )
        self.catcher = catcher
        self.number = next(catcher.numbers)
        self.leaves_after_accepting = False
        self.comes_back = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.catcher.sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.catcher.sessions.discard(self)
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        peer = self.transport.get_extra_info("peername") if self.transport else None
        try:
            refusal = await self.meet("connect", [str(peer[0] if peer else "")])
            if refusal:
                await self.push(refusal)
                raise Leave
        except Leave:
            self._writer.close()
            raise
        await super()._handle_client()

    async def smtp_DATA(self, arg: str | None) -> None:
        envelope = self.envelope
        if arg or not envelope or not envelope.rcpt_tos:
            await self.push("501 5.5.4 Syntax: DATA" if arg else "503 5.5.1 Error: need RCPT command")
            return
        if refusal := await self.meet("data", envelope.rcpt_tos):
            await self.push(refusal)
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        envelope.content = await self._message()
        status = await self.catcher.handle_DATA(self, self.session, envelope)
        self._set_post_data_state()
        await self.push(status)

    async def _message(self) -> bytes:
        """What stands before the lone dot, its stuffing taken out."""
        read = bytearray()
        while not (read.endswith(b"\r\n.\r\n") or read == b".\r\n"):
            try:
                read += await self._reader.readuntil(b".\r\n")
            except asyncio.LimitOverrunError:
                await self.push(f"552 5.3.4 More than {LARGEST} bytes")
                raise Leave from None
        del read[-3:]
        message = bytes(read).replace(b"\r\n.", b"\r\n")
        return message.removeprefix(b".")

    async def meet(self, operation: str, addresses: Iterable[str]) -> str | None:
        """What to answer instead of the usual, if a fault was ordered for here. Leave ends the connection."""
        fault = take(self.catcher.store, operation, addresses)
        self.comes_back = (
            answer(fault, operation) if fault and (fault.behaviour, operation) == ("bounce", "dot") else ""
        )
        if fault is None or fault.behaviour == "bounce":
            return None
        if fault.behaviour == "slow":
            await asyncio.sleep(float(fault.options.get("seconds", 30)))
            return None
        if fault.behaviour == "accept_close" and operation == "dot":
            self.leaves_after_accepting = True
            return None
        if fault.behaviour in ("close", "accept_close"):
            raise Leave
        refusal = answer(fault, operation)
        if fault.behaviour == "421":
            await self.push(refusal)
            raise Leave
        return refusal


def take(store: Store, operation: str, addresses: Iterable[str]) -> faults.Fault | None:
    """The oldest fault ordered for this operation and one of these addresses, counted down."""
    for fault in faults.ordered(store):
        if fault.network != "mail" or fault.operation.lower() not in (operation, "*"):
            continue
        part = str(fault.options.get("match") or "").lower()
        if any(part in address.lower() for address in addresses):
            _count_down(store, fault)
            return fault
    return None


def _count_down(store: Store, fault: faults.Fault) -> None:
    if fault.times is not None:
        store.run("UPDATE faults SET times = times - 1 WHERE id = ?", fault.id)
        store.run("DELETE FROM faults WHERE id = ? AND times < 1", fault.id)


def answer(fault: faults.Fault, operation: str) -> str:
    code, text = USUAL.get((fault.behaviour, operation)) or USUAL[fault.behaviour, "*"]
    return f"{fault.options.get('code') or code} {fault.options.get('text') or text}"


def malformed(message: bytes) -> str | None:
    """What a strict server refuses: bare line ends (SMTP smuggling), lines that are too long."""
    if not message.count(b"\r\n") == message.count(b"\r") == message.count(b"\n"):
        return "554 5.6.0 A bare CR or LF in the message"
    if max(map(len, message.split(b"\r\n"))) > LONGEST_LINE:
        return f"554 5.6.0 A line of more than {LONGEST_LINE} bytes"
    return None
