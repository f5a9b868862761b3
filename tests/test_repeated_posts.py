"""What a network would refuse as a duplicate is said before anybody approves it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from publisher import digests, post_sets, repeated_posts
from publisher.models import Post
from tests.cli.conftest import Command
from tests.cli.conftest import publisher as publisher
from tests.web.conftest import Read, signed_in

ROOM, LAKE, MULES = "A reading room opens", "Books cross the lake", "The mule library turns ten"


def of(digest: Any, title: str, network: str = "x") -> Post:
    return digest.posts.select_related("channel").get(item__title=title, channel__network=network)


def say(post: Post, text: str, **fields: Any) -> None:
    Post.objects.filter(pk=post.pk).update(text=text, **fields)


@pytest.fixture
def other(publication: Any, channels: Any, make_item: Any) -> Any:
    """other("Title", "text", state="published", …): a post on X that belongs to no digest."""

    def make(title: str, text: str, *, on: Any = channels[0], **fields: Any) -> Post:
        given = {"purpose": "item", "link": "", "state": "published", "published_at": timezone.now(), **fields}
        return Post.objects.create(channel=on, item=make_item(title), text=text, **given)

    return make


@pytest.fixture
def reviewed(channels: Any, proof: Any) -> Any:
    return proof.digest


def test_without_a_repetition_nothing_is_said(reviewed: Any, other: Any) -> None:
    other("Yesterday", "Something else")

    assert repeated_posts.of(reviewed) == []


def test_what_was_posted_lately_is_named_with_its_day(reviewed: Any, other: Any, publication: Any) -> None:
    post = of(reviewed, ROOM)
    before = other("The room", post.text)

    local = before.published_at.astimezone(publication.zone)
    assert repeated_posts.of(reviewed) == [
        f"“{ROOM}” on X reading_rooms says the same as “The room”, which was posted on "
        f"{local:%A} {local.day} {local:%B %Y, %H:%M}. X refuses what it has had before: word one of them anew."
    ]


@pytest.mark.parametrize(
    "written",
    [
        "news  of the\nroom https://Example.org/a",
        "News of the room http://example.org/a/",
        "NEWS OF THE ROOM https://example.org/a\n",
    ],
)
def test_case_blanks_and_the_form_of_a_link_make_no_difference(reviewed: Any, other: Any, written: str) -> None:
    say(of(reviewed, ROOM), "News of the room\nhttps://example.org/a")
    other("The room", written)

    assert len(repeated_posts.of(reviewed)) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"published_at": timezone.now() - timedelta(days=31)},
        {"state": "cancelled", "published_at": None},
        {"state": "refused", "published_at": None},
        {"text": "News of another room"},
    ],
    ids=["long ago", "cancelled", "refused", "other words"],
)
def test_what_the_network_does_not_hold_against_it_is_no_repetition(
    reviewed: Any, other: Any, fields: dict[str, Any]
) -> None:
    say(of(reviewed, ROOM), "News of the room")
    other("The room", **{"text": "News of the room", **fields})

    assert repeated_posts.of(reviewed) == []


def test_another_channel_may_say_the_same(reviewed: Any, other: Any, channels: Any) -> None:
    say(of(reviewed, ROOM), "News of the room")
    other("The room", "News of the room", on=channels[1])

    assert repeated_posts.of(reviewed) == []


def test_beside_the_text_another_link_makes_another_post(reviewed: Any, other: Any, channels: Any) -> None:
    post = of(reviewed, ROOM, "facebook")
    say(post, "News of the room", link="https://example.org/a")
    other("One", "News of the room", on=channels[1], link="https://example.org/b")
    assert repeated_posts.of(reviewed) == []

    other("Two", "News of the room", on=channels[1], link="https://example.org/a/")
    (said,) = repeated_posts.of(reviewed)
    assert "on Facebook Andean Reading Rooms says the same as “Two”" in said


def test_two_posts_of_one_digest_name_each_other(reviewed: Any) -> None:
    for title in (LAKE, MULES):
        say(of(reviewed, title), "News from the mountains")

    assert [said.partition(", which ")[0] for said in repeated_posts.of(reviewed)] == [
        f"“{LAKE}” on X reading_rooms says the same as “{MULES}”",
        f"“{MULES}” on X reading_rooms says the same as “{LAKE}”",
    ]
    assert "which waits in Update 120. 31 March 2007." in repeated_posts.of(reviewed)[0]


def test_one_that_is_approved_elsewhere_says_when_it_goes_out(reviewed: Any, other: Any) -> None:
    say(of(reviewed, ROOM), "News of the room")
    at = timezone.now() + timedelta(days=2)
    other("The room", "News of the room", state="approved", published_at=None, due_at=at)

    assert f"which goes out on {at:%A}" in repeated_posts.of(reviewed)[0]


def test_however_many_posts_there_are_it_takes_as_many_queries(reviewed: Any, other: Any) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            repeated_posts.of(reviewed)
        return len(queries)

    say(of(reviewed, ROOM), "News of the room")
    other("The room", "News of the room")
    few = asked()
    for title in (LAKE, MULES):
        say(of(reviewed, title), "News from the mountains")
    for n in range(5):
        other(f"Room {n}", "News of the room")

    assert asked() == few


# ---- Where it is said


def test_the_proof_and_the_digest_say_it(reviewed: Any, other: Any, anne: Any) -> None:
    say(of(reviewed, ROOM), "News of the room")
    other("The room", "News of the room")

    for name in ("proof", "digest"):
        (said,) = Read(signed_in(anne).get(reverse(name, args=[reviewed.pk])))(".attention.repeat")
        assert said.startswith(f"“{ROOM}” on X reading_rooms says the same as “The room”, which was posted on ")


def test_a_terminal_says_it_with_the_proof(
    digest: Any, channels: Any, other: Any, anne: Any, publisher: Command
) -> None:
    digests.edit_post(of(digests.proof(digest, by=anne).digest, ROOM), of_words(digest), by=anne)
    other("The room", of_words(digest))

    said = publisher("digests", "proof", "120", "--by", "anne")

    assert said.status == 0
    assert said.err.startswith(f"“{ROOM}” on X reading_rooms says the same as “The room”")


def of_words(digest: Any) -> str:
    return f"News of the room\n{of(digest, ROOM).link}"


# ---- Words for one post


def test_an_edit_that_repeats_another_post_is_saved_with_a_warning(reviewed: Any, other: Any, anne: Any) -> None:
    post = of(reviewed, ROOM)
    text = f"News of the room {post.link}"
    other("The room", text)

    page = Read(signed_in(anne).post(reverse("post-words", args=[post.pk]), {"text": text}, follow=True))

    assert page.one(".messages .success") == "The post on x reading_rooms is saved."
    assert page.one(".messages .warning").startswith(f"“{ROOM}” on X reading_rooms says the same as “The room”")


def test_the_length_follows_what_is_typed_and_saves_nothing(client: Client, reviewed: Any, anne: Any) -> None:
    post = of(reviewed, ROOM)
    typed = {"text": "Water " * 50}

    page = Read(signed_in(anne).post(reverse("post-length", args=[post.pk]), typed))

    assert page.one(".length.bad") == "Length: 299 of 280"
    assert page(".attention") == ["X takes 280 characters; this has 299. Shorten it."]
    assert of(reviewed, ROOM).text == post.text
    assert client.post(reverse("post-length", args=[post.pk]), typed).status_code == 302


def test_a_text_that_lost_its_link_comes_back_as_it_was_typed(reviewed: Any, anne: Any) -> None:
    post = of(reviewed, ROOM)

    page = Read(signed_in(anne).post(reverse("post-words", args=[post.pk]), {"text": "Without its link"}))

    assert page.status == 422
    assert page.one("textarea") == "Without its link"
    assert page("form .attention") == [f"The link {post.link} has to stay in the text, whole."]
    assert of(reviewed, ROOM).text == post.text


def test_the_words_of_a_set_s_post_lead_back_to_the_set(
    publication: Any, channels: Any, make_item: Any, anne: Any
) -> None:
    made = post_sets.compose(publication, [make_item("Just in")], by=anne, channels=channels[:1])
    post = made.posts.get()

    response = signed_in(anne).post(
        reverse("post-words", args=[post.pk]), {"text": f"Just in: {post.link}"}, follow=True
    )

    assert response.redirect_chain == [(f"{reverse('post-set', args=[made.pk])}#post-{post.pk}", 302)]
    post.refresh_from_db()
    assert post.text == f"Just in: {post.link}"


def test_counting_again_works_without_a_script(reviewed: Any, anne: Any) -> None:
    post = of(reviewed, ROOM)
    typed = {"text": f"New words {post.link}", "count": "yes"}

    page = Read(signed_in(anne).post(reverse("post-words", args=[post.pk]), typed))

    assert (page.status, page.one("textarea"), page("form .attention")) == (200, typed["text"], [])
    assert of(reviewed, ROOM).text == post.text
