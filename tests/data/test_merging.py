"""One person in two rows: what becomes of their states, their history, and the links in their letters."""

from __future__ import annotations

from typing import Any

import pytest

from publisher import links, members, merging
from publisher.lifecycle import Refusal
from publisher.models import Consent, Delivery, Member, MemberTag, Notice, Subscription


@pytest.fixture
def two(make_members: Any) -> Any:
    return make_members(2)


@pytest.mark.parametrize(
    ("kept", "gone", "then"),
    [
        ("active", "active", "active"),
        ("active", "left", "left"),
        ("left", "active", "left"),
        ("active", "suppressed", "suppressed"),
        ("suppressed", "active", "suppressed"),
        ("left", "suppressed", "left"),
        ("suppressed", "left", "suppressed"),
        ("active", "pending", "active"),
        ("pending", "active", "pending"),
        ("pending", "left", "left"),
    ],
)
def test_of_two_states_the_stricter_one_wins(two, anne, kept, gone, then):
    mine, theirs = two
    Subscription.objects.filter(member=mine).update(state=kept)
    Subscription.objects.filter(member=theirs).update(state=gone)
    merging.merge(mine, theirs, by=anne)
    assert [s.state for s in Subscription.objects.all()] == [then]
    assert (list(Member.objects.all()), Notice.objects.count()) == ([mine], 0)


def test_nothing_of_a_person_is_lost(anne, publication, other_publication, sending, make_members):
    mine, theirs = Member.objects.filter(email__in=["m0@members.example", "m1@members.example"]).order_by("pk")
    Subscription.objects.create(member=theirs, publication=other_publication, state="active")
    for member in (mine, theirs):
        row = Subscription.objects.get(member=member, publication=publication)
        Consent.objects.create(subscription=row, how=f"page {member.pk}")
    Member.objects.filter(pk=mine.pk).update(first_name="")
    MemberTag.objects.create(member=mine, key="lima", name="Lima")
    MemberTag.objects.create(member=theirs, key="lima", name="LIMA")
    MemberTag.objects.create(member=theirs, key="cusco", name="Cusco")
    link, pages = links.sign("leave", theirs.pk, publication.pk), [f"page {mine.pk}", f"page {theirs.pk}"]
    merging.merge(Member.objects.get(pk=mine.pk), theirs, by=anne)
    kept = Member.objects.get(pk=mine.pk)
    assert (kept.first_name, sorted(tag.name for tag in kept.tags.all())) == ("Name1", ["Cusco", "Lima"])
    assert sorted(c.how for c in Consent.objects.filter(subscription__member=kept)) == pages
    assert Delivery.objects.filter(member=kept).count() == 2
    assert sorted(s.publication.slug for s in kept.subscriptions.all()) == ["peru-new", "update"]
    members.leave(link)
    assert Subscription.objects.get(member=kept, publication=publication).state == "left"
    assert Subscription.objects.get(member=kept, publication=other_publication).state == "active"


def test_an_erasure_knows_both_addresses_of_a_person_who_was_merged(anne, sending, publication):
    mine, theirs = Member.objects.filter(email__in=["m0@members.example", "m1@members.example"]).order_by("pk")
    merging.merge(mine, theirs, by=anne)
    members.erase(Member.objects.get(pk=mine.pk), by=anne)
    assert not Delivery.objects.filter(address__in=["m0@members.example", "m1@members.example"]).exists()
    from tests.lists import bring

    assert bring(publication, anne, "email", "m0@members.example", "m1@members.example").refused == 2


def test_spellings_of_one_address_are_found_and_dots_are_part_of_an_address(db):
    for email in (
        "josé@members.example",
        "jose\u0301@members.example",
        "a.b@gmail.com",
        "ab@gmail.com",
        "x+y@gmail.com",
    ):
        Member.objects.create(email=email)
    Member.objects.create(email="Rosa@members.example")
    Member.objects.create(email="rosa@members.example")
    found = [sorted(Member.objects.filter(pk__in=group).values_list("email", flat=True)) for group in merging.alike()]
    assert found == [
        sorted(["josé@members.example", "jose\u0301@members.example"]),
        ["Rosa@members.example", "rosa@members.example"],
    ]


def test_one_member_is_not_two(two, anne):
    with pytest.raises(Refusal, match="one member already"):
        merging.merge(two[0], two[0], by=anne)
    erased = Member.objects.get(pk=two[1].pk)
    members.erase(two[1], by=anne)
    with pytest.raises(Refusal, match="just been erased"):
        merging.merge(two[0], erased, by=anne)
