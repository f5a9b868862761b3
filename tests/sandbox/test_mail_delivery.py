"""From a letter to the inbox: our own conversation against the real catcher, and the log as the judge."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime

import pytest

from publisher.delivery.conversation import Conversation
from publisher.delivery.message import build
from publisher.delivery.outcomes import Outcome, Result
from publisher.delivery.relays import Relay
from publisher.letters import Letter

from .conftest import Sandbox

LETTER = Letter(
    subject="Update 120. 31 March 2007",
    html="<p>Dear {first_name|friend},</p>\n<p><a href='{unsubscribe_url}'>Leave</a></p>\n",
    text="Dear {first_name|friend},\n.\nLeave: {unsubscribe_url}\n",
)


def message(name: str) -> bytes:
    leave = f"https://news.example.org/leave/{name}"
    return build(
        LETTER,
        sender=("Perú News", "news@example.org"),
        recipient=(name.title(), f"{name}@example.org"),
        headers={"List-Unsubscribe": f"<{leave}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
        values={"first_name": name.title(), "unsubscribe_url": leave},
        message_id=f"<120-{name}@example.org>",
        date=datetime(2007, 3, 31, tzinfo=UTC),
    )


def talk_to(sandbox: Sandbox) -> Conversation:
    return Conversation(Relay("127.0.0.1", sandbox.smtp, tls="none"), helo="news.example.org")


def deliver(talk: Conversation, name: str) -> Outcome:
    return talk.deliver("news@example.org", f"{name}@example.org", message(name))


def arrived(sandbox: Sandbox) -> list[str]:
    return [recipient.partition("@")[0] for line in sandbox.json("/mail/log.json") for recipient in line["rcpt_to"]]


def test_a_letter_arrives_byte_for_byte(sandbox: Sandbox) -> None:
    with talk_to(sandbox) as talk:
        outcome = deliver(talk, "rosa")
    assert (outcome.result, outcome.text) == (Result.SENT, "250 2.0.0 Kept as 1")
    assert sandbox.get("/mail/1/raw").content == message("rosa")
    [shown] = sandbox.json("/mail/messages.json")["messages"]
    assert (shown["from"], shown["to"]) == ("Perú News <news@example.org>", "Rosa <rosa@example.org>")


@pytest.mark.parametrize(
    ("operation", "behaviour", "result", "scope", "kept"),
    [
        ("connect", "421", Result.DEFERRED, "connection", []),
        ("mail", "421", Result.DEFERRED, "connection", []),
        ("rcpt", "4xx", Result.DEFERRED, "recipient", []),
        ("rcpt", "5xx", Result.FAILED, "recipient", []),
        ("data", "5xx", Result.FAILED, "sender", []),
        ("data", "close", Result.DEFERRED, "connection", []),
        ("dot", "5xx", Result.FAILED, "sender", []),
        ("dot", "421", Result.DEFERRED, "connection", []),
        ("dot", "close", Result.UNKNOWN, "connection", []),
        ("dot", "accept_close", Result.UNKNOWN, "connection", ["rosa"]),
    ],
)
def test_an_ordered_fault_has_its_outcome_and_the_next_member_gets_the_letter(
    sandbox: Sandbox, operation: str, behaviour: str, result: Result, scope: str, kept: list[str]
) -> None:
    sandbox.fault("mail", behaviour, operation)
    with talk_to(sandbox) as talk:
        outcome, after = deliver(talk, "rosa"), deliver(talk, "luis")
    assert (outcome.result, outcome.scope, after.result) == (result, scope, Result.SENT)
    assert arrived(sandbox) == [*kept, "luis"]


def test_many_connections_at_once_lose_nothing_and_double_nothing(sandbox: Sandbox) -> None:
    results: list[Result] = []

    def work(names: list[str]) -> None:
        with talk_to(sandbox) as talk:
            results.extend(deliver(talk, name).result for name in names)

    names = [f"m{number}" for number in range(200)]
    threads = [threading.Thread(target=work, args=(names[part::8],)) for part in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(results) == {Result.SENT: 200}
    assert Counter(arrived(sandbox)) == dict.fromkeys(names, 1)
