from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from publisher import digests
from publisher.lifecycle import note
from publisher.models import Delivery, Digest, Post
from publisher.web.wording import moment


def to(name: str, digest: Any, *more: int) -> str:
    return reverse(name, args=[digest.pk, *more])


@pytest.fixture
def approved(proof: Any, ben: Any, members: Any) -> Any:
    digests.approve(proof, by=ben)
    proof.digest.refresh_from_db()
    return proof.digest


@pytest.fixture
def sending(approved: Any) -> Any:
    """Started, and its audience of five frozen: all are queued."""
    Digest.objects.filter(pk=approved.pk).update(start_at=timezone.now())
    digests.start(approved)
    digests.prepare(approved)
    approved.refresh_from_db()
    return approved


def outcomes(digest: Any, **counts: int) -> None:
    """So many of the rows have come to these states."""
    rows = list(digest.deliveries.order_by("id"))
    for state, count in counts.items():
        for _ in range(count):
            Delivery.objects.filter(pk=rows.pop().pk).update(state=state)


def test_the_counts_of_all_states_sum_to_the_frozen_count(as_ben: Client, sending: Any, read: Any) -> None:
    outcomes(sending, sent=2, failed=1, deferred=1)

    page = read(as_ben.get(to("sending", sending)))

    counted = dict(zip(page(".counts tbody th"), map(int, page(".counts tbody td")), strict=True))
    assert {word: count for word, count in counted.items() if count} == {
        "queued": 1,
        "sent": 2,
        "to be tried again": 1,
        "failed": 1,
    }
    assert len(counted) == len(Delivery.State)
    assert page.one(".counts tfoot td") == str(sum(counted.values())) == str(sending.frozen_count)
    assert (page.values("progress"), page.values("progress", "max")) == (["3"], ["5"])


def test_counts_that_do_not_sum_are_not_passed_over(as_ben: Client, sending: Any, read: Any) -> None:
    Digest.objects.filter(pk=sending.pk).update(frozen_count=6)

    assert (
        read(as_ben.get(to("sending", sending))).one(".attention").startswith("6 were frozen, but the counts make 5.")
    )


def test_what_holds_a_sending_back_is_said_while_it_sends(
    as_ben: Client, sending: Any, read: Any, settings: Any, ben: Any
) -> None:
    settings.RATE = "10"
    assert read(as_ben.get(to("sending", sending)))(".holds-back li") == ["At most 10 letters a second."]

    digests.pause(sending, by=ben)

    assert read(as_ben.get(to("sending", sending)))(".holds-back") == []


def test_the_page_asks_again_while_it_moves_and_stops_when_it_is_settled(
    as_ben: Client, sending: Any, read: Any
) -> None:
    address = to("sending", sending)
    assert read(as_ben.get(address)).values("#again", "hx-trigger") == ["every 2s"]

    outcomes(sending, sent=5)
    digests.finish(sending)

    page = read(as_ben.get(address))
    assert page("#again") == []
    assert page.one(".pagehead .state") == "sent"


def test_during_the_hold_the_start_can_be_taken_back(as_ben: Client, approved: Any, read: Any) -> None:
    page = read(as_ben.get(to("sending", approved)))
    assert page(".next button") == ["Undo: do not start"]

    page = read(as_ben.post(to("sending-undo", approved), follow=True))

    approved.refresh_from_db()
    assert (approved.state, approved.start_at) == ("approved", None)
    assert page(".filled") == ["Start the sending"]


def test_starting_by_hand_keeps_the_hold(as_ben: Client, approved: Any, ben: Any) -> None:
    digests.unschedule(approved, by=ben)
    now = timezone.now()

    with time_machine.travel(now, tick=False):
        as_ben.post(to("sending-schedule", approved))

    approved.refresh_from_db()
    assert approved.start_at == now + timedelta(minutes=5)


def test_a_start_is_on_the_publications_wall_clock(as_ben: Client, approved: Any, read: Any) -> None:
    """In July London is an hour ahead of UTC."""
    now = timezone.now()
    nine = datetime(now.year + (now.month > 6), 7, 4, 8, 0, tzinfo=UTC)
    shown = moment(nine, approved.publication.zone)
    assert shown.endswith(", 09:00")

    page = read(as_ben.post(to("sending-schedule", approved), {"at": f"{nine:%Y-%m-%d}T09:00"}, follow=True))

    approved.refresh_from_db()
    assert approved.start_at == nine
    assert page.one(".pagehead time") == shown
    assert page(".messages .success") == [f"It starts on {shown}."]
    assert page(".history li")[0].endswith(f"Ben Ortiz set the time of its start, {shown}")


@pytest.mark.parametrize(
    ("away", "why"),
    [
        (timedelta(hours=-2), "Monday 9 March, 10:00 is past: choose a time to come, or none to start it now."),
        (timedelta(days=-400), "That is more than a year from now: choose a nearer time, or none to start it now."),
        (timedelta(days=3650), "That is more than a year from now: choose a nearer time, or none to start it now."),
    ],
)
def test_a_start_that_nobody_can_mean_is_refused(
    as_ben: Client, approved: Any, read: Any, away: timedelta, why: str
) -> None:
    """A digest that went out at once because last week was chosen could not be called back."""
    now, before = datetime(2026, 3, 9, 12, 0, tzinfo=UTC), approved.start_at

    with time_machine.travel(now, tick=False):
        page = read(as_ben.post(to("sending-schedule", approved), {"at": f"{now + away:%Y-%m-%dT%H:%M}"}, follow=True))

    assert page(".messages .error") == [why]
    approved.refresh_from_db()
    assert approved.start_at == before


def test_this_very_minute_means_now(as_ben: Client, approved: Any, ben: Any) -> None:
    now = datetime(2026, 3, 9, 12, 0, 59, tzinfo=UTC)

    with time_machine.travel(now, tick=False):
        as_ben.post(to("sending-schedule", approved), {"at": "2026-03-09T12:00"})

    approved.refresh_from_db()
    assert approved.start_at == now + timedelta(minutes=5)


def test_a_time_that_is_none_is_refused(as_ben: Client, approved: Any, read: Any) -> None:
    before = approved.start_at

    page = read(as_ben.post(to("sending-schedule", approved), {"at": "tomorrow"}, follow=True))

    assert page(".messages .error") == ["Start at: Write the time as a day and an hour, such as 2007-03-31 09:00."]
    approved.refresh_from_db()
    assert approved.start_at == before


def test_pausing_and_resuming(as_ben: Client, sending: Any, read: Any) -> None:
    page = read(as_ben.post(to("sending-pause", sending), follow=True))
    assert (page.one(".pagehead .state"), page(".filled"), page("#again")) == ("paused", ["Resume"], [])

    page = read(as_ben.post(to("sending-resume", sending), follow=True))
    assert (page.one(".pagehead .state"), page(".next button")) == ("sending", ["Pause"])


def test_cancelling_takes_a_reason_and_nobody_else_is_mailed(as_ben: Client, sending: Any, read: Any) -> None:
    outcomes(sending, sent=1)
    assert read(as_ben.post(to("sending-cancel", sending), follow=True))(".messages .error") == [
        "Say why it is cancelled: it stands in the history."
    ]

    page = read(as_ben.post(to("sending-cancel", sending), {"why": "The wrong letter."}, follow=True))

    assert page(".history li span")[0] == "Ben Ortiz cancelled it: The wrong letter."
    assert page.one(".counts tfoot td") == "5"
    assert sending.deliveries.filter(state="skipped").count() == 4


def test_an_unknown_letter_is_shown_with_what_is_known_and_settled_by_a_person(
    as_ben: Client, sending: Any, read: Any
) -> None:
    outcomes(sending, sent=4)
    row = sending.deliveries.get(state="queued")
    Delivery.objects.filter(pk=row.pk).update(state="unknown", phase="dot", code=None, reply="The connection broke.")

    page = read(as_ben.get(to("sending", sending)))
    shown = page.one(f"#delivery-{row.pk} p")
    assert shown.startswith(f"{row.address} ")
    assert shown.endswith("The connection broke.")

    settle = to("delivery-settle", sending, row.pk)
    assert read(as_ben.post(settle, {"to": "sent"}, follow=True))(".messages .error") == [
        "Say how you know: it stands in the history."
    ]
    page = read(as_ben.post(settle, {"to": "sent", "why": "She wrote back."}, follow=True))
    assert page(f"#delivery-{row.pk}") == []
    assert sending.deliveries.filter(state="sent").count() == 5


def test_a_delivery_of_another_digest_cannot_be_settled_through_this_one(
    as_ben: Client, sending: Any, make_item: Any, anne: Any
) -> None:
    row = sending.deliveries.first()
    Delivery.objects.filter(pk=row.pk).update(state="unknown")
    other = digests.compose(sending.publication, by=anne, items=[make_item("Elsewhere")])

    assert as_ben.post(to("delivery-settle", other, row.pk), {"to": "queued", "why": "x"}).status_code == 404
    row.refresh_from_db()
    assert row.state == "unknown"


@pytest.fixture
def posts(channels: Any, sending: Any) -> Any:
    return list(sending.posts.filter(channel=channels[1]).order_by("position"))


def test_posts_are_held_let_go_and_cancelled(as_ben: Client, posts: Any, sending: Any, read: Any) -> None:
    def state_after(deed: str) -> list[str]:
        page = read(as_ben.post(to(deed, sending, posts[1].pk), follow=True))
        words: list[str] = page(f"#post-{posts[1].pk} .state")
        return words

    assert state_after("post-hold") == ["held"]
    assert state_after("post-release") == ["approved"]
    assert state_after("post-hold") == ["held"]
    assert state_after("post-cancel") == []


@pytest.mark.parametrize(("there", "state"), [("yes", "published"), ("no", "approved")])
def test_an_unknown_post_comes_first_and_is_settled_by_a_person(
    as_ben: Client, posts: Any, sending: Any, read: Any, there: str, state: str
) -> None:
    Post.objects.filter(pk=posts[2].pk).update(state="unknown", outcome="No answer came.")
    page = read(as_ben.get(to("sending", sending)))
    assert page("table.wide tbody tr th div") == ["No answer came."]
    assert page.values("table.wide tbody tr", "id")[0] == f"post-{posts[2].pk}"

    as_ben.post(to("post-settle", sending, posts[2].pk), {"there": there})

    posts[2].refresh_from_db()
    assert posts[2].state == state


def test_a_published_post_is_linked(as_ben: Client, posts: Any, sending: Any, read: Any) -> None:
    Post.objects.filter(pk=posts[0].pk).update(
        state="published", published_at=timezone.now(), remote_url="https://facebook.example/1001/posts/7"
    )

    page = read(as_ben.get(to("sending", sending)))

    assert page.values(f"#post-{posts[0].pk} a", "href") == [
        "https://facebook.example/1001/posts/7",
        f"/staff/posts/{posts[0].pk}/removal/",
    ]


def test_the_page_takes_as_many_queries_for_many_posts_and_unknown_letters_as_for_few(
    as_ben: Client, posts: Any, sending: Any
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert as_ben.get(to("sending", sending)).status_code == 200
        return len(asked)

    Post.objects.filter(digest=sending).exclude(pk=posts[0].pk).update(state="cancelled")
    outcomes(sending, unknown=1)
    few = queries()
    Post.objects.filter(digest=sending).update(state="approved")
    sending.deliveries.update(state="unknown")

    assert queries() == few


def test_the_history_is_told_in_sentences(as_ben: Client, sending: Any, read: Any) -> None:
    assert read(as_ben.get(to("sending", sending)))(".history li span") == [
        "The service began to send",
        "The service began to freeze the audience: due",
        "Ben Ortiz approved it",
        f"Anne Rowe sent it to review: proof {sending.proof.sha256[:12]}",
        "Anne Rowe edited it: composed",
    ]


def test_of_a_long_history_the_newest_is_told_and_how_much_there_was_before(
    as_ben: Client, sending: Any, read: Any
) -> None:
    told = sending_history(as_ben, sending, read)
    for _ in range(60):
        note(sending, "delivered", by=None)  # a batch that nothing came of
    assert sending_history(as_ben, sending, read) == told

    for _ in range(48):
        note(sending, "delivered", by=None, sent=100)
    lines, earlier = sending_history(as_ben, sending, read)
    assert lines == ["The service handed over a batch"] * 48 + told[0][:2]
    assert earlier == ["and 3 earlier"]


def sending_history(client: Client, digest: Any, read: Any) -> tuple[list[str], list[str]]:
    page = read(client.get(to("sending", digest)))
    return page(".history li span"), page(".history + p")
