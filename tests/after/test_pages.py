"""The pages after the posting: what became of posts, and putting right what is out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from publisher import corrections, measures
from publisher.models import Correction, Digest, Gathering, Measure, Post
from tests.web.conftest import Read, signed_in

pytestmark = pytest.mark.django_db

SAID = "We wrote that 300 books came. It was 30."
OUT = datetime(2007, 4, 2, 8, 0, tzinfo=UTC)


def read(client: Client, name: str, *args: Any, **query: Any) -> Read:
    return Read(client.get(reverse(name, args=args), query))


def cells(page: Read, rows: str) -> list[list[str]]:
    return [[" ".join(cell.text_content().split()) for cell in row] for row in page.tree.cssselect(rows)]


@pytest.fixture
def as_anne(anne: Any) -> Client:
    return signed_in(anne)


@pytest.fixture
def as_ben(ben: Any) -> Client:
    return signed_in(ben)


@pytest.fixture
def sent(digest: Digest) -> Digest:
    Digest.objects.filter(pk=digest.pk).update(number=120, state="sent")
    return Digest.objects.select_related("publication").get(pk=digest.pk)


@pytest.fixture
def out(sent: Digest, channels: Any, make_post: Any) -> list[Post]:
    """The second item's posts on X and Facebook."""
    item = sent.entries.get(position=2).item
    return [make_post(channel, item, digest=sent, published_at=OUT) for channel in channels]


def figures(post: Post, *counts: int, views: int | None = None) -> None:
    for hours, likes in zip((1, 6, 24), counts, strict=False):
        Measure.objects.create(post=post, at=OUT + timedelta(hours=hours), likes=likes, reposts=1, views=views)


# ---- Figures


def test_figures_stand_by_update_and_by_item_with_their_sums(as_anne, out):
    figures(out[0], 2, 5, 9, views=4000)
    figures(out[1], 1, 3)
    page = read(as_anne, "figures")

    assert page("h2") == ["Update 120. 31 March 2007", "What asking costs"]
    at = "Monday 2 April 2007, 09:00"
    assert cells(page, ".figures:not(.budgets) tbody tr") == [
        ["Books cross the lake", "12", "2", "", "4,000", ""],
        ["Facebook · Andean Reading Rooms", at, "3", "1", "", "", ""],
        ["X · reading_rooms", at, "9", "1", "", "4,000", ""],
    ]
    assert cells(page, ".figures tfoot tr") == [["All of it", "12", "2", "", "4,000", ""]]


def test_how_it_grew_is_drawn_and_told(as_anne, out):
    figures(out[0], 2, 5, 9)
    page = read(as_anne, "figures")

    assert page.values("svg.bars", "aria-label") == [
        "Likes, reposts and comments: 3 after 1 h, 6 after 6 h, 10 after 24 h"
    ]
    assert page.values("svg.bars rect:not(.ground)", "height") == ["7", "14", "23"]


def test_before_the_first_look_and_before_the_first_post_the_page_says_so(as_anne, publication, channels):
    assert read(as_anne, "figures")(".empty") == [
        "No post is out yet. An hour after the first one its figures stand here."
    ]


def test_a_post_that_was_not_looked_at_yet_says_so(as_anne, out):
    assert read(as_anne, "figures")("td.quiet") == ["not looked at yet"] * 2


def test_what_is_outside_a_digest_stands_first_and_another_publication_on_its_own_page(
    as_anne, out, other_publication, make_post, make_item, channels
):
    make_post(channels[0], make_item("On its own"))
    assert read(as_anne, "figures", publication="update")("h2")[:2] == ["Outside a digest", "Update 120. 31 March 2007"]

    page = read(as_anne, "figures", publication="peru-new")
    assert (page("h2"), page("svg")) == ([], [])


@pytest.mark.parametrize("count", [1, 3])
def test_the_page_asks_the_database_as_often_for_many_posts(
    as_anne, sent, channels, make_post, make_item, django_assert_num_queries, count
):
    for n in range(count):
        post = make_post(channels[0], make_item(f"News {n}"), digest=sent)
        figures(post, 1, 2)
        make_post(channels[1], make_item(f"More {n}"))
    as_anne.get(reverse("figures"))
    with django_assert_num_queries(9):
        as_anne.get(reverse("figures"))


def test_a_budget_is_set_and_what_stands_in_the_way_is_shown(as_anne, out, channels):
    Gathering.objects.create(channel=channels[0], problem="X asks to slow down.")
    page = Read(as_anne.post(reverse("figures-budget", args=[channels[0].pk]), {"reads": "2,500"}, follow=True))
    assert "X asks to slow down." in " ".join(page(".budgets tr"))
    assert Gathering.objects.get(channel=channels[0]).budget == measures.left(channels[0]) == 2500

    page = Read(as_anne.post(reverse("figures-budget", args=[channels[0].pk]), {"reads": "many"}, follow=True))
    assert "as a number" in " ".join(page("main"))
    assert Gathering.objects.get(channel=channels[0]).budget == 2500


# ---- Putting right what is out


def places(client: Client, post: Post) -> Read:
    return read(client, "item-correct", post.item_id)


def draft(client: Client, out: list[Post], entry: Any = None, **choices: str) -> Any:
    fields = {f"post-{post.pk}": choices.get(post.channel.network, "leave") for post in out}
    given = {"said": SAID, **fields, **({"entry": entry.pk} if entry else {})}
    return client.post(reverse("item-correct-draft", args=[out[0].item_id]), given, follow=True)


def test_the_page_lists_every_place_and_what_can_be_done_there(as_anne, out, sent, make_post, make_item, channels):
    make_post(channels[0], make_item("Another"))
    page = places(as_anne, out[0])

    assert page(".places tbody th > a") == [
        "Update 120. 31 March 2007",
        "Facebook · Andean Reading Rooms",
        "X · reading_rooms",
    ]
    assert page(f"#post-{out[0].pk} label") == [
        "Leave it",
        "Remove it",
        "Remove it and post it anew",
        "Leave it and post an erratum",
    ]
    assert page(".filled") == ["Draft the correction"]


def test_staff_choose_for_each_place_and_an_approver_lets_readers_see_the_note(as_anne, as_ben, client, out, sent):
    entry = sent.entries.get(position=2)
    page = Read(draft(as_anne, out, entry, x="correct", facebook="remove"))
    correction = Correction.objects.get()
    assert "You may edit" not in " ".join(page("main"))
    assert [Post.objects.get(pk=post.pk).state for post in out] == ["published", "removing"]
    assert SAID not in client.get("/update/120/2/").content.decode()

    with time_machine.travel(datetime(2007, 4, 5, 23, 30, tzinfo=UTC)):
        as_ben.post(reverse("correction-approve", args=[entry.item_id, correction.pk]))

    for address in ("/update/120/2/", "/update/120/"):
        assert Read(client.get(address))(".correction") == [f"Correction, 6 April 2007. {SAID}"]
    assert Read(client.get("/update/120/1/"))(".correction") == []


def test_a_note_that_waits_for_an_approver_is_told_where_everybody_begins(as_anne, as_ben, out, sent):
    assert read(as_ben, "items")(".attention") == []
    draft(as_anne, out, sent.entries.get(position=2))

    assert read(as_ben, "items")(".attention") == [
        f"A correction of Books cross the lake waits for an approver: {SAID}"
    ]


def test_the_writer_of_a_note_reads_why_there_is_no_button(as_anne, out, sent, anne):
    anne.may_approve = True
    anne.save()
    draft(as_anne, out, sent.entries.get(position=2))

    page = places(as_anne, out[0])
    assert "You wrote this note: somebody else has to approve it." in page(".attention p")
    as_anne.post(reverse("correction-approve", args=[out[0].item_id, Correction.objects.get().pk]))
    assert not corrections.public().exists()


def test_a_note_is_dropped_with_a_reason(as_anne, client, out, sent):
    draft(as_anne, out, sent.entries.get(position=2))
    as_anne.post(
        reverse("correction-drop", args=[out[0].item_id, Correction.objects.get().pk]), {"why": "It was right."}
    )

    assert Correction.objects.get().state == "dropped"


def test_a_refusal_is_said_and_nothing_is_done(as_anne, out):
    page = Read(draft(as_anne, out))

    assert "Choose at least one place" in " ".join(page("main"))
    assert not Correction.objects.exists()


def test_an_item_that_is_not_out_says_so(as_anne, make_item):
    page = read(as_anne, "item-correct", make_item("Not yet").pk)

    assert (page(".empty")[0].split(":")[0], page(".filled")) == ("This item has not gone out anywhere", [])


def test_a_post_is_removed_from_its_own_page(as_anne, out, anne):
    page = read(as_anne, "post-removal", out[0].pk)
    assert page("summary") == ["Remove it from X", "It is gone already"]

    as_anne.post(reverse("post-remove", args=[out[0].pk]), {"why": "The figure is wrong."})
    page = read(as_anne, "post-removal", out[0].pk)
    assert (page(".state"), page("summary")) == (["being removed"], ["It is gone already"])
    assert page(".history span") == ["Anne Rowe asked to remove it: The figure is wrong."]

    as_anne.post(reverse("post-gone", args=[out[0].pk]))
    assert read(as_anne, "post-removal", out[0].pk)(".state") == ["removed"]


def test_nobody_who_is_not_signed_in_sees_or_does_any_of_it(client, out):
    item, post = out[0].item_id, out[0].pk
    asked = [("item-correct", item), ("item-correct-draft", item), ("post-removal", post), ("post-remove", post)]
    asked += [("post-gone", post), ("figures-of", post), ("figures-budget", post)]

    for name, pk in asked:
        for answer in (client.get(reverse(name, args=[pk])), client.post(reverse(name, args=[pk]), {"why": "x"})):
            assert answer.status_code in (302, 405)
            assert answer.status_code == 405 or "/sign-in/" in answer["Location"]
    assert Post.objects.get(pk=post).state == "published"
