"""Pictures: checked, turned upright, stripped of metadata, made small enough for a letter, kept by their hash."""

from __future__ import annotations

import hashlib
import io
import warnings

from PIL import Image, ImageOps

from .lifecycle import Refusal
from .models import Picture

MAX_BYTES = 10_000_000
MAX_PIXELS = 40_000_000
WIDTH = 1200  # twice the letter's 600 px, for sharp screens
_KEPT = {"JPEG": "image/jpeg", "PNG": "image/png"}


def keep(content: bytes) -> Picture:
    """The stored picture of these bytes. Refusal, in a sentence, for what is no picture or too large."""
    if len(content) > MAX_BYTES:
        raise Refusal(f"The picture has {len(content) // 1_000_000} MB; at most {MAX_BYTES // 1_000_000} MB are taken.")
    image = _upright(content)
    kind = "PNG" if image.mode in {"P", "RGBA", "LA"} else "JPEG"
    small = _small(image if kind == "PNG" else image.convert("RGB"))
    written = io.BytesIO()
    small.save(written, kind, optimize=True, **({"quality": 85} if kind == "JPEG" else {}))
    clean = written.getvalue()
    picture, _ = Picture.objects.get_or_create(
        sha256=hashlib.sha256(clean).hexdigest(),
        defaults={"media_type": _KEPT[kind], "width": small.width, "height": small.height, "content": clean},
    )
    return picture


def _upright(content: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=["JPEG", "PNG", "GIF", "WEBP"])
            if image.width * image.height > MAX_PIXELS:
                raise Refusal(f"The picture is {image.width}×{image.height}; at most {MAX_PIXELS:,} pixels are taken.")
            image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
        raise Refusal("This is no picture that can be read: give a JPEG, PNG, GIF or WebP.") from problem
    return ImageOps.exif_transpose(image)


def _small(image: Image.Image) -> Image.Image:
    if image.width <= WIDTH:
        return image
    return image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
