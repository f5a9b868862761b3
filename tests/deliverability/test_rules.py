"""Every rule is kept by generated messages, and each is seen to be broken by one that was made to break it."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta

import pytest

from benchmarks import deliverability, deliverability_population
from benchmarks.deliverability_population import Message
from publisher.deliverability.rules import RULES, Facts, look

from .conftest import NOON, facts_of

Change = Callable[[bytes], bytes]
MESSAGES = 150


def line(name: str, value: str) -> Change:
    """Another value for the header."""
    return lambda raw: re.sub(
        rb"(?mi)^" + name.encode() + rb":.*\r\n([ \t].*\r\n)*", f"{name}: {value}\r\n".encode(), raw, count=1
    )


def without(name: str) -> Change:
    return lambda raw: re.sub(rb"(?mi)^" + name.encode() + rb":.*\r\n([ \t].*\r\n)*", b"", raw, count=1)


def added(header: str) -> Change:
    return lambda raw: header.encode() + b"\r\n" + raw


def put(old: str, new: str) -> Change:
    def change(raw: bytes) -> bytes:
        assert old.encode() in raw, f"{old} is not there to be replaced"
        return raw.replace(old.encode(), new.encode())

    return change


def in_html(html: str) -> Change:
    """More HTML at the end, written as quoted-printable writes it."""
    coded = html.replace("=", "=3D")
    return put("</body>", "\r\n".join([*re.findall(r".{1,60}", coded), "</body>"]).replace("\r\n", "=\r\n"))


def tag(name: str, value: str) -> Change:
    """Another value for a tag of the signature."""
    return lambda raw: re.sub(
        rb"(\r\n |: )" + name.encode() + rb"=[^;]*;", rb"\g<1>" + f"{name}={value};".encode(), raw, count=1
    )


#: What breaks each rule, and often others with it.
BREAKING: dict[str, Change] = {
    "line-ends": put("MIME-Version: 1.0\r\n", "MIME-Version: 1.0\n"),
    "last-line": lambda raw: raw.removesuffix(b"\r\n"),
    "no-nul": put("Books where", "Books\0where"),
    "seven-bits": put("Books where", "Bücher where"),
    "line-length": put("Books where", "x" * 1200),
    "header-folding": line("Subject", "word " * 30),
    "header-syntax": added("No header at all"),
    "header-blank-lines": put("MIME-Version: 1.0\r\n", "MIME-Version: 1.0\r\n \r\n"),
    "headers-size": added("X-Long: " + "\r\n ".join(["x" * 70] * 1500)),
    "headers-there": without("Subject"),
    "headers-once": added("From: Somebody Else <else@else.example>"),
    "headers-ours": added("Bcc: secret@members.example"),
    "from-one": line("From", "Ann <ann@rsa.example>, Ben <ben@rsa.example>"),
    "to-one": line("To", "rosa@members.example, luis@members.example"),
    "reply-to": line("Reply-To", "the office"),
    "date-now": line("Date", "Fri, 30 Mar 2007 11:00:00 +0000"),
    "message-id": line("Message-ID", "<120@elsewhere.example>"),
    "subject-said": line("Subject", "=?utf-8?q?=07?="),
    "subject-plays-no-reply": line("Subject", "Re: your letter"),
    "nothing-turned": line("Subject", "=?utf-8?b?4oCuZWxpZi5leGU=?="),
    "word-length": line("Subject", "=?utf-8?q?" + "x" * 80 + "?="),
    "word-line": line("Subject", "=?utf-8?q?" + "x" * 40 + "?= =?utf-8?q?" + "y" * 40 + "?="),
    "word-whole": line("Subject", "=?utf-8?q?=C3?= =?utf-8?q?=A9?="),
    "word-place": line("From", '"=?utf-8?q?Ann?=" <update@rsa.example>'),
    "leave-header": line("List-Unsubscribe", "<http://news.example/leave/abc/>"),
    "one-click": line("List-Unsubscribe-Post", "One-Click"),
    "one-click-signed": lambda raw: put(":list-unsubscribe-post", "")(raw.replace(b"\r\n list-unsubscribe-post", b"")),
    "leave-opaque": line("List-Unsubscribe", "<https://news.example/leave/17/>"),
    "leave-seen": line("List-Unsubscribe", "<https://news.example/leave/another-token-of-some-length/>"),
    "list-id": line("List-Id", "Update"),
    "list-addresses": line("List-Archive", "https://news.example/update/"),
    "feedback-id": line("Feedback-ID", "a:b:c:d:publisher"),
    "no-auto-answer": added("Auto-Submitted: auto-replied"),
    "precedence": line("Precedence", "junk"),
    "signed": without("DKIM-Signature"),
    "signature-whole": tag("v", "2"),
    "signature-safe": tag("a", "rsa-sha1"),
    "signature-aligned": tag("d", "elsewhere.example"),
    "signature-covers": lambda raw: re.sub(
        rb":reply-to|:list-id|:feedback-id", b"", added("Reply-To: a@rsa.example")(raw)
    ),
    "signature-seals-from": lambda raw: re.sub(rb"h=[^;]*;", b"h=from:to:subject;", raw, count=1),
    "signature-of-all": tag("s", "rsa; l=100"),
    "signature-times": tag("t", "4102444800"),
    "signature-body": put("Books where", "Looks where"),
    "signature-length": lambda raw: re.sub(rb"b=[A-Za-z0-9+/=\s]+\r\n(?=\S)", b"b=AAAA\r\n", raw, count=1),
    "same-party": line("List-Archive", "<https://tracker.example/update/>"),
    "two-parts": put("Content-Type: text/plain", "Content-Type: text/enriched"),
    "boundary": lambda raw: raw.removesuffix(b"--\r\n") + b"\r\n",
    "mime-version": line("MIME-Version", "1.1"),
    "charset": put('charset="utf-8"', 'charset="iso-8859-1"'),
    "no-defects": lambda raw: raw.removesuffix(b"--\r\n") + b"\r\n",
    "encoding": put("Content-Transfer-Encoding: quoted-printable", "Content-Transfer-Encoding: 8bit"),
    "quoted-lines": put("Books where", "Books where" + " there" * 12),
    "quoted-signs": put("Books where", "Books = where"),
    "line-tails": put("Books where", "Books \r\nwhere"),
    "no-first-dots": put("Books where", "Books=\r\n.where"),
    "no-attachments": put("Content-Type: text/html", "Content-Disposition: attachment\r\nContent-Type: text/html"),
    "text-said": lambda raw: re.sub(
        rb"(quoted-printable\r\n\r\n).*?(\r\n--=_)", rb"\1See the HTML.\2", raw, count=1, flags=re.S
    ),
    "html-size": in_html("<p>" + "x" * 100_000 + "</p>"),
    "html-words": lambda raw: re.sub(rb"<body.*</body>", b"<body>Hello</body>", raw, flags=re.S),
    "same-links": in_html('<a href="https://elsewhere.example/">More</a>'),
    "same-headings": in_html("<h2>Only in the HTML</h2>"),
    "image-alt": in_html('<img src="https://news.example/a.jpg" width="9">'),
    "image-size": in_html('<img src="https://news.example/a.jpg" alt="">'),
    "image-https": in_html('<img src="data:image/png;base64,AAAA" alt="" width="9">'),
    "no-pixel": in_html('<img src="https://news.example/open/17.gif" alt="" width="1" height="1">'),
    "language": put('<html lang=3D"en"', "<html"),
    "title": lambda raw: re.sub(rb"<title>.*?</title>", b"<title></title>", raw, flags=re.S),
    "doctype": put("<!doctype html>", ""),
    "tables": in_html("<table><tr><td>x</td></tr></table>"),
    "colour-schemes": lambda raw: re.sub(rb"color(=\r\n)?-(=\r\n)?scheme", b"colour", raw),
    "nothing-alive": in_html("<script>alert(1)</script>"),
    "own-style": in_html('<p style="position: fixed">x</p>'),
    "link-schemes": in_html('<a href="javascript:alert(1)">More</a>'),
    "link-hosts": in_html('<a href="http://192.0.2.7/">More</a>'),
    "link-honest": in_html('<a href="https://elsewhere.example/">www.bank.example</a>'),
    "link-said": in_html('<a href="https://news.example/update/"></a>'),
    "fields-filled": put("Books where", "{first_name|friend} where"),
    "postal-address": put("1 Example Street", "2 Example Street"),
}


def test_generated_messages_keep_every_rule_and_are_read_alike(sender: str) -> None:
    with nullcontext() if deliverability.missing_reader() else deliverability.PerlReader() as reader:
        told = deliverability.judge(deliverability_population.messages(MESSAGES, NOON), reader)

    assert told["examples"] == []
    assert (told["messages"], told["broken"]) == (MESSAGES, 0)
    assert told["signed"] > MESSAGES // 2
    assert told["parsers_differ"] in {0, None}


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_a_message_that_breaks_the_rule_is_seen(rule: str, sample: Message, facts: Facts) -> None:
    assert look(sample.raw, facts) == []

    broken = BREAKING[rule](sample.raw)

    assert broken != sample.raw
    assert rule in {each.rule.id for each in look(broken, facts)}


def test_every_rule_says_where_it_is_written() -> None:
    assert len(RULES) >= 40
    assert len({rule.id for rule in RULES}) == len(RULES) == len(BREAKING)
    assert [rule.id for rule in RULES if not rule.source or not rule.what] == []


def test_a_letter_in_plain_text_alone_keeps_every_rule(sender: str) -> None:
    plain = [m for m in deliverability_population.messages(20, NOON) if b"Content-Type: multipart" not in m.raw]

    assert len(plain) == 2
    assert [look(message.raw, facts_of(message)) for message in plain] == [[], []]


def test_who_lets_the_mail_server_sign_breaks_no_rule(sample: Message, facts: Facts) -> None:
    unsigned = BREAKING["signed"](sample.raw)

    assert look(unsigned, replace(facts, signed=False)) == []


def test_what_a_rule_says_names_what_is_wrong_and_its_source(sample: Message, facts: Facts) -> None:
    late = replace(facts, now=NOON + timedelta(days=3))

    (found,) = look(sample.raw, late)

    assert str(found) == (
        "Date is a date with a zone, within a day of now: 2007-03-31 12:00:00+00:00, and now is "
        "2007-04-03 12:00:00+00:00. (RFC 5322 §3.3, §3.6.1; SpamAssassin DATE_IN_*)"
    )
