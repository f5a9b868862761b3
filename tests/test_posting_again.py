"""A post that may be there already is looked for before it is sent: after an answer, after a backup."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.utils import timezone

from publisher import epoch, posting, posts
from publisher.models import Channel, Digest, Epoch, Post
from publisher.sandbox import accounts
from tests.posts import fresh, of, on_facebook, on_x

NOBODY = "http://127.0.0.1:9"
LATER = {"x": "rate_limited", "facebook": "code_32"}


@pytest.fixture
def forgetful(sending, connected):
    """Both networks take the same text twice; `sending` is on its way."""
    for channel in Channel.objects.all():
        named = {"handle": "reading_rooms"} if channel.network == "x" else {"page_id": "1001"}
        wish = {"network": channel.network, "credentials": channel.credentials, **named, "repeats": True}
        accounts.add(connected.store, wish)
    return connected


def again(post):
    """The next attempt, when all that it waits for is over."""
    post = fresh(post)
    waits = filter(None, (timezone.now(), post.not_before, post.channel.resting_until))
    with time_machine.travel(max(waits) + timedelta(seconds=1)):
        posting.publish(post)
    return fresh(post)


@pytest.mark.parametrize("network", ["x", "facebook"])
def test_what_a_network_has_made_though_it_said_later_is_found_before_the_next_attempt(sending, forgetful, network):
    post = of(sending, network)
    forgetful.fault(network, LATER[network], "post", times=1, commit=True)
    posting.publish(post)
    assert fresh(post).state == "approved"

    assert (again(post).state, len(on_x(forgetful) + on_facebook(forgetful))) == ("published", 1)
    assert fresh(post).remote_id


def test_where_the_timeline_cannot_be_read_after_a_later_a_person_is_asked_and_believed(sending, forgetful, ben):
    post = of(sending, "x")
    forgetful.fault("x", "rate_limited", "post", times=1)
    forgetful.fault("x", "unreadable", "timeline", times=None)
    posting.publish(post)
    assert [again(post).state for _ in posting.LOOKS] == ["approved", "approved", "approved", "unknown"]
    asked = fresh(post)
    assert (asked.look_at, asked.outcome.partition(":")[0], on_x(forgetful)) == (
        None,
        "It may have been posted before. The timeline could not be read",
        [],
    )

    posts.settle(asked, by=ben, published=False)

    assert (again(post).state, len(on_x(forgetful))) == ("published", 1)


def test_an_account_that_is_refused_while_looking_is_paused_as_by_a_post(sending, forgetful):
    post = of(sending, "x")
    forgetful.fault("x", "rate_limited", "post", times=1)
    forgetful.fault("x", "unauthorized", "me", times=1)
    posting.publish(post)

    assert (again(post).state, fresh(post).channel.paused, on_x(forgetful)) == ("approved", True, [])


def test_what_never_left_is_not_looked_for(sending, forgetful, settings):
    post, there = of(sending, "x"), settings.NETWORK_URLS
    settings.NETWORK_URLS = there | {"x": NOBODY}
    posting.publish(post)
    assert (fresh(post).state, fresh(post).attempts) == ("approved", 1)
    settings.NETWORK_URLS = there
    forgetful.fault("x", "unreadable", "timeline", times=None)

    assert (again(post).state, len(on_x(forgetful))) == ("published", 1)


def test_what_was_posted_now_after_the_backup_is_not_posted_again_when_its_time_comes(sending, forgetful, ben):
    """In the backup it was due in two days; what is drafted anew after it has another row and another key."""
    saved, at = of(sending, "x"), timezone.now()
    lost = of(sending, "facebook")
    for post in (saved, lost):
        posting.publish(post)
    rows = Post.objects.filter(pk__in=[saved.pk, lost.pk])
    nothing = {"remote_id": "", "published_at": None, "attempts": 0, "first_intent_at": None, "intent_at": None}
    rows.update(state="approved", due_at=at + timedelta(days=2), **nothing)
    Post.objects.filter(pk=lost.pk).update(key=uuid4())
    Epoch.objects.update(ticked_at=at, advanced_at=at, counter=1)
    Digest.objects.update(state="sent")
    epoch.file().unlink()
    epoch.confirm(by=ben, why="the backup of last night")

    with time_machine.travel(at + timedelta(days=2, minutes=1)):
        epoch.forget()
        for post in (saved, lost):
            posting.publish(fresh(post))

    assert [row.state for row in rows] == ["published", "published"]
    assert (len(on_x(forgetful)), len(on_facebook(forgetful))) == (1, 1)
