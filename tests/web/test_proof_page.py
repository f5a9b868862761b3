from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from publisher import digests
from publisher.models import Approval, Digest

CHANGED = "What would go out has changed since you opened this page. Nothing was decided: look at it again."


def to(name: str, proof: Any) -> str:
    return reverse(name, args=[proof.digest_id])


def approve(client: Client, proof: Any, sha256: str | None = None) -> Any:
    return client.post(to("proof-approve", proof), {"sha256": sha256 or proof.sha256}, follow=True)


def test_the_proof_shows_exactly_what_goes_out_and_to_how_many(
    as_ben: Client, channels: Any, members: Any, proof: Any, read: Any
) -> None:
    page = read(as_ben.get(to("proof", proof)))

    facts = dict(zip(page("dl.facts dt"), page("dl.facts dd"), strict=True))
    assert facts["Subject"] == proof.subject
    assert facts["Goes to"] == "5 members"
    assert facts["Posts"] == "4 on Facebook · Andean Reading Rooms, 4 on X · reading_rooms"
    assert facts["Edited by"] == "Anne Rowe"
    assert facts["SHA-256"] == proof.sha256
    assert page.tree.cssselect(".textpart code")[0].text == proof.text
    assert sorted(page(".posts .teaser")) == sorted(" ".join(post["text"].split()) for post in proof.posts)


def test_the_frame_holds_the_frozen_letter_and_not_the_draft(as_ben: Client, proof: Any, anne: Any) -> None:
    frozen = as_ben.get(to("proof-html", proof)).content.decode()
    digests.edit_entry(proof.digest.entries.get(title="Books cross the lake"), by=anne, title="Nothing crosses")

    assert "Books cross the lake" in frozen
    assert as_ben.get(to("proof-html", proof)).content.decode() == frozen


def test_ben_approves_and_sees_the_sending(as_ben: Client, ben: Any, proof: Any, read: Any) -> None:
    assert read(as_ben.get(to("proof", proof)))(".filled") == ["Approve"]

    response = approve(as_ben, proof)

    assert response.redirect_chain == [(to("sending", proof), 302)]
    assert read(response)(".messages p") == [f"You approved {proof.subject}."]
    proof.digest.refresh_from_db()
    assert (proof.digest.state, proof.digest.proof_id) == ("approved", proof.pk)
    assert list(Approval.objects.values_list("person", "decision")) == [(ben.pk, "approved")]


def test_a_double_click_counts_once(as_ben: Client, proof: Any, read: Any) -> None:
    approve(as_ben, proof)
    again = approve(as_ben, proof)

    assert read(again)(".messages .error") == []
    assert Approval.objects.count() == 1


def test_anne_may_not_approve_what_she_edited_and_is_told_why(
    as_anne: Client, anne: Any, proof: Any, read: Any
) -> None:
    anne.may_approve = True
    anne.save()

    page = read(as_anne.get(to("proof", proof)))
    assert page(".filled") == []
    assert (
        page.one(".attention") == "You edited this digest since it was last approved: somebody else has to approve it."
    )

    refused = read(approve(as_anne, proof))
    assert refused(".messages .error") == [page.one(".attention")]
    proof.digest.refresh_from_db()
    assert proof.digest.state == "in_review"


def test_carla_may_not_approve_and_may_ask_for_changes(as_carla: Client, proof: Any, read: Any) -> None:
    page = read(as_carla.get(to("proof", proof)))
    assert page.one(".attention").startswith("You may edit, and ask for changes")
    assert read(approve(as_carla, proof))(".messages .error") == [page.one(".attention")]

    data = {"sha256": proof.sha256, "comment": "The lake has a name."}
    page = read(as_carla.post(to("proof-changes", proof), data, follow=True))

    assert page(".messages p") == ["Sent back with your comment."]
    assert page(".history li span")[0] == "Carla Vidal took it back to draft: The lake has a name."
    proof.digest.refresh_from_db()
    assert proof.digest.state == "draft"


def test_asking_for_changes_takes_a_comment(as_ben: Client, proof: Any, read: Any) -> None:
    page = read(as_ben.post(to("proof-changes", proof), {"sha256": proof.sha256, "comment": " "}, follow=True))

    assert page(".messages .error") == ["Say what should change: the editor reads it."]
    proof.digest.refresh_from_db()
    assert proof.digest.state == "in_review"


@pytest.mark.parametrize("deed", ["proof-approve", "proof-changes"])
def test_a_decision_on_what_has_changed_meanwhile_is_refused(
    as_ben: Client, anne: Any, proof: Any, read: Any, deed: str
) -> None:
    """Ben's page is open while Anne takes the digest back, changes it and sends it to review anew."""
    digests.edit(proof.digest, by=anne, introduction="On second thoughts.")
    newer = digests.proof(proof.digest, by=anne)
    assert newer.sha256 != proof.sha256

    page = read(as_ben.post(to(deed, proof), {"sha256": proof.sha256, "comment": "Fine."}, follow=True))

    assert page(".messages .error") == [CHANGED]
    proof.digest.refresh_from_db()
    assert (proof.digest.state, Approval.objects.count()) == ("in_review", 0)


def test_a_form_without_a_hash_approves_nothing(as_ben: Client, proof: Any, read: Any) -> None:
    page = read(as_ben.post(to("proof-approve", proof), follow=True))

    assert page(".messages .error") == [CHANGED]
    assert Approval.objects.count() == 0


def test_after_an_edit_the_old_proof_says_that_it_is_old(as_ben: Client, anne: Any, proof: Any, read: Any) -> None:
    digests.edit(proof.digest, by=anne, introduction="On second thoughts.")

    page = read(as_ben.get(to("proof", proof)))

    assert page.one(".attention").startswith("The digest is a draft again")
    assert page(".filled") == ["See the draft"]


def test_text_that_came_back_shows_the_proof_in_review_and_not_the_newest(
    as_ben: Client, anne: Any, proof: Any, read: Any
) -> None:
    digests.edit(proof.digest, by=anne, introduction="On second thoughts.")
    digests.proof(Digest.objects.get(), by=anne)
    digests.edit(Digest.objects.get(), by=anne, introduction="")
    assert digests.proof(Digest.objects.get(), by=anne) == proof

    page = read(as_ben.get(to("proof", proof)))

    assert page.values("input[name=sha256]") == [proof.sha256, proof.sha256]
    assert "On second thoughts." not in as_ben.get(to("proof-html", proof)).content.decode()
    assert read(approve(as_ben, proof))(".messages p") == [f"You approved {proof.subject}."]


def test_a_draft_without_a_proof_leads_back_to_its_text(as_ben: Client, digest: Any, read: Any) -> None:
    response = as_ben.get(reverse("proof", args=[digest.pk]), follow=True)

    assert response.redirect_chain == [(reverse("digest", args=[digest.pk]), 302)]
    assert read(response)(".messages .warning") == ["There is no proof yet: send the digest to review first."]
    assert as_ben.get(reverse("proof-html", args=[digest.pk])).status_code == 404


def test_who_decided_what_is_shown_also_of_earlier_proofs(
    as_ben: Client, anne: Any, ben: Any, proof: Any, read: Any
) -> None:
    digests.ask_changes(proof, by=ben, comment="Shorter.")
    proof.digest.refresh_from_db()
    digests.edit(proof.digest, by=anne, introduction="Short.")
    digests.proof(proof.digest, by=anne)

    (decision,) = read(as_ben.get(to("proof", proof)))(".decisions li")

    assert decision.startswith(f"Ben Ortiz asked for changes (an earlier proof, {proof.sha256[:12]})")
    assert decision.endswith("Shorter.")
