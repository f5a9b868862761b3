"""What comes back: a report by a mail server that took the letter, in a mailbox that real clients read."""

from __future__ import annotations

import imaplib
from typing import Any

import pytest
from imap_tools import MailBoxUnencrypted

from publisher.bounces.phrases import Kind
from publisher.bounces.reading import read

from .conftest import Sandbox
from .test_mail import send


def test_a_letter_comes_back_as_it_was_ordered_and_only_that_one(sandbox: Sandbox) -> None:
    sandbox.fault("mail", "bounce", "dot", match="rosa@", text="5.2.2 The mailbox is full", code=552)
    for to in ("luis@example.org", "rosa@example.org"):
        send(sandbox, from_addr="bounces+token@example.org", to_addrs=[to])
    send(sandbox, from_addr="", to_addrs=["rosa@example.org"])  # a report of theirs has nobody to come back to

    with MailBoxUnencrypted("127.0.0.1", sandbox.imap) as box:
        box.login("bounces", "any")
        (mail,) = box.fetch(mark_seen=False)
        report = read(mail.obj.as_bytes())
        assert (report.kind, report.recipient, report.code, report.enhanced) == (
            Kind.SOFT, "rosa@example.org", 552, "5.2.2",
        )  # fmt: skip
        assert (report.returned_to, report.message_id) == (("bounces+token@example.org",), "<120-17@example.org>")
    assert len(sandbox.json("/mail/log.json")) == 3


def test_mails_are_moved_and_keep_their_bytes(sandbox: Sandbox) -> None:
    client: Any = imaplib.IMAP4("127.0.0.1", sandbox.imap)
    client.login("bounces", 'b\\c "d"')
    for raw in (b"Subject: 1\r\n\r\n" + b"x" * 100_000, b"Subject: 2\r\n\r\n)\r\na OK\r\n"):
        client.append("INBOX", None, None, raw)
    assert client.select("INBOX") == ("OK", [b"2"])
    assert client.create('"INBOX/Not understood"')[0] == "OK"
    assert client.uid("MOVE", "2", '"INBOX/Not understood"')[0] == "OK"
    assert client.uid("SEARCH", None, "ALL")[1] == [b"1"]
    client.select('"INBOX/Not understood"')
    (uid,) = client.uid("SEARCH", None, "ALL")[1]
    ((_, whole), _) = client.uid("FETCH", uid, "(UID BODY.PEEK[])")[1]
    ((_, part), _) = client.uid("FETCH", uid, "(UID BODY.PEEK[]<9.3>)")[1]
    assert (whole, part) == (b"Subject: 2\r\n\r\n)\r\na OK\r\n", b"2\r\n")
    with pytest.raises(imaplib.IMAP4.error, match="BAD"):
        client.uid("FETCH", "one", "(FLAGS)")
    assert client.select('"INBOX/No such"')[0] == "NO"
    client.logout()
