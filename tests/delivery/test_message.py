"""A message is what RFC 5322, 2045, 2047 and 8058 ask for, whatever people are called."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from email import policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parseaddr
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from publisher.delivery.addresses import AddressRefused, CannotBuild, ascii_domain
from publisher.delivery.headers import HeaderRefused
from publisher.delivery.message import build, message_id
from publisher.letters import Letter


def letter(
    subject: str = "Update 120. 31 March 2007",
    html: str = "<p>Dear {first_name|friend},</p><a href='{unsubscribe_url}'>Leave</a>\n",
    text: str = "Dear {first_name|friend},\n\nLeave: {unsubscribe_url}\n",
) -> Letter:
    return Letter(subject, html, text)


LEAVE = "https://news.example.org/leave/" + "k" * 180 + "?m=17&d=120"
HEADERS = {
    "Reply-To": "Büro <office@example.org>",
    "List-Unsubscribe": f"<{LEAVE}>, <mailto:leave@example.org?subject=leave>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    "List-Id": "Update <update.example.org>",
    "List-Archive": "<https://news.example.org/archive/>",
    "Feedback-ID": "120:update:example:sender",
    "Precedence": "bulk",
}
NOON = datetime(2007, 3, 31, 12, 0, tzinfo=timezone(timedelta(hours=1)))


def made(**changes: Any) -> bytes:
    arguments: dict[str, Any] = {
        "sender": ("Peru News", "news@example.org"),
        "recipient": ("Rosa Flores", "rosa@example.org"),
        "headers": HEADERS,
        "values": {"first_name": "Rosa", "unsubscribe_url": LEAVE},
        "message_id": "<120-17@example.org>",
        "date": NOON,
    }
    return build(changes.pop("letter", letter()), **arguments | changes)


def parsed(message: bytes) -> EmailMessage:
    read = BytesParser(policy=policy.default).parsebytes(message)
    assert isinstance(read, EmailMessage)
    assert [read.defects, *(part.defects for part in read.iter_parts())] == [[], [], []]
    return read


def test_a_message_reads_as_it_was_meant() -> None:
    read = parsed(made())
    assert dict(read.items()) == {
        "From": "Peru News <news@example.org>",
        "To": "Rosa Flores <rosa@example.org>",
        "Subject": "Update 120. 31 March 2007",
        "Date": "Sat, 31 Mar 2007 12:00:00 +0100",
        "Message-ID": "<120-17@example.org>",
        **HEADERS,
        "MIME-Version": "1.0",
        "Content-Type": read["Content-Type"],
    }
    parts = [(part.get_content_type(), part.get_content_charset(), part.get_content()) for part in read.iter_parts()]
    assert parts == [
        ("text/plain", "utf-8", f"Dear Rosa,\r\n\r\nLeave: {LEAVE}\r\n"),
        ("text/html", "utf-8", f"<p>Dear Rosa,</p><a href='{LEAVE.replace('&', '&amp;')}'>Leave</a>\r\n"),
    ]


def test_the_link_to_leave_stands_whole_on_one_line() -> None:
    assert f" <{LEAVE}>,\r\n".encode() in made()


def test_the_same_delivery_gives_the_same_bytes_and_another_letter_another_boundary() -> None:
    assert made() == made()
    boundaries = {re.findall(rb'boundary="(.+)"', made(letter=letter(text=f"{n}")))[0] for n in range(3)}
    assert len(boundaries) == 3


def test_a_message_id_is_stable_unlike_any_other_and_says_nothing_about_the_member() -> None:
    same = {message_id("digest-120", "delivery-17", "example.org") for _ in range(2)}
    others = {message_id(digest, delivery, "example.org") for digest in "ab" for delivery in "cd"}
    assert (len(same), len(same | others)) == (1, 5)
    assert message_id("a", "b", "bücher.example").endswith("@xn--bcher-kva.example>")


@pytest.mark.parametrize(
    "changes",
    [
        {"letter": letter(subject="News\r\nBcc: all@example.org")},
        {"letter": letter(subject="News\nX: y")},
        {"letter": letter(subject="News\rX: y")},
        {"letter": letter(subject="Dear {first_name|friend}"), "values": {"first_name": "R\r\nBcc: a@b"}},
        {"letter": letter(subject="half \ud800")},
        {"sender": ("News\nBcc: a@example.org", "news@example.org")},
        {"recipient": ("Rosa\r\n", "rosa@example.org")},
        {"recipient": ("Rosa\u2028Bcc: a@example.org", "rosa@example.org")},
        {"recipient": ("Rosa\x00", "rosa@example.org")},
        {"headers": {"List-Id": "a\r\nBcc: b"}},
        {"headers": {"List-Unsubscribe": "<{unsubscribe_url}>"}, "values": {"unsubscribe_url": "x\r\ny"}},
        {"headers": {"Reply-To": "a <b@example.org>\nX: y"}},
        {"headers": {"X\r\nBcc": "a"}},
        {"headers": {"X:": "a"}},
        {"headers": {"": "a"}},
        {"headers": {"subject": "another"}},
        {"headers": {"Precedence": "bulk", "precedence": "list"}},
        {"headers": {"List-Archive": "<https://example.org/büro>"}},
        {"headers": {"List-Archive": "<https://example.org/" + "a" * 1000 + ">"}},
        {"message_id": "<a@b>\r\nBcc: c"},
        {"message_id": "a@b"},
    ],
)  # fmt: skip
def test_what_could_break_out_of_its_header_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(HeaderRefused):
        made(**{"values": {"first_name": "Rosa", "unsubscribe_url": LEAVE}} | changes)


def test_a_letter_without_the_link_to_leave_is_not_built() -> None:
    with pytest.raises(CannotBuild, match="no unsubscribe_url"):
        made(values={"first_name": "Rosa"})


def test_a_date_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        made(date=datetime(2007, 3, 31))


@pytest.mark.parametrize(
    "address",
    [
        "", "rosa", "@example.org", "rosa@", "a b@example.org", "a@b@example.org", "a@exa mple.org",
        "<a@example.org>", "a@example.org>", "a..b@example.org", ".a@example.org", "a@example..org",
        "a@-example.org", "a@example.org,b@c.org", "a\r\nb@example.org", "a@example.org\r\n", "a@example.org\n",
        "a\x00@example.org", "a@[127.0.0.1]", "x" * 65 + "@a.org", "a@" + "b" * 64 + ".org", "a@xn--\u00fc.org",
        "a@b\u2028.org", '"a\r\n"@example.org', '"a"b"@example.org', "a\ud800@example.org",
        "a@" + "bcd." * 70 + "org", "a\u2028b@example.org", "a\xa0b@example.org", "a@bücher..example",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(AddressRefused):
        made(recipient=("Rosa", address))


@pytest.mark.parametrize(
    ("address", "ascii_form"),
    [
        ("rosa@example.org", "rosa@example.org"),
        ("Rosa.Flores+peru@Example.ORG", "Rosa.Flores+peru@Example.ORG"),
        ('"rosa flores"@example.org', '"rosa flores"@example.org'),
        ("o'brien@example.org", "o'brien@example.org"),
        ("ana@bücher.example", "ana@xn--bcher-kva.example"),
        ("ana@straße.example", "ana@xn--strae-oqa.example"),
        ("ana@BÜCHER.example", "ana@xn--bcher-kva.example"),
        ("ána@bücher.example", "ána@xn--bcher-kva.example"),
        ("用户@例子.公司", "用户@xn--fsqu00a.xn--55qx5d"),
    ],
)
def test_domains_become_a_labels_and_local_parts_stay(address: str, ascii_form: str) -> None:
    assert ascii_domain(address) == ascii_form
    read = parsed(made(recipient=("Ana", address)))
    if ascii_form.isascii():
        assert [found.addr_spec for found in read["To"].addresses] == [ascii_form]


def test_a_local_part_that_is_not_ascii_stands_in_the_header_as_utf_8() -> None:
    assert "To: Ana <ána@xn--bcher-kva.example>\r\n".encode() in made(recipient=("Ana", "ána@bücher.example"))


printable = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=200)
awkward = st.lists(st.sampled_from([*'"\\()<>@,;:.[]=?_ é€😀ñaZ', "=?utf-8?q?x?=", "  ", "word "]), max_size=80).map(
    "".join
)


@given(subject=printable | awkward)
def test_any_subject_reads_back_the_same(subject: str) -> None:
    message = made(letter=letter(subject=subject.replace("{", "(")))
    assert parsed(message)["Subject"] == subject.replace("{", "(")
    assert_well_formed(message)


@given(name=printable | awkward)
def test_any_name_reads_back_the_same(name: str) -> None:
    message = made(recipient=(name, "rosa@example.org"), sender=(name, "news@example.org"))
    wanted = " ".join(name.split())
    for header, address in (("To", "rosa@example.org"), ("From", "news@example.org")):
        found = parsed(message)[header].addresses
        # The library puts a space between two encoded-words of a name, where RFC 2047 has none.
        assert [(a.display_name.replace(" ", ""), a.addr_spec) for a in found] == [(wanted.replace(" ", ""), address)]
        assert name_by_rfc_2047(message, header) == wanted
    assert_well_formed(message)


@given(body=st.text() | awkward)
def test_any_body_reads_back_the_same(body: str) -> None:
    assume(not re.search("[\ud800-\udfff]", body))
    plain = body.replace("{", "(")
    message = made(letter=letter(html=plain, text=plain))
    lines = re.sub(r"\r\n?", "\n", plain)
    whole = lines if lines.endswith("\n") else lines + "\n"
    bodies = [part.get_payload(decode=True) for part in parsed(message).iter_parts()]
    assert bodies == [whole.replace("\n", "\r\n").encode()] * 2
    assert_well_formed(message)


def name_by_rfc_2047(message: bytes, header: str) -> str:
    raw = BytesParser(policy=policy.compat32).parsebytes(message)[header]
    return str(make_header(decode_header(parseaddr(raw.replace("\r\n", ""))[0])))


def assert_well_formed(message: bytes) -> None:
    """Each rule that a byte scan can check, on the whole message."""
    head, _, _ = message.partition(b"\r\n\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\x00", message)
    assert max(len(line) for line in message.split(b"\r\n")) <= 998
    assert message.isascii()
    names = Counter(re.findall(rb"(?m)^([!-9;-~]+):", head))
    for name in (b"From", b"To", b"Subject", b"Date", b"Message-ID", b"MIME-Version"):
        assert names[name] == 1
    for line in head.split(b"\r\n"):
        for word in re.findall(rb"=\?utf-8\?[qb]\?[^? ]*\?=", line):
            assert len(word) <= 75
            assert len(line) <= 76


def test_an_encoded_word_never_ends_inside_a_character() -> None:
    subject = "Nouvelles d'été " + "😀é€" * 40
    words = re.findall(r"=\?utf-8\?[qb]\?[^? ]+\?=", made(letter=letter(subject=subject), headers={}).decode())
    assert "".join(decode_header(word)[0][0].decode("utf-8", "strict") for word in words) == subject


def test_dates_are_written_with_their_offset() -> None:
    assert b"Date: Sat, 31 Mar 2007 11:00:00 +0000\r\n" in made(date=NOON.astimezone(UTC))
