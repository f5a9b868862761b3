"""What each break, refusal and piece of nonsense means at each step of the conversation: a table, and stories."""

from collections.abc import Callable

import pytest

from publisher.delivery.conversation import Conversation
from publisher.delivery.outcomes import Outcome, Result, Timeouts
from publisher.delivery.relays import Relay
from publisher.delivery.replies import Phase

from .conftest import CLOSE, GOOD, SILENCE, Action, Closing, Server, Split

MESSAGE = (
    b"From: news@example.org\r\nTo: rosa@example.org\r\nSubject: Update 120\r\n\r\nDear Rosa,\r\n.\r\n..\r\nEnd.\r\n"
)
IMPATIENT = Timeouts(greeting=0.2, auth=0.2, mail=0.2, rcpt=0.2, data=0.2, body=0.2, dot=0.2, quit=0.2, starttls=0.2)

Serve = Callable[..., Server]

# What goes wrong, in the words of the server; `ok` is the good answer of that step.
BEHAVIOURS: dict[str, Callable[[bytes], Action]] = {
    "4xx": lambda ok: b"450 4.2.0 Come back later\r\n",
    "5xx": lambda ok: b"550 5.1.1 Nobody here\r\n",
    "5.7.1": lambda ok: b"550 5.7.1 We do not like you\r\n",
    "421": lambda ok: Closing(b"421 4.3.2 Closing down\r\n"),
    "close": lambda ok: CLOSE,
    "silence": lambda ok: SILENCE,
    "half": lambda ok: Closing(ok[:-2]),
    "garbage": lambda ok: b"\x00\xff\xfe hello\r\n",
    "codes differ": lambda ok: ok[:3] + b"-one\r\n550 two\r\n",
    "over-long": lambda ok: ok[:4] + b"x" * 1_000_000,
    "endless": lambda ok: (ok[:3] + b"-more\r\n") * 5000,
    "out of turn": lambda ok: b"354 Go on\r\n" if ok[:3] != b"354" else b"250 OK\r\n",
    "split": lambda ok: Split(ok),
    "multi-line": lambda ok: ok[:3] + b"-one\r\n" + ok[:3] + b"-\r\n" + ok[:3] + b"\r\n",
    "twice": lambda ok: ok + ok,
}

SENT = (Result.SENT, Phase.DOT, 250, "connection", 1)


def table() -> dict[tuple[str, str], tuple[Result, Phase, int | None, str, int]]:
    """(step, behaviour) → result, phase, code, scope, and the connections used once a second message was delivered."""
    outcomes = {}
    # Before RCPT nobody was named: what is said of an address or a mailbox there is about us, and "not now" about here.
    about = {"connect": "connection", "EHLO": "connection", "MAIL": "sender"}
    about_now = about | {"MAIL": "connection"}
    steps = {"connect": Phase.GREETING, "EHLO": Phase.GREETING, "MAIL": Phase.MAIL, "RCPT": Phase.RCPT}
    for step, phase in (steps | {"DATA": Phase.DATA, "dot": Phase.DOT}).items():
        lost = Result.UNKNOWN if step == "dot" else Result.DEFERRED
        opening = step in ("connect", "EHLO")
        refusals = 2 if opening else 1
        broken = (lost, phase, None, "connection", 2)
        outcomes |= {(step, name): broken for name in BEHAVIOURS} | {
            (step, "4xx"): (Result.DEFERRED, phase, 450, about_now.get(step, "recipient"), refusals),
            (step, "5xx"): (Result.FAILED, phase, 550, about.get(step, "recipient"), refusals),
            (step, "5.7.1"): (Result.FAILED, phase, 550, "sender", refusals),
            (step, "421"): (Result.DEFERRED, phase, 421, "connection", 2),
            (step, "out of turn"): (lost, phase, 250 if step == "DATA" else 354, "connection", 2),
            (step, "split"): SENT,
            (step, "multi-line"): SENT,
        }
    late = (Result.DEFERRED, "connection", 2)
    for step, noticed, code in (("connect", Phase.GREETING, 220), ("EHLO", Phase.MAIL, 250), ("MAIL", Phase.RCPT, 250),
                                ("RCPT", Phase.DATA, 250), ("DATA", Phase.BODY, 354)):  # fmt: skip
        outcomes[step, "twice"] = (late[0], noticed, code, *late[1:])
    return outcomes


TABLE = table()


@pytest.mark.parametrize(("step", "behaviour"), TABLE, ids=lambda part: part.replace(" ", "-"))
def test_each_answer_at_each_step_has_its_outcome(serve: Serve, step: str, behaviour: str) -> None:
    server = serve({step: [BEHAVIOURS[behaviour](GOOD[step])]})
    with conversation(server, IMPATIENT) as talk:
        first = talk.deliver("news@example.org", "rosa@example.org", MESSAGE)
        second = talk.deliver("news@example.org", "luis@example.org", MESSAGE)
    found = (first.result, first.phase, first.code, first.scope, server.connections)
    assert found == TABLE[step, behaviour]
    assert second.result is Result.SENT


def conversation(server: Server, timeouts: Timeouts | None = None) -> Conversation:
    relay = Relay("127.0.0.1", server.port, tls="none")
    return Conversation(relay, helo="news.example.org", timeouts=timeouts or Timeouts())


def sent(talk: Conversation, recipient: str = "rosa@example.org", message: bytes = MESSAGE) -> Outcome:
    return talk.deliver("news@example.org", recipient, message)


def test_a_message_arrives_as_it_was_built(serve: Serve) -> None:
    server = serve()
    with conversation(server) as talk:
        outcome = sent(talk)
    assert outcome == Outcome(Result.SENT, Phase.DOT, 250, "2.0.0", "250 2.0.0 Queued as 42", "connection")
    assert server.heard == [
        "EHLO news.example.org",
        f"MAIL FROM:<news@example.org> SIZE={len(MESSAGE)}",
        "RCPT TO:<rosa@example.org>",
        "DATA",
        "QUIT",
    ]
    assert server.accepted == [MESSAGE.replace(b"\r\n.", b"\r\n..")]


@pytest.mark.parametrize("body", [b".", b".\r\n", b"..\r\n.", b"", b"\r\n\r\n", b"a\r\n.\r\nb", b".\r\n.\r\n"])
def test_no_body_can_end_before_its_end(serve: Serve, body: bytes) -> None:
    server = serve()
    with conversation(server) as talk:
        assert sent(talk, message=body).result is Result.SENT
    (received,) = server.accepted
    unstuffed = b"\r\n".join(line.removeprefix(b".") for line in received.split(b"\r\n"))
    assert unstuffed == body.removesuffix(b"\r\n") + b"\r\n"


def test_one_connection_carries_many_messages_and_each_has_one_recipient(serve: Serve) -> None:
    server = serve({"RCPT": [GOOD["RCPT"], b"550 5.1.1 Nobody here\r\n"]})
    with conversation(server) as talk:
        results = [sent(talk, f"m{number}@example.org").result for number in range(4)]
    assert results == [Result.SENT, Result.FAILED, Result.SENT, Result.SENT]
    assert (server.connections, len(server.accepted)) == (1, 3)
    assert [line for line in server.heard if line[:4] in ("RCPT", "RSET")] == [
        "RCPT TO:<m0@example.org>",
        "RCPT TO:<m1@example.org>",
        "RSET",
        "RCPT TO:<m2@example.org>",
        "RCPT TO:<m3@example.org>",
    ]


def test_a_refused_recipient_is_one_outcome_and_the_conversation_goes_on(serve: Serve) -> None:
    server = serve({"RCPT": [b"550 5.1.1 Nobody here\r\n"]})
    with conversation(server) as talk:
        outcome, after = sent(talk), sent(talk)
    assert outcome == Outcome(
        Result.FAILED, Phase.RCPT, 550, "5.1.1", "550 5.1.1 Nobody here", "recipient"
    )  # fmt: skip
    assert (after.result, len(server.accepted)) == (Result.SENT, 1)


def test_a_break_within_the_body_is_safe(serve: Serve) -> None:
    server = serve({"body": [CLOSE]})
    with conversation(server) as talk:
        outcome = sent(talk, message=MESSAGE + b"line\r\n" * 5_000_000)
    assert (outcome.result, outcome.phase, server.accepted) == (Result.DEFERRED, Phase.BODY, [])


def test_a_farewell_within_the_body_is_believed_and_the_dot_never_sent(serve: Serve) -> None:
    server = serve({"DATA": [b"354 Go on\r\n421 4.3.2 Closing down\r\n"]})
    with conversation(server) as talk:
        outcome = sent(talk)
    assert (outcome.result, outcome.phase, outcome.code) == (Result.DEFERRED, Phase.BODY, 421)
    assert server.accepted == []


def test_a_farewell_behind_the_last_answer_leaves_the_message_sent(serve: Serve) -> None:
    server = serve({"dot": [Closing(b"250 2.0.0 OK\r\n421 4.3.2 Closing down\r\n")]})
    with conversation(server) as talk:
        assert [sent(talk).result, sent(talk).result] == [Result.SENT, Result.SENT]
    assert server.connections == 2


def test_a_connection_closed_while_it_was_idle_is_no_outcome(serve: Serve) -> None:
    server = serve({"dot": [Closing(GOOD["dot"])] * 4})
    with conversation(server) as talk:
        for _ in range(4):
            assert sent(talk).result is Result.SENT
            server.threads[-1].join(5)
    assert server.connections == 4


def test_an_address_of_nobody_is_deferred(serve: Serve) -> None:
    server = serve()
    server.stop()
    with conversation(server) as talk:
        outcome = sent(talk)
    assert (outcome.result, outcome.phase, outcome.scope) == (Result.DEFERRED, Phase.CONNECT, "connection")
    assert outcome.text == f"127.0.0.1:{server.port}: connecting failed: Connection refused."


def test_a_host_without_an_address_is_deferred() -> None:
    with Conversation(Relay("nowhere.invalid", 25, tls="none"), helo="a.example.org") as talk:
        outcome = sent(talk)
    assert (outcome.result, outcome.phase, outcome.scope) == (Result.DEFERRED, Phase.CONNECT, "connection")


def test_signing_in_sends_nothing_and_the_connection_serves_afterwards(serve: Serve) -> None:
    server = serve({"EHLO": b"250-mail.example.org\r\n250 AUTH PLAIN\r\n"})
    with Conversation(Relay("127.0.0.1", server.port, "anne", "secret", "none"), helo="news.example.org") as talk:
        assert talk.sign_in() is None
        assert [line.partition(" ")[0] for line in server.heard] == ["EHLO", "AUTH"]
        assert sent(talk).result is Result.SENT
    assert server.connections == 1


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (
            {"EHLO": b"250 AUTH PLAIN\r\n"},
            Outcome(Result.FAILED, Phase.AUTH, None, None, "{} offers no login by PLAIN or LOGIN.", "sender"),
        ),
        (
            {"EHLO": b"250-a\r\n250 AUTH PLAIN\r\n", "AUTH": b"535 5.7.8 Wrong password\r\n"},
            Outcome(Result.FAILED, Phase.AUTH, 535, "5.7.8", "535 5.7.8 Wrong password", "sender"),
        ),
        (
            {"connect": CLOSE},
            Outcome(
                Result.DEFERRED,
                Phase.GREETING,
                None,
                None,
                "{}: broke off at the greeting: the server closed the connection.",
                "connection",
            ),
        ),
    ],
    ids=["no login", "wrong password", "closed"],
)
def test_what_stands_in_the_way_of_signing_in_is_said(
    serve: Serve, script: dict[str, Action | list[Action]], outcome: Outcome
) -> None:
    server = serve(script)
    relay = Relay("127.0.0.1", server.port, "anne", "secret", "none")
    with Conversation(relay, helo="news.example.org", timeouts=IMPATIENT) as talk:
        found = talk.sign_in()
    assert found == outcome._replace(text=outcome.text.format(relay))
    assert server.accepted == []


PLAIN_EHLO = b"250 mail.example.org\r\n"


@pytest.mark.parametrize(
    ("recipient", "ehlo", "options"),
    [
        ("rosa@example.org", b"250-a\r\n250 SIZE\r\n", f" SIZE={len(MESSAGE)}"),
        ("rosa@example.org", b"250-a\r\n250 SIZE 0\r\n", f" SIZE={len(MESSAGE)}"),
        ("rosa@example.org", PLAIN_EHLO, ""),
        ("ana@bücher.example", PLAIN_EHLO, ""),
        ("ána@bücher.example", b"250-a\r\n250 smtputf8\r\n", " SMTPUTF8"),
    ],
)
def test_only_what_the_server_offers_is_used(serve: Serve, recipient: str, ehlo: bytes, options: str) -> None:
    server = serve({"EHLO": ehlo})
    with conversation(server) as talk:
        assert sent(talk, recipient).result is Result.SENT
    assert server.heard[1] == f"MAIL FROM:<news@example.org>{options}"
    assert server.heard[2] == f"RCPT TO:<{recipient.replace('bücher', 'xn--bcher-kva')}>"


EIGHT_BIT = MESSAGE + "é\r\n".encode()
UTF8_HEADER = "To: ána@example.org\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("sender", "recipient", "message", "phase", "scope", "said"),
    [
        ("news@example.org", "ána@example.org", MESSAGE, Phase.RCPT, "recipient", "SMTPUTF8"),
        ("néws@example.org", "rosa@example.org", MESSAGE, Phase.MAIL, "sender", "SMTPUTF8"),
        ("news@example.org", "rosa@example.org", EIGHT_BIT, Phase.MAIL, "sender", "8BITMIME"),
        ("news@example.org", "rosa@example.org", b"x\r\n" * 1000, Phase.MAIL, "sender", "takes 2000"),
        ("news@example.org", "rosa@example.org", b"a\nb", Phase.MAIL, "sender", "bare CR or LF"),
        ("news@example.org", "rosa@example.org", b"a\rb\r\n", Phase.MAIL, "sender", "bare CR or LF"),
        ("news@example.org", "rosa@example.org", b"a\0b\r\n", Phase.MAIL, "sender", "a NUL"),
        ("news@example.org", "rosa", MESSAGE, Phase.RCPT, "recipient", "not an e-mail address"),
        ("news@example.org", "a@b.org>\r\nDATA", MESSAGE, Phase.RCPT, "recipient", "not an e-mail address"),
        ("a@b.org> X=1", "rosa@example.org", MESSAGE, Phase.MAIL, "sender", "is not a domain"),
    ],
    ids=["utf-8", "utf-8-sender", "8-bit", "size", "lf", "cr", "nul", "address", "smuggled", "smuggled-sender"],
)
def test_what_cannot_be_carried_is_refused_in_words_and_nothing_sent(
    serve: Serve, sender: str, recipient: str, message: bytes, phase: Phase, scope: str, said: str
) -> None:
    server = serve({"EHLO": b"250-a\r\n250 SIZE 2000\r\n"})
    with conversation(server) as talk:
        outcome = talk.deliver(sender, recipient, message)
    assert (outcome.result, outcome.phase, outcome.scope) == (Result.FAILED, phase, scope)
    assert said in outcome.text
    assert [line for line in server.heard if line.startswith(("MAIL", "RCPT", "DATA"))] == []


def test_eight_bits_and_a_name_in_utf_8_are_announced(serve: Serve) -> None:
    server = serve()
    with conversation(server) as talk:
        assert [sent(talk, message=m).result for m in (EIGHT_BIT, UTF8_HEADER)] == [Result.SENT] * 2
    assert [line for line in server.heard if line.startswith("MAIL")] == [
        f"MAIL FROM:<news@example.org> SIZE={len(EIGHT_BIT)} BODY=8BITMIME",
        f"MAIL FROM:<news@example.org> SIZE={len(UTF8_HEADER)} BODY=8BITMIME SMTPUTF8",
    ]


def test_a_bounce_address_may_be_empty(serve: Serve) -> None:
    server = serve({"EHLO": PLAIN_EHLO})
    with conversation(server) as talk:
        assert talk.deliver("", "rosa@example.org", MESSAGE).result is Result.SENT
    assert server.heard[1] == "MAIL FROM:<>"


@pytest.mark.parametrize(
    ("step", "answer", "result", "scope"),
    [
        ("RCPT", "550 5.1.1 No such user", Result.FAILED, "recipient"),
        ("RCPT", "550 No such user", Result.FAILED, "recipient"),
        ("RCPT", "452 4.2.2 Mailbox full", Result.DEFERRED, "recipient"),
        ("RCPT", "552 Mailbox full", Result.FAILED, "recipient"),
        ("RCPT", "450 4.4.1 No answer from host", Result.DEFERRED, "recipient"),
        ("RCPT", "550 5.4.1 Access denied", Result.FAILED, "recipient"),
        ("RCPT", "452 4.5.3 Too many recipients", Result.DEFERRED, "connection"),
        ("RCPT", "451 4.3.0 Try later", Result.DEFERRED, "connection"),
        ("RCPT", "450 4.7.1 Greylisted", Result.DEFERRED, "sender"),
        ("RCPT", "554 5.7.1 Relay access denied", Result.FAILED, "sender"),
        ("RCPT", "530 Authentication required", Result.FAILED, "sender"),
        ("RCPT", "550 2.1.1 A code that contradicts itself", Result.FAILED, "recipient"),
        ("MAIL", "550 5.1.8 Sender's domain unknown", Result.FAILED, "sender"),
        ("MAIL", "553 Sender refused", Result.FAILED, "sender"),
        ("MAIL", "452 Out of space", Result.DEFERRED, "connection"),
        ("MAIL", "450 4.7.1 You send too fast", Result.DEFERRED, "connection"),
        ("MAIL", "552 5.3.4 Message too big", Result.FAILED, "sender"),
        ("DATA", "554 No", Result.FAILED, "sender"),
        ("dot", "554 5.7.1 Spam", Result.FAILED, "sender"),
        ("dot", "554 Transaction failed", Result.FAILED, "sender"),
        ("dot", "550 5.6.0 Bad content", Result.FAILED, "sender"),
        ("dot", "550 Mailbox unavailable", Result.FAILED, "recipient"),
        ("dot", "452 4.3.1 Out of space", Result.DEFERRED, "connection"),
        ("connect", "554 5.7.1 Your address is listed", Result.FAILED, "sender"),
        ("connect", "554 No service here", Result.FAILED, "connection"),
    ],
)
def test_an_answer_is_about_the_recipient_us_or_the_connection(
    serve: Serve, step: str, answer: str, result: Result, scope: str
) -> None:
    server = serve({step: f"{answer}\r\n".encode()})
    with conversation(server) as talk:
        outcome = sent(talk)
    assert (outcome.result, outcome.scope, outcome.text) == (result, scope, answer)


def test_a_servers_words_are_kept_printable_and_short(serve: Serve) -> None:
    server = serve({"RCPT": b"550-5.1.1 No\x1b[31m such\r\n550 5.1.1 us\xe9r " + b"x" * 1000 + b"\r\n"})
    with conversation(server) as talk:
        outcome = sent(talk)
    assert outcome.text == ("550 5.1.1 No [31m such 5.1.1 us\ufffdr " + "x" * 1000)[:500]


def test_a_name_of_ours_is_checked_and_made_ascii() -> None:
    assert Conversation(Relay("a.example.org", 25), helo="bücher.example").helo == "xn--bcher-kva.example"
    for bad in ("", "a b", "a\r\nQUIT"):
        with pytest.raises(ValueError, match="is not a domain"):
            Conversation(Relay("a.example.org", 25), helo=bad)
