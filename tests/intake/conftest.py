"""What the tests of intake share: a page in, its items out, and the pages that the reader was made for."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from publisher import intake
from publisher.intake import ParsedItem, Reading

ADDRESS = "https://news.example.org/archive/"


@pytest.fixture
def page() -> Callable[..., Reading]:
    def read(text: str | bytes, **options: str) -> Reading:
        content = text.encode() if isinstance(text, str) else text
        return intake.read(content, address=ADDRESS, **options)

    return read


@pytest.fixture
def one(page: Callable[..., Reading]) -> Callable[..., ParsedItem]:
    """The only item of a page that leaves nothing unread."""

    def read(text: str | bytes) -> ParsedItem:
        reading = page(text)
        assert (len(reading.items), reading.unread) == (1, ())
        return reading.items[0]

    return read


@pytest.fixture
def seeds() -> list[Path]:
    folder = Path(os.environ.get("PUBLISHER_SEEDS") or Path(__file__).parents[3] / "shared" / "seeds")
    if not folder.is_dir():
        pytest.skip("the pages that the reader was made for are not part of the project; name them in PUBLISHER_SEEDS")
    return sorted(folder.iterdir())
