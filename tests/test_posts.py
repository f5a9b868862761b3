"""Posts through the real SDKs to the real sandbox; the networks' own logs say what was posted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import OperationalError, connection
from django.utils import timezone

from publisher import accounts, digests, holders, items, lifecycle, posting, posts
from publisher.lifecycle import NotAllowed, Refusal
from publisher.models import Channel, Digest, Entry, Event, Item, Post
from publisher.networks.base import Published

DEAD = holders.me().rpartition("/")[0] + "/not-me"


def on_x(connected):
    return connected.json("/x/posts.json")


def on_facebook(connected):
    return connected.json("/graph/posts.json")


def of(sending, network, *, item=True):
    return Post.objects.filter(digest=sending, channel__network=network, item__isnull=not item).order_by("position")[0]


def fresh(post):
    return Post.objects.select_related("channel__publication", "item", "digest", "picture").get(pk=post.pk)


def again(digest):
    """As it stands in the database now."""
    return Digest.objects.select_related("publication").get(pk=digest.pk)


def test_each_item_and_the_digest_get_one_post_on_each_network(sending, connected):
    for post in posting.due():
        posting.publish(post)
    assert {post.state for post in Post.objects.all()} == {"published"}
    for shown in (on_x(connected), on_facebook(connected)):
        texts = [entry["text"] for entry in shown]
        assert len(texts) == len(set(texts)) == 4
        assert all("Update 120. 31 March 2007" in text for text in texts)


def test_publishing_twice_posts_once(sending, connected):
    post = of(sending, "x")
    posting.publish(post)
    posting.publish(fresh(post))
    assert len(on_x(connected)) == 1


def test_nothing_is_posted_before_its_time(sending, connected):
    post = of(sending, "x")
    Post.objects.filter(pk=post.pk).update(due_at=timezone.now() + timedelta(minutes=1))
    posting.publish(fresh(post))
    assert (fresh(post).state, on_x(connected)) == ("approved", [])


def test_nothing_is_posted_before_its_digest_is_on_its_way(channels, proof, ben, connected):
    digests.approve(proof, by=ben)
    Post.objects.update(due_at=timezone.now())
    post = Post.objects.first()
    posting.publish(post)
    assert (fresh(post).state, on_x(connected)) == ("approved", [])
    assert not posting.due().exists()


def test_an_item_withdrawn_between_approval_and_slot_is_not_posted(sending, connected, anne):
    post = of(sending, "x")
    items.withdraw(post.item, by=anne, why="it is not true")
    posting.publish(fresh(post))
    assert fresh(post).state == "cancelled"
    for other in posting.due():
        posting.publish(other)
    assert post.item.title not in " ".join(entry["text"] for entry in on_x(connected)[:-1])
    assert len(on_x(connected)) == 3


def test_a_paused_channel_posts_nothing(sending, connected):
    post = of(sending, "x")
    type(post.channel).objects.filter(pk=post.channel_id).update(paused=True)
    posting.publish(fresh(post))
    assert (fresh(post).state, on_x(connected)) == ("approved", [])


@pytest.mark.parametrize("network", ["x", "facebook"])
def test_a_time_out_after_the_post_was_made_is_found_and_never_posted_again(sending, connected, network):
    post = of(sending, network)
    connected.fault(network, "close_after_commit", "post", times=1)
    posting.publish(post)
    post = fresh(post)
    assert post.state == "unknown"
    posting.reconcile(post)
    post = fresh(post)
    assert (post.state, len(on_x(connected) + on_facebook(connected))) == ("published", 1)
    assert post.remote_id


def test_what_is_not_on_the_timeline_is_looked_for_again_and_then_asked(sending, connected):
    post = of(sending, "x")
    connected.fault("x", "html_500", "post", times=1, commit=False)
    posting.publish(post)
    assert fresh(post).state == "unknown"
    for _ in posting.LOOKS:
        posting.reconcile(fresh(post))
    post = fresh(post)
    assert (post.state, post.look_at, on_x(connected)) == ("unknown", None, [])
    assert post.outcome == "It was not on the timeline. Look at the account yourself and say whether it is there."


def test_a_person_settles_an_unknown_post(sending, connected, ben):
    post = of(sending, "x")
    connected.fault("x", "html_500", "post", times=1, commit=False)
    posting.publish(post)
    posts.settle(fresh(post), by=ben, published=False)
    posting.publish(fresh(post))
    assert (fresh(post).state, len(on_x(connected))) == ("published", 1)
    with pytest.raises(NotAllowed, match="not unknown"):
        posts.settle(fresh(post), by=ben, published=True)


def test_a_worker_that_died_while_posting_leaves_an_unknown_that_is_found(sending, connected):
    post = of(sending, "x")
    posting.publish(post)
    Post.objects.filter(pk=post.pk).update(state="publishing", holder=DEAD, remote_id="", published_at=None)
    assert posting.recover() == 1
    assert list(posting.to_look_for()) == [post]
    posting.reconcile(fresh(post))
    assert (fresh(post).state, len(on_x(connected))) == ("published", 1)


def test_a_living_worker_is_left_to_its_post(sending, connected):
    post = of(sending, "x")
    lifecycle.move(post, "publishing", by=None, holder=holders.me(), intent_at=timezone.now())
    assert posting.recover() == 0


def test_an_outcome_that_a_living_worker_could_not_write_is_found_on_the_timeline(sending, connected, monkeypatch):
    post = of(sending, "x")
    with monkeypatch.context() as broken:
        broken.setattr(posting, "_published", locked)
        with pytest.raises(OperationalError):
            posting.publish(post)
    assert posting.recover() == 0
    Post.objects.filter(pk=post.pk).update(state_since=timezone.now() - posting.LONGEST - timedelta(minutes=1))
    assert posting.recover() == 1
    posting.reconcile(fresh(post))
    assert (fresh(post).state, len(on_x(connected))) == ("published", 1)


def locked(*_):
    raise OperationalError("database is locked")


def test_an_answer_that_comes_after_it_was_given_up_counts(sending, connected):
    post = of(sending, "x")
    assert posting._intend(post)
    Post.objects.filter(pk=post.pk).update(state_since=timezone.now() - posting.LONGEST - timedelta(minutes=1))
    assert posting.recover() == 1
    posting._send(post, accounts.connect(post.channel))
    assert (fresh(post).state, len(on_x(connected))) == ("published", 1)


def test_what_is_found_while_a_person_says_it_is_not_there_is_not_posted_again(sending, connected, ben):
    post = of(sending, "facebook")
    connected.fault("facebook", "close_after_commit", "post", times=1)
    posting.publish(post)
    looked_for = fresh(post)
    posts.settle(fresh(post), by=ben, published=False)
    posting.reconcile(looked_for)
    posting.publish(fresh(post))
    assert (fresh(post).state, len(on_facebook(connected))) == ("published", 1)


def test_a_name_that_another_post_has_is_a_doubt_and_no_error(sending, connected):
    first, second = Post.objects.filter(channel__network="x", item__isnull=False).order_by("position")[:2]
    posting.publish(first)
    first = fresh(first)
    assert posting._intend(second)
    posting._published(second, Published(first.remote_id, first.remote_url), "")
    told = fresh(second)
    assert (told.state, told.remote_id) == ("unknown", "")
    assert told.outcome == f"The network names {first.remote_url}, but that is another post of ours."
    posting._published(told, Published(first.remote_id, first.remote_url), "")
    assert (fresh(second).state, fresh(second).looks) == ("unknown", 1)


def test_a_duplicate_answer_is_reconciled_with_the_post_that_is_there(sending, connected):
    post = of(sending, "x")
    posting.publish(post)
    Post.objects.filter(pk=post.pk).update(state="approved", remote_id="", published_at=None)
    posting.publish(fresh(post))
    assert fresh(post).state == "unknown"
    posting.reconcile(fresh(post))
    assert (fresh(post).state, len(on_x(connected))) == ("published", 1)


def test_after_a_duplicate_answer_the_search_begins_at_the_first_attempt(sending, connected, ben):
    post = of(sending, "x")
    connected.fault("x", "close_after_commit", "post", times=1)
    posting.publish(post)
    with time_machine.travel(timezone.now() + timedelta(hours=3)):
        posts.settle(fresh(post), by=ben, published=False)
        posting.publish(fresh(post))
        assert fresh(post).state == "unknown"
        posting.reconcile(fresh(post))
    assert (fresh(post).state, len(on_x(connected))) == ("published", 1)


def test_try_later_waits_as_long_as_the_network_says(sending, connected):
    post = of(sending, "x")
    connected.fault("x", "rate_limited", "post", times=1)
    posting.publish(post)
    post = fresh(post)
    assert (post.state, on_x(connected)) == ("approved", [])
    assert post.due_at > timezone.now()


def test_a_refused_login_holds_the_post_and_pauses_the_channel(sending, connected):
    post = of(sending, "x")
    connected.fault("x", "unauthorized", "post")
    posting.publish(post)
    post = fresh(post)
    assert (post.state, post.channel.paused) == ("held", True)
    assert post.channel.attention == post.outcome
    assert on_x(connected) == []


def test_a_channel_whose_account_was_mended_posts_again(sending, connected, anne):
    post = of(sending, "x")
    connected.fault("x", "unauthorized", "post", times=1)
    posting.publish(post)
    channel = fresh(post).channel
    posts.resume_channel(channel, by=anne)
    posts.release(fresh(post), by=anne)
    posting.publish(fresh(post))
    assert (fresh(post).state, fresh(post).outcome, len(on_x(connected))) == ("published", "", 1)
    told = Event.objects.filter(noun="channel", noun_id=channel.pk).values_list("verb", "by__username")
    assert list(told) == [("paused", None), ("resumed", "anne")]
    assert Channel.objects.get(pk=channel.pk).attention == ""
    with pytest.raises(NotAllowed, match="x reading_rooms is not paused"):
        posts.resume_channel(channel, by=anne)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("sealed", "Stored credentials cannot be opened"),
        ("outside", "graph.facebook.com"),
        ("unset", "an error (KeyError)"),
    ],
)
def test_an_account_that_cannot_be_opened_is_held_and_its_channel_paused(sending, connected, settings, broken, said):
    post = of(sending, "facebook")
    if broken == "sealed":
        Channel.objects.filter(pk=post.channel_id).update(sealed_credentials="sealed with a lost key")
    elif broken == "outside":
        settings.NETWORK_URLS, settings.LOOPBACK_ONLY = {"facebook": "https://graph.facebook.com"}, True
    else:
        settings.NETWORK_URLS = {}
    posting.publish(fresh(post))
    told = fresh(post)
    assert (told.state, told.channel.paused, told.channel.attention) == ("held", True, told.outcome)
    assert said in told.outcome
    assert on_facebook(connected) == []


def test_an_unknown_post_of_an_account_that_cannot_be_opened_is_asked_about_in_the_end(sending, connected):
    post = of(sending, "facebook")
    connected.fault("facebook", "close_after_commit", "post", times=1)
    posting.publish(post)
    Channel.objects.filter(pk=post.channel_id).update(sealed_credentials="sealed with a lost key")
    for _ in posting.LOOKS:
        posting.reconcile(fresh(post))
    told = fresh(post)
    assert (told.state, told.looks, told.look_at) == ("unknown", len(posting.LOOKS), None)
    assert told.outcome.startswith("The timeline could not be read: Stored credentials cannot be opened")


def test_what_is_long_overdue_is_not_posted_before_a_person_releases_it(sending, connected, settings, anne):
    post, just_in_time = Post.objects.filter(channel__network="x").order_by("position")[:2]
    late = timedelta(seconds=settings.LATE_AFTER)
    Post.objects.filter(pk=post.pk).update(due_at=datetime(2007, 3, 31, 9, 0, tzinfo=UTC))
    Post.objects.filter(pk=just_in_time.pk).update(due_at=timezone.now() - late + timedelta(minutes=1))
    for waiting in (post, just_in_time):
        posting.publish(fresh(waiting))
    assert (fresh(post).state, fresh(just_in_time).state, len(on_x(connected))) == ("held", "published", 1)
    assert fresh(post).outcome == "This was due on 31 March at 09:00 UTC; release it if it should still go out."
    posts.release(fresh(post), by=anne)
    posting.publish(fresh(post))
    assert (fresh(post).state, len(on_x(connected))) == ("published", 2)


def test_a_text_that_the_network_refuses_is_refused_for_good(sending, connected):
    post = of(sending, "facebook")
    connected.fault("facebook", "code_100", "post")
    posting.publish(post)
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
    assert "ats" not in stored
    assert type(channels[0]).objects.get(pk=channels[0].pk).credentials["access_token_secret"] == "ats"


def test_every_move_of_a_post_is_in_its_history(sending, connected):
    post = of(sending, "x")
    posting.publish(post)
    moves = Event.objects.filter(noun="post", noun_id=post.pk).values_list("verb", "before", "after")
    assert list(moves) == [
        ("drafted", "", ""),
        ("moved", "draft", "approved"),
        ("moved", "approved", "publishing"),
        ("moved", "publishing", "published"),
    ]


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        (lambda: Post.objects.filter(state="publishing"), "post_publishing"),
        (posting.to_look_for, "post_unknown"),
        (posting.due, "post_due"),
    ],
)
def test_the_clock_asks_an_index_and_scans_no_table(sending, asked, index):
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # So few rows are read faster without an index: what it would do with many.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_indexscan = on")
    assert index in asked().order_by().explain()
