"""An item that is out was wrong: every place where it went, and what becomes of each."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from publisher import campaigns, corrections, digests, items, post_sets, posting, removals
from publisher.lifecycle import NotAllowed, Refusal, history
from publisher.models import Correction, Digest, Event, Item, Post, PostSet

pytestmark = pytest.mark.django_db

SAID = "We wrote that 300 books came. It was 30."


def fresh(post: Any) -> Any:
    return type(post).objects.get(pk=post.pk)


@pytest.fixture
def item(digest: Digest) -> Item:
    """Went out with Update 120."""
    Digest.objects.filter(pk=digest.pk).update(number=120, state="sent")
    return digest.entries.get(position=2).item


@pytest.fixture
def out(item: Item, channels: Any, make_post: Any, items: Any) -> list[Post]:
    """The posts of the item on X and Facebook; another item's are none of it."""
    make_post(channels[0], items[2])
    return [make_post(channel, item) for channel in channels]


def test_every_place_where_an_item_went_out_is_listed(item, out, make_post, mastodon, digest):
    doubtful = make_post(mastodon, item, state="unknown")
    found = corrections.places(item)

    assert [entry.digest for entry in found.entries] == [digest]
    assert {post.pk for post in found.posts} == {*(post.pk for post in out), doubtful.pk}
    assert {post.pk for post in found.standing} == {post.pk for post in out}


def test_what_is_not_out_has_no_places(make_item, channels, make_post):
    item = make_item("Not yet")
    make_post(channels[0], item, state="approved")

    assert not corrections.places(item)


def test_each_place_gets_what_staff_choose(item, out, anne, digest):
    x, facebook = out
    items.edit(item, by=anne, title="Thirty books cross the lake")
    correction = corrections.correct(
        item,
        by=anne,
        said=SAID,
        choices={x.pk: "correct", facebook.pk: "remove"},
        entries=[entry.pk for entry in digest.entries.all()],
    )

    (drafted,) = correction.post_set.posts.all()
    assert (drafted.corrects, drafted.channel, drafted.state, drafted.link) == (x, x.channel, "draft", item.link)
    assert drafted.text.startswith("Thirty books cross the lake")
    assert (fresh(x).state, fresh(facebook).state) == ("published", "removing")
    assert [entry.item for entry in correction.entries.all()] == [item]
    event = history(item).get(verb="corrected")
    assert (event.by, event.why, event.detail["posts"]) == (
        anne,
        SAID,
        {str(x.pk): "correct", str(facebook.pk): "remove"},
    )


def test_what_puts_an_item_of_a_campaign_right_carries_its_hashtag(item, out, anne, publication):
    today = publication.today()
    campaigns.join(campaigns.add(publication, "#EITI2016", today, today, by=anne), [item], by=anne)
    choices = dict(zip((post.pk for post in out), ("correct", "erratum"), strict=True))
    made = corrections.correct(item, by=anne, said=SAID, choices=choices).post_set.posts.order_by("position")

    assert [post.text.count("#EITI2016") for post in made] == [1, 1]


def test_an_erratum_stands_beside_what_it_corrects(item, out, anne):
    correction = corrections.correct(item, by=anne, said=SAID, choices={post.pk: "erratum" for post in out})

    made = correction.post_set.posts.order_by("position")
    assert [(post.purpose, post.corrects) for post in made] == [("erratum", post) for post in out]
    assert made[0].text == f"Correction: Books cross the lake\n\n{SAID}\n\n{item.link}"
    assert [fresh(post).state for post in out] == ["published", "published"]


def test_a_corrected_post_goes_through_a_proof_and_replaces_the_wrong_one(item, out, anne, ben, script):
    x = out[0]
    correction = corrections.correct(item, by=anne, said=SAID, choices={x.pk: "correct"})
    proof = post_sets.proof(correction.post_set, by=anne)
    with pytest.raises(NotAllowed):
        post_sets.approve(proof, by=anne)
    post_sets.approve(proof, by=ben)
    Post.objects.filter(corrects=x).update(due_at=timezone.now())
    removals.make_room(posting.replaced())
    removals.take_off(fresh(x))

    assert (fresh(x).state, script.removed) == ("removed", [x.remote_id])
    assert [post.corrects for post in posting.due()] == [x]


def test_a_correction_does_not_wait_for_a_weekly_time(item, out, anne, ben, publication):
    correction = corrections.correct(item, by=anne, said=SAID, choices={out[0].pk: "correct"})
    post_sets.approve(post_sets.proof(correction.post_set, by=anne), by=ben)
    start = PostSet.objects.get(pk=correction.post_set_id).start_at

    assert Post.objects.get(corrects=out[0]).due_at == start


def test_a_correction_can_be_corrected(item, out, anne):
    x = out[0]
    first = corrections.correct(item, by=anne, said=SAID, choices={x.pk: "correct"})
    with pytest.raises(Refusal, match="is being corrected already"):
        corrections.correct(item, by=anne, said="Once more.", choices={x.pk: "correct"})

    Post.objects.filter(pk=x.pk).update(state="removed")
    first.post_set.posts.update(state="published", published_at=timezone.now(), remote_id="77")
    second = first.post_set.posts.get()
    again = corrections.correct(item, by=anne, said="Once more.", choices={second.pk: "correct"})

    assert again.post_set.posts.get().corrects == second


REFUSED = {
    "no words": ({"said": "  "}, "Say what was wrong"),
    "nowhere": ({"choices": {}}, "Choose at least one place"),
    "left everywhere": ({"choices": "leave"}, "Choose at least one place"),
    "no such choice": ({"choices": "undo"}, "A post can be: leave, remove, correct, erratum."),
    "another item's post": ({"choices": {0: "remove"}}, "does not stand any more"),
}


@pytest.mark.parametrize(("given", "why"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused_and_changes_nothing(item, out, anne, given, why):
    asked: dict[str, Any] = {"said": SAID, "choices": "remove", **given}
    if isinstance(asked["choices"], str):
        asked["choices"] = {post.pk: asked["choices"] for post in out}
    events = Event.objects.count()
    with pytest.raises(Refusal, match=why):
        corrections.correct(item, by=anne, **asked)

    assert (Correction.objects.count(), PostSet.objects.count(), Event.objects.count()) == (0, 0, events)
    assert [fresh(post).state for post in out] == ["published", "published"]


def test_a_withdrawn_item_can_be_removed_everywhere_and_not_corrected(item, out, anne):
    items.withdraw(item, by=anne, why="It is not true.")
    with pytest.raises(Refusal, match="can be removed, and not corrected"):
        corrections.correct(fresh(item), by=anne, said=SAID, choices={out[0].pk: "correct"})
    corrections.correct(fresh(item), by=anne, said=SAID, choices={post.pk: "remove" for post in out})

    assert [fresh(post).state for post in out] == ["removing", "removing"]


def test_the_next_issue_tells_a_public_note_with_one_click_and_once(
    correction, make_item, anne, ben, client, publication
):
    make_item("Rain in Puno", published_on=None)
    following = digests.compose(publication, by=anne)
    client.force_login(anne)
    address = f"/staff/digests/{following.pk}/"
    assert "Tell it in this issue" not in client.get(address).content.decode()
    corrections.approve(correction, by=ben)
    assert "Tell it in this issue" in client.get(address).content.decode()

    for _ in range(2):
        client.post(f"{address}corrections/{correction.pk}/tell/")

    letter = digests.letter(following)
    assert "Correction to Update 120. 31 March 2007" in letter.html
    assert f"“Books cross the lake”: {SAID}" in " ".join(letter.text.split())
    assert corrections.untold(following) == []
    Digest.objects.filter(pk=following.pk).update(number=121, state="sent")
    assert SAID in client.get("/update/121/").content.decode()


def test_a_note_that_was_taken_out_or_whose_issue_was_cancelled_waits_for_another(correction, make_item, anne, ben):
    corrections.approve(correction, by=ben)
    make_item("Rain in Puno")
    following = digests.compose(correction.item.publication, by=anne)
    corrections.tell(correction, following, by=anne)
    corrections.tell_not(correction, following, by=anne)
    corrections.tell(correction, following, by=anne)
    digests.cancel(following, by=anne)
    make_item("Sun in Lima")
    assert corrections.untold(digests.compose(correction.item.publication, by=anne)) == [correction]


@pytest.fixture
def correction(item: Item, anne: Any, digest: Digest) -> Correction:
    entry = digest.entries.get(item=item)
    return corrections.correct(item, by=anne, said=SAID, choices={}, entries=[entry.pk])


def test_a_note_is_approved_by_somebody_else(correction, anne, ben, carla):
    anne.may_approve = True
    anne.save()
    for person, why in ((anne, "You wrote this note"), (carla, "Approving is for")):
        with pytest.raises(NotAllowed, match=why):
            corrections.approve(correction, by=person)
    assert not corrections.public().exists()

    corrections.approve(correction, by=ben)

    assert list(corrections.public()) == [correction]
    assert (fresh(correction).approved_by, fresh(correction).public_at is not None) == (ben, True)
    with pytest.raises(NotAllowed, match="is public"):
        corrections.approve(fresh(correction), by=ben)


def test_without_four_eyes_an_approver_lets_his_own_note_out(correction, anne, publication):
    type(publication).objects.update(four_eyes=False)
    type(anne).objects.filter(pk=anne.pk).update(may_approve=True)
    corrections.approve(Correction.objects.get(pk=correction.pk), by=fresh(anne))

    assert corrections.public().count() == 1


def test_a_dropped_note_is_seen_by_nobody(correction, anne, ben):
    with pytest.raises(Refusal, match="Say why"):
        corrections.drop(correction, by=anne, why="")
    corrections.drop(correction, by=anne, why="It was right after all.")

    assert (corrections.public().count(), corrections.waiting().count()) == (0, 0)
    with pytest.raises(NotAllowed):
        corrections.approve(fresh(correction), by=ben)
