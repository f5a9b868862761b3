"""Pictures: checked, turned upright, stripped of metadata, made to fit a letter or a network, kept by their hash."""

from __future__ import annotations

import hashlib
import io
import warnings

from django.db.models.functions import Length
from PIL import Image, ImageOps

from . import picture_renditions
from .lifecycle import Refusal
from .models import Picture
from .networks import network_class

MAX_BYTES = 10_000_000
MAX_PIXELS = 40_000_000
WIDTH = 1200  # twice the letter's 600 px, for sharp screens
HEIGHT = 2400
_KEPT = {"JPEG": "image/jpeg", "PNG": "image/png"}


def keep(content: bytes) -> Picture:
    """The stored picture of these bytes. Refusal, in a sentence, for what is no picture or too large."""
    if len(content) > MAX_BYTES:
        raise Refusal(f"The picture has {len(content) // 1_000_000} MB; at most {MAX_BYTES // 1_000_000} MB are taken.")
    image, kind = _plain(_opened(content))
    image.thumbnail((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    image.save(written, kind, optimize=True, **({"quality": 85} if kind == "JPEG" else {}))
    return store(written.getvalue(), _KEPT[kind], image.size)


def store(clean: bytes, media_type: str, size: tuple[int, int]) -> Picture:
    """The row of these bytes, which we made ourselves."""
    width, height = size
    picture, _ = Picture.objects.get_or_create(
        sha256=hashlib.sha256(clean).hexdigest(),
        defaults={"media_type": media_type, "width": width, "height": height, "content": clean},
    )
    return picture


def for_network(picture: Picture, network: str) -> Picture | None:
    """The picture as this network takes it, a row of its own where it had to be made smaller; None if it takes none.

    It is made before the approval, not at the posting: so the proof names by their hash the bytes that go out.
    """
    rules = network_class(network).pictures
    if rules is None:
        return None
    # Nearly all do: asked of the row, so that its bytes stay where they are.
    (length,) = Picture.objects.filter(pk=picture.pk).values_list(Length("content"), flat=True)
    if picture_renditions.fits(length, (picture.width, picture.height), picture.media_type, rules):
        return picture
    try:
        made, media_type = picture_renditions.fit(bytes(picture.content), picture.media_type, rules)
    except ValueError as problem:
        raise Refusal(f"{network_class(network).label}: {problem}") from problem
    with Image.open(io.BytesIO(made)) as image:
        return store(made, media_type, image.size)


def _opened(content: bytes) -> Image.Image:
    """The first picture in the bytes, decoded and upright."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower
            image = Image.open(io.BytesIO(content), formats=["JPEG", "PNG", "GIF", "WEBP"])
        if image.width * image.height > MAX_PIXELS:
            raise Refusal(f"The picture is {image.width}×{image.height}; at most {MAX_PIXELS:,} pixels are taken.")
        image.load()
        return ImageOps.exif_transpose(image)
    except Refusal:
        raise
    except Exception as problem:  # a stranger's bytes: decoders raise whatever they stumble over
        raise Refusal("This is no picture that can be read: give a JPEG, PNG, GIF or WebP.") from problem


def _plain(image: Image.Image) -> tuple[Image.Image, str]:
    """The bare pixels and the kind to keep them as: a drawing, or what one can see through, as PNG, else JPEG."""
    drawn = image.mode in {"1", "P"}
    if image.mode.startswith("I"):  # grey of 16 bits: convert() alone takes all but the darkest for white
        image = image.convert("I").point(lambda light: light * (1 / 256)).convert("L")
    see_through = image.has_transparency_data and any(image.convert("RGBA").getchannel("A").histogram()[:255])
    plain = image.convert("RGBA" if see_through else "RGB")
    plain.info = {}  # comments, place and camera: some would be written again
    return plain, "PNG" if drawn or see_through else "JPEG"
