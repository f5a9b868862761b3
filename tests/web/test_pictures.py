from __future__ import annotations

from typing import Any

import pytest

from publisher import links
from publisher.models import Picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def picture(db: Any) -> Picture:
    return Picture.objects.create(
        sha256="ab" * 32, media_type="image/png", width=8, height=5, content=b"\x89PNG the bytes"
    )


def test_a_picture_is_its_bytes_for_ever(client: Any, picture: Picture) -> None:
    answer = client.get(f"/pictures/{picture.sha256}.png")
    assert (answer.status_code, answer.content) == (200, b"\x89PNG the bytes")
    headers = ("Content-Type", "Cache-Control", "X-Content-Type-Options", "Cross-Origin-Resource-Policy")
    assert [answer[name] for name in headers] == [
        "image/png",
        "public, max-age=31536000, immutable",
        "nosniff",
        "cross-origin",
    ]
    assert answer.cookies == {}
    assert links.picture_url(picture).endswith(answer.request["PATH_INFO"])


@pytest.mark.parametrize(
    "address",
    [f"/pictures/{'ab' * 32}.jpg", f"/pictures/{'AB' * 32}.png", f"/pictures/{'cd' * 32}.png", "/pictures/ab.png"],
)
def test_any_other_name_is_no_picture(client: Any, picture: Picture, address: str) -> None:
    assert client.get(address).status_code == 404


def test_a_picture_is_only_read(client: Any, picture: Picture) -> None:
    assert client.post(f"/pictures/{picture.sha256}.png").status_code == 405
