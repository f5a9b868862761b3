"""The sink that judges: its log is ahead of its replies, and what has no reply has both fates in turn."""

from __future__ import annotations

import signal
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks import certificates
from benchmarks.servers import OurSink
from tests.workers.conftest import until

Start = Callable[..., OurSink]
LETTER = "Message-ID: <42@x>\r\nSubject: Update 120\r\n\r\n.one dot\r\n"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[OurSink] = []

    def start(*arguments: str) -> OurSink:
        started.append(OurSink(tmp_path / "sink.log", *arguments))
        return started[-1]

    yield start
    for sink in started:
        sink.stop()


def said(sink: OurSink) -> list[str]:
    """The log without its times."""
    return [line.partition(" ")[2] for line in sink.log.read_text().splitlines()]


def post(sink: OurSink, recipient: str) -> None:
    with smtplib.SMTP("127.0.0.1", sink.port) as client:
        client.sendmail("update@x.example", [recipient], LETTER)


def at_the_dot(sink: OurSink, recipient: str, message: str = LETTER) -> socket.socket:
    """A connection that has sent so much of a message, and reads nothing."""
    client = socket.create_connection(("127.0.0.1", sink.port))
    client.sendall(f"EHLO x\r\nMAIL FROM:<u@x.example>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n{message}".encode())
    return client


def test_an_accepted_message_is_in_the_log_when_the_reply_comes(start: Start) -> None:
    sink = start()
    post(sink, "rosa@members.example")

    assert said(sink)[:2] == ["opened 1 - -", "accepted 1 rosa@members.example <42@x>"]


def test_what_is_kept_is_the_message_as_it_was_written(start: Start, tmp_path: Path) -> None:
    post(start("--keep", str(tmp_path / "kept")), "rosa@members.example")

    assert (tmp_path / "kept").read_bytes() == LETTER.encode()


def test_a_message_whose_client_is_gone_is_taken_or_not_in_turn(start: Start) -> None:
    sink = start("--slow", "0.2")
    for recipient in ("rosa@x.example", "luis@x.example"):
        at_the_dot(sink, recipient, LETTER + ".\r\n").close()
        until(lambda recipient=recipient: f"{recipient} <42@x>" in sink.log.read_text())
    until(lambda: sink.log.read_text().count("unanswered") == 2)

    assert [line.split()[::2] for line in said(sink) if "@" in line] == [
        ["accepted", "rosa@x.example"],
        ["unanswered", "rosa@x.example"],
        ["unanswered", "luis@x.example"],
    ]


def test_half_a_message_is_no_message(start: Start) -> None:
    sink = start()
    at_the_dot(sink, "rosa@x.example").close()
    until(lambda: "closed" in sink.log.read_text())

    assert [line.split()[0] for line in said(sink)] == ["opened", "broken", "closed"]


def test_one_in_so_many_is_cut_instead_of_answered(start: Start) -> None:
    sink = start("--cut", "2")
    post(sink, "rosa@x.example")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        post(sink, "luis@x.example")

    assert [line.split()[0] for line in said(sink) if "luis" in line] == ["accepted", "unanswered"]


def test_all_connections_are_cut_at_a_signal(start: Start) -> None:
    sink = start("--slow", "60")
    client = at_the_dot(sink, "rosa@x.example", LETTER + ".\r\n")
    until(lambda: b"354" in client.recv(4096, socket.MSG_PEEK))
    sink.process.send_signal(signal.SIGUSR1)
    while client.recv(4096):
        pass
    client.close()

    until(lambda: "closed" in sink.log.read_text())
    assert [line.split()[0] for line in said(sink)] == ["opened", "accepted", "unanswered", "closed"]


def test_a_sink_that_starts_again_is_where_it_was_and_forgets_nothing(start: Start) -> None:
    sink = start()
    post(sink, "rosa@x.example")
    port = sink.port
    sink.stop()
    sink.start()
    post(sink, "luis@x.example")

    assert sink.port == port
    assert sink.taken() == 2


def test_it_speaks_starttls_to_who_trusts_our_authority(start: Start, tmp_path: Path) -> None:
    trusted, shown = certificates.make(tmp_path)
    sink = start("--certificate", str(shown))
    with smtplib.SMTP("127.0.0.1", sink.port) as client:
        client.starttls(context=ssl.create_default_context(cafile=str(trusted)))
        client.sendmail("update@x.example", ["rosa@x.example"], LETTER)

    assert sink.taken() == 1
