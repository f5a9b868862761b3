"""Files as people and their spreadsheets write them: each broken line is told, and no good one is lost."""

from __future__ import annotations

import codecs
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.imports.reading import LONGEST, Broken, NoList, Reading, spreadsheet_safe
from tests.lists import in_blocks

HEADER = "email,first_name,last_name\n"
GOOD = "rosa@members.example,José,Vega\n"
QUOTES = "The quotation marks in this line do not match."
UNREADABLE = "Characters in this line cannot be read, in UTF-8 or otherwise."


def read(content: bytes | str, size: int = 7) -> tuple[list[tuple[str, str, str]], list[tuple[int, str]]]:
    """What was read, and what was broken. In small blocks, so that everything is cut somewhere."""
    content = content.encode() if isinstance(content, str) else content
    good, broken = [], []
    for record in Reading(in_blocks(content, size)):
        if isinstance(record, Broken):
            broken.append((record.line, record.why))
        else:
            good.append(record[1:])
    return good, broken


ROSA = ("rosa@members.example", "José", "Vega")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "iso-8859-1"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 3, 4096])
def test_a_file_is_read_whatever_wrote_it(encoding, end, size):
    content = (HEADER + GOOD * 2).replace("\n", end).encode(encoding)
    assert read(content, size) == ([ROSA] * 2, [])


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_a_mark_says_how_a_file_is_written(mark):
    encoding = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
    assert read(mark + (HEADER + GOOD).encode(encoding)) == ([ROSA], [])


BROKEN = {
    "a quote that is not closed": ('"luis@members.example,Luis,Vega', QUOTES),
    "a quote that is not closed in the last cell": ('"luis@members.example","Luis","Vega', QUOTES),
    "something after a closing quote": ('"luis@members.example" x,Luis,Vega', QUOTES),
    "a NUL": ("luis@members.example,Lu\0is,Vega", "There is a NUL in this line: the file is damaged here."),
    "too many cells": (
        "luis@members.example,Luis,Vega, Ortiz",
        "This line has 4 cells, and the first line names 3: a quotation mark may be missing.",
    ),
    "too few": ("luis@members.exam", "This line ends after 1 of 3 cells, and the address may be cut."),
    "too long": (
        f"luis@members.example,{'x' * LONGEST},Vega",
        f"The line is longer than {LONGEST:,} characters.",
    ),
    "far too long": (
        f"luis@members.example,{'x' * 5 * LONGEST},Vega",
        f"The line is longer than {LONGEST:,} characters.",
    ),
    "no UTF-8": (
        b"luis@members.example,Lu\xeds,Vega",
        UNREADABLE,
    ),
    "a character that was lost": (
        "luis@members.example,Lu�s,Vega",
        UNREADABLE,
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_broken_line_is_told_with_its_number_and_all_others_are_read(kind, end):
    line, why = BROKEN[kind]
    line = line.encode() if isinstance(line, str) else line
    lines = [HEADER.strip().encode(), GOOD.strip().encode(), line, *[GOOD.strip().encode()] * 60, line, b""]
    assert read(end.join(lines), 65_537) == ([ROSA] * 61, [(3, why), (64, why)])


def test_a_quote_that_is_not_closed_swallows_no_line_that_stands_by_itself():
    between = "eva@members.example,Eva,Vega\n"
    good, broken = read(f'{HEADER}luis@members.example,"Luis,Vega\n{between}tom@members.example,5",Vega\n{GOOD}')
    assert good == [("eva@members.example", "Eva", "Vega"), ("tom@members.example", '5"', "Vega"), ROSA]
    assert broken == [(2, QUOTES)]


def test_what_is_quoted_may_have_commas_quotes_and_line_ends():
    line = '"rosa@members.example","José, ""the\nthird"""," Vega "\n'
    assert read(HEADER + line + GOOD) == ([("rosa@members.example", 'José, "the\nthird"', "Vega"), ROSA], [])


def test_empty_cells_at_the_end_are_no_matter():
    assert read(f"{HEADER}rosa@members.example,José,Vega,,,\nrosa@members.example,José\n") == (
        [ROSA, ("rosa@members.example", "José", "")],
        [],
    )


def test_a_name_in_windows_1252_is_read_and_an_address_is_not_guessed():
    lines = HEADER.encode() + b"rosa@members.example,Jos\xe9,Vega\n" + b"jos\xe9@members.example,Jos\xe9,Vega\n"
    undefined = b"luis@members.example,Lu\x81s,Vega\n"
    assert read(lines + undefined) == (
        [ROSA],
        [
            (3, "The address is not written in UTF-8: save the file as CSV UTF-8."),
            (4, UNREADABLE),
        ],
    )


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\0\0\0\0", b"name\nRosa\n", b"x" * 3 * LONGEST, bytes(range(256)) * 9]
)
def test_what_is_no_list_is_said(content):
    with pytest.raises(NoList, match="one of them “email”"):
        read(content)


@pytest.mark.parametrize(
    ("content", "said", "why"),
    [
        ("rosa@members.example,Rosa\n", {}, "names no columns: put a line above it"),
        ("email," + "c," * 40_000 + "\n", {}, "than any list has"),
        ("email,n\n", {"first_name": "Nombre"}, "has no column “Nombre”"),
        ("email,n\n", {"first_name": "n", "last_name": "n"}, "“n” cannot be two things at once"),
    ],
)
def test_names_of_columns_that_cannot_be_are_said(content, said, why):
    with pytest.raises(NoList, match=why):
        Reading([content.encode()], said)


@pytest.mark.parametrize("before", ["\n\n", "sep=|\n", '"sep=|"\r\n', "  \n"])
def test_the_names_of_the_columns_may_come_late_and_the_lines_keep_their_numbers(before):
    found = list(
        Reading([f"{before}email| Na\0me  of it\nrosa@members.example|Rosa\n".encode()], {"first_name": "Na me of it"})
    )
    assert found == [(before.count("\n") + 2, "rosa@members.example", "Rosa", "")]


@given(st.binary(max_size=200), st.integers(1, 9))
def test_whatever_is_in_a_file_the_good_lines_around_it_are_read(rubbish, size):
    """But for a line that begins and ends within the rubbish, and for quotes, which may take in their neighbour."""
    rubbish = rubbish.replace(b'"', b"")
    good, _ = read(HEADER.encode() + GOOD.encode() * 3 + b"\n" + rubbish + b"\n" + GOOD.encode() * 2, size)
    assert [*good[:3], *good[-2:]] == [ROSA] * 5


@given(st.lists(st.tuples(*[st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=9)] * 3), max_size=9))
def test_what_a_program_writes_is_read_as_it_was(rows):
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["email", "first_name", "last_name"])
    writer.writerows([spreadsheet_safe(cell.strip()) for cell in row] for row in rows)
    good, broken = read(out.getvalue())
    whole = [row for row in rows if "\ufffd" not in "".join(row)]  # what some program has lost already
    assert good == [tuple(cell.strip() for cell in row) for row in whole]
    assert len(broken) == len(rows) - len(whole)
