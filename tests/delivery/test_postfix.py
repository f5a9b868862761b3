"""The engine before a real Postfix that punishes whoever does not speak SMTP as it is written."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from publisher import digests
from publisher.delivery import ledger, sending
from publisher.models import Digest
from tests.delivery import postfix
from tests.delivery.certificates import Authority
from tests.delivery.postfix import Postfix
from tests.workers.conftest import until

pytestmark = pytest.mark.skipif(bool(postfix.why_not()), reason=postfix.why_not())

MESSAGES = int(os.environ.get("POSTFIX_MESSAGES", "5000"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def started(authority: Authority) -> Iterator[Postfix]:
    with postfix.running(authority.folder / "good.pem") as server:
        yield server


@pytest.fixture
def server(started: Postfix) -> Postfix:
    """It runs for all of these tests; what it said of an earlier one counts no more."""
    started.forget()
    return started


@pytest.fixture
def due(
    server: Postfix, authority: Authority, settings: Any, monkeypatch: Any, make_members: Any, proof: Any, ben: Any
) -> Digest:
    """Update 120, its audience frozen, to be sent over STARTTLS."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.folder / "authority.pem"))
    settings.SMTP_URL = f"smtp://127.0.0.1:{server.port}?tls=starttls"
    settings.CLAIM_SIZE = 1000
    make_members(MESSAGES)
    digests.approve(proof, by=ben)
    Digest.objects.filter(pk=proof.digest_id).update(start_at=timezone.now())
    digest = Digest.objects.select_related("publication", "proof").get(pk=proof.digest_id)
    Digest.objects.filter(pk=digest.pk).update(confirmed_count=MESSAGES)
    digest.refresh_from_db()
    digests.start(digest)
    digests.prepare(digest)
    return digest


@pytest.mark.django_db
def test_it_takes_every_message_without_a_complaint(due: Digest, server: Postfix) -> None:
    while sending.send_batch(due):
        pass

    assert ledger.counts(due)["sent"] == MESSAGES
    until(lambda: server.accepted() == MESSAGES, within=60)
    assert server.complaints() == []
    assert "TLS connection established from" in server.log
    until(lambda: server.thrown_away() == MESSAGES, within=60)
    assert server.complaints() == []


def test_it_would_complain_of_commands_that_came_too_early(server: Postfix) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"EHLO x\r\nMAIL FROM:<a@x.example>\r\n")
        while client.recv(1000):
            pass

    assert until(lambda: any("improper command pipelining" in line for line in server.complaints()))


def test_it_would_refuse_a_bare_newline(server: Postfix, authority: Authority) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as plain:
        for line in (b"", b"EHLO x\r\n", b"STARTTLS\r\n"):
            plain.sendall(line)
            plain.recv(1000)
        with authority.client().wrap_socket(plain, server_hostname="127.0.0.1") as client:
            for line in (b"EHLO x\r\n", b"MAIL FROM:<a@x.example>\r\n", b"RCPT TO:<b@x.example>\r\n", b"DATA\r\n"):
                client.sendall(line)
                client.recv(1000)
            client.sendall(b"Subject: x\r\n\r\nsmuggled\n.\r\nMAIL FROM:<c@x.example>\r\n\r\n.\r\n")
            answer = client.recv(1000)

    assert answer.startswith(b"550")
    # It answers first, and writes its log then.
    assert until(lambda: any("bare <LF>" in line for line in server.complaints()))
