"""Where a post meets what happens around it: its item, its campaign, its account, and what a person types."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from django.db import connection
from django.utils import timezone

from publisher import campaigns, items, measures, post_sets, posting, posts, removals, slots
from publisher.lifecycle import Overtaken, Refusal
from publisher.models import Item, Post, PostSet
from publisher.networks.base import Refused
from publisher.networks.x import X
from tests.meeting import at_once
from tests.posts import fresh, on_x


@pytest.fixture
def post_set(publication, channels, make_item, connected, anne, ben):
    """Two items on two channels, composed by Anne, approved by Ben, and due."""
    made = post_sets.compose(publication, [make_item("Rain in Puno"), make_item("A bridge")], by=anne)
    return approved(made, anne, ben)


def approved(post_set, anne, ben):
    post_sets.approve(post_sets.proof(post_set, by=anne), by=ben)
    Post.objects.update(due_at=timezone.now(), slot_at=None)
    return PostSet.objects.get(pk=post_set.pk)


def on(post_set, network):
    return fresh(post_set.posts.filter(channel__network=network).order_by("pk").first())


def test_an_item_is_not_set_aside_from_under_posts_that_wait(post_set, anne):
    """They would stay approved for ever, and nobody would be told."""
    item = Item.objects.get(title="Rain in Puno")
    with pytest.raises(Refusal, match="posts of “Rain in Puno” wait to go out"):
        items.set_aside(item, by=anne)
    for post in item.posts.all():
        posts.cancel(fresh(post), by=anne)
    items.set_aside(item, by=anne)
    assert item.state == "set_aside"


def test_an_invitation_to_a_campaign_that_is_over_asks_first(publication, channels, connected, anne, ben):
    today = publication.today()
    campaign = campaigns.add(publication, "WaterWeek", today, today, by=anne, name="Water", invitation="Come.")
    invited = on(approved(campaigns.invite(campaign, by=anne), anne, ben), "x")
    campaigns.end(campaign, by=anne)
    posting.publish(invited)
    assert (fresh(invited).state, on_x(connected)) == ("held", [])
    assert "#WaterWeek is over: cancel this invitation" in fresh(invited).outcome


def test_what_a_person_gives_as_a_post_s_address_is_one(post_set, anne):
    post = on(post_set, "x")
    Post.objects.filter(pk=post.pk).update(state="unknown", look_at=None)
    for url in ("javascript:alert(1)", "x.com/psg/1", "https://x.com/\x00", f"https://x.com/{'1' * 2000}"):
        with pytest.raises(Refusal, match="is no address of a post"):
            posts.settle(fresh(post), by=anne, published=True, remote_url=url)
    posts.settle(fresh(post), by=anne, published=True, remote_url="https://x.com/psg/status/1")
    assert (fresh(post).state, fresh(post).remote_url) == ("published", "https://x.com/psg/status/1")


def test_what_was_refused_waits_for_a_person_and_its_item_can_be_posted_anew(
    post_set, publication, connected, anne, ben
):
    refused = on(post_set, "x")
    Post.objects.filter(pk=refused.pk).update(state="refused", outcome="X does not take this text.")
    assert slots.plan().first() == fresh(refused)
    with pytest.raises(Refusal, match="each item is posted once"):
        post_sets.compose(publication, [refused.item], by=anne)
    posts.cancel(fresh(refused), by=anne)
    anew = post_sets.compose(publication, [refused.item], by=anne)
    posting.publish(on(approved(anew, anne, ben), "x"))
    assert [post.channel.network for post in anew.posts.all()] == ["x"]
    assert len(on_x(connected)) == 1


@pytest.mark.parametrize("asked", ["remove", "figures"])
def test_what_breaks_after_the_posting_says_no_secret(post_set, anne, monkeypatch, asked):
    """A library's own words may hold the token; the cast's are looked for in all that is logged."""
    token = on(post_set, "x").channel.credentials["access_token"]

    def breaks(*_):
        raise RuntimeError(f"unexpected answer to Bearer {token}")

    monkeypatch.setattr(X, asked, breaks)
    post = on(post_set, "x")
    Post.objects.filter(pk=post.pk).update(state="published", remote_id="7", published_at=timezone.now() - timedelta(2))
    if asked == "figures":
        assert measures.gather(post.channel) == 0
    else:
        removals.ask(fresh(post), by=anne, why="wrong")
        removals.take_off(fresh(post))
    assert (asked, token not in fresh(post).outcome) == (asked, True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="on SQLite one transaction writes at a time")
def test_pausing_an_account_and_approving_its_posts_do_not_wait_for_each_other(post_set, anne, ben):
    """A post comes back from the network while its set, reworded, is approved anew: both want channel and set."""
    first = on(post_set, "x")
    problem = Refused("X no longer accepts the keys.", kind="credentials")
    for _ in range(3):
        Post.objects.filter(pk=first.pk).update(state="publishing", holder="-/0/0")
        type(first.channel).objects.update(paused=False)
        post_sets.take_back(post_set, by=anne)
        proof = post_sets.proof(post_set, by=anne)
        # Where the post comes back first, the proof is no longer true.
        answers = at_once(
            partial(posting._not_posted, fresh(first), problem), partial(post_sets.approve, proof, by=ben)
        )
        assert [str(a) for a in answers if isinstance(a, Exception) and not isinstance(a, Overtaken)] == []
        assert fresh(first).channel.paused
        if PostSet.objects.get(pk=post_set.pk).state != "approved":
            return
