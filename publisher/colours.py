"""Colours by the arithmetic of WCAG 2.2: how far two stand apart, and which to take so that text is read."""

import colorsys
import re
from dataclasses import dataclass

READABLE = 4.5  # WCAG 1.4.3, text of any size
HEX = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)
STEPS = 50


@dataclass(frozen=True, slots=True)
class Shades:
    """What a letter is drawn with, on a page of one colour. All but `line` is read: it stands READABLE apart."""

    page: str
    ink: str
    text: str
    muted: str
    line: str
    accent: str
    button: str
    button_text: str


def light(accent: str) -> Shades:
    """The accent as the button, and darkened for links only where white would swallow it."""
    return Shades(
        page="#ffffff", ink="#1f1c18", text="#3a352f", muted="#6f685f", line="#ddd7cd",
        accent=readable(accent, on="#ffffff", toward=0),
        button=accent.lower(), button_text=ink_on(accent),
    )  # fmt: skip


def dark(accent: str) -> Shades:
    """The accent lightened until it can be read on a dark page; the button is drawn in it, the page shows through."""
    lit = readable(accent, on="#1b1a18", toward=1)
    return Shades(
        page="#1b1a18", ink="#f4f1ea", text="#dad6ce", muted="#a9a399", line="#403d39",
        accent=lit, button=lit, button_text="#1b1a18",
    )  # fmt: skip


def readable(colour: str, *, on: str, toward: int) -> str:
    """`colour`, made lighter (`toward` 1) or darker (0) only as far as it takes to be read on `on`.

    Its lightness alone moves: mixed with white, a red would come out as a tired pink.
    """
    hue, lightness, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in channels(colour)))
    for step in range(STEPS + 1):
        moved = lightness + (toward - lightness) * step / STEPS
        candidate = _written(colorsys.hls_to_rgb(hue, moved, saturation)) if step else colour.lower()
        if contrast(candidate, on) >= READABLE:
            return candidate
    raise ValueError(f"Nothing of the hue of {colour} can be read on {on}: move the other way.")


def ink_on(background: str) -> str:
    """White where it can be read, else black: one of the two always can, on any colour."""
    return "#ffffff" if contrast("#ffffff", background) >= READABLE else "#000000"


def contrast(one: str, other: str) -> float:
    """WCAG's ratio, from 1 (the same) to 21 (black on white)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def channels(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255. Nothing but "#rrggbb" passes: colours are written into style sheets."""
    if not HEX.fullmatch(colour):
        raise ValueError(f'{colour!r} is not a colour. Write it as six hexadecimal digits, such as "#8a1c1c".')
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _written(channels: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in channels)


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
