"""Posts through the real SDKs to the real sandbox; the networks' own logs say what was posted."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine
from django.db import OperationalError, connection
from django.utils import timezone

from publisher import channel_accounts, digests, holders, items, lifecycle, posting, posts
from publisher.lifecycle import NotAllowed
from publisher.models import Channel, Event, Item, Post
from publisher.networks.base import Published, TryLater
from publisher.networks.x import X
from tests.posts import again, fresh, of, on_facebook, on_x

DEAD = holders.me().rpartition("/")[0] + "/not-me"


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


def test_the_last_post_that_a_limit_allows_lets_the_others_of_its_account_wait(sending, connected):
    post, other = Post.objects.filter(channel__network="x").order_by("position")[:2]
    (account,) = [
        row["id"]
        for row in connected.store.rows("SELECT id FROM accounts WHERE network = 'x' AND handle = 'reading_rooms'")
    ]
    began = int(timezone.now().timestamp())
    connected.store.run("INSERT INTO rates VALUES (?, 'post', ?, 99)", f"x:{account}", began)
    posting.publish(post)
    posting.publish(fresh(other))
    assert (fresh(post).state, fresh(other).state, len(on_x(connected))) == ("published", "approved", 1)
    assert fresh(post).channel.resting_until > timezone.now() + timedelta(minutes=10)


def test_a_worker_that_died_while_posting_leaves_an_unknown_that_is_found(sending, connected):
    post = of(sending, "x")
    posting.publish(post)
    Post.objects.filter(pk=post.pk).update(state="publishing", holder=DEAD, remote_id="", published_at=None)
    assert posting.recover() == 1
    assert not posting.to_look_for().exists()
    with time_machine.travel(fresh(post).intent_at + posting.LOOKS[0]):
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
    posting._send(post, channel_accounts.connect(post.channel))
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
    connected.fault("x", "duplicate", "post", times=1, commit=True)
    posting.publish(post)
    assert fresh(post).state == "unknown"
    posting.reconcile(fresh(post))
    assert (fresh(post).state, len(on_x(connected))) == ("published", 1)


def test_after_a_duplicate_answer_the_search_begins_at_the_first_attempt(sending, connected, ben):
    post = of(sending, "x")
    connected.fault("x", "close_after_commit", "post", times=1)
    connected.fault("x", "unreadable", "timeline", times=1)
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
    post, other = fresh(post), of(sending, "x", item=False)
    assert (post.state, on_x(connected)) == ("approved", [])
    assert post.not_before == post.channel.resting_until > timezone.now()
    # Its limit is the account's: the others wait as well, and keep their places in the plan.
    assert (post.due_at <= timezone.now(), set(posting.due().values_list("channel__network", flat=True))) == (
        True,
        {"facebook"},
    )
    with time_machine.travel(post.not_before):
        for each in (post, other):
            posting.publish(fresh(each))
    assert (fresh(post).state, fresh(other).state, len(on_x(connected))) == ("published", "published", 2)


def test_a_later_that_concerns_one_post_lets_the_others_go(sending, connected, monkeypatch):
    post, other = of(sending, "x"), of(sending, "x", item=False)
    with monkeypatch.context() as away:
        away.setattr(X, "publish", later)
        posting.publish(post)
    post = fresh(post)
    assert (post.state, post.outcome, post.channel.resting_until) == ("approved", "Not now.", None)
    assert post not in posting.due()
    posting.publish(fresh(other))
    assert [entry["text"] for entry in on_x(connected)] == [fresh(other).text]


def later(*_):
    raise TryLater("Not now.", after=60, kind="server")


def test_a_later_does_not_bring_back_what_was_cancelled_meanwhile(sending, connected, anne, monkeypatch):
    post = of(sending, "x")

    def cancelled_meanwhile(*_):
        digests.cancel(again(sending), by=anne, why="the wrong edition")
        raise TryLater("Not now.")

    monkeypatch.setattr(X, "publish", cancelled_meanwhile)
    posting.publish(post)
    assert set(Post.objects.values_list("state", flat=True)) == {"cancelled"}
    moves = lifecycle.history(post).filter(verb="moved").values_list("after", "why")
    assert list(moves)[-2:] == [("approved", "Not now."), ("cancelled", "what it belongs to was cancelled")]


def test_a_later_does_not_bring_back_an_item_that_was_withdrawn_meanwhile(sending, connected, anne, monkeypatch):
    post = of(sending, "x")

    def withdrawn_meanwhile(*_):
        items.withdraw(post.item, by=anne, why="it is not true")
        raise TryLater("Not now.")

    monkeypatch.setattr(X, "publish", withdrawn_meanwhile)
    posting.publish(post)
    assert fresh(post).state == "cancelled"


def test_nothing_is_posted_before_its_item_is_public(sending, connected):
    post = of(sending, "x")
    opens = datetime.combine(timezone.now().date() + timedelta(days=3), time.min, UTC)
    Item.objects.filter(pk=post.item_id).update(published_on=opens.date(), date_label="")
    posting.publish(fresh(post))
    assert (fresh(post).state, fresh(post).due_at, on_x(connected)) == ("approved", opens, [])
    with time_machine.travel(opens + timedelta(minutes=1)):
        posting.publish(fresh(post))
    assert (fresh(post).state, len(on_x(connected))) == ("published", 1)


def test_an_item_dated_by_its_month_is_public_already(sending, connected):
    """Of a month its last day is kept, which may be to come."""
    post = of(sending, "x")
    later = timezone.now().date() + timedelta(days=3)
    Item.objects.filter(pk=post.item_id).update(published_on=later, date_label=f"{later:%B %Y}")
    posting.publish(fresh(post))
    assert (fresh(post).state, len(on_x(connected))) == ("published", 1)


def test_what_is_not_what_was_approved_is_held(sending, connected):
    post = of(sending, "x")
    Post.objects.filter(pk=post.pk).update(text=f"Written into the row {post.link}")
    posting.publish(fresh(post))
    assert (fresh(post).state, on_x(connected)) == ("held", [])
    assert fresh(post).outcome == "This is not what was approved: cancel it, or have it approved anew."


def test_a_person_is_asked_with_all_that_is_known(sending, connected):
    post = of(sending, "x")
    assert posts.evidence(post) is None
    connected.fault("x", "html_500", "post", times=1, commit=False)
    posting.publish(post)
    connected.fault("x", "unauthorized", "timeline", times=1)
    for _ in posting.LOOKS:
        posting.reconcile(fresh(post))
    known = posts.evidence(fresh(post))
    assert (known.asked_at, known.attempts) == (fresh(post).intent_at, 1)
    assert known.answer.startswith("X")
    assert [why.partition(":")[0] for _, why in known.looks] == [
        "The timeline could not be read",
        *["It was not on the timeline."] * 3,
    ]


def test_of_two_who_look_at_once_one_look_is_counted(sending, connected):
    post = of(sending, "x")
    connected.fault("x", "html_500", "post", times=1, commit=False)
    posting.publish(post)
    both = fresh(post), fresh(post)
    for one in both:
        posting.reconcile(one)
    assert (fresh(post).looks, len(posts.evidence(fresh(post)).looks)) == (1, 1)


def test_each_attempt_has_the_same_key_and_no_other_post_has_it(sending, connected):
    every = [posts.outgoing(post) for post in Post.objects.all()]
    post = of(sending, "x")
    before = posts.outgoing(post).key
    connected.fault("x", "rate_limited", "post", times=1)
    posting.publish(post)
    assert posts.outgoing(fresh(post)).key == before
    assert len({outgoing.key for outgoing in every}) == len(every) == 8


def test_a_refused_login_pauses_the_channel_and_the_post_waits_with_it(sending, connected):
    post = of(sending, "x")
    connected.fault("x", "unauthorized", "post")
    posting.publish(post)
    post = fresh(post)
    assert (post.state, post.channel.paused) == ("approved", True)
    assert post.channel.attention == post.outcome
    assert (on_x(connected), set(posting.due().values_list("channel__network", flat=True))) == ([], {"facebook"})


@pytest.mark.parametrize("behaviour", ["unauthorized", "payment_required"])
def test_a_wall_that_two_posts_meet_is_told_once(sending, connected, behaviour):
    both = of(sending, "x"), of(sending, "x", item=False)
    connected.fault("x", behaviour, "post", times=2)
    assert all(posting._intend(post) for post in both)
    for post in both:
        posting._send(post, channel_accounts.connect(post.channel))
    told = Event.objects.filter(noun="channel", noun_id=both[0].channel_id).values_list("verb", flat=True)
    assert ([fresh(post).state for post in both], list(told)) == (["approved", "approved"], ["paused"])


def test_a_channel_whose_account_was_mended_posts_again(sending, connected, anne):
    post = of(sending, "x")
    connected.fault("x", "unauthorized", "post", times=1)
    posting.publish(post)
    channel = fresh(post).channel
    posts.resume_channel(channel, by=anne)
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
def test_an_account_that_cannot_be_opened_pauses_its_channel(sending, connected, settings, broken, said):
    post = of(sending, "facebook")
    if broken == "sealed":
        Channel.objects.filter(pk=post.channel_id).update(sealed_credentials="sealed with a lost key")
    elif broken == "outside":
        settings.NETWORK_URLS, settings.LOOPBACK_ONLY = {"facebook": "https://graph.facebook.com"}, True
    else:
        settings.NETWORK_URLS = {}
    posting.publish(fresh(post))
    told = fresh(post)
    assert (told.state, told.channel.paused, told.channel.attention) == ("approved", True, told.outcome)
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
    assert fresh(post).outcome == "This was due on Saturday 31 March 2007, 10:00; release it if it should still go out."
    posts.release(fresh(post), by=anne)
    posting.publish(fresh(post))
    assert (fresh(post).state, len(on_x(connected))) == ("published", 2)


def test_a_text_that_the_network_refuses_is_refused_for_good(sending, connected):
    post = of(sending, "facebook")
    connected.fault("facebook", "code_100", "post")
    posting.publish(post)
    assert (fresh(post).state, on_facebook(connected)) == ("refused", [])


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
    posts = asked()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # So few rows are read faster without an index: what it would do with many. Of the posts alone: in which
            # order it joins the channels and corrections of a handful tells nothing.
            cursor.execute("SET LOCAL enable_seqscan = off")
        posts = Post.objects.filter(state="approved", due_at__lte=timezone.now()) if asked is posting.due else posts
    assert index in posts.order_by().explain()
