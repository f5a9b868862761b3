"""Plain text as staff and sources write it, read into paragraphs and lists.

Standing sections ("Aims", "Why join"), introductions and teasers are kept as plain text, so that one text serves
the letter, its text part, the archive and the posts. Paragraphs are parted by a blank line; lines that start with
a bullet are a list.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

BULLET = "•"


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    lines: tuple[str, ...]


def blocks(text: str) -> tuple[Paragraph | Bullets, ...]:
    """The paragraphs and lists of `text`, in order. A single line break inside a paragraph is a space."""
    return tuple(block for part in re.split(r"\n[^\S\n]*\n", text) for block in _part(part))


def _part(part: str) -> Iterator[Paragraph | Bullets]:
    lines = [" ".join(line.split()) for line in part.splitlines() if line.strip()]
    for is_list, group in groupby(lines, key=lambda line: line.startswith(BULLET)):
        if is_list:
            yield Bullets(tuple(line.removeprefix(BULLET).strip() for line in group))
        else:
            yield Paragraph(" ".join(group))
