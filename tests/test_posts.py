"""How posts are drafted, worded, placed and approved with their digest."""

from __future__ import annotations

import pytest
import time_machine

from publisher import digests, lifecycle, posting, posts
from publisher.lifecycle import Refusal
from publisher.models import Entry, Item, Post
from tests import canaries
from tests.posts import again, fresh, of


def test_an_approved_digest_fills_slots_from_its_start(channels, digest, anne, ben):
    with time_machine.travel("2007-03-31T09:00:00Z", tick=False):
        digests.approve(digests.proof(digest, by=anne), by=ben)
    planned = Post.objects.filter(channel=channels[0]).order_by("due_at").values_list("due_at", flat=True)
    assert [f"{at:%a %d %b %H:%M}" for at in planned] == [
        "Mon 02 Apr 08:00",
        "Thu 05 Apr 16:30",
        "Mon 09 Apr 08:00",
        "Thu 12 Apr 16:30",
    ]


def test_a_post_worded_by_staff_stays_so_and_is_checked(channels, digest, anne, ben):
    proof = digests.proof(digest, by=anne)
    post = of(digest, "x")
    with pytest.raises(Refusal, match="takes 280 characters; this has"):
        digests.edit_post(post, post.link + " " + "long " * 80, by=anne)
    with pytest.raises(Refusal, match="has to stay in the text, whole"):
        digests.edit_post(post, "Without its link", by=anne)
    digests.edit_post(post, f"In our own words {post.link}", by=anne)
    digest.refresh_from_db()
    again = digests.proof(digest, by=anne)
    assert fresh(post).text == f"In our own words {post.link}"
    assert again.sha256 != proof.sha256


def test_what_went_out_with_a_digest_that_was_stopped_is_not_drafted_again(sending, connected, publication, anne):
    assert not posts.reached(sending)
    gone = of(sending, "x")
    posting.publish(gone)
    assert posts.reached(sending)
    digests.cancel(sending, by=anne, why="the wrong edition")
    # However the items become free again: the network has this one.
    Entry.objects.update(released=True)
    following = digests.compose(publication, by=anne)
    digests.proof(following, by=anne)
    drafted = set(following.posts.values_list("channel__network", "item"))
    every = {
        (network, pk) for network in ("x", "facebook") for pk in (None, *Item.objects.values_list("pk", flat=True))
    }
    assert drafted == every - {("x", gone.item_id)}


@pytest.mark.parametrize(
    ("state", "seen"), [("publishing", True), ("unknown", True), ("refused", False), ("held", False)]
)
def test_a_digest_has_reached_people_once_a_post_may_be_seen(digest, channels, proof, state, seen):
    Post.objects.filter(pk=Post.objects.first().pk).update(state=state)
    assert posts.reached(digest) is seen


def test_a_held_post_takes_the_new_words_and_stays_held(channels, digest, proof, anne, ben):
    digests.approve(proof, by=ben)
    post = of(digest, "facebook")
    posts.hold(post, by=anne)
    for title in ("A corrected headline", "A headline corrected twice"):
        entry = Entry.objects.select_related("digest__publication").get(digest=digest, item=post.item)
        digests.edit_entry(entry, by=anne, title=title)
        assert fresh(post).state == "draft"
        digests.approve(digests.proof(again(digest), by=anne), by=ben)
        assert (fresh(post).state, title in fresh(post).text) == ("held", True)
    assert set(Post.objects.exclude(pk=post.pk).values_list("state", flat=True)) == {"approved"}


def test_what_the_account_held_is_approved_anew_with_its_digest(channels, digest, proof, anne, ben):
    digests.approve(proof, by=ben)
    post = of(digest, "facebook")
    lifecycle.move(post, "held", by=None, why="This was due on …", outcome="This was due on …")
    digests.edit(again(digest), by=anne, introduction="Later, as it happens")
    digests.approve(digests.proof(again(digest), by=anne), by=ben)
    assert (fresh(post).state, fresh(post).outcome) == ("approved", "")


def test_a_post_that_a_person_cancelled_stays_so_in_the_next_proof(channels, digest, proof, anne, ben):
    digests.approve(proof, by=ben)
    for unwanted in (of(digest, "x"), of(digest, "facebook", item=False)):
        posts.cancel(unwanted, by=anne)
    digests.edit(again(digest), by=anne, introduction="New")
    digests.proof(again(digest), by=anne)
    assert sorted(Post.objects.values_list("state", flat=True)) == ["cancelled"] * 2 + ["draft"] * 6


def test_a_post_whose_item_comes_back_is_drafted_again(channels, digest, proof, anne):
    entry = Entry.objects.select_related("digest__publication", "item").filter(digest=digest).first()
    digests.remove(entry, by=anne)
    digests.add(again(digest), entry.item, by=anne)
    digests.proof(again(digest), by=anne)
    assert sorted(Post.objects.values_list("state", flat=True)) == ["cancelled"] * 2 + ["draft"] * 8


def test_credentials_are_sealed(channels):
    stored = type(channels[0]).objects.filter(pk=channels[0].pk).values_list("sealed_credentials", flat=True)[0]
    assert canaries.MARK not in stored
    assert type(channels[0]).objects.get(pk=channels[0].pk).credentials["access_token_secret"] == canaries.secret(
        "access_token_secret"
    )
