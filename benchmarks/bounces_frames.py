"""The shapes in which mail comes back: reports for machines, whole and in part, and letters written for people."""

from __future__ import annotations

import re

R = "rosa@members.example"
#: Where the letter said it comes back to; a test that needs a real one puts it in its place.
BACK = "bounces+token@news.example.org"
MESSAGE_ID = "<0123456789abcdef@news.example.org>"

LETTER = f"""\
Return-Path: <{BACK}>
Received: from news.example.org (news.example.org [192.0.2.9]) by mx.members.example; Sat, 31 Mar 2007 09:00:00 +0000
From: Peru Friends <news@example.org>
To: Rosa <{R}>
Subject: Update 120. 31 March 2007
Message-ID: {MESSAGE_ID}
List-Unsubscribe: <https://news.example.org/leave/token>
MIME-Version: 1.0
Content-Type: text/plain

The spam filter of the school was blocked by policy; no such user was found. Delivery failed.
"""


def _mail(subject: str, body: str, *headers: str, sender: str = "MAILER-DAEMON@mx.members.example") -> bytes:
    head = [
        "Return-Path: <>",
        f"Delivered-To: {BACK}",
        "Date: Sat, 31 Mar 2007 09:00:05 +0000",
        f"From: Mail Delivery System <{sender}>",
        f"To: {BACK}",
        f"Subject: {subject}",
        *headers,
    ]
    return ("\n".join(head) + "\n\n" + body).replace("\n", "\r\n").encode()


def _multipart(kind: str, *parts: tuple[str, str]) -> str:
    return "".join(f"--=_x\nContent-Type: {of}\n\n{content}\n" for of, content in parts) + "--=_x--\n"


def _status_of(answer: str, action: str) -> str:
    found = re.search(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])", answer)
    first = "4" if re.search(r"(?<!\d)4[25]\d[ -]", answer) else "5"
    return found[1] if found else f"{first}.0.0" if action == "failed" else "4.0.0"


def report(
    answer: str, *, action: str = "failed", words: str = "", diagnostic: bool = True, whole: bool = True
) -> bytes:
    """multipart/report of RFC 3464. `diagnostic`: the answer stands in it; else only in the words for people."""
    status = (
        f"Reporting-MTA: dns; mx.members.example\nArrival-Date: Sat, 31 Mar 2007 09:00:00 +0000\n\n"
        f"Final-Recipient: rfc822; {R}\nAction: {action}\nStatus: {_status_of(answer, action)}\n"
    )
    if diagnostic:
        status += "Diagnostic-Code: smtp; " + answer.replace("\n", "\n    ") + "\n"
    said = words or f"This is the mail system at host mx.members.example.\n\n<{R}>: {'' if diagnostic else answer}\n"
    parts = [("text/plain; charset=utf-8", said)] if whole else []
    body = _multipart("report", *parts, ("message/delivery-status", status), ("message/rfc822", LETTER))
    return _mail("Undelivered Mail Returned to Sender", body, *_report_headers("delivery-status"))


def _report_headers(kind: str) -> tuple[str, ...]:
    return (
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type={kind}; boundary="=_x"',
    )


def exim(answer: str) -> bytes:
    body = (
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not be"
        " delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n"
        f"  {R}\n    {answer}\n\n------ This is a copy of the message, including all the headers. ------\n\n{LETTER}"
    )
    failed = f"X-Failed-Recipients: {R}"
    return _mail("Mail delivery failed: returning message to sender", body, failed, "Auto-Submitted: auto-replied")


def qmail(answer: str) -> bytes:
    body = (
        "Hi. This is the qmail-send program at mx.members.example.\nI'm afraid I wasn't able to deliver your message to"
        " the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n"
        f"<{R}>:\n{answer}\n\n--- Below this line is a copy of the message.\n\n{LETTER}"
    )
    return _mail("failure notice", body)


def sendmail(answer: str) -> bytes:
    body = (
        "The original message was received at Sat, 31 Mar 2007 09:00:00 +0000\nfrom news.example.org [192.0.2.9]\n\n"
        f"   ----- The following addresses had permanent fatal errors -----\n<{R}>\n\n"
        f"   ----- Transcript of session follows -----\n... while talking to mx.members.example.:\n{answer}\n\n"
        f"   ----- Original message follows -----\n\n{LETTER}"
    )
    return _mail("Returned mail: see transcript for details", body)


def postfix(answer: str) -> bytes:
    body = (
        "This is the Postfix program at host mx.members.example.\n\nI'm sorry to have to inform you that the message"
        " returned\nbelow could not be delivered to one or more destinations.\n\n\t\t\tThe Postfix program\n\n"
        f"<{R}>: {answer}\n\n{LETTER}"
    )
    return _mail("Undelivered Mail Returned to Sender", body)


def yahoo(answer: str) -> bytes:
    body = (
        "Message from yahoo.com.\nUnable to deliver message to the following address(es).\n\n"
        f"<{R}>:\n{answer}\n\n--- Original message follows.\n\n{LETTER}"
    )
    return _mail("failure delivery", body, sender="MAILER-DAEMON@yahoo.com")


def plain(answer: str) -> bytes:
    """A server whose wording nobody has in a table: an address, and what was answered."""
    reason = f"Your message could not be delivered.\n\nRecipient: {R}\nReason: {answer}\n\n"
    return _mail(
        "Undeliverable: Update 120", f"{reason}Message headers follow:\n\n{LETTER}", sender="postmaster@members.example"
    )


#: How each system writes where it writes no report for machines.
IN_WORDS = {"Exim": exim, "cPanel": exim, "qmail": qmail, "Sendmail": sendmail, "Postfix": postfix, "Yahoo": yahoo}


def feedback(kind: str, *, recipient: bool = True) -> bytes:
    """RFC 5965."""
    fields = f"Feedback-Type: {kind}\nUser-Agent: SomeGenerator/1.0\nVersion: 1\nSource-IP: 192.0.2.9\n"
    fields += f"Original-Rcpt-To: <{R}>\n" if recipient else ""
    words = "This is an email abuse report for an email message received from 192.0.2.9."
    parts = (("text/plain", words), ("message/feedback-report", fields), ("message/rfc822", LETTER))
    head = _report_headers("feedback-report")
    return _mail("FW: Update 120", _multipart("report", *parts), *head, sender="feedback@provider.example")


def letter(subject: str, body: str, *headers: str, sender: str = R) -> bytes:
    """What a person writes, or a person's machine."""
    return _mail(subject, body, *headers, sender=sender).replace(
        b"Return-Path: <>", f"Return-Path: <{sender}>".encode()
    )
