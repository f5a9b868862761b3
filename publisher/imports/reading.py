"""The records of a CSV file as people and their spreadsheets write them, in bounded memory.

UTF-8 and UTF-16 are told by their marks and by what can be read, Windows-1252 by what cannot. A line that cannot be
read is given up alone, with its number and what is wrong with it: the next one is read.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from . import columns

#: Characters that a line may have. The longest cell of a spreadsheet has half as many.
LONGEST = 65_536
#: Lines that one record may have, within quotation marks. More: a mark was never closed.
_LINES = 50
#: Of a broken line, so much is shown.
_SHOWN = 500
#: What a spreadsheet would take for the beginning of a formula; some read the wide signs of East Asia alike.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
#: Somebody's address where the name of a column should be.
_SOMEBODY = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@.]+")
#: So many columns a list may have.
_MOST = 1_000
EMPTY = "The file is empty. The first line of a list names its columns, and one of them “email”."
#: By this line some spreadsheets tell each other what parts the cells.
_PARTED = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
#: What a list may say of a person beside the address and the names.
MORE = ("language", "agreed_at", "tags", "state")
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark is how this one begins
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
#: What decoding leaves of bytes that are no UTF-8, each by itself; and of what is no UTF-16.
_LOST = re.compile("[\udc80-\udcff\ufffd]")

#: The number of its first line, the address, first name and last name.
Record = tuple[int, str, str, str]


class NoList(Exception):
    """The file is no list of members at all. str() is a sentence for people; `names` are its columns, if it has any."""

    def __init__(self, says: str, names: list[str] | None = None) -> None:
        super().__init__(says)
        self.names = names or []


@dataclass(frozen=True, slots=True)
class Broken:
    """A record that could not be taken: the number of its line, what is wrong, and how it begins."""

    line: int
    why: str
    text: str


def spreadsheet_safe(cell: str) -> str:
    """The cell with an apostrophe before what a spreadsheet would run as a formula. Reading takes it off again."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def shown(text: str) -> str:
    """How a broken line begins, on one line, without what no file or terminal should be given."""
    return "".join(c if c.isprintable() else "�" for c in text[:_SHOWN].replace("\t", " ").strip())


class Reading:
    """The records of a file that is read block by block. NoList where its first line names no addresses."""

    def __init__(self, blocks: Iterable[bytes], said: Mapping[str, str] | None = None) -> None:
        self._marked, self._read, self._lost = False, 0, 0
        self._lines, self._ahead, self._number = _lines(self._texts(iter(blocks))), deque[str](), 0
        header = self._header()
        self._delimiter = max(",;\t|", key=header.count)
        self.names = [_name(_guessed(name)) for name in self._parse(header)[0] or []]
        said = {what: _name(name) for what, name in (said or {}).items()}
        self.where = columns.found(self.names, said)
        if why := self._no_list(header, said):
            raise NoList(why, [] if any(map(_SOMEBODY.fullmatch, self.names)) else self.names)
        self._width, self._email = len(self.names), self.where["email"]
        self._first, self._last = self.where.get("first_name", -1), self.where.get("last_name", -1)
        self._more = {name: self.where[name] for name in MORE if name in self.where}
        #: What the record that was given last says beside: {"language": "es", "tags": "Lima; Cusco"}.
        self.more: dict[str, str] = {}

    def __iter__(self) -> Iterator[Record | Broken]:
        lines, ahead = self._lines, self._ahead
        while (line := ahead.popleft() if ahead else next(lines, None)) is not None:  # `_take`, without its call
            self._number += 1
            if line and not line.isspace():
                yield self._record(line)

    def _header(self) -> str:
        """The first line that says anything."""
        while (line := self._take()) is not None:
            if line.strip() and not _PARTED.fullmatch(line.strip()):
                return line
        return ""

    def _no_list(self, header: str, said: Mapping[str, str]) -> str:
        """What is wrong with the names of the columns; nothing, mostly."""
        if not header:
            return EMPTY
        if any(map(_SOMEBODY.fullmatch, self.names)):
            return "The first line is somebody's and names no columns: put a line above it, such as “email,first name”."
        if missing := [name for name in said.values() if name and name not in self.names]:
            return f"The list has no column “{missing[0][:60]}”: its first line names others."
        if "email" not in self.where:
            return "The file's first line must name its columns, and one of them “email”, or say which it is."
        if len(header) > LONGEST or len(self.names) > _MOST:
            return f"The first line names more columns than {_MOST:,}, or at greater length, than any list has."
        chosen = [name for name in said.values() if name]
        twice = [name for name in chosen if chosen.count(name) > 1]
        return f"The column “{twice[0][:60]}” cannot be two things at once." if twice else ""

    def _record(self, line: str) -> Record | Broken:
        """What `_closely` makes of it, quicker: in most lines there is nothing that it would have to look at."""
        if '"' in line or "\0" in line or len(line) > LONGEST or (self._lost and _is_lost(line)):
            return self._closely(line)
        cells = line.split(self._delimiter)
        if len(cells) != self._width:
            return self._closely(line)
        cells.append("")  # for a column that is not there
        plain = _plain if "'" in line else str.strip
        if self._more:
            self.more = {name: plain(cells[at]) for name, at in self._more.items()}
        return self._number, plain(cells[self._email]), plain(cells[self._first]), plain(cells[self._last])

    def _closely(self, line: str) -> Record | Broken:
        number, (cells, more) = self._number, self._cells(line)
        if why := self._wrong("".join([line, *more]) if more else line, cells, more):
            self._give_back(more)
            return Broken(number, why, shown(line))
        assert cells is not None
        if self._lost and not line.isascii():
            cells = [_guessed(cell) for cell in cells]
        cells += [""] * (self._width - len(cells) + 1)  # one more than named: for a column that is not there
        if self._more:
            self.more = {name: _plain(cells[at]) for name, at in self._more.items()}
        return number, _plain(cells[self._email]), _plain(cells[self._first]), _plain(cells[self._last])

    def _wrong(self, text: str, cells: list[str] | None, more: list[str]) -> str:
        """What is wrong with this record; nothing, mostly."""
        if len(text) > LONGEST:
            return f"The line is longer than {LONGEST:,} characters."
        if "\0" in text:
            return "There is a NUL in this line: the file is damaged here."
        if cells is None or any(map(self._stands_alone, more)) or "\n" in "".join(cells[self._email : self._email + 1]):
            return "The quotation marks in this line do not match."
        return self._miscounted(cells) or (self._unreadable(text, cells[self._email]) if self._lost else "")

    def _miscounted(self, cells: list[str]) -> str:
        """Empty cells at the end are no matter: spreadsheets add and leave out these. But an address may be cut."""
        there, named = len(cells), self._width
        if there > named and any(cells[named:]):
            return f"This line has {there} cells, and the first line names {named}: a quotation mark may be missing."
        if there < named and there <= self._email + 1:
            return f"This line ends after {there} of {named} cells, and the address may be cut."
        return ""

    def _unreadable(self, text: str, email: str) -> str:
        lost = set(_LOST.findall(text))
        if not lost or (self._windows and not _LOST.search(email) and not lost & _NEITHER):
            return ""
        if _LOST.search(email) and self._windows:  # a name may be guessed, an address not
            return "The address is not written in UTF-8: save the file as CSV UTF-8."
        return "Characters in this line cannot be read, in UTF-8 or otherwise."

    def forget(self, name: str) -> None:
        """Read it as if it had no such column."""
        self._more.pop(name, None)

    @property
    def says_more(self) -> bool:
        """Whether it tells of people beside their addresses and names: `more`."""
        return bool(self._more)

    @property
    def delimiter(self) -> str:
        return self._delimiter

    @property
    def encoding(self) -> str:
        """As far as was read."""
        return "Windows-1252" if self._windows else "UTF-8 or UTF-16, by its mark" if self._marked else "UTF-8"

    @property
    def _windows(self) -> bool:
        """Whether this is Windows-1252 rather: what is no UTF-8 outweighs what is."""
        return not self._marked and self._lost > self._read

    def _stands_alone(self, line: str) -> bool:
        """A record by itself: then the mark that would swallow it was opened and not closed."""
        cells = line.split(self._delimiter)
        return '"' not in line and len(cells) == self._width and "@" in cells[self._email]

    def _cells(self, line: str) -> tuple[list[str] | None, list[str]]:
        """As `_parse`; the two ways in which nearly all lines are written are quicker to take apart by hand."""
        if '"' not in line:
            return line.split(self._delimiter), []
        if line[0] == line[-1] == '"':
            cells = line[1:-1].split(f'"{self._delimiter}"')
            if line.count('"') == 2 * len(cells):
                return cells, []
        return self._parse(line)

    def _parse(self, line: str) -> tuple[list[str] | None, list[str]]:
        """The cells, None where quotation marks do not match; and the further lines that these marks take in."""
        more: list[str] = []
        try:
            return next(csv.reader(self._going_on(line, more), delimiter=self._delimiter, strict=True), []), more
        except csv.Error:
            return None, more

    def _going_on(self, line: str, more: list[str]) -> Iterator[str]:
        yield line + "\n"
        while len(more) < _LINES and len(line) <= LONGEST and (line := self._take() or ""):
            more.append(line)
            yield line + "\n"

    def _take(self) -> str | None:
        line = self._ahead.popleft() if self._ahead else next(self._lines, None)
        self._number += line is not None
        return line

    def _give_back(self, lines: list[str]) -> None:
        self._ahead.extendleft(reversed(lines))
        self._number -= len(lines)

    def _texts(self, blocks: Iterator[bytes]) -> Iterator[str]:
        """What stands in the blocks, with one kind of line end. What is no UTF-8 is kept for a guess at each line."""
        head = b""
        while len(head) < 4 and (block := next(blocks, b"")):
            head += block
        encoding = _encoding(head)
        self._marked = head.startswith(tuple(_MARKS)) or encoding != "utf-8"
        decode = codecs.getincrementaldecoder(encoding)("replace" if encoding != "utf-8" else "surrogateescape")
        decoder = io.IncrementalNewlineDecoder(decode, translate=True)
        text = decoder.decode(head).removeprefix("\ufeff")
        while text or head:
            self._weigh(text)
            yield text
            head = next(blocks, b"")
            text = decoder.decode(head)
        yield decoder.decode(b"", final=True)

    def _weigh(self, text: str) -> None:
        if not text.isascii():
            self._lost += len(_LOST.findall(text))
            # By the bytes that were more than letters: what is no UTF-8 is one byte each.
            self._read += len(text.encode(errors="surrogateescape")) - len(text)


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """Each line without its end. Of one that is too long, only enough to see that it is."""
    rest = ""
    for text in texts:
        *whole, rest = (rest + text).split("\n")
        yield from whole
        rest = rest[: LONGEST + 1]
    if rest:
        yield rest


def _encoding(head: bytes) -> str:
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    # Without a mark: the first name of a column begins with a letter, half of which is a zero byte.
    first, second = head[:1] == b"\0", head[1:2] == b"\0"
    return "utf-8" if first == second else "utf-16-be" if first else "utf-16-le"


def _is_lost(line: str) -> bool:
    return not line.isascii() and _LOST.search(line) is not None


def _plain(cell: str) -> str:
    cell = cell.strip()
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_FORMULA) else cell


def _name(cell: str) -> str:
    """The name of a column as a page shows it, and sends it back: blanks folded, nothing that no database takes."""
    return " ".join("".join(c if c.isprintable() else " " for c in _plain(cell)).split())


def _guessed(cell: str) -> str:
    """What is no UTF-8 in it, taken for Windows-1252."""
    return cell if cell.isascii() else _LOST.sub(lambda found: _WINDOWS.get(found[0], found[0]), cell)


def _windows_1252(lost: str) -> str:
    return bytes([ord(lost) - 0xDC00]).decode("cp1252", errors="replace")


#: What Windows-1252 makes of each byte; and of which it makes nothing either.
_WINDOWS = {lost: _windows_1252(lost) for lost in map(chr, range(0xDC80, 0xDD00))}
_NEITHER = {lost for lost, meant in _WINDOWS.items() if meant == "\ufffd"} | {"\ufffd"}
