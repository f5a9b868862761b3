"""Replies out of a stream: whatever arrives together or apart, the same replies come of it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from publisher.delivery.reading import LONGEST_LINE, MOST_LINES, Broken, Replies, Reply
from tests.lists import in_blocks

ENDS = st.sampled_from([b"\r\n", b"\n"])
TEXTS = st.one_of(
    st.binary(max_size=12).map(lambda text: text.replace(b"\n", b"").rstrip(b"\r")),
    st.sampled_from([b"", b"2.1.0 fine", b"5.1.1 nobody", "Málaga".encode(), b"250 OK", b"x" * (LONGEST_LINE - 4)]),
)
CODES = st.sampled_from([b"220", b"250", b"354", b"421", b"550", b"599"])
#: What makes a stream unusable from there on.
WRONG = st.sampled_from(
    [
        b"hello\r\n",
        b"199 OK\r\n",
        b"250\tOK\r\n",
        b"\r\n",
        b"250-OK\r\n550 No\r\n",
        b"250 " + b"x" * LONGEST_LINE + b"\n",
    ]
)


@st.composite
def said(draw: st.DrawFn) -> bytes:
    """One reply as a server may write it."""
    code, lines = draw(CODES), draw(st.lists(TEXTS, min_size=1, max_size=4))
    *before, last = [draw(st.just(text)) + draw(ENDS) for text in lines]
    return b"".join(code + b"-" + line for line in before) + code + b" " + last


def read(pieces: list[bytes]) -> list[Reply | str]:
    """The replies, and "broken" where the rest is none."""
    replies, found = Replies(), list[Reply | str]()
    try:
        for piece in pieces:
            replies.add(piece)
            while (reply := replies.take()) is not None:
                found.append(reply)
    except Broken:
        found.append("broken")
    return found


@given(st.lists(said(), max_size=6), st.booleans(), WRONG, st.integers(1, 40))
@example([b"250 " + b"x" * (LONGEST_LINE - 4) + b"\r\n"], False, b"", 1)
def test_the_same_replies_come_of_the_same_bytes_however_they_are_cut(stream, goes_wrong, wrong, size):
    content = b"".join(stream) + wrong * goes_wrong
    whole = read([content])
    assert len(whole) == len(stream) + goes_wrong
    assert read(list(in_blocks(content, size))) == whole


@given(st.lists(said(), max_size=4), said(), st.data())
def test_what_was_not_taken_is_seen_and_how_it_begins(stream, behind, data):
    """By it a connection knows that more has come than it asked for, and whether that may be a farewell."""
    came = behind[: data.draw(st.integers(0, len(behind) - 1))]
    replies = Replies()
    replies.add(b"".join(stream) + came)
    for _ in stream:
        replies.take()
    assert replies.rest == came
    assert replies.take() is None
    assert replies.rest[:3] == came[:3]


def test_a_reply_of_many_lines_is_one():
    assert read([b"250-mail.example.org\r\n250-SIZE 100\r\n250 8BITMIME\r\n"]) == [
        Reply(250, (b"mail.example.org", b"SIZE 100", b"8BITMIME"))
    ]


@pytest.mark.parametrize(("lines", "found"), [(MOST_LINES, 1), (MOST_LINES + 1, "broken")])
def test_a_reply_has_an_end(lines, found):
    first, *others = read([b"250-more\r\n" * (lines - 1) + b"250 end\r\n"])
    assert (first if first == "broken" else 1, others) == (found, [])


def test_a_line_without_an_end_is_not_waited_for():
    assert read([b"250 " + b"x" * LONGEST_LINE]) == ["broken"]


TEXTS_FOR_PEOPLE = {
    "plain": ((b"2.0.0 Ok: queued as 3F2A",), "250 2.0.0 Ok: queued as 3F2A"),
    "many lines are one": ((b"first", b" second "), "250 first second"),
    "nothing that moves a cursor": ((b"be\x1b[31mware\x00", "\u2028end".encode()), "250 be [31mware end"),
    "no UTF-8": ((b"M\xe1laga",), "250 M\ufffdlaga"),
    "nothing": ((b"",), "250"),
    "no more than 500 characters": ((b"x" * 600,), "250 " + "x" * 496),
}


@pytest.mark.parametrize(("lines", "text"), TEXTS_FOR_PEOPLE.values(), ids=TEXTS_FOR_PEOPLE)
def test_a_reply_is_one_printable_line_for_people(lines, text):
    assert Reply(250, lines).text == text


ENHANCED = {
    "its own": (550, b"5.1.1 nobody", "5.1.1"),
    "alone": (550, b"5.1.10", "5.1.10"),
    "none": (550, b"nobody", None),
    "one that contradicts the reply": (550, b"2.1.1 nobody", None),
    "not at the beginning": (550, b"said 5.1.1", None),
    "with more behind it": (550, b"5.1.1x nobody", None),
    "no number of three parts": (550, b"5.1 nobody", None),
}


@pytest.mark.parametrize(("code", "line", "enhanced"), ENHANCED.values(), ids=ENHANCED)
def test_the_enhanced_code_is_one_that_fits(code, line, enhanced):
    assert Reply(code, (line,)).enhanced == enhanced
