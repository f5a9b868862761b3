"""A part of the members as the audience of a digest: the rule is in the proof, and who was approved is mailed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone

from publisher import digests, segments
from publisher.delivery import audiences, ledger
from publisher.lifecycle import Refusal
from publisher.models import (
    Consent,
    Digest,
    MeasuringConsent,
    Member,
    MemberTag,
    Proof,
    Reading,
    Segment,
    Subscription,
)


@pytest.fixture
def people(make_members: Any, publication: Any, other_publication: Any, digest: Any, anne: Any) -> Any:
    """m0 and m1 Spanish, m1 of Peru; m1 and m2 in Lima; m2 and m5 engaged; m3 joined at the very end of 1 May 2019 in
    London and gets Peru New too; m4 left; another's.
    """
    members = make_members(6)
    make_members(1, of=other_publication, prefix="other")
    Member.objects.filter(pk__in=[members[0].pk, members[1].pk]).update(language="es")
    Member.objects.filter(pk=members[1].pk).update(language="es-pe")
    MemberTag.objects.bulk_create(MemberTag(member=m, key="lima", name="Lima") for m in (members[1], members[2]))
    Member.objects.filter(pk=members[3].pk).update(joined_at=datetime(2019, 5, 1, 22, 59, tzinfo=UTC))
    Subscription.objects.create(member=members[3], publication=other_publication, state="active")
    Subscription.objects.filter(member=members[4]).update(state="left")
    MemberTag.objects.create(member=members[4], key="lima", name="Lima")
    MemberTag.objects.create(member=Member.objects.get(email="other0@members.example"), key="lima", name="Lima")
    at = datetime(2026, 10, 5, tzinfo=UTC)
    rows = [Subscription.objects.get(member=member, publication=publication) for member in members]
    Consent.objects.create(subscription=rows[0], confirmed_at=datetime(2026, 9, 1, tzinfo=UTC))
    Consent.objects.create(subscription=rows[1], confirmed_at=at, by=anne)  # a list has brought them
    Consent.objects.create(subscription=rows[2], confirmed_at=at)
    measured = MeasuringConsent.objects.create(subscription=rows[5], how="a form")
    Reading.objects.create(consent=measured, entry=digest.entries.first(), at=at)
    return members


@pytest.fixture
def of_rule(publication: Any) -> Any:
    def make(rule: Any) -> Segment:
        return Segment.objects.create(publication=publication, name="Some", rule=rule)

    return make


@pytest.mark.parametrize(
    ("rule", "who"),
    [
        ({}, "m0 m1 m2 m3 m5"),
        ({"languages": ["es"]}, "m0 m1"),
        ({"languages": ["es-pe"]}, "m1"),
        ({"languages": [""]}, "m2 m3 m5"),
        ({"languages": ["", "es"]}, "m0 m1 m2 m3 m5"),
        ({"engaged_from": "2026-10-01"}, "m2 m5"),
        ({"engaged_from": "2026-10-01", "tags": ["lima"]}, "m2"),
        ({"tags": ["lima", "cusco"]}, "m1 m2"),
        ({"not_tags": ["lima"]}, "m0 m3 m5"),
        ({"languages": ["es"], "tags": ["lima"]}, "m1"),
        ({"receives": ["peru-new"]}, "m3"),
        ({"not_receives": ["peru-new"]}, "m0 m1 m2 m5"),
        ({"joined_to": "2019-05-01"}, "m3"),
        ({"joined_to": "2019-04-30"}, ""),
        ({"joined_from": "2019-05-02"}, "m0 m1 m2 m5"),
        ({"joined_from": "2019-05-01", "joined_to": "2019-05-31"}, "m3"),
    ],
)
def test_a_rule_names_the_same_people_when_counted_and_when_frozen(
    publication: Any, people: Any, of_rule: Any, anne: Any, rule: Any, who: str, digest: Any
) -> None:
    wanted = [f"{name}@members.example" for name in who.split()]
    assert sorted(ledger.audience(publication, rule).values_list("member__email", flat=True)) == wanted
    Digest.objects.filter(pk=digest.pk).update(state="preparing", segment=of_rule(rule))
    digest.refresh_from_db()
    while ledger.freeze_chunk(digest, size=2):
        pass
    assert list(digest.deliveries.order_by("member_id").values_list("address", flat=True)) == wanted


def test_the_rule_is_in_the_proof_and_a_later_change_of_the_segment_mails_nobody_else(
    people: Any, of_rule: Any, digest: Any, anne: Any, ben: Any
) -> None:
    segment = of_rule({"tags": ["lima"]})
    digests.choose_audience(digest, segment, by=anne)
    proof = digests.proof(digest, by=anne)
    assert proof.audience == {
        "publication": "update",
        "subscription": "active",
        "segment": "Some",
        "rule": {"tags": ["lima"]},
    }
    assert proof.audience_count == 2
    digests.approve(proof, by=ben)
    Segment.objects.filter(pk=segment.pk).update(rule={})
    Digest.objects.filter(pk=digest.pk).update(start_at=timezone.now())
    digest = Digest.objects.get(pk=digest.pk)
    digests.start(digest)
    digests.prepare(digest)
    addresses = sorted(digest.deliveries.values_list("address", flat=True))
    assert addresses == ["m1@members.example", "m2@members.example"]
    assert digest.frozen_count == 2


def test_a_segment_that_was_changed_after_the_proof_is_not_approved(
    people: Any, of_rule: Any, digest: Any, anne: Any, ben: Any
) -> None:
    segment = of_rule({"tags": ["lima"]})
    digests.choose_audience(digest, segment, by=anne)
    proof = digests.proof(digest, by=anne)
    Segment.objects.filter(pk=segment.pk).update(rule={})
    with pytest.raises(Refusal):
        digests.approve(Proof.objects.get(pk=proof.pk), by=ben)


def test_choosing_other_people_voids_the_approval(people: Any, of_rule: Any, proof: Any, anne: Any, ben: Any) -> None:
    digests.approve(proof, by=ben)
    digest = Digest.objects.get(pk=proof.digest_id)
    digests.choose_audience(digest, of_rule({"tags": ["lima"]}), by=anne)
    digest.refresh_from_db()
    assert (digest.state, digest.proof) == ("draft", None)
    again = digests.proof(digest, by=anne)
    assert again.sha256 != proof.sha256


def test_a_segment_in_which_nobody_is_gets_no_proof(people: Any, of_rule: Any, digest: Any, anne: Any) -> None:
    digests.choose_audience(digest, of_rule({"tags": ["nobody"]}), by=anne)
    with pytest.raises(Refusal, match="Nobody is in the segment “Some”"):
        digests.proof(digest, by=anne)
    assert Digest.objects.get().state == "draft"


def test_who_was_approved_and_is_there_no_more_leaves_a_question(
    people: Any, of_rule: Any, digest: Any, anne: Any, ben: Any
) -> None:
    digests.choose_audience(digest, of_rule({"tags": ["lima"]}), by=anne)
    digests.approve(digests.proof(digest, by=anne), by=ben)
    MemberTag.objects.all().delete()
    Digest.objects.filter(pk=digest.pk).update(start_at=timezone.now())
    digest = Digest.objects.get(pk=digest.pk)
    digests.start(digest)
    assert (digest.state, digest.attention.split(".")[0]) == (
        "approved",
        "Nobody is in the segment that this was approved for any more",
    )


def test_a_question_that_nobody_knows_chooses_nobody(publication: Any) -> None:
    with pytest.raises(Refusal, match="Nobody can be chosen by colour"):
        audiences.of(publication, {"colour": "red"})


def test_a_segment_of_another_publication_is_no_audience(digest: Any, anne: Any, other_publication: Any) -> None:
    theirs = Segment.objects.create(publication=other_publication, name="Theirs", rule={})
    with pytest.raises(Refusal, match="another publication"):
        digests.choose_audience(digest, theirs, by=anne)


def test_whoever_changed_the_rule_does_not_approve_it(
    people: Any, of_rule: Any, digest: Any, anne: Any, ben: Any
) -> None:
    segment = of_rule({"tags": ["lima"]})
    segments.edit(segment, {"languages": ["ES"]}, by=ben)
    digests.choose_audience(digest, segment, by=anne)
    proof = digests.proof(digest, by=anne)

    with pytest.raises(Refusal, match="You edited this digest"):
        digests.approve(proof, by=ben)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ({"languages": ["ES", "none"]}, {"languages": ["", "es"]}),
        ({"tags": ["Lima", ""]}, {"tags": ["lima"]}),
        ({"tags": ["!!!"]}, "is no tag"),
        ({"languages": ["Español"]}, "is no language"),
        ({"joined_to": "9999-12-31"}, "is no day"),
        ({"joined_from": "2026-02-02", "joined_to": "2026-02-01"}, "Nobody joined after"),
    ],
)
def test_a_rule_is_stored_so_that_it_says_what_was_meant(typed: Any, kept: Any) -> None:
    if isinstance(kept, str):
        with pytest.raises(Refusal, match=kept):
            segments.checked(typed)
    else:
        assert segments.checked(typed) == segments.checked(kept) == kept
