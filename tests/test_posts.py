"""Posts through the real SDKs to the real sandbox; the networks' own logs say what was posted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from publisher import digests, holders, items, lifecycle, posts
from publisher.lifecycle import NotAllowed, Refusal
from publisher.models import Event, Post

DEAD = holders.me().rpartition("/")[0] + "/not-me"


def on_x(connected):
    return connected.json("/x/posts.json")


def on_facebook(connected):
    return connected.json("/graph/posts.json")


def of(sending, network, *, item=True):
    return Post.objects.filter(digest=sending, channel__network=network, item__isnull=not item).order_by("position")[0]


def fresh(post):
    return Post.objects.select_related("channel__publication", "item", "digest", "picture").get(pk=post.pk)


def test_each_item_and_the_digest_get_one_post_on_each_network(sending, connected):
    for post in posts.due():
        posts.publish(post)
    assert {post.state for post in Post.objects.all()} == {"published"}
    for shown in (on_x(connected), on_facebook(connected)):
        texts = [entry["text"] for entry in shown]
        assert len(texts) == len(set(texts)) == 4
        assert all("Update 120. 31 March 2007" in text for text in texts)


def test_publishing_twice_posts_once(sending, connected):
    post = of(sending, "x")
    posts.publish(post)
    posts.publish(fresh(post))
    assert len(on_x(connected)) == 1


def test_nothing_is_posted_before_its_time(sending, connected):
    post = of(sending, "x")
    Post.objects.filter(pk=post.pk).update(due_at=timezone.now() + timedelta(minutes=1))
    posts.publish(fresh(post))
    assert (fresh(post).state, on_x(connected)) == ("approved", [])


def test_nothing_is_posted_before_its_digest_is_on_its_way(channels, proof, ben, connected):
    digests.approve(proof, by=ben)
    Post.objects.update(due_at=timezone.now())
    post = Post.objects.first()
    posts.publish(post)
    assert (fresh(post).state, on_x(connected)) == ("approved", [])
    assert not posts.due().exists()


def test_an_item_withdrawn_between_approval_and_slot_is_not_posted(sending, connected, anne):
    post = of(sending, "x")
    items.withdraw(post.item, by=anne, why="it is not true")
    posts.publish(fresh(post))
    assert fresh(post).state == "cancelled"
    for other in posts.due():
        posts.publish(other)
    assert post.item.title not in " ".join(entry["text"] for entry in on_x(connected)[:-1])
    assert len(on_x(connected)) == 3


def test_a_paused_channel_posts_nothing(sending, connected):
    post = of(sending, "x")
    type(post.channel).objects.filter(pk=post.channel_id).update(paused=True)
    posts.publish(fresh(post))
    assert (fresh(post).state, on_x(connected)) == ("approved", [])


@pytest.mark.parametrize("network", ["x", "facebook"])
def test_a_time_out_after_the_post_was_made_is_found_and_never_posted_again(sending, connected, network):
    post = of(sending, network)
    connected.fault(network, "close_after_commit", "post", times=1)
    posts.publish(post)
    post = fresh(post)
    assert post.state == "unknown"
    posts.reconcile(post)
    post = fresh(post)
    assert (post.state, len(on_x(connected) + on_facebook(connected))) == ("published", 1)
    assert post.remote_id


def test_what_is_not_on_the_timeline_is_looked_for_again_and_then_asked(sending, connected):
    post = of(sending, "x")
    connected.fault("x", "html_500", "post", times=1, commit=False)
    posts.publish(post)
    assert fresh(post).state == "unknown"
    for _ in posts.LOOKS:
        posts.reconcile(fresh(post))
    post = fresh(post)
    assert (post.state, post.look_at, on_x(connected)) == ("unknown", None, [])
    assert post.outcome == "It was not on the timeline. Look at the account yourself and say whether it is there."


def test_a_person_settles_an_unknown_post(sending, connected, ben):
    post = of(sending, "x")
    connected.fault("x", "html_500", "post", times=1, commit=False)
    posts.publish(post)
    posts.settle(fresh(post), by=ben, published=False)
    posts.publish(fresh(post))
    assert (fresh(post).state, len(on_x(connected))) == ("published", 1)
    with pytest.raises(NotAllowed, match="not unknown"):
        posts.settle(fresh(post), by=ben, published=True)


def test_a_worker_that_died_while_posting_leaves_an_unknown_that_is_found(sending, connected):
    post = of(sending, "x")
    posts.publish(post)
    Post.objects.filter(pk=post.pk).update(state="publishing", holder=DEAD, remote_id="", published_at=None)
    assert posts.recover() == 1
    assert list(posts.to_look_for()) == [post]
    posts.reconcile(fresh(post))
    assert (fresh(post).state, len(on_x(connected))) == ("published", 1)


def test_a_living_worker_is_left_to_its_post(sending, connected):
    post = of(sending, "x")
    lifecycle.move(post, "publishing", by=None, holder=holders.me(), intent_at=timezone.now())
    assert posts.recover() == 0


def test_a_duplicate_answer_is_reconciled_with_the_post_that_is_there(sending, connected):
    post = of(sending, "x")
    posts.publish(post)
    Post.objects.filter(pk=post.pk).update(state="approved", remote_id="", published_at=None)
    posts.publish(fresh(post))
    assert fresh(post).state == "unknown"
    posts.reconcile(fresh(post))
    assert (fresh(post).state, len(on_x(connected))) == ("published", 1)


def test_try_later_waits_as_long_as_the_network_says(sending, connected):
    post = of(sending, "x")
    connected.fault("x", "rate_limited", "post", times=1)
    posts.publish(post)
    post = fresh(post)
    assert (post.state, on_x(connected)) == ("approved", [])
    assert post.due_at > timezone.now()


def test_a_refused_login_holds_the_post_and_pauses_the_channel(sending, connected):
    post = of(sending, "x")
    connected.fault("x", "unauthorized", "post")
    posts.publish(post)
    post = fresh(post)
    assert (post.state, post.channel.paused) == ("held", True)
    assert post.channel.attention == post.outcome
    assert on_x(connected) == []


def test_a_text_that_the_network_refuses_is_refused_for_good(sending, connected):
    post = of(sending, "facebook")
    connected.fault("facebook", "code_100", "post")
    posts.publish(post)
    assert (fresh(post).state, on_facebook(connected)) == ("refused", [])


def test_posts_take_the_free_slots_of_their_channel_in_order(publication, channels, digest, anne):
    digests.proof(digest, by=anne)
    x, facebook = channels
    start = datetime(2007, 3, 24, 12, 0, tzinfo=UTC)  # a Saturday; summer time begins that night
    assert [at.isoformat() for at in posts.free_slots(x, start, 3)] == [
        "2007-03-26T08:00:00+00:00",  # Monday 09:00 in London is 08:00 UTC from now on
        "2007-03-29T16:30:00+00:00",
        "2007-04-02T08:00:00+00:00",
    ]
    assert posts.free_slots(facebook, start, 2) == [start, start]


def test_a_taken_slot_is_left_out(channels, sending):
    x = channels[0]
    start = datetime(2007, 3, 24, 12, 0, tzinfo=UTC)
    Post.objects.filter(pk=of(sending, "x").pk).update(due_at=datetime(2007, 3, 26, 8, 0, tzinfo=UTC))
    assert posts.free_slots(x, start, 1) == [datetime(2007, 3, 29, 16, 30, tzinfo=UTC)]


def test_an_approved_digest_fills_slots_from_its_start(channels, digest, anne, ben):
    with time_machine.travel("2007-03-31T09:00:00Z", tick=False):
        digests.approve(digests.proof(digest, by=anne), by=ben)
    planned = Post.objects.filter(channel=channels[0]).order_by("position").values_list("due_at", flat=True)
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


def test_credentials_are_sealed(channels):
    stored = type(channels[0]).objects.filter(pk=channels[0].pk).values_list("sealed_credentials", flat=True)[0]
    assert "ats" not in stored
    assert type(channels[0]).objects.get(pk=channels[0].pk).credentials["access_token_secret"] == "ats"


def test_every_move_of_a_post_is_in_its_history(sending, connected):
    post = of(sending, "x")
    posts.publish(post)
    moves = Event.objects.filter(noun="post", noun_id=post.pk).values_list("verb", "before", "after")
    assert list(moves) == [
        ("drafted", "", ""),
        ("moved", "draft", "approved"),
        ("moved", "approved", "publishing"),
        ("moved", "publishing", "published"),
    ]
