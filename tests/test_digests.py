from __future__ import annotations

from datetime import date, timedelta

import pytest
import time_machine
from django.utils import timezone

from publisher import digests, items, lifecycle, numbers
from publisher import items as items_verbs
from publisher.lifecycle import NotAllowed, Overtaken, Refusal
from publisher.models import Approval, Delivery, Digest, Entry, Event, Item, Post, Proof


def test_composing_takes_the_queued_items_newest_first(digest, make_item, other_publication):
    make_item("Not queued", state="received")
    make_item("Another series", publication=other_publication)
    assert [entry.title for entry in digest.entries.all()] == [
        "A reading room opens",
        "Books cross the lake",
        "The mule library turns ten",
    ]


def test_composing_from_an_empty_queue_is_refused_with_what_to_do(publication, anne):
    with pytest.raises(Refusal, match="queue the items that belong into the next one"):
        digests.compose(publication, by=anne)
    assert not Digest.objects.exists()


def test_an_item_is_used_once_in_a_series(digest, publication, anne):
    with pytest.raises(Refusal, match="No item is queued"):
        digests.compose(publication, by=anne)
    with pytest.raises(Refusal, match="each item goes out once"):
        digests.add(digest, digest.entries.first().item, by=anne)


def test_the_number_is_reserved_at_the_first_proof_and_kept(digest, publication, anne, ben):
    assert digest.number is None
    first = digests.proof(digest, by=anne)
    digest.refresh_from_db()
    assert digest.label == "Update 120. 31 March 2007"
    digests.ask_changes(first, by=ben, comment="A shorter introduction, please")
    digests.proof(digest, by=anne)
    digest.refresh_from_db()
    publication.refresh_from_db()
    assert (digest.number, publication.next_number) == (120, 121)


def test_two_digests_submitted_at_once_get_two_numbers(publication, make_item, anne):
    two = [digests.compose(publication, by=anne, items=[make_item(title)]) for title in ("One", "Two")]
    assert sorted(digests.proof(digest, by=anne).digest.number for digest in two) == [120, 121]


def test_a_cancelled_digest_that_nobody_received_gives_its_number_and_items_back(proof, publication, anne):
    digest = proof.digest
    digests.cancel(digest, by=anne, why="wrong month")
    again = digests.compose(publication, by=anne, date=date(2007, 4, 30))
    assert [entry.title for entry in again.entries.all()] == [entry.title for entry in digest.entries.all()]
    assert digests.proof(again, by=anne).digest.number == 120


def test_a_cancelled_digest_that_somebody_received_keeps_its_number(approved, anne, members, publication):
    digests.start(approved)
    digests.prepare(approved)
    Delivery.objects.filter(pk=approved.deliveries.first().pk).update(state="sent")
    digests.cancel(approved, by=anne, why="a mistake in it")
    assert approved.number == 120
    assert sorted(approved.deliveries.values_list("state", flat=True)) == ["sent"] + ["skipped"] * 4
    assert numbers.reserve(publication.pk) == 121


@pytest.fixture
def approved(members, proof, ben):
    """Update 120, approved by Ben; its hold is over."""
    digests.approve(proof, by=ben)
    digest = proof.digest
    Digest.objects.filter(pk=digest.pk).update(start_at=timezone.now())
    digest.refresh_from_db()
    return digest


def test_what_is_approved_starts_after_the_hold(proof, ben):
    with time_machine.travel("2007-03-31T09:00:00Z", tick=False):
        digests.approve(proof, by=ben)
        digest = Digest.objects.get(pk=proof.digest_id)
        assert digest.state == "approved"
        assert digest.proof == proof
        assert digest.start_at - timezone.now() == timedelta(minutes=5)
        assert not digest.due


def test_undo_during_the_hold_stops_the_start_and_keeps_the_approval(proof, ben, anne):
    digests.approve(proof, by=ben)
    digest = Digest.objects.get(pk=proof.digest_id)
    digests.unschedule(digest, by=anne)
    digest.refresh_from_db()
    assert (digest.state, digest.start_at, digest.proof) == ("approved", None, proof)


EDITS = {
    "introduction": lambda digest, by: digests.edit(digest, by=by, introduction="Dear reader"),
    "date": lambda digest, by: digests.edit(digest, by=by, date=date(2007, 4, 1)),
    "an entry's text": lambda digest, by: digests.edit_entry(digest.entries.first(), by=by, teaser="Other words"),
    "the order": lambda digest, by: digests.reorder(
        digest, list(digest.entries.order_by("-position").values_list("pk", flat=True)), by=by
    ),
    "an entry taken out": lambda digest, by: digests.remove(digest.entries.first(), by=by),
    "a post": lambda digest, by: digests.edit_post(
        digest.posts.first(), digest.posts.first().text.replace("A reading", "One reading") + " !", by=by
    ),
    "an item withdrawn": lambda digest, by: items.withdraw(digest.entries.first().item, by=by, why="not true"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_an_edited_digest_needs_approval_again(channels, edit, approved_with_posts, anne):
    digest = approved_with_posts
    edit(digest, anne)
    digest = Digest.objects.get(pk=digest.pk)
    assert (digest.state, digest.proof, digest.start_at) == ("draft", None, None)
    assert not Post.objects.filter(state="approved").exists()


@pytest.fixture
def approved_with_posts(channels, digest, anne, ben):
    digests.approve(digests.proof(digest, by=anne), by=ben)
    return Digest.objects.get(pk=digest.pk)


def test_the_posts_are_approved_with_the_digest_and_get_times(approved_with_posts):
    posts = Post.objects.all()
    assert {post.state for post in posts} == {"approved"}
    assert len(posts) == 2 * (1 + 3)
    assert all(post.due_at for post in posts)


def test_who_edited_cannot_approve(proof, anne):
    anne.may_approve = True
    anne.save()
    with pytest.raises(NotAllowed, match="somebody else has to approve"):
        digests.approve(proof, by=anne)
    assert not Approval.objects.exists()


def test_who_edited_an_item_of_the_digest_cannot_approve(digest, anne, ben):
    items.edit(digest.entries.first().item, by=ben, teaser="Ben's words")
    proof = digests.proof(digest, by=anne)
    with pytest.raises(NotAllowed, match="somebody else has to approve"):
        digests.approve(proof, by=ben)


def test_an_edit_before_the_last_approved_proof_no_longer_bars(digest, anne, ben, carla):
    carla.may_approve = True
    carla.save()
    digests.edit(digest, by=ben, introduction="Ben's words")
    digests.approve(digests.proof(digest, by=anne), by=carla)
    digest.refresh_from_db()
    digests.edit(digest, by=anne, introduction="Anne's words")
    digest.refresh_from_db()
    digests.approve(digests.proof(digest, by=anne), by=ben)
    assert Digest.objects.get(pk=digest.pk).state == "approved"


def test_with_one_pair_of_eyes_the_editor_may_approve(proof, anne, publication):
    publication.four_eyes = False
    publication.save()
    anne.may_approve = True
    anne.save()
    proof.digest.refresh_from_db()
    digests.approve(proof, by=anne)
    assert Digest.objects.get(pk=proof.digest_id).state == "approved"


def test_who_is_no_approver_cannot_approve(proof, carla):
    assert digests.why_not(proof, carla) == (
        "You may edit, and ask for changes; approving is for the people named as approvers."
    )


def test_two_approvals_of_one_proof_count_once(proof, ben):
    first, second = digests.approve(proof, by=ben), digests.approve(proof, by=ben)
    assert first == second
    assert Event.objects.filter(noun="digest", after="approved").count() == 1


def test_an_old_proof_cannot_be_approved(proof, anne, ben):
    digest = proof.digest
    digests.edit(digest, by=anne, introduction="Dear reader")
    digest.refresh_from_db()
    digests.proof(digest, by=anne)
    with pytest.raises(NotAllowed, match="newer proof"):
        digests.approve(proof, by=ben)


def test_what_changed_beneath_the_proof_is_not_approved(proof, publication, ben):
    publication.postal_address = "2 Other Street"
    publication.save()
    with pytest.raises(Overtaken, match="has changed since this proof was made"):
        digests.approve(proof, by=ben)
    assert Digest.objects.get(pk=proof.digest_id).state == "in_review"


def test_the_same_digest_gives_the_same_proof(proof, anne, ben):
    digests.ask_changes(proof, by=ben, comment="Is the date right?")
    proof.digest.refresh_from_db()
    again = digests.proof(proof.digest, by=anne)
    assert again.sha256 == proof.sha256


def test_text_that_comes_back_to_what_it_was_can_be_approved(digest, anne, ben):
    first = digests.proof(digest, by=anne)
    for introduction in ("Dear reader", ""):
        digest.refresh_from_db()
        digests.edit(digest, by=anne, introduction=introduction)
        digest.refresh_from_db()
        latest = digests.proof(digest, by=anne)
    assert latest == first
    digests.approve(latest, by=ben)
    assert Digest.objects.get(pk=digest.pk).state == "approved"


def test_who_wrote_an_item_that_came_in_later_cannot_approve_it(digest, make_item, anne, ben, carla):
    carla.may_approve = True
    carla.save()
    late = make_item("Late news")
    items.edit(late, by=ben, teaser="Ben's words")
    digests.approve(digests.proof(digest, by=anne), by=carla)
    digest.refresh_from_db()
    digests.add(digest, late, by=anne)
    digest.refresh_from_db()
    with pytest.raises(NotAllowed, match="somebody else has to approve"):
        digests.approve(digests.proof(digest, by=anne), by=ben)


def test_who_wrote_the_footer_before_the_digest_was_made_cannot_approve_it(publication, items, anne, ben):
    lifecycle.note(publication, "edited", by=ben, fields=["postal_address"])
    proof = digests.proof(digests.compose(publication, by=anne), by=anne)
    with pytest.raises(NotAllowed, match="somebody else has to approve"):
        digests.approve(proof, by=ben)


def test_a_change_of_the_sender_needs_a_new_proof(proof, publication, ben):
    publication.sender_email = "other@reading-rooms.example"
    publication.save()
    with pytest.raises(Overtaken, match="has changed since this proof was made"):
        digests.approve(proof, by=ben)


@pytest.mark.parametrize("wrong", [{"list_id": "büro.example"}, {"sender_name": "Rooms\nBcc: x"}, {"reply_to": "us"}])
def test_what_no_mail_can_carry_is_refused_before_anybody_approves_it(digest, publication, anne, wrong):
    type(publication).objects.update(**wrong)
    with pytest.raises(Refusal, match="No mail can be made of this"):
        digests.proof(digest, by=anne)
    digest.refresh_from_db()
    assert (digest.state, digest.number) == ("draft", None)


def test_a_withdrawn_item_gets_into_no_digest_however_late_it_was_withdrawn(publication, items, anne, ben):
    items_verbs.withdraw(Item.objects.get(pk=items[0].pk), by=anne, why="not true")
    with pytest.raises(Refusal, match="is withdrawn: queue it first"):
        digests.compose(publication, by=anne, items=items)
    assert not Digest.objects.exists()


def test_an_item_set_aside_under_a_proof_is_not_approved(proof, ben):
    Item.objects.filter(title="Books cross the lake").update(state="set_aside")
    with pytest.raises(Refusal, match="“Books cross the lake” is set aside: take it out of the digest first"):
        digests.approve(proof, by=ben)


def test_an_undo_that_came_first_wins_against_a_start_under_way(approved, anne):
    seen_by_the_worker = Digest.objects.get(pk=approved.pk)
    digests.unschedule(approved, by=anne)
    digests.start(seen_by_the_worker)
    assert Digest.objects.get(pk=approved.pk).state == "approved"


def test_a_proof_from_under_another_address_is_not_approved(proof, ben, settings):
    made_at, settings.BASE_URL = settings.BASE_URL, "https://news.example"
    with pytest.raises(Overtaken, match=f"begin with {made_at}, and PUBLISHER_BASE_URL is https://news.example here"):
        digests.approve(proof, by=ben)


def test_an_approved_one_whose_address_changed_is_not_started_before_it_is_made_anew(approved, anne, ben, settings):
    made_at, settings.BASE_URL = settings.BASE_URL, "https://news.example"
    digests.start(approved)
    assert (approved.state, approved.start_at) == ("approved", None)
    assert f"begin with {made_at}, and PUBLISHER_BASE_URL is https://news.example here" in approved.attention

    digests.edit(approved, by=anne, introduction="From our new address.")
    digests.approve(digests.proof(Digest.objects.get(pk=approved.pk), by=anne), by=ben)
    Digest.objects.filter(pk=approved.pk).update(start_at=timezone.now())
    approved.refresh_from_db()
    digests.start(approved)
    assert approved.state == "preparing"


def test_a_stored_proof_whose_bytes_were_changed_does_not_start(approved):
    Proof.objects.filter(pk=approved.proof_id).update(html=approved.proof.html + "<p>One more thing</p>")
    approved.refresh_from_db()
    digests.start(approved)
    approved.refresh_from_db()
    assert approved.state == "approved"
    assert approved.attention.startswith("The stored proof is not what was approved")


def test_a_digest_of_which_a_post_was_read_keeps_its_number_when_cancelled(approved_with_posts, anne):
    digest = approved_with_posts
    Digest.objects.filter(pk=digest.pk).update(start_at=timezone.now())
    digest.refresh_from_db()
    digests.start(digest)
    digests.prepare(digest)
    Post.objects.filter(pk=digest.posts.first().pk).update(state="published", remote_id="1")
    digests.cancel(digest, by=anne, why="wrong")
    assert digest.number == 120
    assert not digest.entries.filter(released=True).exists()


def test_the_call_that_ends_a_section_is_the_letters_button_and_not_said_twice(digest, publication):
    section = publication.sections.get()
    section.body = "Books where there are none.\n\nBecome a member"
    section.save()
    made = digests.letter(digest)
    assert (made.text.count("Become a member"), made.html.count("Become a member")) == (1, 1)
    assert "Books where there are none." in made.text


def test_asking_for_changes_needs_a_comment(proof, ben):
    with pytest.raises(Refusal, match="Say what should change"):
        digests.ask_changes(proof, by=ben, comment="  ")
    digests.ask_changes(proof, by=ben, comment="Shorter")
    assert Digest.objects.get(pk=proof.digest_id).state == "draft"


def test_what_is_due_too_late_asks_instead_of_going_out(approved):
    Digest.objects.filter(pk=approved.pk).update(start_at=timezone.now() - timedelta(hours=7))
    approved.refresh_from_db()
    digests.start(approved)
    approved.refresh_from_db()
    assert (approved.state, approved.start_at) == ("approved", None)
    assert "the service was down. Send it now?" in approved.attention


def test_an_audience_that_grew_since_the_approval_asks(approved, make_members):
    make_members(11, prefix="late")
    digests.start(approved)
    approved.refresh_from_db()
    assert approved.state == "approved"
    assert approved.attention == (
        "16 members would receive this; when it was approved there were 5. Send it to all of them?"
    )


def test_a_person_who_says_yes_to_a_grown_audience_is_not_asked_again(approved, make_members, ben):
    make_members(11, prefix="late")
    digests.start(approved)
    digests.schedule(approved, timezone.now(), by=ben)
    Digest.objects.filter(pk=approved.pk).update(start_at=timezone.now())
    approved.refresh_from_db()
    digests.start(approved)
    assert Digest.objects.get(pk=approved.pk).state == "preparing"


def test_the_audience_is_frozen_in_chunks_and_once(approved, members, make_members, other_publication):
    make_members(3, of=other_publication, prefix="other")
    digests.start(approved)
    digests.prepare(approved)
    digests.prepare(Digest.objects.get(pk=approved.pk))
    assert sorted(approved.deliveries.values_list("address", flat=True)) == sorted(m.email for m in members)
    assert (approved.state, approved.frozen_count) == ("sending", 5)


def test_entries_hold_their_own_text(approved):
    entry = Entry.objects.filter(digest=approved).first()
    entry.item.title = "Changed afterwards"
    entry.item.save()
    assert Entry.objects.get(pk=entry.pk).title == "A reading room opens"
    assert "Changed afterwards" not in approved.proof.html
