"""A card drawn from words: 1200×630, as the networks show them. Pure: the same words give the same bytes.

The font knows Latin with all its accents (Vietnamese too), Greek and Cyrillic. Letters that it has not are no reason
to show boxes: `unshown` names them, and the title is left off whole. Signs and emoji alone are passed over.

Pillow's basic layout, not Raqm: that one finds FriBiDi on some machines and not on others, and the same words would
be drawn in two ways. What it could do more, write Arabic or Hindi, this font could not show.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from . import colours

FONTS = Path(__file__).resolve().parent / "fonts"
TITLE, TEXT = "SourceSerif4-SemiBold.ttf", "SourceSerif4-Regular.ttf"
SIZE = WIDTH, HEIGHT = 1200, 630
MARGIN = 88
STRIP = 16  # of the accent, along the top
PAPER, INK, MUTED, LINE = "#fbf9f5", "#1f1c18", "#655f57", "#ddd7cd"
SMALL = 34
#: Pixels of the title's letters, the first that fits; a line takes this much more.
SIZES = range(84, 35, -4)
LEADING = 1.17
MAST_Y, RULE_Y, LABEL_Y = 66, 512, 540
TOP, BOTTOM = 136, 496
WIDE = WIDTH - 2 * MARGIN
#: What stands on one line is made smaller only so far, then ends at a word.
SMALLEST = 24
#: General categories of what is passed over where the font has it not: emoji, their joiners and shades.
PASSED_OVER = frozenset({"So", "Sk", "Cf", "Cn", "Co", "Cs", "Mn", "Me", "Cc"})

Font = ImageFont.FreeTypeFont


@dataclass(frozen=True, slots=True)
class Sheet:
    """The words of a card. All but the accent may be empty."""

    masthead: str
    title: str
    label: str
    accent: str


def unshown(text: str) -> str:
    """The letters of the text that the font has not, each once: a text with any of them is not drawn."""
    missing = (sign for sign in _normal(text) if not _has(sign) and unicodedata.category(sign) not in PASSED_OVER)
    return "".join(dict.fromkeys(missing))


@lru_cache(maxsize=64)  # a digest has one card for each item, and asks for it on each channel
def draw(sheet: Sheet) -> bytes:
    """The card as PNG."""
    image = Image.new("RGB", SIZE, PAPER)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, WIDTH, STRIP - 1), fill=sheet.accent)
    _line(pen, MAST_Y, sheet.masthead, TEXT, MUTED)
    pen.rectangle((MARGIN, RULE_Y, WIDTH - MARGIN - 1, RULE_Y), fill=LINE)
    _line(pen, LABEL_Y, sheet.label, TITLE, colours.readable(sheet.accent, on=PAPER, toward=0))
    _title(pen, sheet.title)
    written = io.BytesIO()
    image.save(written, "PNG")  # 50 kB; half of it, with fewer colours, would take three times as long
    return written.getvalue()


def fitted(title: str) -> tuple[list[str], int]:
    """The title in lines, and the size of its letters: as large as it fits, parted at spaces alone.

    Too long even for the smallest letters, it ends at a word with "…". No line where one word is wider than the card.
    """
    words = _drawable(title).split()
    for size in SIZES:
        if (lines := _lines(words, size)) is not None:
            return lines, size
    for kept in range(len(words) - 1, 0, -1):
        if (lines := _lines([*words[: kept - 1], words[kept - 1].rstrip(" ,;:–—-.") + "…"], SIZES[-1])) is not None:
            return lines, SIZES[-1]
    return [], SIZES[-1]


def _title(pen: ImageDraw.ImageDraw, title: str) -> None:
    """In the middle between masthead and rule, a little higher: so it looks like the middle."""
    lines, size = fitted(title)
    step = round(size * LEADING)
    y = TOP + round((BOTTOM - TOP - step * len(lines)) * 0.45)
    for number, line in enumerate(lines):
        pen.text((MARGIN, y + number * step), line, fill=INK, font=_font(TITLE, size))


def _lines(words: list[str], size: int) -> list[str] | None:
    """The words in as few lines as fit, evened out; None where they need more than there is room for."""
    most = (BOTTOM - TOP) // round(size * LEADING)
    widest = max((_width(word, size) for word in words), default=0)
    if widest > WIDE or len(lines := _wrapped(words, size, WIDE)) > most:
        return None
    # A last line of one word looks forgotten: the narrowest measure that needs no further line.
    measures = range(int(widest) + 1, WIDE, 32)
    return next((even for width in measures if len(even := _wrapped(words, size, width)) == len(lines)), lines)


def _wrapped(words: list[str], size: int, width: int) -> list[str]:
    lines: list[str] = []
    room = 0.0
    for word in words:
        needed = _width(" ", size) + _width(word, size)
        if lines and needed <= room:
            lines[-1] += f" {word}"
            room -= needed
        else:
            lines.append(word)
            room = width - _width(word, size)
    return lines


@lru_cache(maxsize=4096)  # the basic layout kerns nothing: a line is as wide as its words and spaces
def _width(word: str, size: int) -> float:
    return _font(TITLE, size).getlength(word)


def _line(pen: ImageDraw.ImageDraw, y: int, text: str, face: str, colour: str) -> None:
    """One line, made smaller until it fits, and at last shortened at a word."""
    text = _drawable(text)
    for size in range(SMALL, SMALLEST - 1, -2):
        if (font := _font(face, size)).getlength(text) <= WIDE:
            break
    while text and font.getlength(text) > WIDE:
        text = text.rstrip("…").rpartition(" ")[0] and f"{text.rstrip('…').rpartition(' ')[0]}…"
    pen.text((MARGIN, y), text, fill=colour, font=font)


def _drawable(text: str) -> str:
    """What of the text is drawn: nothing where letters of it cannot be, all but emoji else."""
    return "" if unshown(text) else " ".join("".join(filter(_has, _normal(text))).split())


def _normal(text: str) -> Iterator[str]:
    """Composed, so that an accent is no sign of its own."""
    return iter(unicodedata.normalize("NFC", text))


@lru_cache(maxsize=4096)
def _has(sign: str) -> bool:
    """Whether the font has this sign: what it has not, it draws as it draws a sign that nobody has."""
    if sign.isspace():
        return True
    font = _font(TEXT, 40)
    return bytes(font.getmask(sign)) != bytes(font.getmask("\U0010fffd"))


@lru_cache(maxsize=64)
def _font(face: str, size: int) -> Font:
    return ImageFont.truetype(FONTS / face, size, layout_engine=ImageFont.Layout.BASIC)
