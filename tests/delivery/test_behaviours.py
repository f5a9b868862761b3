"""Every row of the table, played over real sockets against a server that keeps a log of what it took."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from publisher.delivery.outcomes import Outcome, Result

from .behaviours import TABLE
from .certificates import Authority
from .playing import (
    DRIVERS,
    Driver,
    Fixed,
    Letter,
    Link,
    Manner,
    Row,
    letters_of,
    relay_of,
    server_of,
    timeouts_of,
    unstuffed,
)
from .server import Server

Serve = Callable[..., Server]

STEPS = ("connect", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "body", "dot", "RSET", "QUIT")
TROUBLES = ("slow", "4xx", "5xx", "421", "close", "garbage", "split")


def cases() -> Iterator[object]:
    for driver in DRIVERS:
        for row in TABLE:
            if driver.leaves and row.name == "late: after RSET":
                continue  # the engine resets with the next letter's MAIL: no pause for the late word to fall in
            yield case(driver, row, pipelining=False)
            # While a connection is being opened nothing is offered yet; and who takes steps anyway need not wait twice.
            if not row.opening and not (row.slow and driver.manner == "steps"):
                yield case(driver, row, pipelining=True)


def case(driver: Driver, row: Row, *, pipelining: bool) -> object:
    offered = ", PIPELINING" if pipelining else ""
    return pytest.param(driver, row, pipelining, id=f"{driver.name}: {row.name}{offered}")


@pytest.mark.parametrize(("driver", "row", "pipelining"), list(cases()))
def test_each_behaviour_has_its_outcome(
    serve: Serve, authority: Authority, driver: Driver, row: Row, pipelining: bool
) -> None:
    letters = letters_of(row)
    rosa = len(letters) - 2
    manner: Manner = driver.manner if pipelining else "steps"
    server = server_of(row, serve, authority, struck=rosa + 1, pipelining=pipelining)
    outcomes = driver.play(relay_of(row, server), timeouts_of(row, manner), authority, server, letters)
    server.stop()

    wanted = row.outcome(manner)
    if driver.leaves and (outcomes[rosa].result, outcomes[rosa].scope) == (Result.DEFERRED, "connection"):
        wanted = replace(wanted, connection="either")
    assert seen(outcomes[rosa], letters[rosa], server, wanted) == wanted, outcomes[rosa].text
    others = [outcome.result for outcome in (*outcomes[:rosa], *outcomes[rosa + 1 :])]
    # What is under way together breaks together, but nobody is refused with another's words.
    assert set(others) == {Result.SENT} or (manner == "chained" and Result.FAILED not in others)
    assert_nothing_was_made_up(server, letters, outcomes)
    assert server.hasty == [], "more was sent than the server had offered to take at once"


def seen(outcome: Outcome, letter: Letter, server: Server, wanted: Fixed) -> Fixed:
    connection: Link = "kept" if server.connections == 1 else "ended"
    return Fixed(
        outcome.result,
        outcome.phase,
        outcome.code,
        outcome.scope,
        "either" if wanted.connection == "either" else connection,
        letter.recipient in [recipient for recipient, _ in server.log],
    )


def assert_nothing_was_made_up(server: Server, letters: list[Letter], outcomes: list[Outcome]) -> None:
    """The server's log against ours: sent means taken, once and whole; taken means sent, or called unknown."""
    taken = [Letter(recipient, unstuffed(message)) for recipient, message in server.log]
    assert [letter for letter in taken if letter not in letters] == []
    assert [letter for letter in letters if taken.count(letter) > 1] == []
    for letter, outcome in zip(letters, outcomes, strict=True):
        assert outcome.result is not Result.SENT or letter in taken
        assert letter not in taken or outcome.result in (Result.SENT, Result.UNKNOWN)


def test_each_step_meets_each_trouble() -> None:
    names = [row.name for row in TABLE]
    assert [f"{step} {trouble}" for step in STEPS for trouble in TROUBLES if f"{step} {trouble}" not in names] == []
    assert sorted(set(names)) == sorted(names)
    assert len(names) >= 150


def test_no_row_calls_taken_what_nobody_could_hold_for_sent() -> None:
    for row in TABLE:
        for manner in ("steps", "grouped", "chained"):
            wanted = row.outcome(manner)
            assert wanted.taken <= (wanted.result in (Result.SENT, Result.UNKNOWN)), row.name
