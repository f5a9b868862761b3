"""Encryption and signing in: verified or not at all, and no password in clear text."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from publisher.delivery.conversation import Conversation
from publisher.delivery.outcomes import Outcome, Result, Timeouts
from publisher.delivery.relays import Relay
from publisher.delivery.replies import Phase
from publisher.delivery.wire import Wire

from .certificates import Authority
from .conftest import CLOSE, GOOD, SILENCE, Action, Closing, Server

Serve = Callable[..., Server]
MESSAGE = b"Subject: Update 120\r\n\r\nDear Rosa\r\n"
OFFER = b"250-mail.example.org\r\n250-STARTTLS\r\n250 AUTH LOGIN PLAIN\r\n"
LOGIN_ONLY = b"250-mail.example.org\r\n250 AUTH LOGIN\r\n"


def sent(server: Server, authority: Authority, **relay: Any) -> Outcome:
    """The outcome of one delivery to a server that is trusted by this authority alone."""
    timeouts = Timeouts(greeting=2, starttls=2, auth=2, quit=2)
    wanted = Relay("127.0.0.1", server.port, **{"tls": "starttls"} | relay)
    with Conversation(wanted, helo="news.example.org", timeouts=timeouts, tls=authority.client()) as talk:
        return talk.deliver("news@example.org", "rosa@example.org", MESSAGE)


def verbs(server: Server) -> list[str]:
    return [line.partition(" ")[0] for line in server.heard]


def test_starttls_comes_before_everything_and_the_server_is_greeted_anew(serve: Serve, authority: Authority) -> None:
    server = serve({"EHLO": OFFER}, tls=authority.server("good"))
    assert sent(server, authority, user="ann", password="s3cret").result is Result.SENT
    assert verbs(server) == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]
    assert server.accepted == [MESSAGE]


def test_implicit_tls_encrypts_the_greeting_too(serve: Serve, authority: Authority) -> None:
    server = serve({"EHLO": OFFER}, tls=authority.server("good"), implicit=True)
    assert sent(server, authority, tls="implicit", user="ann", password="s3cret").result is Result.SENT
    assert verbs(server) == ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("wrong name", "IP address mismatch"),
        ("self-signed", "self-signed certificate"),
        ("expired", "certificate has expired"),
    ],
)
def test_a_server_that_is_not_who_it_should_be_gets_nothing(
    serve: Serve, authority: Authority, tls: str, kind: str, said: str
) -> None:
    server = serve({"EHLO": OFFER}, tls=authority.server(kind), implicit=tls == "implicit")
    outcome = sent(server, authority, tls=tls, user="ann", password="s3cret")
    assert (outcome.result, outcome.phase, outcome.scope) == (Result.DEFERRED, Phase.STARTTLS, "connection")
    assert said in outcome.text
    assert verbs(server) == (["EHLO", "STARTTLS"] if tls == "starttls" else [])


@pytest.mark.parametrize(
    ("script", "result", "phase", "code"),
    [
        ({"EHLO": b"250-a\r\n250 AUTH PLAIN\r\n"}, Result.DEFERRED, Phase.STARTTLS, None),
        ({"EHLO": OFFER, "STARTTLS": b"454 4.7.0 Not now\r\n"}, Result.DEFERRED, Phase.STARTTLS, 454),
        ({"EHLO": OFFER, "STARTTLS": b"502 5.5.1 Never\r\n"}, Result.FAILED, Phase.STARTTLS, 502),
        ({"EHLO": OFFER, "STARTTLS": Closing(b"421 4.3.2 Closing\r\n")}, Result.DEFERRED, Phase.STARTTLS, 421),
        ({"EHLO": OFFER, "STARTTLS": b"250 Sure\r\n"}, Result.DEFERRED, Phase.STARTTLS, 250),
        ({"EHLO": OFFER, "STARTTLS": CLOSE}, Result.DEFERRED, Phase.STARTTLS, None),
        ({"EHLO": OFFER, "STARTTLS": Closing(GOOD["STARTTLS"])}, Result.DEFERRED, Phase.STARTTLS, None),
        ({"EHLO": OFFER, "STARTTLS": GOOD["STARTTLS"] + b"250 AUTH\r\n"}, Result.DEFERRED, Phase.STARTTLS, None),
    ],
    ids=["not offered", "4xx", "5xx", "421", "out of turn", "closed", "closed after it", "injected"],
)
def test_nothing_is_ever_sent_in_clear_text_instead(
    serve: Serve, authority: Authority, script: dict[str, Action], result: Result, phase: Phase, code: int | None
) -> None:
    server = serve(script, tls=authority.server("good"))
    outcome = sent(server, authority, user="ann", password="s3cret")
    assert (outcome.result, outcome.phase, outcome.code) == (result, phase, code)
    assert {"AUTH", "MAIL", "RCPT", "DATA"} & set(verbs(server)) == set()


def test_a_handshake_that_never_ends_is_given_up(serve: Serve, authority: Authority) -> None:
    server = serve({"connect": SILENCE})
    relay = Relay("127.0.0.1", server.port, tls="implicit")
    with Conversation(relay, helo="a.example.org", timeouts=Timeouts(starttls=0.2), tls=authority.client()) as talk:
        outcome = talk.deliver("news@example.org", "rosa@example.org", MESSAGE)
    assert (outcome.result, outcome.phase, outcome.scope) == (Result.DEFERRED, Phase.STARTTLS, "connection")


def test_the_systems_authorities_are_asked_where_no_other_is_given(serve: Serve, authority: Authority) -> None:
    server = serve({"EHLO": OFFER}, tls=authority.server("good"))
    with Conversation(Relay("127.0.0.1", server.port, tls="starttls"), helo="a.example.org") as talk:
        outcome = talk.deliver("news@example.org", "rosa@example.org", MESSAGE)
    assert (outcome.result, outcome.phase) == (Result.DEFERRED, Phase.STARTTLS)
    assert "unable to get local issuer certificate" in outcome.text


def test_a_login_by_plain_is_preferred(serve: Serve, authority: Authority) -> None:
    server = serve({"EHLO": b"250-a\r\n250 AUTH LOGIN PLAIN\r\n"})
    assert sent(server, authority, tls="none", user="ann", password="ñ:@").result is Result.SENT
    _, _, given = server.heard[1].rpartition(" ")
    assert base64.b64decode(given).decode() == "\0ann\0ñ:@"


def test_a_login_by_login_where_there_is_nothing_else(serve: Serve, authority: Authority) -> None:
    server = serve({"EHLO": LOGIN_ONLY, "AUTH": b"334 VXNlcm5hbWU6\r\n", "answer": [b"334 UGFzc3dvcmQ6\r\n"]})
    assert sent(server, authority, tls="none", user="ann", password="s3cret").result is Result.SENT
    given = [base64.b64decode(line).decode() for line in server.heard[2:4]]
    assert (server.heard[1], given) == ("AUTH LOGIN", ["ann", "s3cret"])


@pytest.mark.parametrize(
    ("offer", "answer", "result", "scope", "code"),
    [
        (b"AUTH PLAIN", b"535 5.7.8 Wrong\r\n", Result.FAILED, "sender", 535),
        (b"AUTH PLAIN", b"535 Wrong\r\n", Result.FAILED, "sender", 535),
        (b"AUTH PLAIN", b"454 4.7.0 Not now\r\n", Result.DEFERRED, "sender", 454),
        (b"AUTH PLAIN", Closing(b"421 4.7.0 Too many tries\r\n"), Result.DEFERRED, "connection", 421),
        (b"AUTH PLAIN", b"334 Go on\r\n", Result.DEFERRED, "connection", 334),
        (b"AUTH PLAIN", b"rubbish\r\n", Result.DEFERRED, "connection", None),
        (b"AUTH PLAIN", CLOSE, Result.DEFERRED, "connection", None),
        (b"AUTH LOGIN", b"535 5.7.8 Wrong\r\n", Result.FAILED, "sender", 535),
        (b"AUTH GSSAPI", b"", Result.FAILED, "sender", None),
        (b"HELP", b"", Result.FAILED, "sender", None),
    ],
)
def test_a_refused_login_is_about_us_and_sends_nothing(
    serve: Serve, authority: Authority, offer: bytes, answer: Action, result: Result, scope: str, code: int | None
) -> None:
    server = serve({"EHLO": b"250-a\r\n250 " + offer + b"\r\n", "AUTH": answer})
    outcome = sent(server, authority, tls="none", user="ann", password="s3cret")
    assert (outcome.result, outcome.phase, outcome.scope, outcome.code) == (result, Phase.AUTH, scope, code)
    assert "s3cret" not in outcome.text
    assert {"MAIL", "RCPT", "DATA"} & set(verbs(server)) == set()


def test_no_password_crosses_a_network_in_clear_text(
    serve: Serve, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tests stay on loopback; only the address at the other end is made to look foreign.
    monkeypatch.setattr(Wire, "peer", "192.0.2.1")
    server = serve({"EHLO": b"250-a\r\n250 AUTH PLAIN\r\n"})
    outcome = sent(server, authority, tls="none", user="ann", password="s3cret")
    assert (outcome.result, outcome.phase, outcome.scope) == (Result.FAILED, Phase.AUTH, "sender")
    assert verbs(server) == ["EHLO"]
