"""Members over time and what became of each Update: counts that stay, in a terminal and on a page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from publisher import charts, members, readership
from publisher.lifecycle import move
from publisher.models import Click, Digest, Event, MembersOfDay, Proof, Subscription, TalliedTo
from tests.cli.conftest import publisher as publisher

pytestmark = pytest.mark.django_db


def tallied() -> dict[str, int]:
    """Count what was written, as if it had been a minute ago; what stands there then, of “Update”."""
    Event.objects.update(at=timezone.now() - timedelta(minutes=2))
    TalliedTo.objects.update(at=timezone.now() - timedelta(hours=1))
    readership.tally()
    days = MembersOfDay.objects.filter(publication__slug="update")
    return {kind: sum(getattr(day, kind) for day in days) for kind in readership.KINDS}


def test_members_are_counted_as_they_come_and_go(publication: Any, make_members: Any, other_publication: Any) -> None:
    rows = [Subscription.objects.get(member=member) for member in make_members(4)]
    new = Subscription.objects.create(member=rows[0].member, publication=other_publication, state="pending")
    move(rows[0], "left", by=None)
    move(rows[0], "pending", by=None)
    move(rows[0], "active", by=None)
    move(rows[1], "suppressed", by=None, why="no such address")
    members.erase(rows[2].member, by=None)
    readership.joined(publication, 7)
    move(new, "active", by=None)

    assert tallied() == {"joined": 8, "left": 2, "bounced": 1}
    assert tallied() == {"joined": 8, "left": 2, "bounced": 1}  # nothing twice
    assert MembersOfDay.objects.get(publication=other_publication).joined == 1


def test_what_was_written_just_now_is_counted_later(publication: Any, make_members: Any) -> None:
    (member,) = make_members(1)
    move(Subscription.objects.get(member=member), "left", by=None)

    assert readership.tally() == 0
    assert tallied()["left"] == 1


def test_months_without_anything_are_there_too(publication: Any) -> None:
    today = publication.today()
    MembersOfDay.objects.create(publication=publication, day=today, joined=3, left=1)
    MembersOfDay.objects.create(publication=publication, day=today.replace(day=1) - timedelta(days=1), bounced=2)

    found = readership.months(publication, 3)

    assert [(m.joined, m.left, m.bounced) for m in found] == [(0, 0, 0), (0, 0, 2), (3, 1, 0)]
    assert found[-1].first == today.replace(day=1)


@pytest.fixture
def sent(publication: Any, digest: Any, members: Any, anne: Any, ben: Any) -> Digest:
    """Update 120 went to five; one bounced, two left after it, and its first link was followed."""
    from publisher import digests

    publication.measure = "links"
    publication.save()
    digests.approve(digests.proof(digest, by=anne), by=ben)
    Digest.objects.filter(pk=digest.pk).update(state="sent", started_at=timezone.now())
    for n, member in enumerate(members):
        digest.deliveries.create(member=member, address=member.email, state="bounced" if n == 0 else "sent")
    MembersOfDay.objects.create(publication=publication, day=publication.today(), left=2)
    MembersOfDay.objects.create(publication=publication, day=publication.today() + timedelta(days=8), left=9)
    entry = digest.entries.first()
    for by, count in (("person", 3), ("machine", 11)):
        Click.objects.create(digest=digest, entry=entry, day=publication.today(), by=by, count=count)
    return Digest.objects.get(pk=digest.pk)


def test_what_was_brought_into_the_archive_was_not_mailed(
    client: Any, anne: Any, publication: Any, sent: Digest, make_item: Any
) -> None:
    past = publication.digests.create(
        number=119, date=sent.date, archived=True, state="sent", started_at=timezone.now()
    )
    item = make_item("From the archive", state="queued")
    past.entries.create(publication=publication, item=item, position=1, link="https://a.example/")
    client.force_login(anne)

    assert list(readership.mailed(publication)) == [sent]
    assert client.get("/staff/figures/readers/").status_code == 200


def test_years_are_told_where_there_are_several(client: Any, anne: Any, publication: Any) -> None:
    for year, joined in ((2016, 4), (2026, 1)):
        MembersOfDay.objects.create(publication=publication, day=f"{year}-05-01", joined=joined)
    client.force_login(anne)

    assert [(y.first.year, y.joined) for y in readership.years(publication)] == [(2016, 4), (2026, 1)]
    assert (
        '<th scope="row">2016</th><td class="n" data-of="joined">4</td>' in client.get("/staff/figures/readers/").text
    )


def test_who_left_counts_for_the_later_of_two_updates_though_it_is_on_another_page(
    publication: Any, sent: Digest
) -> None:
    earlier = publication.digests.create(
        number=119, date=sent.date, state="sent", started_at=timezone.now() - timedelta(days=2)
    )

    assert [each.left_after for each in readership.issues(publication, [earlier])] == [0]


def test_an_update_is_told_with_what_followed(publisher: Any, publication: Any, sent: Digest) -> None:
    (told,) = publisher("figures", "updates", "--json").json()

    assert {name: told[name] for name in ("update", "sent", "bounced", "failed", "left_after", "followed")} == {
        "update": "Update 120. 31 March 2007",
        "sent": 5,
        "bounced": 1,
        "failed": 0,
        "left_after": 2,
        "followed": 3,
    }
    followed = [(link["people"], link["machines"], link["agreed"]) for link in told["links"]]
    assert followed == [(3, 11, 0), (0, 0, 0), (0, 0, 0)]


def test_members_by_month_in_a_terminal(publisher: Any, publication: Any, sent: Digest) -> None:
    told = publisher("figures", "members", "--months", "2", "--json").json()

    assert told["active"] == 5
    assert len(told["months"]) == 2


def test_agreeing_is_noted_with_its_words(publisher: Any, publication: Any, members: Any) -> None:
    said = publisher("figures", "agree", "m0@members.example", "--wording", "You may see it.", "--how", "a form")
    assert said.status == 0
    assert Subscription.objects.get(member=members[0]).measuring.wording == "You may see it."

    assert publisher("figures", "withdraw", "m0@members.example", "--how", "a call").status == 0
    assert publisher("figures", "agree", "nobody@members.example", "--wording", "x", "--how", "y").status == 1
    assert [e.verb for e in Event.objects.filter(noun="subscription")] == ["agreed", "withdrew"]


def test_the_page_has_each_chart_in_words_and_numbers(client: Any, anne: Any, publication: Any, sent: Digest) -> None:
    client.force_login(anne)

    page = client.get("/staff/figures/readers/").text

    assert page.count('role="img" aria-label=') == 2
    assert '<td class="n" data-of="followed by people">3</td>' in page
    assert '<td class="n" data-of="by machines">11</td>' in page
    assert "5 receive Update today." in page

    Proof.objects.update(links={})
    page = client.get("/staff/figures/readers/").text
    assert '<td class="n" data-of="followed by people">not counted</td>' in page


@pytest.mark.parametrize("count", [1, 3])
def test_the_page_asks_as_often_however_many_updates(
    client: Any, anne: Any, publication: Any, sent: Digest, count: int, django_assert_num_queries: Any
) -> None:
    for number in range(1, count):
        more = {"state": "sent", "started_at": timezone.now(), "proof": sent.proof}
        publication.digests.create(number=number, date=sent.date, **more)
    client.force_login(anne)
    client.get("/staff/figures/readers/")

    with django_assert_num_queries(14):
        client.get("/staff/figures/readers/")


def test_an_empty_house_has_a_page_too(client: Any, anne: Any) -> None:
    client.force_login(anne)

    assert client.get("/staff/figures/readers/").status_code == 200


def test_bars_stand_side_by_side_and_the_highest_fills_the_height() -> None:
    found = charts.bars([{"joined": 4, "left": 0}, {"joined": 2, "left": 1}])

    assert [bar.height for bar in found] == [139.0, 0.0, 69.5, 34.8]
    assert [bar.x for bar in found] == sorted(bar.x for bar in found)
    assert charts.bars([]) == []
    assert min(bar.width for bar in charts.bars([{"joined": 1, "left": 1, "bounced": 1}] * 120)) > 0
