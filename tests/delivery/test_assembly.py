"""Every member's message reads as if it had been written for them alone, and goes over the wire as it is."""

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email import policy
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.utils import parseaddr
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from publisher.delivery.addresses import AddressRefused, CannotBuild
from publisher.delivery.assembly import Assembly
from publisher.delivery.headers import HeaderRefused, mailbox
from publisher.delivery.message import build
from publisher.delivery.quoted_printable import encoded
from publisher.letters import Letter
from publisher.merge import fill

LEAVE = "https://news.example/leave/"
VIEW = "https://news.example/update/120/"
PREFIXES = {"unsubscribe_url": LEAVE, "view_url": VIEW}
HEADERS = {
    "Reply-To": "Büro <office@example.org>",
    "List-Unsubscribe": "<{unsubscribe_url}>, <mailto:leave@example.org?subject=leave>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    "List-Id": "Update <update.example.org>",
    "Feedback-ID": "120:update:digest:publisher",
}
LETTER = Letter(
    subject="Update 120. 31 March 2007",
    text="Dear {first_name|friend},\n\n.hidden\n{first_name|.x}\nLeave: {unsubscribe_url} \nor {view_url}",
    html="<p>Dear {first_name|you &amp; yours},</p>\n<a href='{unsubscribe_url}'>Leave</a> {view_url}\n",
)
NOON = datetime(2007, 3, 31, 12, 0, tzinfo=UTC)
ID = "<120-17@example.org>"


def assembly(letter: Letter = LETTER, **changes: Any) -> Assembly:
    arguments: dict[str, Any] = {
        "sender": ("Peru News", "news@example.org"),
        "headers": HEADERS,
        "date": NOON,
        "prefixes": PREFIXES,
    }
    return Assembly(letter, **arguments | changes)


def values(first_name: str = "Rosa", key: str = "MTcuMX5kYW50ZQ/") -> dict[str, str]:
    return {"first_name": first_name, "last_name": "Vega", "unsubscribe_url": LEAVE + key, "view_url": VIEW}


def made(
    letter: Letter = LETTER, name: str = "Rosa Flores", merged: Mapping[str, str] | None = None, *, plain: bool = False
) -> bytes:
    merged = values() if merged is None else merged
    return assembly(letter, plain=plain).message(recipient=(name, "rosa@example.org"), values=merged, message_id=ID)


# ---- What the standard library would have made of it


def reference(letter: Letter, name: str, merged: Mapping[str, str], *, plain: bool = False) -> EmailMessage:
    """The same message as objects: nothing of it was ever encoded by us, or folded by the library."""
    whole = EmailMessage(policy=policy.SMTP)
    whole["From"] = Address("Peru News", addr_spec="news@example.org")
    whole["Subject"] = fill(letter.subject, merged)
    whole["Date"] = NOON
    whole["To"] = Address(" ".join(name.split()), addr_spec="rosa@example.org")
    whole["Message-ID"] = ID
    for header, value in HEADERS.items():
        whole[header] = fill(value, merged)
    whole.set_content(fill(whole_lines(letter.text), merged), cte="quoted-printable")
    if not plain:
        whole.add_alternative(
            fill(whole_lines(letter.html), merged, html.escape), subtype="html", cte="quoted-printable"
        )
    return whole


def whole_lines(text: str) -> str:
    """A letter's lines are whole before it has any member's values, and whatever these are."""
    lines = re.sub(r"\r\n|\r|\n", "\n", text)
    return lines if lines.endswith("\n") else lines + "\n"


def assert_reads_as(message: bytes, wanted: EmailMessage) -> None:
    new, old = (BytesParser(policy=p).parsebytes(message) for p in (policy.default, policy.compat32))
    assert isinstance(new, EmailMessage)
    assert [part.defects for part in new.walk()] == [[] for _ in wanted.walk()]
    assert sorted(new.keys()) == sorted(old.keys()) == sorted([*wanted.keys()])
    plain = set(wanted.keys()) - {"To", "From", "Content-Type", "Reply-To"}
    assert {n: new[n] for n in plain} == {n: decoded(old[n]) for n in plain} == {n: str(wanted[n]) for n in plain}
    for name in ("To", "From", "Reply-To"):
        assert people(new[name]) == people(wanted[name])
        (address,) = wanted[name].addresses
        person, spec = parseaddr(old[name].replace("\r\n", ""))
        assert (decoded(person), spec) == (address.display_name, address.addr_spec)
    assert bodies(new) == bodies(old) == bodies(wanted)


def decoded(raw: str) -> str:
    return str(make_header(decode_header(raw.replace("\r\n", ""))))


def people(header: Any) -> list[tuple[str, str]]:
    """The library puts a space between two encoded-words of a name, where RFC 2047 has none."""
    return [(address.display_name.replace(" ", ""), address.addr_spec) for address in header.addresses]


def bodies(message: Message) -> list[tuple[str, str | None, bytes]]:
    return [
        (part.get_content_type(), part.get_content_charset(), part.get_payload(decode=True).replace(b"\r\n", b"\n"))
        for part in message.walk()
        if not part.is_multipart()
    ]


def assert_fit_for_the_wire(message: bytes) -> None:
    """Nothing in it has to be stuffed, folded or mended, and nothing in it ends it."""
    assert message.endswith(b"\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\x00", message)
    head, _, body = message.partition(b"\r\n\r\n")
    assert not re.search(rb"(?m)^(?:\.|From )|[ \t]\r\n", body)
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert max(map(len, head.split(b"\r\n"))) <= 998
    assert message.isascii()


# ---- Any member


one_line = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
awkward = st.sampled_from(
    [*"'\"\\()<>&@,;:.[]=?_ é€😀ñaZ{}", "=?utf-8?q?x?=", "  ", "From ", "{first_name}", "{view_url}", "=C3", "\u00a0"]
)
words = st.lists(awkward | one_line, max_size=120).map("".join)
names = st.sampled_from(["", "Rosa", "Mary Ann", "O'Brien", ".", "..", "From ", " Rosa ", "x" * 500, "é" * 500]) | words


@given(name=names, first=names, plain=st.booleans())
@example(name="Rosa", first=".", plain=False)
@example(name="<b>", first="<script>alert('&')</script>", plain=False)
@example(name='"Rosa", a@b', first="{unsubscribe_url}", plain=True)
def test_any_member_gets_the_letter_as_it_was_meant(name: str, first: str, plain: bool) -> None:
    message = made(name=name, merged=values(first), plain=plain)
    assert_reads_as(message, reference(LETTER, name, values(first), plain=plain))
    assert_fit_for_the_wire(message)


@given(first=words, key=st.text(st.sampled_from("abcXYZ019-_/.~=?&%+'"), max_size=200))
def test_any_link_stands_whole_in_its_header_and_in_both_parts(first: str, key: str) -> None:
    message = made(merged=values(first, key))
    assert f"\r\nList-Unsubscribe: <{LEAVE}{key}>,\r\n".encode() in message
    assert_reads_as(message, reference(LETTER, "Rosa Flores", values(first, key)))
    assert_fit_for_the_wire(message)


# ---- Any letter


fields = st.sampled_from(["{first_name}", "{first_name|friend}", "{first_name|.x}", "{first_name| }", "{first_name",
                          "{{first_name}}", "{unsubscribe_url}", "{view_url}", "{surname|x}",
                          "{last_name}", "{last_name|.y}", "{last_name}{first_name}"])  # fmt: skip
lines = st.sampled_from(["\n", "\r\n", "\r", ".\n", "\n.", " \n", "\t\n", "x" * 75, "=" * 30])
letters = st.lists(fields | lines | awkward | st.text(max_size=90), max_size=30).map("".join)


@given(
    body=letters,
    first=st.sampled_from(["", "Rosa", ".", " ", "\u00a0", "From ", "é" * 30, "x" * 75, "y" * 76]),
    plain=st.booleans(),
)
@example(body="\n{first_name}", first="", plain=False)
@example(body="\r{first_name}\n", first="", plain=False)
def test_any_letter_reads_the_same_wherever_its_lines_and_fields_fall(body: str, first: str, plain: bool) -> None:
    letter = Letter("Update", html=body, text=body)
    message = made(letter, merged=values(first), plain=plain)
    assert_reads_as(message, reference(letter, "Rosa Flores", values(first), plain=plain))
    assert_fit_for_the_wire(message)


@given(subject=st.lists(fields | words, max_size=4).map("".join), first=names)
def test_any_subject_may_have_the_members_own_words(subject: str, first: str) -> None:
    letter = Letter(subject, html="x", text="x")
    message = made(letter, merged=values(first))
    assert BytesParser(policy=policy.default).parsebytes(message)["Subject"] == fill(subject, values(first))


@given(pieces=st.lists(letters, max_size=8))
def test_pieces_of_quoted_printable_decode_to_their_sum(pieces: list[str]) -> None:
    whole = [re.sub(r"\r\n|\r|\n", "\r\n", piece) for piece in pieces]
    part = Message()
    part["Content-Transfer-Encoding"] = "quoted-printable"
    part.set_payload(b"".join(map(encoded, whole)).decode())
    assert part.get_payload(decode=True) == "".join(whole).encode()


@pytest.mark.parametrize("long", range(70, 80))
@pytest.mark.parametrize("begin", [".", "From ", "é", ""])
def test_no_line_is_too_long_by_what_it_begins_with(begin: str, long: int) -> None:
    text = begin + "x" * (long - len(begin)) + "\r\n"
    assert max(map(len, encoded(text).split(b"\r\n"))) <= 76


# ---- What must not be


@pytest.mark.parametrize("wrong", ["Rosa\r\nBcc: a@b", "R\nB", "R\rB", "R\x00", "R\u2028B", "R\x85B", "half \ud800"])
@pytest.mark.parametrize("field", ["first_name", "unsubscribe_url"])
def test_a_value_with_a_line_end_is_refused_by_name(field: str, wrong: str) -> None:
    value = (LEAVE if field == "unsubscribe_url" else "") + wrong
    with pytest.raises(HeaderRefused, match=r"first_name: |List-Unsubscribe: "):
        made(merged=values() | {field: value})


def test_a_name_with_a_line_end_is_refused() -> None:
    with pytest.raises(HeaderRefused, match="To: "):
        made(name="Rosa\r\nBcc: all@example.org")


@pytest.mark.parametrize("field", ["unsubscribe_url", "view_url"])
@pytest.mark.parametrize("gone", [{}, {"unsubscribe_url": "", "view_url": ""}])
def test_a_link_without_a_value_is_never_sent(field: str, gone: dict[str, str]) -> None:
    letter = Letter("Update", html="x", text=f"{{{field}|#}}")
    with pytest.raises(CannotBuild, match=f"no {field}"):
        assembly(letter, headers={}).message(recipient=("", "rosa@example.org"), values=gone, message_id=ID)


def test_a_prefix_is_a_promise() -> None:
    with pytest.raises(ValueError, match=r"unsubscribe_url was to begin with https://news\.example/leave/"):
        assembly(headers={}).message(
            recipient=("", "rosa@example.org"), values=values() | {"unsubscribe_url": "https://x/"}, message_id=ID
        )
    with pytest.raises(ValueError, match="unsubscribe_url and view_url may have a prefix"):
        assembly(prefixes={"first_name": "R"})


def test_a_prefix_changes_nothing_that_is_read() -> None:
    links = dict.fromkeys(PREFIXES, "https://news.example/?a=1&b=")
    person: dict[str, Any] = {"recipient": ("Rosa", "rosa@example.org"), "message_id": ID}
    merged = values() | {name: f"{prefix}'2" for name, prefix in links.items()}
    with_them, without = (assembly(prefixes=p).message(values=merged, **person) for p in (links, {}))
    assert bodies(BytesParser().parsebytes(with_them)) == bodies(BytesParser().parsebytes(without))
    assert with_them != without


# ---- One after the other


def test_no_member_gets_anything_of_another() -> None:
    """Full values first: each hole that the next member leaves open has to show its fallback again."""
    of_all = assembly()
    rosa = {"recipient": ("Rosa Flores", "rosa@example.org"), "values": values("Rosa", "R"), "message_id": "<r@x>"}
    nobody = {"recipient": ("", "n@example.org"), "values": values("", "N"), "message_id": "<n@x>"}
    first, second, third = (of_all.message(**who) for who in (rosa, nobody, rosa))
    assert first == third
    assert (b"Rosa" in second, b"rosa" in second, b"leave/=\r\nR" in second) == (False, False, False)
    assert second == assembly().message(**nobody)


def test_plain_text_alone_is_the_text_part_of_the_same_letter() -> None:
    whole, plain = (BytesParser().parsebytes(made(plain=plain)) for plain in (False, True))
    assert (plain.get_content_type(), plain.is_multipart()) == ("text/plain", False)
    assert bodies(plain) == bodies(whole)[:1]
    assert plain["List-Unsubscribe"] == whole["List-Unsubscribe"]


def test_a_single_message_is_an_assembly_for_one() -> None:
    single = build(
        LETTER,
        sender=("Peru News", "news@example.org"),
        recipient=("Rosa Flores", "rosa@example.org"),
        headers=HEADERS,
        values=values(),
        message_id=ID,
        date=NOON,
    )
    assert single == assembly(prefixes={}).message(
        recipient=("Rosa Flores", "rosa@example.org"), values=values(), message_id=ID
    )


@pytest.mark.parametrize("name", ["Rosa", "O'Brien Mary-Ann", "R2 D2"])
@pytest.mark.parametrize("address", ["rosa.f+x@mail.example.org", "a@b.co", "x_y-z@xn--bcher-kva.example"])
def test_the_short_way_for_names_and_addresses_writes_what_the_long_one_writes(name: str, address: str) -> None:
    message = assembly().message(recipient=(name, address), values=values(), message_id=ID)
    assert mailbox("To", name, address).encode() in message


@pytest.mark.parametrize("address", ["a..b@x.org", ".a@x.org", "a@-x.org", "a@x-.org", f"a@{'b' * 64}.org"])
def test_the_short_way_lets_nothing_past_that_the_long_one_refuses(address: str) -> None:
    with pytest.raises(AddressRefused):
        assembly().message(recipient=("R", address), values=values(), message_id=ID)
