"""The SMTP conversation, phase by phase: what became of one message for one recipient.

For mails that are no digest, and for looking at a server. Batches of a digest go by dialogue.py.

    connect · greeting · [STARTTLS] · [AUTH]    once per connection
    MAIL · RCPT · DATA · body                   a break here is DEFERRED: nothing was handed over
    the dot … its reply                         a break here is UNKNOWN: it may have been taken (RFC 1047)

No sleep and no second attempt in here: whoever calls holds the ledger, and only the ledger knows whether to try again.
"""

import contextlib
import ssl
from collections.abc import Collection, Iterator
from typing import NoReturn, Self

from .addresses import AddressRefused, ascii_domain, ascii_host
from .opening import Offers, Step, checked, mail_options, opening
from .outcomes import BY_THE_BOOK, Ended, Outcome, Result, Timeouts, broken, made, refused
from .reading import Broken, Reply
from .relays import Relay
from .replies import Phase
from .wire import Wire


class Conversation:
    """One connection to one relay, opened when it is needed and kept from delivery to delivery. For one thread."""

    def __init__(
        self,
        relay: Relay,
        *,
        helo: str,
        timeouts: Timeouts = BY_THE_BOOK,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`helo` is our own name. `tls` is for relays with a private authority; without it the system's are trusted."""
        self.relay = relay
        self.helo = ascii_host(helo)
        self.timeouts = timeouts
        self._tls = tls
        self._wire: Wire | None = None
        self._offers: Offers = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def deliver(self, sender: str, recipient: str, message: bytes) -> Outcome:
        """One transaction for one recipient. Failures of the conversation are outcomes."""
        try:
            _check_message(message)
            sender = _envelope(sender, Phase.MAIL) if sender else ""
            recipient = _envelope(recipient, Phase.RCPT)
            self._open()
            self._announce(sender, recipient, message)
            return self._hand_over(message)
        except Ended as ended:
            return ended.outcome
        except BaseException:
            # A time limit or a signal can strike anywhere; where the server stands is then anybody's guess.
            self._drop()
            raise

    def sign_in(self) -> Outcome | None:
        """Open, encrypt and sign in, sending nothing. What stands in the way, or None."""
        try:
            self._open()
        except Ended as ended:
            return ended.outcome
        except BaseException:
            self._drop()
            raise
        return None

    def close(self) -> None:
        """Say goodbye, if there is anybody to say it to."""
        if self._wire is not None:
            with contextlib.suppress(Ended):
                self._say("QUIT", Phase.QUIT, {221})
            self._drop()

    # Once per connection.

    def _open(self) -> None:
        if self._wire is not None and _is_quiet(self._wire):
            return
        self._drop()
        try:
            self._connect()
        except Ended:
            # Half a greeting, a refused login: the next delivery begins anew.
            self._drop()
            raise

    def _connect(self) -> None:
        with self._breaks_in(Phase.CONNECT):
            self._wire = Wire(self.relay.host, self.relay.port, self.timeouts.connect)
        steps = opening(self.relay, self.helo, self._peer)
        reply: Reply | None = None
        while True:
            try:
                reply = self._take(steps.send(reply))
            except StopIteration as opened:
                self._offers = opened.value
                return

    def _take(self, step: Step) -> Reply | None:
        if step.encrypt:
            self._secure()
            return None
        if step.line:
            self._utter(step.line, step.phase)
        return self._hear(step.phase)

    def _secure(self) -> None:
        with self._breaks_in(Phase.STARTTLS):
            context = self._tls or ssl.create_default_context()
            self._connected.secure(context, self.relay.host, self.timeouts.starttls)

    def _peer(self) -> str:
        with self._breaks_in(Phase.AUTH):
            return self._connected.peer

    # Once per message.

    def _announce(self, sender: str, recipient: str, message: bytes) -> None:
        utf8 = Phase.MAIL if not sender.isascii() else None
        if utf8 is None and not (recipient.isascii() and message.partition(b"\r\n\r\n")[0].isascii()):
            utf8 = Phase.RCPT
        given = mail_options(self._offers, self.relay, size=len(message), utf8=utf8, eight_bit=not message.isascii())
        self._say(" ".join([f"MAIL FROM:<{sender}>", *given]), Phase.MAIL, {250})
        self._say_or_reset(f"RCPT TO:<{recipient}>", Phase.RCPT, {250, 251})

    def _hand_over(self, message: bytes) -> Outcome:
        self._say_or_reset("DATA", Phase.DATA, {354})
        with self._breaks_in(Phase.BODY):
            reply = self._connected.send_unless_spoken_to(_stuffed(message), self.timeouts.body)
            reply = reply or self._connected.unasked()
        if reply is not None:
            self._spoke(reply, Phase.BODY)
        # No server takes the message before this; from the first of these five bytes on it may have.
        with self._breaks_in(Phase.DOT):
            self._connected.send(b"\r\n.\r\n", self.timeouts.dot)
        reply = self._hear(Phase.DOT)
        extra = self._connected.unread
        if extra:
            self._drop()
        if extra and not extra.startswith(b"421"):
            # Two answers to one dot: which of them is meant is a guess. (A 421 behind it is a polite farewell.)
            raise Ended(
                made(Result.UNKNOWN, Phase.DOT, f"{self.relay} gave two answers: {reply.text} / {extra[:80]!r}")
            )
        self._wanted(reply, {250}, Phase.DOT)
        return made(Result.SENT, Phase.DOT, reply.text, reply)

    def _say_or_reset(self, line: str, phase: Phase, wanted: Collection[int]) -> None:
        try:
            self._say(line, phase, wanted)
        except Ended:
            self._reset()
            raise

    def _reset(self) -> None:
        """Back to before MAIL, so that the connection can be used again; else it is dropped."""
        if self._wire is not None:
            try:
                # Not for long: a pause is waiting, or the next recipient.
                self._say("RSET", Phase.QUIT, {250})
            except Ended:
                self._drop()

    # One line and its answer.

    def _say(self, line: str, phase: Phase, wanted: Collection[int]) -> Reply:
        self._utter(line.encode(), phase)
        return self._expect(wanted, phase)

    def _utter(self, line: bytes, phase: Phase) -> None:
        self._must_be_quiet(phase)
        with self._breaks_in(phase):
            self._connected.send(line + b"\r\n", self.timeouts.of(phase))

    def _expect(self, wanted: Collection[int], phase: Phase) -> Reply:
        return self._wanted(self._hear(phase), wanted, phase)

    def _wanted(self, reply: Reply, wanted: Collection[int], phase: Phase) -> Reply:
        """The reply if it is one of the wanted; any other ends the delivery, as what it is."""
        if reply.code not in wanted and (reply.code == 421 or reply.code < 400):
            self._drop()
        return checked(reply, phase, wanted, self.relay)

    def _hear(self, phase: Phase) -> Reply:
        with self._breaks_in(phase):
            return self._connected.reply(self.timeouts.of(phase))

    def _must_be_quiet(self, phase: Phase) -> None:
        """An answer before the question belongs to another question; taking it would shift all that follow."""
        with self._breaks_in(phase):
            reply = self._connected.unasked()
        if reply is not None:
            self._spoke(reply, phase)

    def _spoke(self, reply: Reply, phase: Phase) -> NoReturn:
        """Unasked. Nobody takes half a message, and who refuses us within it is believed; perhaps it is too late for
        the address before, so no address is refused with such words."""
        self._drop()
        if phase is Phase.BODY and reply.code >= 400 and (outcome := refused(reply, phase)).scope != "recipient":
            raise Ended(outcome)
        raise Ended(made(Result.DEFERRED, phase, f"{self.relay} spoke unasked: {reply.text}", reply))

    @contextlib.contextmanager
    def _breaks_in(self, phase: Phase) -> Iterator[None]:
        try:
            yield
        except Broken as why:
            self._drop()
            raise Ended(broken(self.relay, phase, why)) from None

    @property
    def _connected(self) -> Wire:
        assert self._wire is not None
        return self._wire

    def _drop(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None


def _envelope(address: str, phase: Phase) -> str:
    try:
        return ascii_domain(address)
    except AddressRefused as refused:
        raise Ended(made(Result.FAILED, phase, str(refused))) from None


def _check_message(message: bytes) -> None:
    # A lone CR or LF before a dot ends the message for some servers and not for others (SMTP smuggling).
    if not message.count(b"\r\n") == message.count(b"\r") == message.count(b"\n") or b"\0" in message:
        raise Ended(made(Result.FAILED, Phase.MAIL, "The message has a bare CR or LF, or a NUL; it is not sent."))


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
