"""How a row of the table of behaviours is written, and how it is played: letters, a server with its script, drivers."""

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from publisher.delivery.conversation import Conversation
from publisher.delivery.dialogue import Transaction
from publisher.delivery.engine import Engine
from publisher.delivery.outcomes import Outcome, Result, Timeouts
from publisher.delivery.relays import Relay
from publisher.delivery.replies import Phase

from .certificates import Authority
from .in_line import InLine
from .server import (
    GOOD,
    OF_ONE_MESSAGE,
    Action,
    Before,
    Deaf,
    Endless,
    Hold,
    Mute,
    Says,
    Server,
    Silence,
    Stall,
    Taken,
    as_deed,
)

OFFERS = ("SIZE 100000000", "8BITMIME", "SMTPUTF8")
SENT = "sent dot 250 kept"
HURRIED, PATIENT = 0.2, 30.0

#: How a client talks where PIPELINING is offered: a line at a time; MAIL, RCPT and DATA together; the dot with them.
Manner = Literal["steps", "grouped", "chained"]
#: What becomes of the connection: Luis's letter goes over it too, or may, or does not.
Link = Literal["kept", "either", "ended"]

PHASES: dict[str, Phase] = {
    "connect": Phase.GREETING,
    "EHLO": Phase.GREETING,
    "STARTTLS": Phase.STARTTLS,
    "handshake": Phase.STARTTLS,
    "AUTH": Phase.AUTH,
    "answer": Phase.AUTH,
    "MAIL": Phase.MAIL,
    "RCPT": Phase.RCPT,
    "DATA": Phase.DATA,
    "body": Phase.BODY,
    "dot": Phase.DOT,
    "RSET": Phase.RSET,
    "QUIT": Phase.QUIT,
}


# ---- A row


@dataclass(frozen=True)
class Row:
    name: str
    script: dict[str, Action | list[Action | None]]
    fixed: str
    grouped: str = ""  # the outcome in that manner, where it differs
    chained: str = ""
    letter: Literal["", "long", "eight-bit", "utf-8 name", "2000 bytes"] = ""  # how Rosa's differs from the others
    offers: tuple[str, ...] = OFFERS
    login: bool = False
    tls: Literal["none", "starttls", "implicit"] = "none"
    note: str = ""  # why it is this outcome, where another could be argued for

    @property
    def opening(self) -> bool:
        """Does it strike a connection that is being opened, and not one letter of several?"""
        return bool(set(self.script) - OF_ONE_MESSAGE - {"QUIT"})

    @property
    def slow(self) -> bool:
        return any(map(is_waiting, self.script.values()))

    def outcome(self, manner: Manner) -> "Fixed":
        told = {"steps": self.fixed, "grouped": self.grouped, "chained": self.chained or self.grouped}[manner]
        return fixed(told or self.fixed)


@dataclass(frozen=True)
class Fixed:
    result: Result
    phase: Phase
    code: int | None
    scope: str
    connection: Link
    taken: bool


def fixed(words: str) -> Fixed:
    """ "deferred mail 450 sender kept" and the like."""
    result, phase, *rest = words.split()
    code = int(rest.pop(0)) if rest and rest[0].isdigit() else None
    scope = rest.pop(0) if rest and rest[0] in ("recipient", "sender") else "connection"
    connection = cast(Link, rest.pop(0)) if rest and rest[0] in ("kept", "either") else "ended"
    assert rest in ([], ["taken"]), words
    return Fixed(Result(result), Phase(phase), code, scope, connection, bool(rest) or result == "sent")


# ---- The letters


@dataclass(frozen=True)
class Letter:
    recipient: str
    message: bytes


def letters_of(row: Row) -> list[Letter]:
    """Rosa's, and one behind it; one before it too unless it is the connection's opening that is looked at."""
    rosa = Letter("rösa@example.org" if row.letter == "utf-8 name" else "rosa@example.org", rosas(row.letter))
    ana, luis = (Letter(f"{name}@example.org", short(name)) for name in ("ana", "luis"))
    return [rosa, luis] if row.opening else [ana, rosa, luis]


def short(name: str) -> bytes:
    return f"To: {name}@example.org\r\nSubject: Update 120\r\n\r\nDear {name},\r\n.\r\n..\r\nEnd.\r\n".encode()


def rosas(kind: str) -> bytes:
    start = short("rosa")
    if kind == "eight-bit":
        return start + "Málaga\r\n".encode()
    if kind == "2000 bytes":
        return start + b"x" * (2000 - len(start) - 2) + b"\r\n"
    # Too much for the buffers of both ends: the last byte leaves only when the server has read most of it.
    return start + b"line of a long letter\r\n" * 800_000 if kind == "long" else start


def unstuffed(message: bytes) -> bytes:
    return re.sub(rb"^\.", b"", message.replace(b"\r\n.", b"\r\n"))


# ---- The server and the relay


def server_of(row: Row, serve: Callable[..., Server], authority: Authority, *, struck: int, pipelining: bool) -> Server:
    offers = ["mail.example.org", *row.offers, *(["PIPELINING"] if pipelining else [])]
    ehlo = "".join(f"250-{offer}\r\n" for offer in offers[:-1]) + f"250 {offers[-1]}\r\n"
    # What is done at the opening is done to one connection; what is done to one message, to Rosa's.
    script = {
        step: action if step in OF_ONE_MESSAGE | {"QUIT"} else once(action) for step, action in row.script.items()
    }
    return serve(
        script,
        good=GOOD | {"EHLO": ehlo.encode()},
        struck=struck,
        tls=None if row.tls == "none" else authority.good,
        implicit=row.tls == "implicit",
        certificates=authority.server,
    )


def once(action: Action | list[Action | None]) -> list[Action | None]:
    """A list of its own: the server uses it up."""
    return [*action] if isinstance(action, list) else [action]


def relay_of(row: Row, server: Server) -> Relay:
    user, password = ("anne", "s3cret") if row.login else ("", "")
    return Relay("127.0.0.1", server.port, user, password, row.tls)


def timeouts_of(row: Row, manner: Manner) -> Timeouts:
    """All the time in the world, but for the phase in which this server will never answer."""
    phases = {phase.value: PATIENT for phase in Phase}
    slow = {PHASES[step] for step, action in row.script.items() if is_waiting(action)}
    if Phase.RSET in slow:
        slow.add(Phase.QUIT)  # the client for single letters waits for it no longer than for a goodbye
    if row.slow:
        slow |= {row.outcome(manner).phase} - {Phase.DOT}
    return Timeouts(**phases | {phase.value: HURRIED for phase in slow})


def is_waiting(action: Action | list[Action | None]) -> bool:
    """Will the client wait in vain?"""
    if isinstance(action, list):
        return any(is_waiting(each) for each in action if each is not None)
    deed = as_deed(action)
    if isinstance(deed, Taken | Before):
        return is_waiting(deed.then)
    if type(deed) is Says:
        return re.search(rb"(^|\n)([0-9]{3}-[^\n]*\n|[^\n]+)\Z", deed.words(b"250 \r\n")) is not None
    return isinstance(deed, Silence | Stall | Endless | Hold | Deaf | Mute)


# ---- Who sends


@dataclass(frozen=True)
class Driver:
    """One way to send letters over one connection after another; `play` gives an outcome for each, in their order."""

    name: str
    manner: Manner
    play: Callable[[Relay, Timeouts, Authority, Server, list[Letter]], list[Outcome]]
    #: It leaves a relay that is in trouble, and says goodbye.
    leaves: bool = False


def converse(
    relay: Relay, timeouts: Timeouts, authority: Authority, server: Server, letters: list[Letter]
) -> list[Outcome]:
    outcomes = []
    with Conversation(relay, helo="news.example.org", timeouts=timeouts, tls=authority.client()) as talk:
        for letter in letters:
            outcomes.append(talk.deliver("news@example.org", letter.recipient, letter.message))
            server.settle()
    return outcomes


class Letters(InLine):
    """Work for an engine: each letter once, whatever becomes of it."""

    def __init__(self, letters: list[Letter], server: Server) -> None:
        self.server = server
        self.outcomes: dict[int, Outcome] = {}
        self.last = len(letters) - 1
        self.waiting = deque(
            Transaction(
                *("news@example.org", letter.recipient, len(letter.message), (number, letter.message)),
                eight_bit=not letter.message.isascii(),
            )
            for number, letter in enumerate(letters)
        )

    def make(self, transaction: Transaction) -> bool:
        transaction.message = (wire_form(transaction.row[1]),)
        return True

    def intend(self, transactions: Sequence[Transaction]) -> bool:
        return True

    def go_on(self) -> None:
        pass

    def settled(self, transaction: Transaction, outcome: Outcome) -> None:
        number = transaction.row[0]
        assert number not in self.outcomes, "settled twice"
        self.outcomes[number] = outcome
        self.server.settle()

    def unsent(self, transaction: Transaction, outcome: Outcome) -> None:
        """The letter that stood behind another in one group goes over the next connection."""
        if transaction.row[0] == self.last:
            self.waiting.append(transaction)
        else:
            self.settled(transaction, outcome)

    def fail_next(self, outcome: Outcome) -> None:
        self.settled(self.waiting.popleft(), outcome)


def wire_form(message: bytes) -> bytes:
    return re.sub(rb"(?m)^\.", b"..", message)


def run_engine(
    relay: Relay, timeouts: Timeouts, authority: Authority, server: Server, letters: list[Letter]
) -> list[Outcome]:
    engine = Engine(
        [relay], helo="news.example.org", connections=1, patience=1, timeouts=timeouts, tls=authority.client()
    )
    work = Letters(letters, server)
    while work.left:
        # What a relay says while a connection is being opened is about no letter: the one that waited stands for it.
        if broke := engine.run(work):
            work.fail_next(broke)
        server.settle()
    engine.close()
    return [work.outcomes[number] for number in range(len(letters))]


DRIVERS = (
    Driver("conversation", "steps", converse),
    Driver("engine", "chained", run_engine, leaves=True),
)
