"""Taking a post off its network: asked for by a person, tried until it is gone."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from publisher import epoch, posting, removals
from publisher.lifecycle import NotAllowed, Refusal, history
from publisher.models import Channel, Post
from publisher.networks.base import Outgoing, Refused, TryLater, Unknown

pytestmark = pytest.mark.django_db

WHY = "The figure is wrong."


def fresh(post: Post) -> Post:
    return Post.objects.select_related("channel__publication", "corrects").get(pk=post.pk)


def standing(sandbox: Any) -> list[str]:
    return [row["text"] for row in sandbox.store.rows("SELECT text FROM mastodon_posts WHERE deleted_at IS NULL")]


@pytest.fixture
def post(mastodon: Any, make_post: Any, items: Any) -> Post:
    return make_post(mastodon, items[0])


@pytest.fixture
def asked(post: Post, anne: Any) -> Post:
    removals.ask(post, by=anne, why=WHY)
    return post


def test_a_post_that_a_person_removes_is_gone_from_its_network(mastodon, make_post, items, anne, sandbox):
    from publisher import channel_accounts

    texts = ["A reading room opens", "Books cross the lake"]
    made = [channel_accounts.connect(mastodon).publish(Outgoing(text, None)) for text in texts]
    post, _ = (make_post(mastodon, item, remote_id=one.remote_id) for item, one in zip(items, made, strict=False))
    removals.ask(post, by=anne, why=WHY)
    assert (fresh(post).state, len(standing(sandbox))) == ("removing", 2)

    removals.take_off(fresh(post))

    assert (fresh(post).state, fresh(post).outcome) == ("removed", "")
    assert [text for text in texts if any(text in one for one in standing(sandbox))] == texts[1:]
    assert [(event.after, event.by, event.why) for event in history(post)] == [
        ("removing", anne, WHY),
        ("removed", None, ""),
    ]


def test_a_removal_that_broke_off_is_asked_for_again_and_what_is_gone_counts_as_gone(
    mastodon, make_post, anne, sandbox
):
    from publisher import channel_accounts

    one = channel_accounts.connect(mastodon).publish(Outgoing("A reading room opens", None))
    post = make_post(mastodon, remote_id=one.remote_id)
    sandbox.fault("mastodon", "close_after_commit", "delete", times=1)
    removals.ask(post, by=anne, why=WHY)
    removals.take_off(fresh(post))
    assert (fresh(post).state, standing(sandbox)) == ("removing", [])
    assert fresh(post).outcome.startswith("Not removed yet: ")
    assert not removals.due().exists()

    with time_machine.travel(timezone.now() + removals.AGAIN[0]):
        removals.take_off(fresh(post))

    assert (fresh(post).state, fresh(post).removals) == ("removed", 2)


def test_a_reason_is_asked_for_and_a_post_that_is_not_out_is_not_removed(post, anne, make_post, mastodon, items):
    with pytest.raises(Refusal, match="Say why"):
        removals.ask(post, by=anne, why=" ")
    with pytest.raises(NotAllowed, match="is approved"):
        removals.ask(make_post(mastodon, items[1], state="approved"), by=anne, why=WHY)
    assert fresh(post).state == "published"


def test_what_was_only_seen_by_a_person_is_removed_by_one(mastodon, items, anne, make_post):
    post = make_post(mastodon, items[0])
    Post.objects.filter(pk=post.pk).update(remote_id="")
    with pytest.raises(Refusal, match="remove it there, and then say so here"):
        removals.ask(fresh(post), by=anne, why=WHY)

    removals.gone(fresh(post), by=anne)

    assert fresh(post).state == "removed"
    with pytest.raises(NotAllowed, match="nothing of it to remove"):
        removals.gone(fresh(post), by=anne)


def test_later_means_later_and_the_waiting_grows(asked, script):
    script.failures = [Unknown("No answer."), TryLater("Slow down.", after=900), TryLater("Down.", after=10)]
    waits = []
    for _ in range(3):
        now = fresh(asked).remove_at
        with time_machine.travel(now, tick=False):
            removals.take_off(fresh(asked))
            waits.append(fresh(asked).remove_at - now)

    assert waits == [timedelta(minutes=1), timedelta(minutes=15), timedelta(minutes=30)]
    with time_machine.travel(fresh(asked).remove_at):
        removals.take_off(fresh(asked))
    assert (fresh(asked).state, script.removed) == ("removed", [asked.remote_id])


def test_a_network_that_says_no_leaves_the_post_published_and_a_person_with_a_sentence(asked, script):
    script.failures = [Refused("X no longer accepts the keys.", kind="credentials")]
    removals.take_off(fresh(asked))

    assert (fresh(asked).state, fresh(asked).outcome) == (
        "published",
        "It could not be removed: X no longer accepts the keys.",
    )


def test_of_two_workers_one_tries(asked, script):
    same = fresh(asked)
    removals.take_off(fresh(asked))
    removals.take_off(same)

    assert script.removed == [asked.remote_id]


def test_a_worker_that_died_is_followed(asked, script):
    script.failures = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        removals.take_off(fresh(asked))
    assert (fresh(asked).state, removals.due().count()) == ("removing", 0)

    with time_machine.travel(timezone.now() + removals.LEASE):
        assert list(removals.due()) == [asked]


def test_a_copy_of_the_database_removes_nothing(asked, script, monkeypatch):
    monkeypatch.setattr(epoch, "doubt", lambda: "This may be a copy.")
    removals.take_off(fresh(asked))

    assert (removals.due().count(), script.removed) == (0, [])


@pytest.fixture
def correction(post: Post, make_post: Any) -> Post:
    """Approved, and due."""
    return make_post(post.channel, post.item, corrects=post, state="approved", due_at=timezone.now())


def test_a_corrected_post_waits_until_the_wrong_one_is_gone(post, correction, script):
    assert not posting.due().exists()

    removals.make_room(posting.replaced())
    assert fresh(post).state == "removing"
    assert not posting.due().exists()
    removals.take_off(fresh(post))

    assert list(posting.due()) == [correction]


def test_nothing_is_removed_for_a_correction_that_may_not_go_out(post, correction, script):
    for change in ({"state": "draft"}, {"state": "held"}, {"due_at": timezone.now() + timedelta(hours=1)}):
        Post.objects.filter(pk=correction.pk).update(**{"state": "approved", "due_at": timezone.now(), **change})
        removals.make_room(posting.replaced())
    assert fresh(post).state == "published"


def test_nothing_is_removed_for_a_correction_that_would_be_held_back(post, correction, script, anne):
    """It is late, nobody can pay for it, or the account rests: followers keep what they have."""
    soon = timezone.now() + timedelta(minutes=5)
    for change in ({"due_at": timezone.now() - timedelta(hours=7)}, {"due_at": timezone.now(), "not_before": soon}):
        Post.objects.filter(pk=correction.pk).update(state="approved", **change)
        removals.make_room(posting.replaced())
    assert (fresh(post).state, fresh(correction).outcome[:16]) == ("published", "This was due on ")


@pytest.fixture
def priced(post: Post, settings: Any, tmp_path: Path) -> Channel:
    """Ten cents a post, and ten a month."""
    settings.PRICES = tmp_path / "prices.toml"
    settings.PRICES.write_text('[mastodon]\ncurrency = "USD"\n"post" = "0.10"\n')
    Channel.objects.filter(pk=post.channel_id).update(budget=Decimal("0.10"))
    return Channel.objects.get(pk=post.channel_id)


def test_a_correction_for_which_no_money_is_left_lets_the_wrong_one_stand(priced, post, correction, script):
    Post.objects.filter(pk=post.pk).update(charged=Decimal("0.10"), intent_at=timezone.now())
    removals.make_room(posting.replaced())

    assert (fresh(post).state, fresh(correction).state) == ("published", "held")
    assert fresh(correction).outcome.startswith("This costs 0.10 USD, and 0.10 USD of ")


def test_money_that_was_set_aside_for_a_correction_is_there_when_the_wrong_one_is_gone(
    priced, post, correction, script, make_post, items
):
    removals.make_room(posting.replaced())
    make_post(priced, items[1], charged=Decimal("0.10"), intent_at=timezone.now())
    removals.take_off(fresh(post))
    posting.publish(fresh(correction))

    assert (fresh(post).state, fresh(correction).state) == ("removed", "published")


def test_where_the_wrong_one_cannot_be_removed_its_correction_is_held(post, correction, script):
    script.failures = [Refused("Facebook lets us remove nothing.", kind="permission")]
    removals.make_room(posting.replaced())
    removals.take_off(fresh(post))
    removals.make_room(posting.replaced())

    assert (fresh(post).state, fresh(correction).state, script.removed) == ("published", "held", [])
    assert fresh(correction).outcome.startswith("What it corrects still stands. It could not be removed: Facebook")


def test_an_erratum_waits_for_nothing(post, script, make_post):
    erratum = make_post(
        post.channel, post.item, purpose="erratum", corrects=post, state="approved", due_at=timezone.now()
    )
    removals.make_room(posting.replaced())

    assert (fresh(post).state, list(posting.due())) == ("published", [erratum])
