"""Approving by command: the proof that somebody saw, and no other."""

from __future__ import annotations

from django.utils import timezone

from publisher import digests
from publisher.models import Approval, Digest


def named(proof):
    return (
        f"The proof of Update 120. 31 March 2007 is {proof.sha256}. Look at it on its page, and name the one "
        "that you saw: --sha256 with at least its first 12 characters.\n"
    )


def test_who_does_not_name_the_proof_approves_nothing(publisher, proof, ben):
    for sha256 in ("", proof.sha256[:11], "0" * 64, proof.sha256[:12] + "x"):
        answer = publisher("digests", "approve", "--by", "ben", "--sha256", sha256)
        assert (answer.status, answer.err) == (1, named(proof))
    assert publisher("digests", "approve", "--by", "ben").err == named(proof)
    assert (Digest.objects.get().state, Approval.objects.count()) == ("in_review", 0)


def test_a_proof_that_was_replaced_meanwhile_is_not_what_is_approved(publisher, proof, anne, ben):
    digests.edit(proof.digest, by=anne, introduction="On second thoughts.")
    newer = digests.proof(Digest.objects.get(), by=anne)
    assert publisher("digests", "approve", "--by", "ben", "--sha256", proof.sha256).err == named(newer)
    assert publisher("digests", "approve", "--by", "ben", "--sha256", newer.sha256[:12].upper()).status == 0
    assert (Digest.objects.get().proof, Approval.objects.get().proof) == (newer, newer)


def test_text_that_came_back_is_approved_by_its_own_proof_not_by_the_newest(publisher, proof, anne, ben):
    digests.edit(proof.digest, by=anne, introduction="On second thoughts.")
    newest = digests.proof(Digest.objects.get(), by=anne)
    digests.edit(Digest.objects.get(), by=anne, introduction="")
    assert digests.proof(Digest.objects.get(), by=anne) == proof
    assert publisher("digests", "show", "--json").json()["review"] == proof.sha256
    assert f"Proof {proof.sha256}, for 0 members\n" in publisher("digests", "show").out
    assert publisher("digests", "approve", "--by", "ben", "--sha256", newest.sha256).err == named(proof)
    assert publisher("digests", "approve", "--by", "ben", "--sha256", proof.sha256).status == 0
    assert Digest.objects.get().proof == proof


def test_a_draft_has_nothing_to_approve(publisher, proof, anne, ben):
    digests.edit(proof.digest, by=anne, introduction="On second thoughts.")
    answer = publisher("digests", "approve", "--by", "ben", "--sha256", proof.sha256)
    assert answer.err == (
        "Update 120. 31 March 2007 has no proof in review: make one with `publisher digests proof`.\n"
    )


def test_what_holds_a_sending_back_is_shown(publisher, proof, ben, settings):
    settings.WARM_UP = f"{timezone.now():%Y-%m-%d}"
    Digest.objects.update(state="sending")
    assert "Warm-up: 0 of 50 today.\n" in publisher("digests", "show").out
    assert publisher("digests", "show", "--json").json()["holds_back"] == ["Warm-up: 0 of 50 today."]
