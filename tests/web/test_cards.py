"""What posts and pages show in pictures: before the approval on the proof, afterwards to everybody."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from PIL import Image

from publisher import cards, digests, items, pictures, proofs
from publisher.models import Digest, Picture

pytestmark = pytest.mark.django_db

ISSUE = "/update/120/"


@pytest.fixture
def photograph(db: Any) -> Picture:
    content = io.BytesIO()
    Image.new("RGB", (60, 40), "teal").save(content, "JPEG")
    return pictures.keep(content.getvalue())


@pytest.fixture
def sent(digest: Digest) -> Digest:
    Digest.objects.filter(pk=digest.pk).update(number=120, state="sent")
    return Digest.objects.get(pk=digest.pk)


def og(client: Any, address: str) -> dict[str, str]:
    html = client.get(address).content.decode()
    return dict(re.findall(r'<meta property="og:(image[^"]*)" content="([^"]*)">', html))


def test_a_page_without_a_picture_names_its_card(client: Any, sent: Any) -> None:
    assert og(client, f"{ISSUE}2/") == {
        "image": "http://127.0.0.1:8000/update/120/2/card.png",
        "image:width": "1200",
        "image:height": "630",
        "image:alt": "Books cross the lake. Update 120. 31 March 2007.",
    }
    assert og(client, ISSUE)["image"] == "http://127.0.0.1:8000/update/120/card.png"
    assert og(client, ISSUE)["image:alt"] == "Update 120. 31 March 2007. reading-rooms.example."


def test_the_card_of_a_page_is_a_picture_that_caches_keep(client: Any, sent: Any) -> None:
    item, issue = (client.get(f"{ISSUE}{place}card.png") for place in ("2/", ""))

    assert [Image.open(io.BytesIO(answer.content)).size for answer in (item, issue)] == [(1200, 630)] * 2
    assert (item["Content-Type"], item["Cache-Control"]) == ("image/png", "public, max-age=86400")
    assert item.content == cards.of(sent.entries.get(position=2)).content
    assert issue.content == cards.of_digest(sent).content != item.content


def test_nobody_sees_the_card_of_what_is_not_out_or_was_withdrawn(client: Any, sent: Any, anne: Any) -> None:
    items.withdraw(sent.entries.get(position=2).item, by=anne, why="it is not true")
    Digest.objects.create(publication=sent.publication, date=sent.date, number=121, state="in_review")

    answers = [client.get(f"/update/{place}card.png").status_code for place in ("120/2/", "120/9/", "121/", "121/1/")]
    assert answers == [404, 404, 404, 404]


def test_the_proof_shows_the_picture_of_each_post_and_warns_where_it_has_no_words(
    as_ben: Client, channels: Any, items: Any, photograph: Any, anne: Any, read: Any
) -> None:
    items[0].picture, items[0].image_alt = photograph, "IMG_2041.jpg"
    items[0].save()
    digest = digests.compose(items[0].publication, by=anne)
    proof = digests.proof(digest, by=anne)
    page = read(as_ben.get(reverse("proof", args=[digest.pk])))

    shown = {post["picture"] for post in proof.posts if post["picture"]}
    assert set(page.values(".posts img", "src")) == {reverse("post-picture", args=[sha]) for sha in shown}
    assert page(".posts .attention") == ["This picture has no description: who cannot see it learns nothing of it."] * 2
    assert page("main > .attention")[0].startswith("2 posts have a picture without a description.")
    assert "IMG_2041" not in "".join(page.values(".posts img", "alt"))
    for sha in shown:
        assert as_ben.get(reverse("post-picture", args=[sha])).content == bytes(Picture.objects.get(pk=sha).content)
        assert Client().get(reverse("post-picture", args=[sha])).status_code == 302


def test_a_proof_where_every_picture_is_described_warns_of_nothing(
    as_ben: Client, channels: Any, proof: Any, read: Any
) -> None:
    page = read(as_ben.get(reverse("proof", args=[proof.digest_id])))

    assert (len(page(".posts img")), page(".posts .attention"), page("main > .attention")) == (3, [], [])


def test_the_proof_says_which_title_its_card_cannot_show(
    as_ben: Client, channels: Any, make_item: Any, publication: Any, anne: Any, read: Any
) -> None:
    for title in ("读书室开放了", "A reading room opens"):
        make_item(title)
    digest = digests.compose(publication, by=anne)
    digests.proof(digest, by=anne)
    page = read(as_ben.get(reverse("proof", args=[digest.pk])))

    assert page(".more > .attention") == [
        "“读书室开放了”: The card cannot show “读书室开放了”: it has the series and the date in place of the title."
    ]


def test_a_new_colour_of_the_publication_is_another_card_and_another_proof(
    channels: Any, proof: Any, publication: Any, anne: Any
) -> None:
    before = {post["picture"] for post in proof.posts}
    digest = Digest.objects.get(pk=proof.digest_id)
    digests.void(digest, by=anne, why="new colours")
    type(publication).objects.filter(pk=publication.pk).update(accent="#0a5c36")
    again = digests.proof(Digest.objects.get(pk=digest.pk), by=anne)

    assert before & {post["picture"] for post in again.posts} == {None}
    assert again.sha256 != proof.sha256
    assert proofs.intact(again)
