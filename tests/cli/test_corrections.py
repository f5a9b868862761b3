"""After the posting, from the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from publisher.models import Correction, Digest, Measure, Post

OUT = datetime(2016, 2, 23, 9, 0, tzinfo=UTC)
SAID = "We wrote 300. It was 30."


@pytest.fixture
def post(digest: Digest, channels: Any) -> Post:
    Digest.objects.filter(pk=digest.pk).update(number=120, state="sent")
    entry = digest.entries.get(position=2)
    return Post.objects.create(
        channel=channels[0],
        item=entry.item,
        digest=digest,
        purpose="item",
        state="published",
        published_at=OUT,
        remote_id="7",
        remote_url="https://x.example/7",
        text="Books",
        link="https://reading-rooms.example/2",
    )


def test_figures_are_printed_and_given_to_programs_with_all_that_was_counted(publisher, post):
    for hour, likes in ((10, 2), (15, 5)):
        Measure.objects.create(post=post, at=OUT.replace(hour=hour), likes=likes, reposts=1)
    (told,) = publisher("posts", "figures", "--json").json()

    assert (told["id"], told["item"], told["digest"]) == (post.pk, post.item_id, "Update 120. 31 March 2007")
    assert told["figures"] == [
        {"at": "2016-02-23 10:00:00+00:00", "likes": 2, "reposts": 1, "comments": None, "views": None},
        {"at": "2016-02-23 15:00:00+00:00", "likes": 5, "reposts": 1, "comments": None, "views": None},
    ]
    assert "Books cross the lake" in publisher("posts", "figures").out


def test_a_post_is_removed_with_a_reason_and_by_somebody(publisher, post, anne):
    assert "Say why" in publisher("posts", "remove", post.pk, "--by", "anne").err
    assert publisher("posts", "remove", post.pk, "--why", "Wrong.", "--by", "anne").status == 0
    assert Post.objects.get(pk=post.pk).state == "removing"

    publisher("posts", "gone", post.pk, "--by", "anne")
    assert Post.objects.get(pk=post.pk).state == "removed"


def test_a_correction_is_drafted_listed_and_approved(publisher, post, anne, ben):
    where = publisher("corrections", "places", post.item_id, "--json").json()
    assert [(one["where"], one["state"]) for one in where] == [
        ("Update 120. 31 March 2007", "sent"),
        ("x reading_rooms", "published"),
    ]
    words = ("corrections", "draft", post.item_id, "--said", SAID, "--post", f"{post.pk}=erratum", "--by", "anne")
    answer = publisher(*words)
    correction = Correction.objects.get()
    assert answer.out.splitlines() == [
        f"Correction {correction.pk} is drafted; readers see its note when it is approved.",
        f"Its posts are set {correction.post_set_id}: word them, and send them to review.",
    ]
    assert publisher("corrections", "approve", correction.pk, "--by", "anne").status == 1
    assert publisher("corrections", "approve", correction.pk, "--by", "ben").status == 0
    assert [one["state"] for one in publisher("corrections", "list", "--json").json()] == ["public"]


def test_what_is_not_understood_is_said(publisher, post, anne):
    answer = publisher("corrections", "draft", post.item_id, "--said", SAID, "--post", "all", "--by", "anne")
    assert (answer.status, answer.err) == (1, "“all” names no post and choice: write 17=remove.\n")
    assert publisher("corrections", "drop", 99, "--by", "anne").err.startswith("There is no correction 99")
