"""What may become of one message for one recipient, and how long to wait for it in each phase."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from .reading import Reply, enhanced_code
from .replies import BY_PHASE, Phase, Scope, scope_of


class Result(StrEnum):
    SENT = "sent"
    DEFERRED = "deferred"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Outcome(NamedTuple):
    """What happened, where, and whom it is about.

    Only `scope == "recipient"` says something about the address; with the others the relay or we are to blame, whatever
    the result. `code` and `enhanced` are the server's; `text` is for people: its words, or ours where it said nothing.
    """

    result: Result
    phase: Phase
    code: int | None
    enhanced: str | None
    text: str
    scope: Scope


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait in each phase, by RFC 5321 §4.5.3.2; `body` is per block.

    Never shorten `dot` in earnest: what is given up there has usually been delivered.
    """

    connect: float = 30
    greeting: float = 300
    starttls: float = 120
    auth: float = 120
    mail: float = 300
    rcpt: float = 300
    data: float = 120
    body: float = 180
    dot: float = 600
    rset: float = 300
    quit: float = 5

    def of(self, phase: Phase) -> float:
        return float(getattr(self, phase.value))


BY_THE_BOOK = Timeouts()


class Ended(Exception):
    """A delivery is over before its time."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


WHERE: dict[Phase, str] = {
    Phase.CONNECT: "connecting failed",
    Phase.GREETING: "broke off at the greeting",
    Phase.STARTTLS: "encryption failed",
    Phase.AUTH: "broke off while signing in",
    Phase.MAIL: "broke off at the sender's address",
    Phase.RCPT: "broke off at the recipient's address",
    Phase.DATA: "broke off before the message",
    Phase.BODY: "broke off within the message, which nobody takes half",
    Phase.DOT: "broke off after the whole message had left, so it may have been taken",
    Phase.RSET: "broke off between two letters",
    Phase.QUIT: "broke off between two letters",
}


def lost(phase: Phase) -> Result:
    """What a break means here: the whole reason for doing this by phases."""
    return Result.UNKNOWN if phase is Phase.DOT else Result.DEFERRED


def taken(answer: bytes) -> Outcome:
    """The message was taken, says one plain line: `250 2.0.0 Ok: queued as 3F2A`."""
    said = answer.decode()
    return Outcome(Result.SENT, Phase.DOT, 250, enhanced_code(250, said[4:24]), unnamed(said)[:500], "connection")


def broken(relay: object, phase: Phase, why: object) -> Outcome:
    """The connection was lost in this phase."""
    return made(lost(phase), phase, f"{relay}: {WHERE[phase]}: {why}.")


def break_in_words(error: Exception) -> str:
    """Why a connection was lost, or there was none."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def refused(reply: Reply, phase: Phase) -> Outcome:
    """What an answer of 4xx or 5xx means where it was given."""
    result = Result.DEFERRED if reply.code < 500 else Result.FAILED
    return made(result, phase, reply.text, reply, scope_of(phase, reply.code, reply.enhanced, reply.text))


def out_of_turn(relay: object, phase: Phase, reply: Reply) -> Outcome:
    """An answer that cannot be one to what was said: whatever it means, it is no "taken"."""
    return made(lost(phase), phase, f"{relay} answered out of turn: {reply.text}", reply)


def made(result: Result, phase: Phase, text: str, reply: Reply | None = None, scope: Scope | None = None) -> Outcome:
    """Without a scope: a failure of ours is about what the phase is about, everything else about the connection."""
    about = scope or (BY_PHASE[phase] if result is Result.FAILED else "connection")
    code, enhanced = (reply.code, reply.enhanced) if reply else (None, None)
    return Outcome(result, phase, code, enhanced, unnamed(text)[:500], about)


#: Rather a word too many than half a name: sean.o'connor@…, "sean connor"@…, bounce+sean=members.example@….
_ADDRESS = re.compile(r"""(?:"[^"]{1,64}"|[^\s<>()\[\],;:"]+)@(?:\[[^\s\]]+\]|[\w.-]*\w)""")
AN_ADDRESS = "(address)"
#: So much of a server's words stands in a sentence of ours.
_TOLD = 200


def unnamed(said: str) -> str:
    """What a server said, without addresses: it names the recipient, or to whom that one's mail is passed on.

    Journals, rows and logs have it from here, and nobody could find it there when that person is to be forgotten.
    """
    return _ADDRESS.sub(AN_ADDRESS, said) if "@" in said else said


def refusal_in_words(outcome: Outcome) -> str:
    """In the relay's own words, by which its keeper knows what to mend; where it said nothing, in ours."""
    if outcome.code is None:
        return outcome.text
    said = in_full(outcome.code, outcome.enhanced, outcome.text)[:_TOLD].rstrip(" .")
    return f"The mail server refused us in the phase {outcome.phase.upper()}: {said}."


def in_full(code: int | None, enhanced: str | None, said: str) -> str:
    """ "550 5.1.1 No such user": the codes once, whether what was said begins with them or not."""
    if code and said.startswith(str(code)):
        return said
    return " ".join(str(part) for part in (code, enhanced, said) if part)
