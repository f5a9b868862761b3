"""The SMTP conversation, phase by phase: what became of one message for one recipient.

    connect · greeting · [STARTTLS] · [AUTH]    once per connection
    MAIL · RCPT · arm() · DATA · body           a break here is DEFERRED: nothing was handed over
    the dot … its reply                         a break here is UNKNOWN: it may have been taken (RFC 1047)

No sleep and no second attempt in here: whoever calls holds the ledger, and only the ledger knows whether to try again.
"""

import base64
import contextlib
import ssl
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from .addresses import AddressRefused, ascii_domain, ascii_host
from .relays import Encryption, Relay, RelayWrong, is_loopback, parse_relays
from .replies import BY_PHASE, Phase, Scope, scope_of
from .wire import Broken, Reply, Wire

__all__ = [
    "Conversation",
    "Encryption",
    "Outcome",
    "Phase",
    "Relay",
    "RelayWrong",
    "Result",
    "Scope",
    "Timeouts",
    "parse_relays",
]


class Result(StrEnum):
    SENT = "sent"
    DEFERRED = "deferred"
    FAILED = "failed"
    UNKNOWN = "unknown"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Outcome:
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
    quit: float = 5

    def of(self, phase: Phase) -> float:
        return float(getattr(self, phase.value))


class _Ended(Exception):
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
    Phase.QUIT: "broke off at the goodbye",
}


class Conversation:
    """One connection to one relay, opened when it is needed and kept from delivery to delivery. For one thread."""

    def __init__(
        self,
        relay: Relay,
        *,
        helo: str,
        timeouts: Timeouts = Timeouts(),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`helo` is our own name. `tls` is for relays with a private authority; without it the system's are trusted."""
        self.relay = relay
        self.helo = ascii_host(helo)
        self.timeouts = timeouts
        self._tls = tls
        self._wire: Wire | None = None
        self._offers: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def deliver(
        self,
        sender: str,
        recipient: str,
        message: bytes,
        *,
        arm: Callable[[], bool],
        before_dot: Callable[[], bool] = lambda: True,
    ) -> Outcome:
        """One transaction for one recipient. `arm` is asked once the recipient is accepted; False ends it unsent.

        `before_dot` is asked when all but the final dot has left; False breaks off, and nobody takes the message.

        Failures of the conversation are outcomes. What `arm` raises is raised, after the connection is dropped.
        """
        try:
            _check_message(message)
            sender = _envelope(sender, Phase.MAIL) if sender else ""
            recipient = _envelope(recipient, Phase.RCPT)
            self._open()
            self._announce(sender, recipient, message)
            if not arm():
                self._reset()
                return _outcome(Result.STOPPED, Phase.RCPT, "Stopped before anything was sent.")
            return self._hand_over(message, before_dot)
        except _Ended as ended:
            return ended.outcome
        except BaseException:
            # A time limit or a signal can strike anywhere; where the server stands is then anybody's guess.
            self._drop()
            raise

    def sign_in(self) -> Outcome | None:
        """Open, encrypt and sign in, sending nothing. What stands in the way, or None."""
        try:
            self._open()
        except _Ended as ended:
            return ended.outcome
        except BaseException:
            self._drop()
            raise
        return None

    def close(self) -> None:
        """Say goodbye, if there is anybody to say it to."""
        if self._wire is not None:
            with contextlib.suppress(_Ended):
                self._say("QUIT", Phase.QUIT, {221})
            self._drop()

    # Once per connection.

    def _open(self) -> None:
        if self._wire is not None and _is_quiet(self._wire):
            return
        self._drop()
        try:
            self._connect()
        except _Ended:
            # Half a greeting, a refused login: the next delivery begins anew.
            self._drop()
            raise

    def _connect(self) -> None:
        with self._breaks_in(Phase.CONNECT):
            self._wire = Wire(self.relay.host, self.relay.port, self.timeouts.connect)
        if self.relay.tls == "implicit":
            self._secure()
        self._expect({220}, Phase.GREETING)
        self._introduce()
        if self.relay.tls == "starttls":
            if "STARTTLS" not in self._offers:
                raise _ended(
                    Result.DEFERRED, Phase.STARTTLS, f"{self.relay} offers no STARTTLS; nothing is sent without."
                )
            self._say("STARTTLS", Phase.STARTTLS, {220})
            self._secure()
            self._introduce()  # What was offered in clear text may be anybody's.
        if self.relay.user:
            self._sign_in(self.relay.user, self.relay.password)

    def _introduce(self) -> None:
        reply = self._say(f"EHLO {self.helo}", Phase.GREETING, {250})
        offers = (line.partition(" ") for line in reply.lines[1:])
        self._offers = {name.upper(): rest.upper() for name, _, rest in offers}

    def _secure(self) -> None:
        with self._breaks_in(Phase.STARTTLS):
            context = self._tls or ssl.create_default_context()
            self._connected.secure(context, self.relay.host, self.timeouts.starttls)

    def _sign_in(self, user: str, password: str) -> None:
        if self.relay.tls == "none" and not is_loopback(self._peer()):
            raise _ended(
                Result.FAILED, Phase.AUTH, f"The password for {self.relay} would cross the network in clear text."
            )
        offered = self._offers.get("AUTH", "").split()
        if "PLAIN" in offered:
            self._say(f"AUTH PLAIN {_base64(f'{chr(0)}{user}{chr(0)}{password}')}", Phase.AUTH, {235})
        elif "LOGIN" in offered:
            self._say("AUTH LOGIN", Phase.AUTH, {334})
            self._say(_base64(user), Phase.AUTH, {334})
            self._say(_base64(password), Phase.AUTH, {235})
        else:
            raise _ended(Result.FAILED, Phase.AUTH, f"{self.relay} offers no login by PLAIN or LOGIN.")

    def _peer(self) -> str:
        with self._breaks_in(Phase.AUTH):
            return self._connected.peer

    # Once per message.

    def _announce(self, sender: str, recipient: str, message: bytes) -> None:
        options = " ".join(["", *self._options(sender, recipient, message)])
        self._say(f"MAIL FROM:<{sender}>{options}", Phase.MAIL, {250})
        self._say_or_reset(f"RCPT TO:<{recipient}>", Phase.RCPT, {250, 251})

    def _options(self, sender: str, recipient: str, message: bytes) -> Iterator[str]:
        """What MAIL says beside the sender. What this relay cannot carry is refused here, in words."""
        if "SIZE" in self._offers:
            limit = self._offers["SIZE"]
            if limit.isdigit() and 0 < int(limit) < len(message):
                raise _ended(
                    Result.FAILED, Phase.MAIL, f"The message has {len(message)} bytes; {self.relay} takes {limit}."
                )
            yield f"SIZE={len(message)}"
        if not message.isascii():
            if "8BITMIME" not in self._offers:
                raise _ended(Result.FAILED, Phase.MAIL, f"{self.relay} offers no 8BITMIME, which this message needs.")
            yield "BODY=8BITMIME"
        if not (sender + recipient).isascii() or not message.partition(b"\r\n\r\n")[0].isascii():
            if "SMTPUTF8" not in self._offers:
                phase = Phase.RCPT if sender.isascii() else Phase.MAIL
                raise _ended(Result.FAILED, phase, f"{self.relay} offers no SMTPUTF8, which this address needs.")
            yield "SMTPUTF8"

    def _hand_over(self, message: bytes, before_dot: Callable[[], bool]) -> Outcome:
        self._say_or_reset("DATA", Phase.DATA, {354})
        with self._breaks_in(Phase.BODY):
            self._connected.send(_stuffed(message), self.timeouts.body)
        self._must_be_quiet(Phase.BODY)
        if not before_dot():
            self._drop()
            return _outcome(Result.STOPPED, Phase.BODY, "Stopped before the final dot: nobody takes half a message.")
        # No server takes the message before this; from the first of these five bytes on it may have.
        with self._breaks_in(Phase.DOT):
            self._connected.send(b"\r\n.\r\n", self.timeouts.dot)
        reply = self._expect({250}, Phase.DOT)
        extra = self._connected.unread
        if extra:
            self._drop()
        if extra and not extra.startswith(b"421"):
            # Two answers to one dot: which of them is meant is a guess. (A 421 behind it is a polite farewell.)
            raise _ended(Result.UNKNOWN, Phase.DOT, f"{self.relay} gave two answers: {reply.text} / {extra[:80]!r}")
        return _outcome(Result.SENT, Phase.DOT, reply.text, reply)

    def _say_or_reset(self, line: str, phase: Phase, wanted: Collection[int]) -> None:
        try:
            self._say(line, phase, wanted)
        except _Ended:
            self._reset()
            raise

    def _reset(self) -> None:
        """Back to before MAIL, so that the connection can be used again; else it is dropped."""
        if self._wire is not None:
            try:
                # Not for long: a pause is waiting, or the next recipient.
                self._say("RSET", Phase.QUIT, {250})
            except _Ended:
                self._drop()

    # One line and its answer.

    def _say(self, line: str, phase: Phase, wanted: Collection[int]) -> Reply:
        self._must_be_quiet(phase)
        with self._breaks_in(phase):
            self._connected.send(line.encode() + b"\r\n", self.timeouts.of(phase))
        return self._expect(wanted, phase)

    def _expect(self, wanted: Collection[int], phase: Phase) -> Reply:
        """The reply if it is one of the wanted; any other ends the delivery, as what it is."""
        with self._breaks_in(phase):
            reply = self._connected.reply(self.timeouts.of(phase))
        if reply.code in wanted:
            return reply
        if reply.code == 421 or reply.code < 400:
            self._drop()
        if reply.code < 400:
            raise _ended(_lost(phase), phase, f"{self.relay} answered out of turn: {reply.text}", reply)
        result = Result.DEFERRED if reply.code < 500 else Result.FAILED
        raise _ended(result, phase, reply.text, reply, scope_of(phase, reply.code, reply.enhanced))

    def _must_be_quiet(self, phase: Phase) -> None:
        """An answer before the question belongs to another question; taking it would shift all that follow."""
        with self._breaks_in(phase):
            reply = self._connected.unasked()
        if reply is not None:
            self._drop()
            raise _ended(Result.DEFERRED, phase, f"{self.relay} spoke unasked: {reply.text}", reply)

    @contextlib.contextmanager
    def _breaks_in(self, phase: Phase) -> Iterator[None]:
        try:
            yield
        except Broken as broken:
            self._drop()
            raise _ended(_lost(phase), phase, f"{self.relay}: {WHERE[phase]}: {broken}.") from None

    @property
    def _connected(self) -> Wire:
        assert self._wire is not None
        return self._wire

    def _drop(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None


def _lost(phase: Phase) -> Result:
    """What a break means here: the whole reason for doing this by phases."""
    return Result.UNKNOWN if phase is Phase.DOT else Result.DEFERRED


def _outcome(result: Result, phase: Phase, text: str, reply: Reply | None = None) -> Outcome:
    return _ended(result, phase, text, reply).outcome


def _ended(result: Result, phase: Phase, text: str, reply: Reply | None = None, scope: Scope | None = None) -> _Ended:
    """Without a scope: a failure of ours is about what the phase is about, everything else about the connection."""
    about = scope or (BY_PHASE[phase] if result is Result.FAILED else "connection")
    code, enhanced = (reply.code, reply.enhanced) if reply else (None, None)
    return _Ended(Outcome(result, phase, code, enhanced, text[:500], about))


def _envelope(address: str, phase: Phase) -> str:
    try:
        return ascii_domain(address)
    except AddressRefused as refused:
        raise _ended(Result.FAILED, phase, str(refused)) from None


def _check_message(message: bytes) -> None:
    # A lone CR or LF before a dot ends the message for some servers and not for others (SMTP smuggling).
    if not message.count(b"\r\n") == message.count(b"\r") == message.count(b"\n") or b"\0" in message:
        raise _ended(Result.FAILED, Phase.MAIL, "The message has a bare CR or LF, or a NUL; it is not sent.")


def _stuffed(message: bytes) -> bytes:
    """The message as DATA wants it, without its last line end: that is the first half of the dot's own five bytes."""
    body = message.removesuffix(b"\r\n").replace(b"\r\n.", b"\r\n..")
    return b"." + body if body.startswith(b".") else body


def _is_quiet(wire: Wire) -> bool:
    """Servers close what is idle, some with a 421 before. Nothing is under way then, so it is no outcome."""
    try:
        return wire.unasked() is None
    except Broken:
        return False


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
