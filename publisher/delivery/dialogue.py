"""One connection's mail transactions without the socket: bytes in, bytes out, and what became of each message.

    announce(k)            → MAIL RCPT DATA
                           ← 250 250 354           k is invited
    hand_over(k + 1)       → message k . MAIL RCPT DATA
                           ← 250 | 250 250 354     k is answered; k + 1 is invited

One round trip a message where the server offers PIPELINING (RFC 2920: DATA ends a group, a message may begin one);
elsewhere a line at a time. One recipient in each transaction, so that an answer is about one person.

The order of the replies is all that binds them to the commands. A reply too many or too few shifts all that follow,
and each shift puts something else than 354 (or a refusal) in the place of DATA's answer. So an answer to the dot with
commands behind it counts for good only when those are answered too; where they cannot be what was asked for, it is
*unknown*.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .opening import Offers, mail_options
from .outcomes import Ended, Outcome, Result, broken, made, out_of_turn, refused
from .reading import Broken, Replies, Reply
from .refusals import GREYLISTED
from .relays import Relay
from .replies import Phase

_MAIL, _RCPT, _DATA, _DOT, _RSET = Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.DOT, Phase.RSET
#: The answers to a dot and to the group behind it, in the form in which nearly all come: plain, whole, and all well.
_ALL_WELL = re.compile(rb"(250 [ -~]*)\r\n250(?: [ -~]*)?\r\n25[01](?: [ -~]*)?\r\n354(?: [ -~]*)?\r\n")
_TAKEN = {_MAIL: (250,), _RCPT: (250, 251), _DATA: (354,), _RSET: (250,)}


@dataclass(slots=True, eq=False)
class Transaction:
    """One message for one recipient. `message` is wire form, in pieces: CRLF at its end, no dot begins a line."""

    sender: str
    recipient: str
    size: int  # bytes, at least; MAIL says it before the message is made
    row: Any
    message: Sequence[bytes] = ()
    eight_bit: bool = False  # anything in it is not ASCII
    utf8: bool = field(init=False)
    refusal: Outcome | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.utf8 = not (self.recipient.isascii() and self.sender.isascii())
        self.eight_bit = self.eight_bit or self.utf8  # the address stands in its header


class Keeper(Protocol):
    """Who keeps the books of a dialogue's transactions."""

    def answered(self, transaction: Transaction, outcome: Outcome) -> None:
        """The dot has its answer. `settled` follows, and may say otherwise."""

    def settled(self, transaction: Transaction, outcome: Outcome) -> None:
        """What became of it, for good."""

    def taken(self, transaction: Transaction, answer: bytes) -> None:
        """`answered` and `settled` in one: it was taken, in these words, and nothing can put that in question."""

    def declined(self, transaction: Transaction, outcome: Outcome, relay: Relay) -> bool:
        """This relay does not take it, for our sake. True: it is kept for another one, and nothing more is said."""

    def unsent(self, transaction: Transaction, outcome: Outcome) -> None:
        """It was not handed over, and this connection is the reason: another may try."""


class Dialogue:
    """The transactions of one connection, from after EHLO to its end. After `over` it must not be used."""

    def __init__(self, relay: Relay, offers: Offers, keeper: Keeper) -> None:
        self.relay = relay
        self.keeper = keeper
        self.pipelining = "PIPELINING" in offers
        #: The transaction whose message the server waits for.
        self.invited: Transaction | None = None
        #: Why nothing more can be said here; `polite` when a QUIT is in place.
        self.over: Outcome | None = None
        self.polite = False
        #: How many messages the server took for this keeper, and whether it took one for anybody.
        self.taken, self.proven = 0, False
        #: How many replies came.
        self.heard = 0
        #: What it refused for our sake since somebody looked, with the recipient's domain.
        self.refusals: list[tuple[str, Outcome]] = []
        self._offers = offers
        self._options: dict[tuple[int, bool, bool], bytes] = {}
        self._replies = Replies()
        self._expected: deque[tuple[Phase, Transaction]] = deque()
        self._unsaid: deque[tuple[bytes, Phase, Transaction]] = deque()
        self._answer: tuple[Transaction, Outcome] | None = None
        self._must_reset = False
        self._odd = False
        self._farewell: Reply | None = None

    @property
    def idle(self) -> bool:
        """Nothing is under way, and something may begin."""
        return not (self._expected or self.invited or self._answer or self.over)

    @property
    def phase(self) -> Phase:
        """What the server owes us an answer to."""
        return self._expected[0][0] if self._expected else Phase.BODY if self.invited else Phase.QUIT

    def go_over_to(self, keeper: Keeper) -> None:
        """The transactions from here on are another keeper's."""
        self.proven = self.proven or self.taken > 0
        self.keeper, self.taken = keeper, 0

    # What we say.

    def announce(self, transaction: Transaction) -> bytes:
        """Begin a transaction: what to send. Nothing, where this relay cannot carry it: then it is settled."""
        transaction.refusal = None  # of another connection, where it was not the last word
        options = self._options.get((transaction.size, transaction.utf8, transaction.eight_bit))
        try:
            options = self._options_of(transaction) if options is None else options
        except Ended as ended:
            if not self.keeper.declined(transaction, ended.outcome, self.relay):
                self.keeper.settled(transaction, ended.outcome)
            return b""
        mail = b"MAIL FROM:<%b>%b\r\n" % (transaction.sender.encode(), options)
        rcpt = b"RCPT TO:<%b>\r\n" % transaction.recipient.encode()
        if self.pipelining and not self._must_reset:
            self._expected.extend(((_MAIL, transaction), (_RCPT, transaction), (_DATA, transaction)))
            return b"%b%bDATA\r\n" % (mail, rcpt)
        steps = [(mail, _MAIL, transaction), (rcpt, _RCPT, transaction), (b"DATA\r\n", _DATA, transaction)]
        if self._must_reset:
            steps.insert(0, (b"RSET\r\n", _RSET, transaction))
            self._must_reset = False
        if not self.pipelining:
            self._unsaid.extend(steps)
            return self._next()
        self._expected.extend((phase, transaction) for _, phase, _ in steps)
        return b"".join([line for line, _, _ in steps])

    def hand_over(self, following: Transaction | None = None) -> tuple[list[bytes], int]:
        """The pieces of the invited message, with its dot, and the next transaction's beginning behind it.

        How many of the bytes stand behind the dot comes with it: as long as more are unsent, nobody has the message.
        """
        transaction, self.invited = self.invited, None
        assert transaction is not None
        self._expected.append((_DOT, transaction))
        behind = self.announce(following) if following else b""
        message, transaction.message = transaction.message, ()
        return [*message, b".\r\n" + behind], len(behind)

    def withdraw(self) -> list[Transaction]:
        """Take back what is invited. Only `lost` may follow: the server still waits for the message."""
        withdrawn, self.invited = [self.invited] if self.invited else [], None
        return withdrawn

    # What the server says.

    def receive(self, data: bytes) -> bytes:
        """Take what has arrived; what to say to it, if anything. Settles what is decided; look at `over` afterwards."""
        if len(self._expected) == 4 and (well := _ALL_WELL.fullmatch(data)) and self._all_well(well[1]):
            return b""
        said = b""
        try:
            self._replies.add(data)
            while not self.over and (reply := self._replies.take()) is not None:
                said = self._hear(reply)
                if said and self._replies.rest:
                    self._spoke_before_asked()
            if not self._expected and (self.polite or not self.over):
                self._nothing_more()
        except Broken as why:
            self._end(why, doubt=True)
        return b"" if self.over else said

    def lost(self, why: object, *, dot_left: bool = True) -> None:
        """The connection broke, or no answer came in time. Whatever had its dot and no answer is unknown."""
        if not self.over:
            if self._one_short():
                self._doubt_answer(why)
            self._end(why, doubt=False, dot_left=dot_left)

    def interrupted(self, data: bytes) -> None:
        """The server speaks while the message is still leaving: nobody takes half of one, whatever it says."""
        reply = None
        try:
            self._replies.add(data)
            reply = self._replies.take()
        except Broken as why:
            self._end(why, doubt=False, dot_left=False)
        if reply is not None:
            self._end(reply.text, doubt=False, dot_left=False, within=reply)

    def _all_well(self, answer: bytes) -> bool:
        """The short way for what happens a million times: a message is taken, and the next one invited."""
        if self._expected[0][0] is not _DOT or not self._replies.empty:
            return False
        transaction, following = self._expected[0][1], self._expected[3][1]
        self._expected.clear()
        self.taken += 1
        self.heard += 4
        self.keeper.taken(transaction, answer)
        self.invited = following
        return True

    def _hear(self, reply: Reply) -> bytes:
        self.heard += 1
        if not self._expected:
            self._spoke_unasked(reply)
            return b""
        phase, transaction = self._expected[0]
        if phase is _DOT:
            self._hear_of_message(reply, transaction)
        elif reply.code == 421:
            self._end(reply.text, doubt=False, reply=reply)
        elif reply.code in _TAKEN[phase]:
            self._expected.popleft()
            return self._accepted(phase, transaction)
        elif reply.code < 400 or phase is _RSET:
            self._end_out_of_turn(phase, reply)
        else:
            self._expected.popleft()
            self._refused(phase, transaction, refused(reply, phase))
        return b""

    def _hear_of_message(self, reply: Reply, transaction: Transaction) -> None:
        if reply.code != 250 and reply.code < 400:
            self._end_out_of_turn(_DOT, reply)
            return
        self._expected.popleft()
        well = reply.code == 250
        outcome = made(Result.SENT, _DOT, reply.text, reply) if well else refused(reply, _DOT)
        self.taken += well
        self._answer = (transaction, outcome)
        self.keeper.answered(transaction, outcome)
        if reply.code == 421:
            self._leave(reply)

    def _leave(self, reply: Reply) -> None:
        """It means to close. What it still says must be answers to what stands behind the dot, or nothing."""
        self._farewell = reply
        if not self._expected:
            self._end(reply.text, doubt=bool(self._replies.rest), reply=reply)

    def _accepted(self, phase: Phase, transaction: Transaction) -> bytes:
        # Nobody takes a recipient after he refused the sender: only a 354 could make that fit together.
        self._odd = phase is _RCPT and transaction.refusal is not None
        if phase is not _DATA:
            return self._next()
        self._confirm()
        if self._farewell:
            self.invited = transaction
            self._end(self._farewell.text, doubt=False, reply=self._farewell)
        elif transaction.refusal:
            # It waits for a message for nobody. RFC 2920 §3.1 would have us send an empty one: not worth the doubt.
            self._end("it wants a message whose recipient it refused", doubt=False)
            self._conclude(transaction)
        else:
            self.invited = transaction
        return b""

    def _refused(self, phase: Phase, transaction: Transaction, outcome: Outcome) -> None:
        transaction.refusal = transaction.refusal or outcome
        if not self.pipelining:
            self._unsaid.clear()
        elif phase is not _DATA:
            return  # the answers to the rest of the group are on their way
        self._must_reset = True
        if self._odd:
            self._doubt_answer(f"it took a recipient after it had refused the sender: {outcome.text}")
        self._conclude(transaction)

    def _conclude(self, transaction: Transaction) -> None:
        outcome = transaction.refusal
        assert outcome is not None
        transaction.refusal = None
        kept = self._declined(transaction, outcome)
        if (outcome.phase is _MAIL and kept) or (outcome.result is Result.DEFERRED and outcome.scope == "connection"):
            self.over, self.polite = outcome, True
            if not kept:
                self.keeper.unsent(transaction, outcome)
        elif not kept:
            self.keeper.settled(transaction, outcome)

    def _declined(self, transaction: Transaction, outcome: Outcome) -> bool:
        """Whether it is refused for our sake, and kept for another relay."""
        if outcome.scope == "recipient" or GREYLISTED.search(outcome.text):
            return False
        self.refusals.append((transaction.recipient.rpartition("@")[2], outcome))
        return self.keeper.declined(transaction, outcome, self.relay)

    def _confirm(self) -> None:
        """What came behind the answer to a dot fits: it stands."""
        if self._answer:
            transaction, outcome = self._answer
            self._answer = None
            if outcome.result is not Result.SENT and self._declined(transaction, outcome):
                return
            if outcome.result is Result.DEFERRED and outcome.scope == "connection":
                self.keeper.unsent(transaction, outcome)
            else:
                self.keeper.settled(transaction, outcome)

    # Where it ends.

    def _nothing_more(self) -> None:
        """All is answered. Bytes behind the last answer are a second one, unless they begin a farewell."""
        rest = self._replies.rest
        if rest and not rest.startswith(b"421"[: len(rest)]):
            self._end(f"it gave two answers: {rest[:80]!r}", doubt=True)
        elif not rest or self.over:
            self._confirm()

    def _one_short(self) -> bool:
        """Whether the answers may be those behind the dot alone: refused, and one fewer than there should be."""
        return len(self._expected) == 1 and self._expected[0][0] is _DATA and self._expected[0][1].refusal is not None

    def _spoke_unasked(self, reply: Reply) -> None:
        if self.invited:
            # Perhaps too late for the one before: so nobody is refused with these words.
            about_us = reply.code >= 400 and refused(reply, Phase.BODY).scope != "recipient"
            self._end(reply.text, doubt=False, reply=None if about_us else reply, within=reply if about_us else None)
            return
        self._end(f"it spoke unasked: {reply.text}", doubt=reply.code != 421, reply=reply)

    def _spoke_before_asked(self) -> None:
        """More came than the answer to the last line; and what it speaks of was not said yet."""
        reply = self._replies.take()
        self._end("it answered before it was asked", doubt=True, reply=reply)

    def _end_out_of_turn(self, phase: Phase, reply: Reply) -> None:
        self._end(f"it answered {phase.upper()} out of turn: {reply.text}", doubt=True, reply=reply)

    def _end(
        self,
        why: object,
        *,
        doubt: bool,
        dot_left: bool = True,
        reply: Reply | None = None,
        within: Reply | None = None,
    ) -> None:
        """Settle everything that is under way: `doubt` also puts the last answer in question.

        `reply` is what was said when it should not have been, `within` what was said while a message was leaving.
        """
        phase = self.phase if dot_left else Phase.BODY
        self.over = self._last_word(phase, why, reply, within)
        if doubt:
            self._doubt_answer(why)
        self._confirm()
        for number, (transaction, reached) in enumerate(self._under_way()):
            if transaction.refusal and not doubt:
                self._conclude(transaction)
            else:
                self._settle_at_end(transaction, reached, why, dot_left, self.over if number == 0 else None)

    def _doubt_answer(self, why: object) -> None:
        if self._answer:
            (transaction, _), self._answer = self._answer, None
            self.keeper.settled(transaction, made(Result.UNKNOWN, _DOT, f"{self.relay}: {why}."))

    def _last_word(self, phase: Phase, why: object, reply: Reply | None, within: Reply | None) -> Outcome:
        answer = reply or within
        if answer is None:
            return broken(self.relay, phase, why)
        if answer.code == 421 or (within and within.code >= 400):
            return refused(answer, phase)
        return out_of_turn(self.relay, phase, answer)

    def _settle_at_end(
        self, transaction: Transaction, reached: Phase, why: object, dot_left: bool, told: Outcome | None
    ) -> None:
        """`told` is what the server's last word says of this one; of the others only that the connection is gone."""
        if reached is _DOT and dot_left:
            self.keeper.settled(transaction, told or broken(self.relay, _DOT, why))
        elif told and told.result is Result.FAILED:
            self.keeper.settled(transaction, told)
        else:
            here = Phase.BODY if reached is _DOT else reached
            self.keeper.unsent(transaction, told or broken(self.relay, here, why))

    def _under_way(self) -> list[tuple[Transaction, Phase]]:
        """Each transaction once, with the first thing in it that has no answer."""
        found = {id(transaction): (transaction, phase) for phase, transaction in reversed(self._expected)}
        under_way = list(found.values())[::-1]
        if self.invited:
            under_way.append((self.invited, Phase.BODY))
        self._expected.clear()
        self._unsaid.clear()
        self.invited = None
        return under_way

    def _next(self) -> bytes:
        if not self._unsaid:
            return b""
        line, phase, transaction = self._unsaid.popleft()
        self._expected.append((phase, transaction))
        return line

    def _options_of(self, transaction: Transaction) -> bytes:
        utf8 = (_RCPT if transaction.sender.isascii() else _MAIL) if transaction.utf8 else None
        given = mail_options(
            self._offers, self.relay, size=transaction.size, utf8=utf8, eight_bit=transaction.eight_bit
        )
        options = "".join(f" {option}" for option in given).encode()
        self._options[transaction.size, transaction.utf8, transaction.eight_bit] = options
        return options
