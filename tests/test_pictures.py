"""What becomes of a picture on its way in: made from real files, read back from the stored bytes."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from publisher import pictures
from publisher.lifecycle import Refusal
from publisher.models import Picture

pytestmark = pytest.mark.django_db


def written(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def stored(picture: Any) -> Image.Image:
    image = Image.open(io.BytesIO(picture.content))
    image.load()
    return image


@pytest.fixture
def flag() -> Image.Image:
    """Red on the left, blue on the right: one can see how it lies."""
    image = Image.new("RGB", (80, 40), "red")
    image.paste("blue", (40, 0, 80, 40))
    return image


def colour(image: Image.Image, x: int, y: int) -> str:
    red, _, blue, *_ = image.convert("RGB").getpixel((x, y))
    return "red" if red > blue else "blue"


def test_a_picture_is_turned_upright_and_its_metadata_gone(flag):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    exif[0x010F] = "Secret camera"
    exif.get_ifd(0x8825)[1] = "N"
    content = written(flag, exif=exif, comment=b"Secret comment", xmp=b"<x>Secret xmp</x>", icc_profile=b"Secret icc")
    assert b"Secret" in content
    picture = pictures.keep(content)
    image = stored(picture)
    assert (picture.width, picture.height, image.size, picture.media_type) == (40, 80, (40, 80), "image/jpeg")
    assert (colour(image, 20, 5), colour(image, 20, 75)) == ("red", "blue")
    assert (dict(image.getexif()), b"Secret" in bytes(picture.content)) == ({}, False)


def test_a_drawing_stays_a_drawing_without_what_was_written_into_it(flag):
    told = PngImagePlugin.PngInfo()
    told.add_text("Author", "Secret author")
    picture = pictures.keep(written(flag.convert("P"), "PNG", pnginfo=told, icc_profile=b"Secret"))
    assert (picture.media_type, b"Secret" in bytes(picture.content)) == ("image/png", False)
    assert stored(picture).convert("RGB").getpixel((0, 0)) == (255, 0, 0)


KINDS = {
    "JPEG": (lambda image: written(image), "image/jpeg"),
    "grey JPEG": (lambda image: written(image.convert("L")), "image/jpeg"),
    "CMYK JPEG": (lambda image: written(image.convert("CMYK")), "image/jpeg"),
    "PNG photograph": (lambda image: written(image, "PNG"), "image/jpeg"),
    "PNG that one cannot see through": (lambda image: written(image.convert("RGBA"), "PNG"), "image/jpeg"),
    "PNG of 16 bits": (lambda image: written(Image.new("I;16", (80, 40), 32768), "PNG"), "image/jpeg"),
    "GIF": (lambda image: written(image, "GIF"), "image/png"),
    "moving GIF": (
        lambda image: written(image, "GIF", save_all=True, append_images=[Image.new("RGB", (80, 40))]),
        "image/png",
    ),
    "WebP": (lambda image: written(image, "WEBP"), "image/jpeg"),
}


@pytest.mark.parametrize(("make", "media_type"), KINDS.values(), ids=KINDS)
def test_each_kind_is_kept_as_mail_programs_show_it(flag, make, media_type):
    picture = pictures.keep(make(flag))
    assert (picture.media_type, stored(picture).size, stored(picture).format) == (
        media_type,
        (80, 40),
        media_type.removeprefix("image/").upper(),
    )


def test_sixteen_bits_of_grey_stay_grey():
    """Asked plainly for eight bits, a scanned photograph comes back white."""
    image = stored(pictures.keep(written(Image.new("I;16", (8, 8), 0x8000), "PNG")))
    assert image.getpixel((4, 4)) == (128, 128, 128)


def test_what_one_can_see_through_stays_so():
    picture = pictures.keep(written(Image.new("RGBA", (8, 8), (255, 0, 0, 100)), "PNG"))
    assert (picture.media_type, stored(picture).getpixel((0, 0))) == ("image/png", (255, 0, 0, 100))


@pytest.mark.parametrize(
    ("size", "kept"),
    [((1200, 800), (1200, 800)), ((2400, 800), (1200, 400)), ((100, 4800), (50, 2400)), ((6000, 1), (1200, 1))],
)
def test_a_large_picture_is_made_small_enough_for_a_letter(size, kept):
    picture = pictures.keep(written(Image.new("RGB", size, "teal")))
    assert (picture.width, picture.height) == stored(picture).size == kept


def test_the_same_bytes_are_stored_once(flag):
    first, again = pictures.keep(written(flag)), pictures.keep(written(flag))
    assert (first, Picture.objects.count()) == (again, 1)
    other = pictures.keep(written(flag.rotate(180)))
    assert (other != first, Picture.objects.count()) == (True, 2)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says how large it would be."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


REFUSED = {
    "a bomb": (bomb(8000, 8000), "The picture is 8000×8000; at most 40,000,000 pixels are taken."),
    "a large bomb": (bomb(10_000, 10_000), "The picture is 10000×10000; at most 40,000,000 pixels are taken."),
    "a huge bomb": (bomb(60_000, 60_000), "This is no picture that can be read: give a JPEG, PNG, GIF or WebP."),
    "half a picture": (written(Image.effect_noise((80, 80), 50))[:900], "This is no picture"),
    "a page": (b"<html><img src=x>", "This is no picture"),
    "a drawing that is a program": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "This is no picture"),
    "a kind that is not taken": (written(Image.new("RGB", (8, 8)), "TIFF"), "This is no picture"),
    "nothing": (b"", "This is no picture"),
    "too many bytes": (b"x" * 11_000_000, "The picture has 11 MB; at most 10 MB are taken."),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_picture_or_too_large_is_refused_with_a_sentence(content, said):
    with pytest.raises(Refusal) as refused:
        pictures.keep(content)
    assert str(refused.value).startswith(said)
    assert not Picture.objects.exists()


def test_broken_metadata_is_no_matter_or_a_sentence(flag):
    broken = written(flag, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    for content in (broken, broken.replace(b"II*\0", b"MMMM")):
        with contextlib.suppress(Refusal):
            pictures.keep(content)
