"""The letters that nobody knows about, on the page of their sending: what is known of each, and deciding about many."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from publisher import digests, members
from publisher.delivery import doubts
from publisher.models import Delivery, Digest, Event, Member
from publisher.web.staff import unknowns


def to(name: str, digest: Any, *more: int) -> str:
    return reverse(name, args=[digest.pk, *more])


@pytest.fixture
def doubtful(sending: Any) -> Any:
    """Update 120, of which all five letters are unknown."""
    now = timezone.now()
    hold = sending.holds.create(holder="worker-1:abc:402/4711/99", until=now, ended_at=now)
    sending.deliveries.update(state="unknown", phase="dot", hold=hold, reply="It broke off.")
    return sending


def states(digest: Any) -> list[str]:
    return list(digest.deliveries.order_by("id").values_list("state", flat=True))


def test_of_each_stands_what_is_known(as_ben: Client, doubtful: Any, read: Any, settings: Any) -> None:
    settings.SMTP_URL = "smtp://relay.example:2525"
    row = doubtful.deliveries.order_by("id").first()
    page = read(as_ben.get(to("sending", doubtful)))
    told = dict(zip(page(f"#known-{row.pk} dt"), page(f"#known-{row.pk} dd"), strict=True))
    assert told == {
        "How far": "its last byte may have left, and no answer was read",
        "By": "process 4711 on worker-1",
        "To": "relay.example:2525 (as connected now)",
        "Attempts before": "0",
        "Message-ID": doubts.message_ids([row])[row.pk],
    }


def test_of_an_erased_member_stands_no_address_and_no_message_id(
    as_ben: Client, doubtful: Any, read: Any, anne: Any
) -> None:
    members.erase(Member.objects.get(email="m0@members.example"), by=anne)
    row = doubtful.deliveries.get(member=None)
    page = read(as_ben.get(to("sending", doubtful)))
    assert page.one(f"#delivery-{row.pk} strong") == "an erased member"
    assert page(f"#known-{row.pk} dd")[-1] == "cannot be told: the address was erased"
    assert "erased-" not in page.one("#page")


def test_those_that_are_ticked_are_settled_with_one_reason(as_ben: Client, doubtful: Any, read: Any) -> None:
    first, second, *_ = doubtful.deliveries.order_by("id").values_list("pk", flat=True)
    ticked = {"delivery": [first, second], "to": "sent"}

    page = read(as_ben.post(to("unknown-ticked", doubtful), ticked, follow=True))
    assert page(".messages .error") == ["Say how you know: it stands in the history."]
    nothing = read(as_ben.post(to("unknown-ticked", doubtful), {"to": "sent", "why": "x"}, follow=True))
    assert nothing(".messages .error") == ["Tick the letters that you mean first."]
    assert states(doubtful) == ["unknown"] * 5

    page = read(as_ben.post(to("unknown-ticked", doubtful), {**ticked, "why": "They wrote."}, follow=True))
    assert page(".messages .success") == ["2 letters are called sent."]
    assert states(doubtful) == ["sent"] * 2 + ["unknown"] * 3
    assert page(".history li span")[0] == "Ben Ortiz settled what was unknown: They wrote."
    assert Event.objects.get(verb="settled").detail == {"to": "sent", "deliveries": 2}


def test_all_means_all_that_the_person_has_seen(as_ben: Client, doubtful: Any, read: Any) -> None:
    late = doubtful.deliveries.order_by("id").last()
    Delivery.objects.filter(pk=late.pk).update(state="armed")
    seen_at = read(as_ben.get(to("sending", doubtful))).values("#all-unknown input[name=seen_at]")[0]
    Delivery.objects.filter(pk=late.pk).update(state="unknown", state_since="2999-01-01T00:00:00Z")

    decision = {"to": "queued", "why": "Nobody has it."}
    page = read(as_ben.post(to("unknown-all", doubtful), {**decision, "seen_at": seen_at}, follow=True))

    assert page(".messages .success") == ["4 letters are queued again."]
    assert states(doubtful) == ["queued"] * 4 + ["unknown"]
    for wrong in ("", "yesterday", "2026-13-45T00:00:00Z", "2026-11-23T00:00:00"):
        page = read(as_ben.post(to("unknown-all", doubtful), {**decision, "seen_at": wrong}, follow=True))
        assert page(".messages .error") == ["The page has changed meanwhile: look again."]


def test_nothing_of_a_cancelled_digest_is_sent_again(as_ben: Client, doubtful: Any, read: Any, ben: Any) -> None:
    digests.cancel(doubtful, by=ben, why="enough")
    ids = list(doubtful.deliveries.values_list("pk", flat=True))
    decision = {"delivery": ids, "to": "queued", "why": "x"}
    page = read(as_ben.post(to("unknown-ticked", doubtful), decision, follow=True))
    assert page(".messages .error")[0].endswith("was cancelled: nothing of it is sent again.")
    assert states(doubtful) == ["unknown"] * 5


def test_letters_of_another_digest_are_not_settled_through_this_one(
    as_ben: Client, doubtful: Any, make_item: Any, anne: Any
) -> None:
    other = digests.compose(doubtful.publication, by=anne, items=[make_item("Elsewhere")])
    ids = list(doubtful.deliveries.values_list("pk", flat=True))
    as_ben.post(to("unknown-ticked", other), {"delivery": ids, "to": "sent", "why": "x"})
    as_ben.post(to("unknown-all", other), {"seen_at": "2999-01-01T00:00:00Z", "to": "sent", "why": "x"})
    assert states(doubtful) == ["unknown"] * 5


def test_many_are_paged_in_a_fixed_number_of_queries_and_a_decision_stays_on_its_page(
    as_ben: Client, doubtful: Any, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert as_ben.get(to("sending", doubtful), {"page": 2}).status_code == 200
        return len(asked)

    few = queries()
    monkeypatch.setattr(unknowns, "PER_PAGE", 2)
    assert queries() == few

    rows = list(doubtful.deliveries.order_by("id"))
    page = read(as_ben.get(to("sending", doubtful), {"page": 2}))
    assert page.values(".unknowns > li", "id") == [f"delivery-{row.pk}" for row in rows[2:4]]
    assert page.one(".pages span") == "page 2 of 3"
    assert page.values("#again", "hx-get") == [f"{to('sending', doubtful)}?page=2"]

    settled = {"to": "sent", "why": "x", "page": page.values(f"#delivery-{rows[2].pk} input[name=page]")[0]}
    answer = as_ben.post(to("delivery-settle", doubtful, rows[2].pk), settled)
    assert answer["Location"] == f"{to('sending', doubtful)}?page=2"


def test_where_nothing_is_unknown_nothing_is_said_of_it(as_ben: Client, sending: Any) -> None:
    page = as_ben.get(to("sending", sending)).content.decode()
    assert not re.search(r"Waiting for you|reconcile|ticked", page)


def test_one_alone_has_no_ticks(as_ben: Client, sending: Any, read: Any) -> None:
    Delivery.objects.filter(pk=sending.deliveries.first().pk).update(state="unknown")
    page = read(as_ben.get(to("sending", sending)))
    assert (page("#ticked"), page("#all-unknown"), page.values("input[type=checkbox]")) == ([], [], [])
    assert Digest.objects.get(pk=sending.pk).state == "sending"
