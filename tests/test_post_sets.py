"""Posts outside a digest: composed of items, approved as one set by its proof, sent by the same slots, once."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
import time_machine
from django.utils import timezone

from publisher import digests, items, lifecycle, post_sets, posting, slots
from publisher.lifecycle import NotAllowed, Overtaken, Refusal
from publisher.models import Channel, Post, PostSet, Publication
from publisher.networks.base import TryLater
from publisher.networks.x import X
from tests.posts import fresh, on_facebook, on_x


@pytest.fixture
def post_set(publication, channels, make_item, anne):
    """Two items on two channels, composed by Anne."""
    return post_sets.compose(publication, [make_item("Rain in Puno"), make_item("A bridge")], by=anne)


@pytest.fixture
def approved(post_set, connected, anne, ben):
    """The same, approved by Ben, and due."""
    post_sets.approve(post_sets.proof(post_set, by=anne), by=ben)
    Post.objects.update(due_at=timezone.now(), slot_at=None)
    return PostSet.objects.get(pk=post_set.pk)


def states(post_set):
    return [post.state for post in post_set.posts.order_by("id")]


def test_each_item_gets_a_post_on_each_channel(post_set):
    drafted = [(post.item.title, post.channel.network) for post in post_set.posts.order_by("id")]
    assert drafted == [
        ("Rain in Puno", "facebook"),
        ("Rain in Puno", "x"),
        ("A bridge", "facebook"),
        ("A bridge", "x"),
    ]
    assert (post_set.title, set(states(post_set))) == ("Rain in Puno and 1 more", {"draft"})
    on_the_network = post_set.posts.get(channel__network="x", item__title="A bridge")
    assert "A bridge" in on_the_network.text
    assert on_the_network.text.endswith(on_the_network.item.link)


def test_what_a_channel_has_already_is_left_out(post_set, publication, channels, make_item, anne):
    again = post_sets.compose(publication, [post_set.posts.first().item, make_item("New")], by=anne)
    assert {post.item.title for post in again.posts.all()} == {"New"}
    with pytest.raises(Refusal, match="“New” is posted on these channels already"):
        post_sets.compose(publication, [again.posts.first().item], by=anne)
    digest = digests.compose(publication, by=anne, items=[again.posts.first().item])
    digests.proof(digest, by=anne)
    assert [post.item for post in digest.posts.all()] == [None, None]
    assert list(post_sets.postable(publication)) == []


@pytest.mark.parametrize(
    ("state", "said"), [("received", "is received: queue it first"), ("withdrawn", "is withdrawn: queue it first")]
)
def test_only_queued_items_are_posted(publication, channels, make_item, anne, state, said):
    with pytest.raises(Refusal, match=said):
        post_sets.compose(publication, [make_item("Not yet", state=state)], by=anne)
    assert not PostSet.objects.exists()


def test_without_items_or_channels_there_is_no_set(publication, make_item, anne):
    with pytest.raises(Refusal, match="Choose the items"):
        post_sets.compose(publication, [], by=anne)
    with pytest.raises(Refusal, match="No channel is connected"):
        post_sets.compose(publication, [make_item("News")], by=anne)


def test_a_set_is_approved_by_its_proof_and_goes_out_in_its_slots(post_set, connected, anne, ben):
    with time_machine.travel("2007-03-31T09:00:00Z", tick=False):
        made = post_sets.proof(post_set, by=anne)
        post_sets.approve(made, by=ben, comment="Fine.")
        post_sets.approve(made, by=ben)
    post_set.refresh_from_db()
    assert (post_set.state, post_set.proof, set(states(post_set))) == ("approved", made, {"approved"})
    planned = Post.objects.order_by("channel", "due_at").values_list("channel__network", "due_at")
    assert [(network, f"{at:%a %d %b %H:%M}") for network, at in planned if network == "x"] == [
        ("x", "Mon 02 Apr 08:00"),
        ("x", "Thu 05 Apr 16:30"),
    ]
    assert min(at for network, at in planned if network == "facebook") == post_set.start_at


def test_an_approved_set_is_posted_once_on_each_network(approved, connected):
    for _ in range(2):
        for post in posting.due():
            posting.publish(post)
    assert set(states(approved)) == {"published"}
    for shown in (on_x(connected), on_facebook(connected)):
        assert len({entry["text"] for entry in shown}) == len(shown) == 2


def test_nothing_of_a_draft_or_of_what_lies_in_review_goes_out(post_set, connected, anne):
    for _ in range(2):
        Post.objects.update(state="approved", due_at=timezone.now())
        assert not posting.due().exists()
        Post.objects.update(state="draft", due_at=None)
        if post_set.state == "draft":
            post_sets.proof(post_set, by=anne)


def test_the_proof_is_a_hash_of_all_that_goes_out(post_set, make_item, anne):
    first = post_sets.proof(post_set, by=anne)
    assert len(first.sha256) == 64
    post_sets.take_back(post_set, by=anne)
    assert post_sets.proof(post_set, by=anne).sha256 == first.sha256
    seen = {first.sha256}
    for change in ({"text": "Other words"}, {"link": "https://other.example"}, {"image_alt": "A bridge over a river"}):
        post_sets.take_back(post_set, by=anne)
        Post.objects.filter(pk=post_set.posts.first().pk).update(**change)
        seen.add(post_sets.proof(post_set, by=anne).sha256)
    assert len(seen) == 4


def test_who_edited_may_not_approve(post_set, anne, ben, carla):
    post = post_set.posts.first()
    post_sets.edit_post(post, f"In Ben's words {post.link}", by=ben)
    made = post_sets.proof(post_set, by=anne)
    assert post_sets.why_not(made, ben) == (
        "You edited this set of posts since it was last approved: somebody else has to approve it."
    )
    assert post_sets.why_not(made, carla).startswith("You may edit")
    with pytest.raises(NotAllowed):
        post_sets.approve(made, by=ben)
    Publication.objects.update(four_eyes=False)
    made.refresh_from_db()
    post_sets.approve(made, by=ben)
    assert PostSet.objects.get(pk=post_set.pk).state == "approved"


def test_an_edit_of_an_item_before_it_was_approved_counts_as_one_of_the_set(post_set, anne, ben):
    items.edit(post_set.posts.first().item, by=ben, title="Rain in Puno, at last")
    assert ben in post_sets.editors_since_approval(post_set)


def test_an_edit_voids_the_approval_and_what_is_out_stays_out(approved, connected, anne, ben):
    gone, *waiting = approved.posts.filter(channel__network="x").order_by("id")
    posting.publish(gone)
    with pytest.raises(NotAllowed, match="has begun to go out, or is cancelled: its text stays"):
        post_sets.edit_post(fresh(gone), f"Too late {gone.link}", by=anne)
    assert PostSet.objects.get(pk=approved.pk).state == "approved"
    post_sets.edit_post(fresh(waiting[0]), f"In other words {waiting[0].link}", by=anne)
    approved.refresh_from_db()
    assert (approved.state, approved.proof, sorted(states(approved))) == ("draft", None, ["draft"] * 3 + ["published"])
    assert not posting.due().exists()
    again = post_sets.proof(approved, by=anne)
    assert {each["post"] for each in again.posts} == {post.pk for post in approved.posts.all()} - {gone.pk}
    post_sets.approve(again, by=ben)
    assert sorted(states(approved)) == ["approved"] * 3 + ["published"]


def test_what_is_told_later_while_its_approval_becomes_void_waits_for_the_next(approved, connected, anne, monkeypatch):
    post, other = approved.posts.filter(channel__network="x").order_by("id")

    def reworded_meanwhile(*_):
        post_sets.edit_post(fresh(other), f"In other words {other.link}", by=anne)
        raise TryLater("Not now.")

    monkeypatch.setattr(X, "publish", reworded_meanwhile)
    posting.publish(post)
    assert (fresh(post).state, fresh(post).due_at) == ("draft", None)


def test_a_changed_row_is_not_approved(post_set, anne, ben):
    made = post_sets.proof(post_set, by=anne)
    Post.objects.filter(pk=post_set.posts.first().pk).update(text="Written into the row")
    with pytest.raises(Overtaken, match="has changed since this proof was made"):
        post_sets.approve(made, by=ben)
    assert set(states(post_set)) == {"draft"}


def test_changes_can_be_asked_for(post_set, anne, ben):
    made = post_sets.proof(post_set, by=anne)
    post_sets.ask_changes(made, by=ben, comment="Say where Puno is.")
    post_set.refresh_from_db()
    assert (post_set.state, post_set.review) == ("draft", None)
    with pytest.raises(Overtaken):
        post_sets.ask_changes(made, by=ben, comment="Again.")


def test_a_cancelled_set_posts_nothing_more_and_frees_its_items(approved, connected, publication, anne):
    gone, *_ = approved.posts.filter(channel__network="x").order_by("id")
    posting.publish(gone)
    with pytest.raises(Refusal, match="Say why"):
        post_sets.cancel(approved, by=anne, why=" ")
    post_sets.cancel(approved, by=anne, why="A mistake.")
    assert sorted(states(approved)) == ["cancelled"] * 3 + ["published"]
    with pytest.raises(NotAllowed):
        post_sets.add(approved, gone.item, by=anne)
    anew = post_sets.compose(publication, [gone.item], by=anne)
    assert [post.channel.network for post in anew.posts.all()] == ["facebook"]


def test_a_withdrawn_item_leaves_the_set(post_set, anne, ben):
    made = post_sets.proof(post_set, by=anne)
    withdrawn = post_set.posts.first().item
    items.withdraw(withdrawn, by=anne, why="It is not true.")
    post_set.refresh_from_db()
    assert (post_set.state, sorted(states(post_set))) == ("draft", ["cancelled", "cancelled", "draft", "draft"])
    made.refresh_from_db()
    assert post_sets.why_not(made, ben) == "Rain in Puno and 1 more is draft, not in review."
    assert len(post_sets.proof(post_set, by=anne).posts) == 2


def test_a_post_is_taken_out_and_an_item_put_in(post_set, make_item, anne):
    post_sets.remove(post_set.posts.first(), by=anne)
    post_sets.add(post_set, make_item("A late one"), by=anne)
    assert states(post_set) == ["cancelled", "draft", "draft", "draft", "draft", "draft"]
    told = lifecycle.history(post_set).values_list("verb", "why")
    assert list(told) == [
        ("edited", "composed"),
        ("edited", "took the post on facebook Andean Reading Rooms out"),
        ("edited", "added “A late one”"),
    ]


def test_a_set_that_is_out_has_nothing_to_prove(approved, connected, anne):
    for post in posting.due():
        posting.publish(post)
    post_sets.take_back(approved, by=anne)
    with pytest.raises(Refusal, match="No post of this set is left"):
        post_sets.proof(approved, by=anne)


def test_the_hold_leaves_time_to_take_an_approval_back(post_set, anne, ben):
    post_sets.approve(post_sets.proof(post_set, by=anne), by=ben)
    first = post_set.posts.order_by("due_at").first()
    assert first.due_at >= timezone.now() + timedelta(minutes=4)
    soon = timezone.now() + timedelta(minutes=1)
    for sooner in (slots.post_now, partial(slots.move_to, at=soon)):
        with pytest.raises(Refusal, match=r"^Rain in Puno and 1 more begins on \w+ \d+ \w+, \d\d:\d\d: "):
            sooner(fresh(first), by=anne)
    post_sets.take_back(post_set, by=anne)
    assert (post_set.state, set(states(post_set))) == ("draft", {"draft"})


def test_many_channels_of_a_network_are_drafted_with_one_wording_and_few_questions(
    publication, channels, make_item, anne, django_assert_max_num_queries
):
    others = [Channel(publication=publication, network="x", account=f"room{n}") for n in range(20)]
    Channel.objects.bulk_create(others)
    item = make_item("Rain in Puno")
    # A row, and a line of history, for each; the rest does not grow with them.
    with django_assert_max_num_queries(22 + 40):
        post_set = post_sets.compose(publication, [item], by=anne)
    x = post_set.posts.filter(channel__network="x")
    assert (post_set.posts.count(), x.values("text", "picture").distinct().count()) == (22, 1)
    assert list(post_set.posts.values_list("position", flat=True)) == list(range(1, 23))
