"""What comes back: the reports that the sandbox's mail server writes to who sent a letter, in one mailbox."""

import uuid
from email.utils import formatdate

from publisher.sandbox.store import Store, now

SCHEMA = """
CREATE TABLE IF NOT EXISTS mail_returned (
    uid INTEGER PRIMARY KEY AUTOINCREMENT,
    folder TEXT NOT NULL,
    at TEXT NOT NULL,
    raw BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS mail_folders (name TEXT PRIMARY KEY);
INSERT OR IGNORE INTO mail_folders VALUES ('INBOX');
"""
INBOX = "INBOX"


def put(store: Store, raw: bytes, folder: str = INBOX) -> int:
    """Add a mail to a folder; its number there."""
    return store.run("INSERT INTO mail_returned (folder, at, raw) VALUES (?, ?, ?)", folder, now(), raw)


def report(returned_to: str, recipient: str, answer: str, letter: bytes) -> bytes:
    """RFC 3464: that this letter could not be delivered, why, and the letter's headers."""
    mark = f"=_{uuid.uuid4().hex}"
    enhanced = next((word for word in answer.split() if word.count(".") == 2 and word[0] in "45"), "5.0.0")
    head = letter.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    return (
        f"""\
Return-Path: <>
Delivered-To: {returned_to}
Date: {formatdate(usegmt=True)}
From: Mail Delivery System <MAILER-DAEMON@sandbox.example>
To: <{returned_to}>
Subject: Undelivered Mail Returned to Sender
Message-ID: <{uuid.uuid4().hex}@sandbox.example>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="{mark}"

--{mark}
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

This is the sandbox's mail server. Your letter could not be delivered.

<{recipient}>: {answer}

--{mark}
Content-Type: message/delivery-status

Reporting-MTA: dns; sandbox.example

Final-Recipient: rfc822; {recipient}
Action: failed
Status: {enhanced}
Diagnostic-Code: smtp; {answer}

--{mark}
Content-Type: text/rfc822-headers; charset=utf-8
Content-Transfer-Encoding: 8bit

{head}

--{mark}--
""".replace("\r\n", "\n")
        .replace("\n", "\r\n")
        .encode()
    )
