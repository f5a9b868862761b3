"""A picture as each network takes it, by the network's own rules."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image

from publisher import picture_renditions
from publisher.networks.base import PictureRules

JPEG, PNG = "image/jpeg", "image/png"
WIDE = PictureRules(largest=5_000_000, longest_side=4096)


def noise(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """What compresses worst."""
    channels = len(mode)
    return Image.frombytes(mode, size, random.Random(7).randbytes(size[0] * size[1] * channels))


def written(image: Image.Image, media_type: str = JPEG) -> bytes:
    content = io.BytesIO()
    image.save(content, media_type.rpartition("/")[2].upper())
    return content.getvalue()


def test_what_fits_is_left_as_it_is():
    content = written(noise((300, 200)))

    assert picture_renditions.fit(content, JPEG, WIDE) == (content, JPEG)


@pytest.mark.parametrize(
    ("rules", "media_type"),
    [
        (PictureRules(largest=5_000_000, longest_side=250), JPEG),
        (PictureRules(largest=30_000, longest_side=4096), JPEG),
        (PictureRules(largest=9_000, longest_side=4096), JPEG),
        (PictureRules(largest=60_000, longest_side=200, media_types=(PNG,)), PNG),
    ],
    ids=["too long a side", "too many bytes", "far too many bytes", "a kind that is not taken"],
)
def test_a_picture_is_made_to_fit(rules, media_type):
    content, kind = picture_renditions.fit(written(noise((300, 200))), JPEG, rules)
    with Image.open(io.BytesIO(content)) as image:
        size, format_ = image.size, image.format

    assert (kind, format_) == (media_type, media_type.rpartition("/")[2].upper())
    assert (len(content) <= rules.largest, max(size) <= rules.longest_side) == (True, True)
    assert abs(size[0] / size[1] - 1.5) < 0.03


def test_what_one_can_see_through_stands_on_white_where_only_photographs_are_taken():
    content = written(Image.new("RGBA", (40, 40), (255, 0, 0, 0)), PNG)
    made, kind = picture_renditions.fit(content, PNG, PictureRules(50_000, 4096, media_types=(JPEG,)))

    assert (kind, Image.open(io.BytesIO(made)).getpixel((20, 20))) == (JPEG, (255, 255, 255))


def test_a_drawing_stays_one_while_it_fits_and_is_no_drawing_before_it_is_small():
    image = noise((300, 200), "RGBA")
    content = written(image, PNG)
    smaller, kind = picture_renditions.fit(content, PNG, PictureRules(largest=len(content) - 1, longest_side=280))
    tiny, other = picture_renditions.fit(content, PNG, PictureRules(largest=40_000, longest_side=300))

    assert (kind, other, Image.open(io.BytesIO(tiny)).size) == (PNG, JPEG, (300, 200))
    assert len(smaller) < len(content)


def test_the_same_picture_gives_the_same_bytes():
    content, rules = written(noise((300, 200))), PictureRules(largest=20_000, longest_side=256)

    assert picture_renditions.fit(content, JPEG, rules) == picture_renditions.fit(content, JPEG, rules)


def test_what_cannot_be_made_to_fit_is_said():
    with pytest.raises(ValueError, match="cannot be made small enough: 90 bytes are taken"):
        picture_renditions.fit(written(noise((300, 200))), JPEG, PictureRules(largest=90, longest_side=4096))


@pytest.mark.parametrize(
    ("alt", "longest", "said"),
    [
        ("Children read\n on the steps", 1000, "Children read on the steps"),
        ("Children read on the steps, in the sun", 30, "Children read on the steps…"),
        ("Unbelievable", 6, "…"),
        ("IMG_2041.JPG", 1000, ""),
        ("reading-room-1.jpeg", 1000, ""),
        ("DSC00012", 1000, ""),
        ("A map of Puno.", 1000, "A map of Puno."),
        ("P. 1990", 1000, "P. 1990"),
        ("", 1000, ""),
    ],
)
def test_a_description_is_cut_at_a_word_and_a_name_of_a_file_is_none(alt, longest, said):
    assert picture_renditions.described(alt, longest) == said
