"""The mail catcher: what is answered 250 is kept, in the log and in the inbox, and nothing in a mail can run."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage
from typing import Any

import pytest
import requests

from .conftest import Sandbox

LEAVE = "https://news.example.org/leave/abc"


def letter(
    to: str = "rosa@example.org", subject: str = "Update 120. 31 March 2007", html: str = "<p>Dear Rosa</p>"
) -> Any:
    message = EmailMessage()
    message["From"] = "Peru News <news@example.org>"
    message["To"] = f"Rosa Flores <{to}>"
    message["Subject"] = subject
    message["Message-ID"] = "<120-17@example.org>"
    message["List-Unsubscribe"] = f"<{LEAVE}>, <javascript:alert(1)>"
    message.set_content("Dear Rosa,\n\n.\n..\n.End\n")
    message.add_alternative(html, subtype="html")
    return message


def send(sandbox: Sandbox, message: EmailMessage | None = None, **envelope: Any) -> dict[str, Any]:
    with smtplib.SMTP("127.0.0.1", sandbox.smtp, timeout=5) as client:
        return client.send_message(message or letter(), **envelope)


def test_an_accepted_message_is_in_the_log_with_its_bytes(sandbox: Sandbox) -> None:
    sent = letter(subject="Nouvelles d'été €")
    send(sandbox, sent, from_addr="bounce@example.org", to_addrs=["rosa@example.org", "luis@example.org"])
    [line] = sandbox.json("/mail/log.json")
    raw = sandbox.get(f"/mail/{line['id']}/raw").content
    assert {key: line[key] for key in ("who", "what", "mail_from", "rcpt_to", "subject", "message_id", "size")} == {
        "who": "bounce@example.org",
        "what": "message",
        "mail_from": "bounce@example.org",
        "rcpt_to": ["rosa@example.org", "luis@example.org"],
        "subject": "Nouvelles d'été €",
        "message_id": "<120-17@example.org>",
        "size": len(raw),
    }
    assert b"\r\n\r\nDear Rosa,\r\n\r\n.\r\n..\r\n.End\r\n" in raw


@pytest.mark.parametrize("body", ["", ".", ".\r\n", "..\r\n.", "\r\n", "a.\r\nb.\r\n", "x" * 998, "a\r\n" * 100_000])
def test_bytes_are_kept_as_they_were_sent(sandbox: Sandbox, body: str) -> None:
    with smtplib.SMTP("127.0.0.1", sandbox.smtp, timeout=5) as client:
        client.sendmail("news@example.org", ["rosa@example.org"], body.encode())
    wanted = body if body.endswith("\r\n") else body + "\r\n"
    assert sandbox.get("/mail/1/raw").text == wanted


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"a\nb\r\n", "554 5.6.0 A bare CR or LF in the message"),
        (b"a\rb\r\n", "554 5.6.0 A bare CR or LF in the message"),
        (b"x" * 999 + b"\r\n", "554 5.6.0 A line of more than 998 bytes"),
    ],
)
def test_what_a_strict_server_refuses_is_refused(sandbox: Sandbox, body: bytes, answer: str) -> None:
    with smtplib.SMTP("127.0.0.1", sandbox.smtp, timeout=5) as client:
        client.ehlo()
        client.mail("news@example.org")
        client.rcpt("rosa@example.org")
        client.docmd("DATA")
        client.send(body + b".\r\n")
        code, text = client.getreply()
    assert f"{code} {text.decode()}" == answer
    assert sandbox.json("/mail/log.json") == []


def test_an_address_in_utf_8_is_taken(sandbox: Sandbox) -> None:
    with smtplib.SMTP("127.0.0.1", sandbox.smtp, timeout=5) as client:
        client.sendmail("news@example.org", ["ána@example.org"], b"Subject: x\r\n\r\n", mail_options=["SMTPUTF8"])
    assert sandbox.json("/mail/log.json")[0]["rcpt_to"] == ["ána@example.org"]


def test_commands_out_of_order_are_refused(sandbox: Sandbox) -> None:
    with smtplib.SMTP("127.0.0.1", sandbox.smtp, timeout=5) as client:
        assert client.docmd("DATA")[0] == 503
        client.ehlo()
        assert [client.docmd("DATA")[0], client.docmd("RCPT TO:<a@example.org>")[0]] == [503, 503]


def refusal(sandbox: Sandbox) -> tuple[str, int | None]:
    """What an ordinary client sees: the kind of its exception, and the code."""
    try:
        send(sandbox)
    except smtplib.SMTPRecipientsRefused as refused:
        [(code, _)] = refused.recipients.values()
        return "SMTPRecipientsRefused", code
    except smtplib.SMTPResponseException as refused:
        return type(refused).__name__, refused.smtp_code
    except smtplib.SMTPServerDisconnected as gone:
        return "timed out" if "timed out" in str(gone) else "SMTPServerDisconnected", None
    return "sent", 250


@pytest.mark.parametrize(
    ("operation", "behaviour", "options", "seen", "accepted"),
    [
        ("connect", "4xx", {}, ("SMTPConnectError", 451), 0),
        ("connect", "5xx", {}, ("SMTPConnectError", 554), 0),
        ("connect", "421", {}, ("SMTPConnectError", 421), 0),
        ("connect", "close", {}, ("SMTPServerDisconnected", None), 0),
        ("mail", "4xx", {}, ("SMTPSenderRefused", 451), 0),
        ("mail", "5xx", {"code": 553, "text": "5.1.8 Who?"}, ("SMTPSenderRefused", 553), 0),
        ("mail", "close", {}, ("SMTPServerDisconnected", None), 0),
        ("rcpt", "4xx", {}, ("SMTPRecipientsRefused", 450), 0),
        ("rcpt", "5xx", {}, ("SMTPRecipientsRefused", 550), 0),
        ("rcpt", "421", {}, ("SMTPRecipientsRefused", 421), 0),
        ("data", "4xx", {}, ("SMTPDataError", 451), 0),
        ("data", "close", {}, ("SMTPServerDisconnected", None), 0),
        ("dot", "4xx", {}, ("SMTPDataError", 451), 0),
        ("dot", "5xx", {}, ("SMTPDataError", 554), 0),
        ("dot", "421", {}, ("SMTPDataError", 421), 0),
        ("dot", "close", {}, ("SMTPServerDisconnected", None), 0),
        ("dot", "accept_close", {}, ("SMTPServerDisconnected", None), 1),
        ("dot", "slow", {"seconds": 0.05}, ("sent", 250), 1),
        ("RCPT", "5xx", {"match": "ROSA@"}, ("SMTPRecipientsRefused", 550), 0),
        ("rcpt", "5xx", {"match": "luis@"}, ("sent", 250), 1),
        ("mail", "5xx", {"match": "rosa@"}, ("sent", 250), 1),
        ("dot", "5xx", {"match": "rosa@"}, ("SMTPDataError", 554), 0),
    ],
)
def test_a_fault_meets_the_step_it_was_ordered_for(
    sandbox: Sandbox, operation: str, behaviour: str, options: dict[str, Any], seen: tuple[str, int], accepted: int
) -> None:
    sandbox.fault("mail", behaviour, operation, **options)
    assert refusal(sandbox) == seen
    assert len(sandbox.json("/mail/log.json")) == accepted
    if "match" not in options:
        assert refusal(sandbox) == ("sent", 250)


def test_a_fault_is_counted_down_and_others_wait_for_theirs(sandbox: Sandbox) -> None:
    sandbox.fault("mail", "4xx", "rcpt", times=2, match="rosa@")
    sandbox.fault("mail", "5xx", "rcpt", times=None, match="luis@")
    found = [send_code(sandbox, who) for who in ("rosa", "luis", "rosa", "rosa", "luis", "luis")]
    assert found == [450, 550, 450, 250, 550, 550]


def test_what_cannot_be_kept_is_not_answered_with_250(sandbox: Sandbox) -> None:
    sandbox.store.db.execute("PRAGMA query_only = ON")
    assert refusal(sandbox) == ("SMTPDataError", 451)
    sandbox.store.db.execute("PRAGMA query_only = OFF")
    assert sandbox.json("/mail/log.json") == []
    assert refusal(sandbox) == ("sent", 250)


def send_code(sandbox: Sandbox, who: str) -> int:
    with smtplib.SMTP("127.0.0.1", sandbox.smtp, timeout=5) as client:
        client.ehlo()
        client.mail("news@example.org")
        return client.rcpt(f"{who}@example.org")[0]


def test_the_inbox_shows_the_newest_first_and_finds_people_and_subjects(sandbox: Sandbox) -> None:
    for number, who in enumerate(("rosa", "luis", "100%", "100x")):
        send(sandbox, letter(subject=f"Update {number}"), to_addrs=[f"{who}@example.org"])
    page = sandbox.get("/mail/").text
    shown = [page.index(f">Update {number}<") for number in (3, 2, 1, 0)]
    assert shown == sorted(shown)
    found = {q: sandbox.get("/mail/", params={"q": q}).text.count("<tr><td>") for q in ("luis", "update 2", "100%")}
    assert found == {"luis": 1, "update 2": 1, "100%": 1}
    assert "No message to or about “&lt;b&gt;”" in sandbox.get("/mail/", params={"q": "<b>"}).text


def test_an_empty_inbox_says_what_will_stand_there(sandbox: Sandbox) -> None:
    assert "No mail yet." in sandbox.get("/mail/").text


def test_the_inbox_is_paged(sandbox: Sandbox) -> None:
    with smtplib.SMTP("127.0.0.1", sandbox.smtp, timeout=5) as client:
        for number in range(51):
            client.sendmail("news@example.org", [f"m{number}@example.org"], f"Subject: n{number}\r\n\r\n")
    first, second = sandbox.get("/mail/").text, sandbox.get("/mail/?before=2").text
    assert (first.count("<tr><td>"), second.count("<tr><td>")) == (50, 1)
    assert ('href="/mail/?before=2"' in first, "before=" in second) == (True, False)


def test_the_list_for_programs_is_filtered_and_paged(sandbox: Sandbox) -> None:
    for number in range(5):
        to = "rosa@example.org" if number % 2 else "luis@example.org"
        send(sandbox, letter(to, f"Update {number}"), to_addrs=[to])
    everything = sandbox.json("/mail/messages.json")
    assert [message["subject"] for message in everything["messages"]] == [f"Update {n}" for n in (4, 3, 2, 1, 0)]
    assert (everything["total"], everything["next"]) == (5, None)
    assert subjects(sandbox, to="rosa@") == ["Update 3", "Update 1"]
    assert subjects(sandbox, subject="date 2") == ["Update 2"]
    assert subjects(sandbox, since=everything["messages"][0]["at"])[:1] == ["Update 4"]
    assert subjects(sandbox, since="2999-01-01T00:00:00.000Z") == []
    first = sandbox.json("/mail/messages.json?limit=2&to=luis")
    second = sandbox.json(first["next"])
    assert [m["subject"] for m in first["messages"] + second["messages"]] == ["Update 4", "Update 2", "Update 0"]
    assert (first["total"], second["next"]) == (3, None)


def subjects(sandbox: Sandbox, **filters: str) -> list[str]:
    found = sandbox.get("/mail/messages.json", params=filters).json()
    return [message["subject"] for message in found["messages"]]


@pytest.mark.parametrize("path", ["/mail/messages.json?limit=x", "/mail/messages.json?before=-1", "/mail/?before=x"])
def test_a_number_that_is_none_is_refused(sandbox: Sandbox, path: str) -> None:
    assert sandbox.get(path).status_code == 400


HOSTILE = "<html><head></head><body><script>parent.x=1</script><img src=http://x.example/p.gif><p>Hi</p></body></html>"


def test_a_message_is_shown_with_its_headers_text_and_way_out(sandbox: Sandbox) -> None:
    send(sandbox, letter(subject="<b>Update</b>", html=HOSTILE))
    page = sandbox.get("/mail/1")
    assert page.status_code == 200
    assert "<script>" not in page.text
    assert "<b>Update</b>" not in page.text
    assert f'<a href="{LEAVE}" rel="nofollow noopener noreferrer">{LEAVE}</a>' in page.text
    assert 'href="javascript:' not in page.text
    assert "Dear Rosa," in page.text
    assert '<iframe src="/mail/1/html"' in page.text
    assert "allow-scripts" not in page.text
    assert "allow-same-origin" not in page.text


def test_nothing_in_a_mail_runs_or_is_fetched_from_elsewhere(sandbox: Sandbox) -> None:
    send(sandbox, letter(html=HOSTILE))
    page = sandbox.get("/mail/1/html")
    rules = [rule.strip() for rule in page.headers["Content-Security-Policy"].split(";")]
    assert rules == [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src data: http://127.0.0.1:* http://localhost:*",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "sandbox allow-popups allow-popups-to-escape-sandbox",
    ]
    assert page.text.startswith('<html><head><base target="_blank"></head>')


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n",
        b"no header at all\r\n",
        b"Subject: =?utf-8?b?!!!?= =?nonsense?q?x?=\r\n\r\nx\r\n",
        b"Content-Type: text/html; charset=klingon\r\n\r\n<p>\xff\xfe\r\n",
        b"Content-Type: multipart/alternative\r\n\r\n--\r\n",
        b"Subject: \xff\xfe\r\nTo: \x00\r\nDate: never\r\n\r\n\xff\r\n",
        b"List-Unsubscribe: <http://[>, <https://>\r\n\r\n",
        b"From: " + b"(" * 900 + b"\r\n\r\n",
    ],
)
def test_any_bytes_can_be_looked_at(sandbox: Sandbox, raw: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", sandbox.smtp, timeout=5) as client:
        client.sendmail("news@example.org", ["rosa@example.org"], raw)
    pages = ["/mail/", "/mail/1", "/mail/1/raw", "/mail/messages.json", "/mail/log.json"]
    assert [sandbox.get(path).status_code for path in pages] == [200] * 5
    assert sandbox.get("/mail/1/raw").content == (raw if raw.endswith(b"\r\n") else raw + b"\r\n")


def test_what_is_not_there_is_not_found(sandbox: Sandbox) -> None:
    send(sandbox, letter())
    with_text_alone = EmailMessage()
    with_text_alone.set_content("x")
    send(sandbox, with_text_alone, from_addr="a@example.org", to_addrs=["b@example.org"])
    paths = ["/mail/3", "/mail/3/raw", "/mail/3/html", "/mail/2/html", "/mail/x"]
    assert [sandbox.get(path).status_code for path in paths] == [404] * 5


def test_forgetting_empties_the_inbox_and_the_log(sandbox: Sandbox) -> None:
    send(sandbox)
    requests.delete(f"{sandbox.url}/control", timeout=5)
    assert (sandbox.json("/mail/log.json"), sandbox.json("/mail/messages.json")["total"]) == ([], 0)
    send(sandbox)
    assert len(sandbox.json("/mail/log.json")) == 1
