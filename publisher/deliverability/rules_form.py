"""The form of a message: its lines, its headers' syntax and their encoding. Sources are the standards themselves."""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections import Counter
from datetime import timedelta

from .letter import Opened, addresses
from .rule import Rules

rule = Rules()

_LONGEST, _WISHED, _WORD = 998, 78, 75
_FIELD = re.compile(rb"[!-9;-~]+:[ \t]?")
_ENCODED = re.compile(r"=\?([!-<>@-~]+)\?([bBqQ])\?([!->@-~]*)\?=")
_LOOKS_ENCODED = re.compile(r"=\?\S*?\?[bBqQ]\?\S*?\?=")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_TURNED = re.compile("[\u202a-\u202e\u2066-\u2069]")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]+@([!-;=?-~]+)>")
_ONCE = ("from", "sender", "reply-to", "to", "cc", "message-id", "in-reply-to", "references", "subject", "date",
         "mime-version", "content-type", "content-transfer-encoding", "list-id", "list-unsubscribe",
         "list-unsubscribe-post", "list-archive", "list-help", "list-post", "list-owner", "list-subscribe",
         "feedback-id", "precedence")  # fmt: skip
_NEEDED = ("from", "to", "subject", "date", "message-id", "mime-version")
#: What others add on the way, or must never see.
_NOT_OURS = ("bcc", "return-path", "received", "authentication-results", "received-spf", "arc-seal", "delivered-to",
             "x-original-to", "envelope-to")  # fmt: skip


@rule("line-ends", "Lines end with CRLF, and neither CR nor LF stands alone", "RFC 5322 §2.3")
def line_ends(letter: Opened) -> str:
    returns, feeds, both = (letter.raw.count(end) for end in (b"\r", b"\n", b"\r\n"))
    return "" if returns == feeds == both else f"{returns + feeds - 2 * both} that stand alone"


@rule("last-line", "The message ends with a whole line", "RFC 5321 §4.1.1.4")
def last_line(letter: Opened) -> str:
    return "" if letter.raw.endswith(b"\r\n") else "the last line has no end"


@rule("no-nul", "No byte is NUL", "RFC 5322 §4; RFC 2045 §2.7")
def no_nul(letter: Opened) -> str:
    return f"NUL at byte {letter.raw.index(0)}" if b"\0" in letter.raw else ""


@rule("seven-bits", "Headers and bodies are ASCII: no relay needs 8BITMIME", "RFC 5321 §2.4; RFC 6152")
def seven_bits(letter: Opened) -> str:
    if letter.raw.isascii() or _has_international_address(letter):
        return ""
    return "bytes above 127 without an address that needs SMTPUTF8"


@rule("line-length", f"No line is longer than {_LONGEST} bytes", "RFC 5322 §2.1.1; RFC 5321 §4.5.3.1.6")
def line_length(letter: Opened) -> str:
    longest = max(map(len, letter.raw.split(b"\r\n")))
    return f"a line of {longest} bytes" if longest > _LONGEST else ""


@rule("header-folding", f"Header lines of more than {_WISHED} characters have no place to fold", "RFC 5322 §2.1.1")
def header_folding(letter: Opened) -> str:
    long = [line for line in letter.head.split(b"\r\n") if len(line.decode("utf-8", "replace")) > _WISHED]
    loose = [line for line in long if len(line.partition(b":")[2].split() if b": " in line[:40] else line.split()) > 1]
    return f"could be folded: {loose[0][:60]!r}" if loose else ""


@rule("header-syntax", "Every header is a name of printable ASCII, a colon and a value", "RFC 5322 §2.2, §3.6.8")
def header_syntax(letter: Opened) -> str:
    wrong = [header.raw[:40] for header in letter.headers if not _FIELD.match(header.raw)]
    return f"no header: {wrong[0]!r}" if wrong else ""


@rule("header-blank-lines", "No folded line is white space alone", "RFC 5322 §3.2.2, §4.2")
def header_blank_lines(letter: Opened) -> str:
    blank = any(not line.strip() for line in letter.head.split(b"\r\n"))
    return "a header line of white space alone" if blank else ""


@rule("headers-size", "All headers together have at most 100 KiB", "Postfix header_size_limit = 102400")
def headers_size(letter: Opened) -> str:
    return f"{len(letter.head)} bytes" if len(letter.head) > 102_400 else ""


@rule("headers-there", "From, To, Subject, Date, Message-ID and MIME-Version are there", "RFC 5322 §3.6; RFC 2045 §4")
def headers_there(letter: Opened) -> str:
    missing = [name for name in _NEEDED if not letter.one(name)]
    return f"missing: {', '.join(missing)}" if missing else ""


@rule("headers-once", "No header of which there may be one is there twice", "RFC 5322 §3.6; Google, sender guidelines")
def headers_once(letter: Opened) -> str:
    counts = Counter(header.name for header in letter.headers)
    twice = [name for name in _ONCE if counts[name] > 1]
    return f"more than once: {', '.join(twice)}" if twice else ""


@rule("headers-ours", "No header that only the way or the reader's server writes", "RFC 5322 §3.6.3; RFC 5321 §4.4")
def headers_ours(letter: Opened) -> str:
    found = [header.name for header in letter.headers if header.name in _NOT_OURS]
    return f"not ours to write: {', '.join(found)}" if found else ""


@rule("from-one", "From is one address with a whole domain", "RFC 5322 §3.6.2; RFC 9989 (DMARC) §4; Google")
def from_one(letter: Opened) -> str:
    found = addresses(letter, "from")
    return "" if len(found) == 1 and _is_whole(found[0]) else f"{len(found)} addresses, {letter.one('from')[:60]!r}"


@rule("to-one", "To is exactly the one reader", "RFC 5322 §3.6.3; Yahoo, sender best practices")
def to_one(letter: Opened) -> str:
    found = addresses(letter, "to")
    return "" if len(found) == 1 and "@" in found[0] else f"{len(found)} addresses"


@rule("reply-to", "Reply-To, where it is there, is an address", "RFC 5322 §3.6.2")
def reply_to(letter: Opened) -> str:
    given, found = letter.all("reply-to"), addresses(letter, "reply-to")
    return "not an address" if given and not (found and all(map(_is_whole, found))) else ""


@rule("date-now", "Date is a date with a zone, within a day of now", "RFC 5322 §3.3, §3.6.1; SpamAssassin DATE_IN_*")
def date_now(letter: Opened) -> str:
    header = next(iter(letter.read("date")), None)
    at = header.datetime if header and not header.defects else None
    if at is None or at.tzinfo is None:
        return "no date with a zone"
    return f"{at}, and now is {letter.facts.now}" if abs(at - letter.facts.now) > timedelta(days=1) else ""


@rule("message-id", "Message-ID is <left@right>, and its right side is the sender's domain", "RFC 5322 §3.6.4")
def message_id(letter: Opened) -> str:
    found = _MESSAGE_ID.fullmatch(letter.one("message-id"))
    return "" if found and found[1].lower() == letter.domain else f"{letter.one('message-id')[:80]!r}"


@rule("subject-said", "Subject has words, and no control characters", "RFC 5322 §3.6.5; RFC 2047 §5")
def subject_said(letter: Opened) -> str:
    said = letter.said("subject")
    return "" if said.strip() and not _CONTROL.search(said) else f"{said[:40]!r}"


@rule("subject-plays-no-reply", "Subject does not pretend to be an answer or a forward", "Google, sender guidelines")
def subject_plays_no_reply(letter: Opened) -> str:
    said = letter.said("subject")
    return f"{said[:40]!r}" if re.match(r"\s*(re|fwd?|aw|sv)\s*:", said, re.IGNORECASE) else ""


@rule("nothing-turned", "No character in the names or the subject turns the direction of text", "UTS #39; UAX #9")
def nothing_turned(letter: Opened) -> str:
    said = [name for name in ("from", "subject") if _TURNED.search(letter.said(name))]
    return f"turned in {', '.join(said)}" if said else ""


@rule("word-length", f"Each encoded-word has at most {_WORD} characters", "RFC 2047 §2")
def word_length(letter: Opened) -> str:
    long = [word for word in _LOOKS_ENCODED.findall(_head(letter)) if len(word) > _WORD]
    return f"{len(long[0])} characters: {long[0][:40]}" if long else ""


@rule("word-line", "A header line that holds an encoded-word has at most 76 characters", "RFC 2047 §2")
def word_line(letter: Opened) -> str:
    long = [line for line in _head(letter).split("\r\n") if len(line) > 76 and _ENCODED.search(line)]
    return f"{len(long[0])} characters" if long else ""


@rule("word-whole", "Each encoded-word decodes by itself, so that no character is split", "RFC 2047 §5 (3)")
def word_whole(letter: Opened) -> str:
    broken = [found[0] for found in _ENCODED.finditer(_head(letter)) if not _decodes(*found.groups())]
    return f"does not decode alone: {broken[0]}" if broken else ""


@rule("word-place", "No encoded-word stands in an address, in <…> or in quotes", "RFC 2047 §5")
def word_place(letter: Opened) -> str:
    held = re.findall(r"<[^<>]*>|\"(?:[^\"\\]|\\.)*\"", _head(letter))
    inside = [text for text in held if _ENCODED.search(text)]
    return f"{inside[0][:60]}" if inside else ""


def _head(letter: Opened) -> str:
    return letter.head.decode("utf-8", "replace")


def _is_whole(address: str) -> bool:
    domain = address.rpartition("@")[2]
    return "@" in address and "." in domain and not domain.endswith(".") and " " not in address


def _has_international_address(letter: Opened) -> bool:
    """Of non-ASCII nothing but an address, which SMTPUTF8 allows."""
    mailboxes = "".join(addresses(letter, "to")).encode()
    return not mailboxes.isascii() and letter.raw.replace(mailboxes, b"").isascii()


def _decodes(charset: str, encoding: str, text: str) -> bool:
    try:
        if encoding in "bB":
            raw = base64.b64decode(text, validate=True)
        else:
            raw = quopri.decodestring(text.encode(), header=True)
        raw.decode(charset)
    except (LookupError, UnicodeDecodeError, binascii.Error):
        return False
    return True
