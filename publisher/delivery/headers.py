"""Header lines as RFC 5322 and RFC 2047 want them, folded so that no address and no link breaks.

Which headers a letter has says frame.py; its Message-ID is made in message.py.

By hand, because the standard library folds a long List-Unsubscribe link into encoded-words, which no receiver
decodes there, and lets some line ends through into headers (CVE-2026-1299). What is written here parses back
with `email.policy.default` to the very same values; the tests show it for hostile ones.
"""

import re
from base64 import b64encode
from collections.abc import Iterable
from email.utils import parseaddr

from .addresses import CannotBuild, ascii_domain

LINE = 76  # RFC 2047 §2: a line that holds an encoded-word has at most 76 characters
HARD_LINE = 998  # RFC 5322 §2.1.1
WORD = 75  # RFC 2047 §2
ADDRESS_HEADERS = frozenset({"reply-to"})

_NAME = re.compile(r"[!-9;-~]+")
# U+2028, U+2029 and the C1 controls too: Python's parsers, and who knows whose else, break lines at them.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")  # RFC 2047 §5 (3)
_Q = {byte: chr(byte) if byte in _Q_SAFE else "_" if byte == 32 else f"={byte:02X}" for byte in range(256)}


class HeaderRefused(CannotBuild):
    """A value that must not stand in a header; the message names the header and what is wrong."""


def text(name: str, value: str) -> str:
    """`Subject: …` and other free text, in encoded-words where it needs them."""
    check(name, value)
    if _is_plain(value):
        return _fold(name, value.split(" "))
    return _fold(name, encoded_words(value, LINE - len(name) - 2))


def structured(name: str, value: str) -> str:
    """A header given in its own syntax (List-Unsubscribe, List-Id …): folded between words, else untouched.

    Words outside <…> that are not ASCII become encoded-words; inside <…> only ASCII is possible.
    """
    check(name, value)
    words: list[str] = []
    for part in re.findall(r"<[^<>]*>,?|[^<]+|<", value):
        if part.isascii():
            words += part.split()
        elif part.startswith("<"):
            raise HeaderRefused(f"{name}: {part} is not ASCII; write it percent-encoded, a domain as A-labels.")
        else:
            words += encoded_words(part.strip(), LINE - len(name) - 2)
    return _fold(name, words)


def mailbox(name: str, person: str, address: str) -> str:
    """`From: Ann Editor <ann@example.org>`, the name quoted or encoded as it needs, its spaces made single."""
    check(name, person)
    person = " ".join(person.split())
    spec = f"<{ascii_domain(address)}>" if person else ascii_domain(address)
    return _fold(name, [*_phrase(person, LINE - len(name) - 2), spec])


def given(name: str, value: str) -> str:
    """A header whose kind is known by its name alone."""
    if name.lower() not in ADDRESS_HEADERS:
        return structured(name, value)
    check(name, value)
    person, address = parseaddr(value)
    return mailbox(name, person, address)


def encoded_words(value: str, room: int = WORD) -> list[str]:
    """The value as RFC 2047 words of at most 75 characters, none of which ends inside a character.

    Q where most of it is ASCII and stays readable, B otherwise. `room` is what the first line has left.
    """
    mostly_ascii = len(value.encode()) < 1.25 * len(value)
    size, encode = (_q_size, _q_word) if mostly_ascii else (_b_size, _b_word)
    if value and size(value) <= min(WORD, room):
        return [encode(value)]
    words: list[str] = []
    taken = ""
    for character in value:
        if taken and size(taken + character) > min(WORD, room if not words else WORD):
            words.append(encode(taken))
            taken = ""
        taken += character
    return [*words, encode(taken)] if taken else words


def _phrase(person: str, room: int) -> list[str]:
    if not person:
        return []
    if not _is_plain(person):
        return encoded_words(person, room)
    if _ATOMS.fullmatch(person):
        return person.split(" ")
    quoted = '"' + re.sub(r'(["\\])', r"\\\1", person) + '"'
    # What stands in quotes is one word: a line of more than 78 characters, which RFC 5322 §2.1.1 would have folded.
    return [quoted] if len(quoted) <= room else encoded_words(person, room)


def _q_size(value: str) -> int:
    return 12 + sum(len(_Q[byte]) for byte in value.encode())


def _b_size(value: str) -> int:
    return 12 + 4 * -(-len(value.encode()) // 3)


def _q_word(value: str) -> str:
    return "=?utf-8?q?" + "".join(_Q[byte] for byte in value.encode()) + "?="


def _b_word(value: str) -> str:
    return "=?utf-8?b?" + b64encode(value.encode()).decode() + "?="


def _is_plain(value: str) -> bool:
    """Can it stand as it is? Not what looks like an encoded-word, nor spaces that folding would swallow."""
    words = value.split(" ")
    return value.isascii() and "=?" not in value and value.split() == words and max(map(len, words)) < LINE - 20


def check(name: str, value: str) -> None:
    """Raises HeaderRefused where the value could end its header, or begin another."""
    if not _NAME.fullmatch(name):
        raise HeaderRefused(f"{name!r} is not the name of a header.")
    found = _CONTROL.search(value)
    if found:
        raise HeaderRefused(
            f"{name}: the value has the character U+{ord(found[0]):04X} at position {found.start()}. Line ends "
            "and control characters are refused: they could begin a header of somebody else's choosing."
        )


def _fold(name: str, words: Iterable[str]) -> str:
    """One header, CRLF at its end, folded before a word where the line would pass 76 characters."""
    lines = [f"{name}:"]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > LINE and lines[-1].strip() != f"{name}:":
            lines.append("")
        lines[-1] += " " + word
    if any(len(line.encode()) > HARD_LINE for line in lines):
        raise HeaderRefused(f"{name}: a word of it is longer than the {HARD_LINE} bytes that a line may have.")
    return "\r\n".join(lines) + "\r\n"
