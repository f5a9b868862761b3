"""A page as lines, whatever it was: the one form that text and HTML share before they are understood."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

BULLET = re.compile(r"([•*·‣◦▪●○■►»–—-])[\s\xa0]+(?=\S)")
#: "Become a member• Next title": two files joined without a newline between them.
JOINED = re.compile(r"(?<=[^\s•])(?=•[\s\xa0]+\S)|\ufeff")
#: "up-" above "to-date": the hyphen is the word's own.
SPLIT_WORD = re.compile(r"\w-$")
NEWLINE = re.compile(r"\r\n|\r|\n")
#: What `str.strip` leaves although nobody can see it.
INVISIBLE = "\u200b\u2060\ufeff"


@dataclass(slots=True)
class Line:
    number: int
    text: str
    bullet: str = ""
    indent: int = 0
    #: Which list of the page it is a point of; in plain text there is but one.
    group: int = 0
    #: A blank line, or in HTML the border of a block, stands before it.
    gap: bool = False
    #: It was broken on purpose (<br>), not by a margin.
    broken: bool = False
    #: 1 to 6 where HTML says so.
    heading: int = 0
    #: "caption" or "byline" where HTML says so.
    role: str = ""
    link: str | None = None
    #: All of it is a link.
    linked: bool = False
    image_url: str | None = None
    image_alt: str | None = None


def of_text(text: str) -> list[Line]:
    """Return the non-blank lines of a plain text."""
    lines: list[Line] = []
    gap = True
    for number, whole in enumerate(NEWLINE.split(text), 1):
        for part in JOINED.split(whole):
            if line := _line(number, part, gap):
                lines.append(line)
            gap = not line
    return lines


def _line(number: int, raw: str, gap: bool) -> Line | None:
    text = trim(raw)
    if not text:
        return None
    expanded = raw.strip(INVISIBLE).expandtabs(4)
    indent = len(expanded) - len(expanded.lstrip())
    match = BULLET.match(text)
    if match:
        return Line(number, trim(text[match.end() :]), bullet=match[1], indent=indent, gap=gap)
    return Line(number, text, indent=indent, gap=gap)


def trim(text: str) -> str:
    """Strip what is blank outside; inside, the text stays as printed."""
    while (shorter := text.strip().strip(INVISIBLE)) != text:
        text = shorter
    return text


def paragraphs(lines: Sequence[Line]) -> list[list[Line]]:
    """Part `lines` at their gaps; the points of a list stay together."""
    parts: list[list[Line]] = []
    for line in lines:
        if parts and (not line.gap or (line.bullet and parts[-1][-1].bullet)):
            parts[-1].append(line)
        else:
            parts.append([line])
    return parts


def prose(lines: Sequence[Line]) -> str:
    """Return `lines` as text: paragraphs parted by a blank line, points of a list as "• …"."""
    return "\n\n".join(_paragraph(part) for part in paragraphs(lines))


def _paragraph(lines: Sequence[Line]) -> str:
    width = max(len(line.text) for line in lines)
    text = _printed(lines[0])
    for above, line in pairwise(lines):
        if line.bullet or line.broken or not _is_wrapped(above, line, width):
            text += "\n"
        elif not SPLIT_WORD.search(above.text):
            text += " "
        text += _printed(line)
    return text


def _printed(line: Line) -> str:
    return f"• {line.text}" if line.bullet else line.text


def _is_wrapped(above: Line, line: Line, width: int) -> bool:
    """Tell a line that an editor wrapped (its first word had no room above) from one broken on purpose."""
    first_word = re.split(r"[\s-]", line.text, maxsplit=1)[0]
    return 40 <= width <= 130 and len(above.text) + 1 + len(first_word) > width - 6
