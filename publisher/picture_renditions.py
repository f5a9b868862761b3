"""What a network takes of a picture and of its description: the whole where it fits, else as much as fits.

Of pictures alone. The words of a post are for posts.py and wordings.py.

Pure, and the same picture gives the same bytes. What comes here was turned upright and stripped by pictures.keep.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from PIL import Image

from .networks.base import PictureRules

#: Made worse before it is made smaller, as long as nobody sees it.
QUALITIES = (85, 78, 70, 60)
SMALLER = 0.8
SMALLEST_SIDE = 64
_KINDS = {"image/jpeg": "JPEG", "image/png": "PNG"}
#: "IMG_2041.JPG", "DSC00012", "photo-3.png": what a camera or an upload called it describes nothing.
_FILE_NAME = re.compile(
    r"\S+\.(?:jpe?g|jfif|png|gif|webp|heic|tiff?|bmp|svg)|(?:img|dscn?|dscf|pict?|p)[_-]?\d{3,}", re.IGNORECASE
)


def fit(content: bytes, media_type: str, rules: PictureRules) -> tuple[bytes, str]:
    """The picture as the network takes it, and its media type: the very bytes where these are within its rules.

    Raises ValueError, in a sentence, where nothing of it can be made to fit.
    """
    image = Image.open(io.BytesIO(content), formats=["JPEG", "PNG", "GIF", "WEBP"])
    if fits(len(content), image.size, media_type, rules):
        return content, media_type
    for made, kind in _ever_smaller(image, rules):
        if len(made) <= rules.largest:
            return made, kind
    raise ValueError(f"The picture cannot be made small enough: {rules.largest:,} bytes are taken.")


def fits(length: int, size: tuple[int, int], media_type: str, rules: PictureRules) -> bool:
    return length <= rules.largest and max(size) <= rules.longest_side and media_type in rules.media_types


def described(alt: str, longest: int) -> str:
    """The description, cut at a word where the network takes less; nothing where it is a file's name."""
    alt = " ".join(alt.split())
    if _FILE_NAME.fullmatch(alt):
        return ""
    if len(alt) <= longest:
        return alt
    return alt[:longest].rpartition(" ")[0].rstrip(" ,;:–—-.")[: longest - 1] + "…"


def _ever_smaller(image: Image.Image, rules: PictureRules) -> Iterator[tuple[bytes, str]]:
    side = min(rules.longest_side, max(image.size))
    while side >= min(SMALLEST_SIDE, max(image.size)):
        small = image.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        yield from _encodings(small, rules)
        side = int(side * SMALLER)


def _encodings(image: Image.Image, rules: PictureRules) -> Iterator[tuple[bytes, str]]:
    """A drawing, or what one can see through, as PNG first; then as JPEG, ever coarser, on white."""
    if image.mode in {"1", "P", "RGBA"} and "image/png" in rules.media_types:
        yield _written(image, "image/png", optimize=True), "image/png"
    if "image/jpeg" in rules.media_types:
        flat = _on_white(image)
        for quality in QUALITIES:
            yield _written(flat, "image/jpeg", quality=quality, optimize=True), "image/jpeg"
    elif "image/png" in rules.media_types:
        yield _written(image.convert("RGB"), "image/png", optimize=True), "image/png"


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _written(image: Image.Image, media_type: str, **options: int) -> bytes:
    content = io.BytesIO()
    image.save(content, _KINDS[media_type], **options)
    return content.getvalue()
