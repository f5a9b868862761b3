"""Signatures as receivers check them: by dkimpy, with the public keys as the DNS would give them."""

import re
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from publisher.delivery.assembly import Assembly
from publisher.delivery.dkim import Signer
from publisher.letters import Letter

ED25519, RSA = Ed25519PrivateKey.generate(), generate_private_key(65537, 2048)
SIGNERS = {
    "ed25519": Signer("example.org", "ed", ED25519),
    "rsa": Signer("example.org", "rsa", RSA),
}
DNS = {
    b"ed._domainkey.example.org.": b"v=DKIM1; k=ed25519; p="
    + b64encode(ED25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
    b"rsa._domainkey.example.org.": b"v=DKIM1; k=rsa; p="
    + b64encode(RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
}
#: The same key in the names of others.
STRANGERS = (b"xed._domainkey.example.org.", b"ed._domainkey.xexample.org.")
DNS |= dict.fromkeys(STRANGERS, DNS[b"ed._domainkey.example.org."])
LETTER = Letter("Update 120", "<p>Dear {first_name|friend}, {unsubscribe_url}  </p>", "Dear {first_name},\n\n\n")
HEADERS = {
    "Reply-To": "Büro <office@example.org>",
    "List-Unsubscribe": "<{unsubscribe_url}>, <mailto:leave@example.org>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    "List-Id": "Update <update.example.org>",
    "List-Archive": "<https://news.example/update/>",
    "Precedence": "bulk",
    "Feedback-ID": "120:update:digest:publisher",
}
COVERED = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Reply-To",
           "List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Feedback-ID"]  # fmt: skip

both = pytest.mark.parametrize("kind", ["ed25519", "rsa"])


def made(*kinds: str, name: str = "Rosa Flores", address: str = "rosa@example.org", **changes: Any) -> bytes:
    arguments: dict[str, Any] = {"sender": ("Peru News", "news@example.org"), "headers": HEADERS,
                                 "date": datetime(2007, 3, 31, 12, tzinfo=UTC)}  # fmt: skip
    signers = [SIGNERS[kind] for kind in kinds]
    assembly = Assembly(changes.pop("letter", LETTER), **arguments | changes, signers=signers)
    values = {"first_name": name, "unsubscribe_url": "https://news.example/leave/MTc~/"}
    return assembly.message(recipient=(name, address), values=values, message_id="<120-17@example.org>")


def good(message: bytes) -> list[bool]:
    """Of each signature, whether it is."""
    count = len(re.findall(rb"(?m)^DKIM-Signature:", message.partition(b"\r\n\r\n")[0]))
    return [is_good(message, number) for number in range(count)]


def is_good(message: bytes, number: int) -> bool:
    try:
        return dkim.DKIM(message).verify(idx=number, dnsfunc=lambda name, timeout: DNS[name])
    except dkim.ValidationError:
        return False


def replaced(message: bytes, old: bytes, new: bytes) -> bytes:
    assert message.count(old) == 1
    return message.replace(old, new)


@both
def test_a_message_is_signed(kind: str) -> None:
    assert good(made(kind)) == [True]
    assert made(kind) == made(kind)


def test_two_signatures_are_good_each_by_itself() -> None:
    message = made("ed25519", "rsa")
    assert good(message) == [True, True]
    assert re.findall(rb" a=(.+);\r\n", message) == [b"ed25519-sha256", b"rsa-sha256"]
    without_first = message[message.index(b"DKIM-Signature", 1) :]
    assert good(without_first) == [True]


def test_nothing_is_signed_where_nobody_signs() -> None:
    assert b"DKIM" not in made()


def test_a_signature_says_what_it_is() -> None:
    tags = dict(re.findall(r"(\w+)=([^;]*)", made("rsa").decode().partition("\r\nFrom:")[0].replace("\r\n", "")))
    assert (tags["v"], tags["a"], tags["c"], tags["d"], tags["s"], tags["t"]) == (
        "1", "rsa-sha256", "relaxed/simple", "example.org", "rsa", "1175342400",
    )  # fmt: skip
    names = [name.strip() for name in tags["h"].split(":")]
    once = {"list-id", "feedback-id", "cc"}
    assert {name: names.count(name) for name in names} == {
        name: 1 if name in once else 2 for name in [*map(str.lower, COVERED), "cc"]
    }


@pytest.mark.parametrize("at", [0, 200, -60])
@both
def test_a_changed_byte_of_the_body_breaks_it(kind: str, at: int) -> None:
    head, _, body = made(kind).partition(b"\r\n\r\n")
    changed = bytearray(body)
    changed[at] ^= 1
    assert good(head + b"\r\n\r\n" + body) == [True]
    assert good(head + b"\r\n\r\n" + bytes(changed)) == [False]


@pytest.mark.parametrize("name", COVERED)
@both
def test_a_changed_header_breaks_it(kind: str, name: str) -> None:
    message = made(kind)
    changed = message.replace(f"\r\n{name}: ".encode(), f"\r\n{name}: x".encode(), 1)
    assert (good(message), good(changed)) == ([True], [False])


@pytest.mark.parametrize("name", COVERED)
def test_a_removed_header_breaks_it(name: str) -> None:
    message = made("ed25519")
    removed = re.sub(rf"(?m)^{name}:.*\r\n(?:[ \t].*\r\n)*".encode(), b"", message, count=1)
    assert (removed == message, good(removed)) == (False, [False])


@pytest.mark.parametrize("name", ["From", "To", "Cc", "Subject", "Reply-To", "Date", "List-Unsubscribe",
                                  "List-Unsubscribe-Post", "Content-Type"])  # fmt: skip
@pytest.mark.parametrize("where", ["first", "last"])
def test_a_second_header_breaks_it(name: str, where: str) -> None:
    message, another = made("ed25519"), f"{name}: somebody@else.example\r\n".encode()
    head, _, body = message.partition(b"\r\n\r\n")
    assert good(another + message if where == "first" else head + b"\r\n" + another + b"\r\n" + body) == [False]


def test_a_reply_to_cannot_be_given_to_a_letter_without_one() -> None:
    message = made("ed25519", headers={})
    assert good(message) == [True]
    assert good(b"Reply-To: somebody@else.example\r\n" + message) == [False]


def test_what_relays_rightly_do_breaks_nothing() -> None:
    message = b"Received: from a by b; Sat, 31 Mar 2007 12:00:01 +0000\r\nList-Id: <other.example>\r\n" + made("rsa")
    message = replaced(message, b"\r\nSubject: Update 120\r\n", b"\r\nsubject:  Update\r\n\t120 \r\n")
    message = replaced(message, b"\r\nPrecedence: bulk", b"")
    assert good(message + b"\r\n\r\n") == [True]


@pytest.mark.parametrize("tag", [b"d=example.org", b"s=ed", b"t=1175342400", b"c=relaxed/simple", b"h=from"])
def test_a_changed_signature_is_none(tag: bytes) -> None:
    message = made("ed25519")
    name, _, value = tag.partition(b"=")
    new = {b"c": b"relaxed/relaxed", b"t": b"1175342401", b"h": b"from:from"}.get(name, b"x" + value)
    assert good(replaced(message, b" " + tag, b" " + name + b"=" + new)) == [False]


awkward = st.sampled_from([*"'\"\\()<>&@,;:.= é€😀ñ", "=?utf-8?q?x?=", "  ", "\u00a0", "Rosa", "Flores "])


@given(name=st.lists(awkward, max_size=60).map("".join))
def test_any_name_is_signed_as_it_stands(name: str) -> None:
    letter = Letter("Für {first_name|alle}", "<p>{first_name}</p>", ".{first_name|.}")
    assert good(made("ed25519", letter=letter, name=name)) == [True]


def test_an_address_beyond_ascii_is_signed() -> None:
    assert good(made("ed25519", "rsa", name="用户", address="用户@例子.公司")) == [True, True]


def test_a_signature_is_folded() -> None:
    head = made("ed25519", "rsa").partition(b"\r\nFrom:")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 76
