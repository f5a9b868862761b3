from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from publisher import digests, links
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


PAGES = ["items", "digests", "item", "digest", "digest-preview", "proof", "proof-html", "sending"]


@pytest.mark.parametrize("page", PAGES)
def test_no_page_of_the_staff_loads_the_bytes_of_pictures(
    as_anne: Client, publication: Any, make_item: Any, channels: Any, anne: Any, picture: Picture, page: str
) -> None:
    """Forty pictures of a digest are thirty megabytes, and the page of its sending asks every two seconds."""
    item = make_item("With a picture", picture=picture, image_alt="A stone")
    digest = digests.compose(publication, by=anne)
    digests.proof(digest, by=anne)
    place = [] if page in {"items", "digests"} else [item.pk if page == "item" else digest.pk]

    with CaptureQueriesContext(connection) as asked:
        assert as_anne.get(reverse(page, args=place)).status_code == 200

    assert [one["sql"] for one in asked if '"publisher_picture"."content"' in one["sql"]] == []
