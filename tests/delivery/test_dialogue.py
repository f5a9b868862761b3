"""Transactions without a socket, against a server that keeps its own log: what is said of a letter became of it.

The order of the replies is all that binds them to the commands, so here they are cut, shifted, broken off and mixed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import cycle
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from publisher.delivery.dialogue import Dialogue, Transaction
from publisher.delivery.outcomes import BY_THE_BOOK, Outcome, Result, taken
from publisher.delivery.relays import Relay

WHOLE = (1_000_000,)


class Letter(NamedTuple):
    """What this server answers to one letter's commands, if it is asked in order."""

    mail: int = 250
    rcpt: int = 250
    data: int = 354
    dot: int = 250


class Fault(NamedTuple):
    """A shift: a reply too many before or after the one of this number, or that one missing."""

    kind: str
    number: int
    code: int = 250


class Said(NamedTuple):
    """A line of the server's log. `alone`: nothing stood behind the command."""

    what: str
    code: int
    letter: int = -1
    alone: bool = False


@dataclass
class Server:
    """By the book: a reply for each command, in order; the transaction is forgotten where the book says so."""

    letters: list[Letter]
    fault: Fault | None = None
    said: list[Said] = field(default_factory=list)
    #: The letters to whose dot its own reply was 250.
    taken: set[int] = field(default_factory=set)
    output: bytes = b""
    input: bytes = b""
    in_message: bool = False
    closed: bool = False
    letter: int | None = None  # after a MAIL that was taken
    named: bool = False
    replies: int = 0

    def hear(self, data: bytes) -> None:
        self.input += data
        while b"\r\n" in self.input and not self.closed:
            line, _, self.input = self.input.partition(b"\r\n")
            if not self.in_message:
                self.obey(line)
            elif line == b".":
                self.take()

    def obey(self, line: bytes) -> None:
        verb, _, rest = line.partition(b" ")
        number = self.letter if self.letter is not None else -1
        if verb == b"MAIL":
            number = int(rest.partition(b"<")[2].partition(b"@")[0])
            code = self.letters[number].mail
            self.letter, self.named = (number, False) if code == 250 else (None, False)
        elif verb == b"RCPT":
            code = self.letters[number].rcpt if number >= 0 else 503
            self.named = code == 250
        elif verb == b"DATA":
            code = self.letters[number].data if self.named else 554
            self.in_message = code == 354
        else:
            code = 250 if verb == b"RSET" else 500
            self.letter = None
        self.say(Said(verb.decode(), code, number))

    def take(self) -> None:
        assert self.letter is not None
        said = Said("dot", self.letters[self.letter].dot, self.letter, alone=not self.input)
        self.in_message, self.letter, self.named = False, None, False
        if self.say(said) and said.code == 250:
            self.taken.add(said.letter)

    def say(self, said: Said) -> bool:
        """Whether it was really said."""
        kind, at, code = self.fault or (None, 0, 0)
        struck, self.replies = self.replies == at, self.replies + 1
        if struck and kind == "missing":
            return False
        extra = [Said("extra", code)] * struck
        for each in [*extra * (kind == "before"), said, *extra * (kind == "after")]:
            self.said.append(each)
            self.output += b"%d said\r\n" % each.code
            self.closed = self.closed or each.code == 421
        return True


@dataclass
class Books:
    """What a dialogue says of each letter: all of it, to see that it is said once."""

    ends: dict[int, list[Outcome | None]] = field(default_factory=dict)

    def answered(self, transaction: Transaction, outcome: Outcome) -> None:
        assert transaction.row not in self.ends

    def taken(self, transaction: Transaction, answer: bytes) -> None:
        outcome = taken(answer)
        self.answered(transaction, outcome)
        self.settled(transaction, outcome)

    def settled(self, transaction: Transaction, outcome: Outcome) -> None:
        self.ends.setdefault(transaction.row, []).append(outcome)

    def declined(self, transaction: Transaction, outcome: Outcome, relay: Relay) -> bool:
        return False

    def unsent(self, transaction: Transaction, outcome: Outcome) -> None:
        self.ends.setdefault(transaction.row, []).append(None)

    @property
    def sent(self) -> set[int]:
        return {row for row, ends in self.ends.items() for end in ends if end and end.result is Result.SENT}


class Client:
    """One connection's part of the engine: what it says as soon as it may say something."""

    def __init__(self, letters: int, *, pipelining: bool) -> None:
        self.books = Books()
        self.dialogue = Dialogue(Relay("relay", 25), {"PIPELINING": ""} if pipelining else {}, self.books)
        self.waiting = deque(
            Transaction(f"{n}@example.org", "rosa@example.org", 10, n, (b"Dear Rosa\r\n",)) for n in range(letters)
        )

    def say(self) -> bytes:
        dialogue, waiting = self.dialogue, self.waiting
        if dialogue.over:
            return b""
        if dialogue.invited:
            return b"".join(dialogue.hand_over(waiting.popleft() if waiting and dialogue.pipelining else None)[0])
        return dialogue.announce(waiting.popleft()) if waiting and dialogue.idle else b""


def converse(server: Server, *, pipelining: bool, pieces: tuple[int, ...] = WHOLE) -> Client:
    """Until nothing is left to say, or one of them waits in vain; the replies arrive in pieces of so many bytes."""
    client = Client(len(server.letters), pipelining=pipelining)
    for size in cycle(pieces):
        server.hear(client.say())
        if client.dialogue.over or not server.output:
            break
        piece, server.output = server.output[:size], server.output[size:]
        server.hear(client.dialogue.receive(piece))
    client.dialogue.lost("the server closed the connection" if server.closed else "no answer in time")
    return client


def test_a_letter_behind_a_refused_one_waits_for_the_reset_as_long_as_for_any_other_answer():
    """Not as long as for a goodbye: a server that is busy there would lose its connection."""
    dialogue = Dialogue(Relay("relay", 25), {"PIPELINING": ""}, Books())
    dialogue.announce(Transaction("news@example.org", "nobody@example.org", 100, 1))
    dialogue.receive(b"250 ok\r\n550 5.1.1 no such user\r\n554 no valid recipients\r\n")
    said = dialogue.announce(Transaction("news@example.org", "rosa@example.org", 100, 2))
    assert said.startswith(b"RSET\r\nMAIL FROM:")
    assert BY_THE_BOOK.of(dialogue.phase) == BY_THE_BOOK.mail


LETTERS = st.lists(
    st.builds(
        Letter,
        mail=st.sampled_from([250, 250, 250, 450, 550]),
        rcpt=st.sampled_from([250, 250, 250, 450, 550]),
        data=st.sampled_from([354, 354, 354, 451, 554]),
        dot=st.sampled_from([250, 250, 452, 554]),
    ),
    min_size=2,
    max_size=4,
)
PIECES = st.lists(st.sampled_from([1, 3, 10, 20, 30, 1000]), min_size=1, max_size=4).map(tuple)
FAULTS = st.builds(
    Fault,
    kind=st.sampled_from(["before", "after", "missing"]),
    number=st.integers(0, 16),
    code=st.sampled_from([250, 354, 421, 450, 550]),
)
FINE, NO_SENDER, NOBODY, REFUSED = Letter(), Letter(mail=450), Letter(rcpt=550), Letter(dot=554)


@given(LETTERS, st.integers(0, 3), PIECES, st.booleans())
@example([FINE, NOBODY, FINE], 1, (1,), True)
def test_however_the_replies_are_cut_the_same_becomes_of_each(letters, busy, pieces, pipelining):
    """A 421 in the place of the dot's answer, and the server's end behind it, included."""
    if busy < len(letters):
        letters[busy] = letters[busy]._replace(dot=421)
    whole, cut = Server(letters), Server(letters)
    expected = converse(whole, pipelining=pipelining).books.ends
    assert converse(cut, pipelining=pipelining, pieces=pieces).books.ends == expected
    assert cut.said == whole.said


@given(LETTERS, PIECES, st.booleans())
def test_where_all_is_answered_sent_means_taken_and_taken_means_sent(letters, pieces, pipelining):
    server = Server(letters)
    client = converse(server, pipelining=pipelining, pieces=pieces)
    assert client.books.sent == server.taken
    assert [end for ends in client.books.ends.values() for end in ends if end and end.result is Result.UNKNOWN] == []


@given(LETTERS, FAULTS, st.booleans())
@example([FINE, NOBODY], Fault("missing", 3), True)
@example([REFUSED, NOBODY], Fault("before", 3), True)
@example([REFUSED, NO_SENDER], Fault("before", 3), True)
@settings(max_examples=500)
def test_a_shift_that_is_seen_with_its_replies_makes_no_wrong_sent(letters, fault, pipelining):
    """What the server says at once arrives at once here: then no shift at all is mistaken for an answer."""
    server = Server(letters, fault)
    assert converse(server, pipelining=pipelining).books.sent <= server.taken


@given(LETTERS, FAULTS, PIECES, st.booleans())
@example([FINE, NOBODY], Fault("missing", 3), (3,), True)
@example([REFUSED, NOBODY], Fault("before", 3), (11, 11, 1000), True)
@example([FINE, REFUSED, FINE], Fault("before", 6), (3,), True)
@settings(max_examples=500)
def test_a_shift_makes_no_wrong_sent_but_where_nobody_could_tell(letters, fault, pieces, pipelining):
    """Two streams are the same to the last byte that has arrived when the client must decide, and the truth is not.

    In both, the server says a 250 that nobody asked for between the last byte of a message that it then refuses and
    its own reply to it, and this 250 arrives alone. It is taken for the answer

    - where no command stands behind the dot (no PIPELINING, or no letter left), since nothing else is to come;
    - where the next letter's MAIL was refused, and so RCPT and DATA too: five refusals and four look the same until
      the fifth arrives, and the fifth came later than the fourth.
    """
    server = Server(letters, fault)
    wrong = converse(server, pipelining=pipelining, pieces=pieces).books.sent - server.taken
    assert [letter for letter in wrong if not nobody_could_tell(server.said, letter)] == []


def nobody_could_tell(said: list[Said], letter: int) -> bool:
    at = next(n for n, each in enumerate(said) if (each.what, each.letter) == ("dot", letter))
    behind = said[at + 1 : at + 2]
    after_extra = said[at - 1] == Said("extra", 250)
    return after_extra and (said[at].alone or any(each.what == "MAIL" and each.code >= 400 for each in behind))


def test_nobody_can_tell_seldom():
    """The exception is as narrow as it is said to be: the same stream a moment later is in doubt."""
    server = Server([REFUSED, NO_SENDER], Fault("before", 3))
    late = converse(server, pipelining=True, pieces=(10,) * 6 + (1000,))
    assert [end.result for end in late.books.ends[0]] == ["unknown"]
    server = Server([REFUSED, NO_SENDER], Fault("before", 3))
    later = converse(server, pipelining=True, pieces=(10,))
    assert [end.result for end in later.books.ends[0]] == ["sent"]


REPLIES = st.sampled_from(
    [b"250 OK\r\n"] * 4
    + [b"354 Go on\r\n"] * 3
    + [b"421 Bye\r\n", b"450 4.2.1 Busy\r\n", b"451 4.3.0 Full\r\n", b"550 5.1.1 Nobody\r\n", b"554 5.7.1 No\r\n"]
    + [
        b"250-more\r\n",
        b"250 ",
        b"4",
        b"250 OK\r\n4",
        b"\x00\xff\r\n",
        b"220 Hello\r\n",
        b"250 1\r\n250 2\r\n250 3\r\n354 4\r\n",
    ]
)
MOMENTS = st.lists(st.one_of(REPLIES, st.sampled_from(["speak"] * 3 + ["interrupted"])), max_size=40)


@given(MOMENTS, st.booleans(), st.booleans())
@example([*["speak", b"250 1\r\n250 2\r\n354 3\r\n"] * 2, b"250 OK\r\n4"], True, True)
@example(
    ["speak", b"250 1\r\n250 2\r\n354 3\r\n", "speak", b"250 OK\r\n250 1\r\n250 2\r\n451 No\r\n421 Bye"], True, True
)
@settings(max_examples=500)
def test_each_transaction_is_settled_or_given_back_exactly_once(moments, pipelining, dot_left):
    """Whatever the server says and wherever it ends: nothing under way is forgotten, and nothing said of it twice."""
    client = Client(12, pipelining=pipelining)
    dialogue = client.dialogue
    for moment in moments:
        if dialogue.over:
            break
        if moment == "speak":
            client.say()
        elif moment == "interrupted":
            dialogue.interrupted(b"450 Stop\r\n")
        else:
            dialogue.receive(moment)
    dialogue.lost("the server closed the connection", dot_left=dot_left)
    begun = 12 - len(client.waiting)
    assert {row: len(ends) for row, ends in client.books.ends.items()} == dict.fromkeys(range(begun), 1)


@given(MOMENTS, st.booleans())
@example(["speak", *[b"250 OK\r\n"] * 2, b"354 Go on\r\n", "speak", b"250 OK\r\n4"], False)
def test_who_has_nothing_under_way_has_said_what_became_of_all(moments, pipelining):
    """An idle connection may be left, and is: whatever was not said by then would never be."""
    client = Client(12, pipelining=pipelining)
    for moment in moments:
        if client.dialogue.over:
            break
        if isinstance(moment, bytes):
            client.dialogue.receive(moment)
        else:
            client.say()
        if client.dialogue.idle:
            assert len(client.books.ends) == 12 - len(client.waiting)


ENDINGS = {
    "nothing was answered": ([], "unknown"),
    "its reply alone": ([b"250 OK\r\n"], "sent"),
    "its reply and part of the group's": ([b"250 OK\r\n", b"250 OK\r\n"], "sent"),
    "and a refused recipient, one short": ([b"250 OK\r\n", b"250 OK\r\n550 Nobody\r\n"], "unknown"),
    "and all of the group's": ([b"250 OK\r\n250 OK\r\n550 Nobody\r\n554 For whom?\r\n"], "sent"),
    "and one more": ([b"250 OK\r\n250 OK\r\n550 Nobody\r\n554 For whom?\r\n554 For whom?\r\n"], "unknown"),
    "and half of one more": ([b"250 OK\r\n250 OK\r\n550 Nobody\r\n554 For whom?\r\n55"], "unknown"),
    "and a farewell": ([b"250 OK\r\n250 OK\r\n550 Nobody\r\n554 For whom?\r\n421 Bye\r\n"], "sent"),
    "and half a farewell": ([b"250 OK\r\n250 OK\r\n550 Nobody\r\n554 For whom?\r\n42"], "sent"),
    "a recipient of a refused sender": ([b"250 OK\r\n550 No\r\n250 OK\r\n554 For whom?\r\n"], "unknown"),
    "a 354 to a refused sender": ([b"250 OK\r\n550 No\r\n250 OK\r\n354 Go on\r\n"], "sent"),
    "a relay that is full": ([b"250 OK\r\n250 OK\r\n250 OK\r\n451 4.3.0 Full\r\n421 Bye\r\n"], "sent"),
}


@pytest.mark.parametrize(("replies", "result"), ENDINGS.values(), ids=ENDINGS)
def test_what_a_connection_that_ends_has_said_of_the_dot(replies, result):
    client = Client(2, pipelining=True)
    client.say()
    client.dialogue.receive(b"250 OK\r\n250 OK\r\n354 Go on\r\n")
    client.say()
    for reply in replies:
        client.dialogue.receive(reply)
    client.dialogue.lost("the server closed the connection")
    assert [end.result for end in client.books.ends[0]] == [result]
