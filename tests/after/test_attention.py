"""Who may approve learns what became of digests and posts: by one mail, and on the page of health."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from lxml import html

from publisher import attention, clockwork, digests, epoch, links, posts
from publisher.delivery import ledger
from publisher.lifecycle import NotAllowed, history, move
from publisher.models import Channel, Digest, Notice, Post

pytestmark = pytest.mark.django_db

#: Half an hour begins.
NOON = datetime.fromisoformat("2026-11-20T12:00:00+00:00")


@pytest.fixture
def fates(channels: Any, items: Any, make_post: Any, anne: Any, ben: Any) -> list[Post]:
    """Refused; in doubt for good; held as it was late. Nobody is needed where it is looked for, unpaid, or Anne's."""
    type(ben).objects.filter(pk=ben.pk).update(email="ben@reading-rooms.example")
    x, facebook = channels
    since = {"state_since": NOON}
    needed = [
        make_post(x, items[0], state="refused", outcome="X does not take this text.", **since),
        make_post(x, items[1], state="unknown", outcome="Look at the account yourself.", **since),
        make_post(x, items[2], state="held", outcome="This was due on Friday.", **since),
    ]
    make_post(facebook, items[0], state="unknown", look_at=NOON, outcome="It was not on the timeline.", **since)
    make_post(facebook, items[1], state="held", spent_in="2026-11", outcome="The budget is spent.", **since)
    held = make_post(facebook, items[2], state="approved", outcome="Facebook asked to slow down.", due_at=NOON)
    posts.hold(held, by=anne)
    return needed


def mails() -> list[tuple[str, str, str]]:
    return [(notice.address, notice.subject, " ".join(notice.text.split())) for notice in Notice.objects.order_by("pk")]


def tick(clock: Any, minutes: int) -> None:
    clock.shift(timedelta(minutes=minutes))
    epoch.forget()
    clockwork._tell_of_posts()


def test_one_mail_tells_of_all_that_came_to_wait_and_a_later_one_of_what_came_since(fates, channels):
    with time_machine.travel(NOON, tick=False) as clock:
        tick(clock, 1)
        tick(clock, 1)
        ((to, subject, text),) = mails()
        assert (to, subject) == ("ben@reading-rooms.example", "3 posts of Update need you")
        for post in fates:
            assert f"x reading_rooms, “{post.item}”, {post.get_state_display()}: {post.outcome}" in text
        Post.objects.filter(channel=channels[1], state="unknown").update(look_at=None, state_since=timezone.now())
        tick(clock, 10)
        assert len(mails()) == 1
        tick(clock, 20)
        tick(clock, 60)
        assert [subject for _, subject, _ in mails()][1:] == ["A post of Update needs you"]


def test_what_waits_again_is_told_again(fates, anne):
    with time_machine.travel(NOON, tick=False) as clock:
        tick(clock, 1)
        Post.objects.filter(pk=fates[2].pk).update(state_since=NOON + timedelta(minutes=40))
        tick(clock, 60)
        assert [subject for _, subject, _ in mails()][1:] == ["A post of Update needs you"]


def test_the_page_of_health_lists_what_waits_and_says_where_nobody_is_told(fates, channels, anne, ben):
    Channel.objects.filter(pk=channels[1].pk).update(paused=True, attention="The token was revoked.")
    client = Client()
    client.force_login(anne)
    rows = listed(client)
    assert rows[0] == ("facebook Andean Reading Rooms", "The token was revoked.")
    assert [about for about, _ in rows[1:]] == [f"Post {post.pk}" for post in attention.waiting()]
    type(ben).objects.update(email="")
    assert listed(client)[0][0] == "Alerts"


def listed(client: Client) -> list[tuple[str, str]]:
    page = html.fromstring(client.get("/staff/health/").content.decode())
    rows = page.cssselect("table[aria-labelledby=matters] tbody tr")
    return [tuple(" ".join(cell.text_content().split()) for cell in row) for row in rows]


# Digests.


def tick_digests() -> list[tuple[str, str]]:
    """Two clocks at once, each with what it saw before the other told."""
    seen = [list(attention.untold_digests()), list(attention.untold_digests())]
    before = Notice.objects.count()
    for each in seen:
        for digest in each:
            attention.tell_of(digest)
    return [(notice.subject, " ".join(notice.text.split())) for notice in Notice.objects.order_by("pk")[before:]]


@pytest.fixture
def told(ben: Any) -> Any:
    type(ben).objects.filter(pk=ben.pk).update(email="ben@reading-rooms.example")
    return ben


def matters() -> list[tuple[str, str]]:
    return [(one.about, one.says) for one in attention.matters() if one.about.startswith("Update")]


def test_a_digest_that_the_service_stopped_is_told_of_once_each_time(sending, told):
    label, why = sending.label, "The mail server refused us in the phase AUTH: 535 5.7.8 Wrong password."
    assert (tick_digests(), matters()) == ([], [])
    for _ in range(2):
        digests.pause(sending, by=None, why=why)
        ((subject, text),) = tick_digests()
        assert subject == f"{label} needs you"
        assert text.count(why) == text.count(links.sending_url(sending)) == 1
        assert (tick_digests(), matters()) == ([], [(label, why)])
        digests.resume(sending, by=told)
        assert (tick_digests(), matters()) == ([], [])


def test_what_a_person_stopped_waits_for_nobody(sending, told):
    digests.pause(sending, by=told, why="A wrong link")
    assert (tick_digests(), matters()) == ([], [])


def test_letters_of_which_nobody_knows_are_told_of_when_the_sending_is_over(sending, told):
    first, second, *others = sending.deliveries.order_by("pk")
    unknown = sending.deliveries.filter(pk__in=[first.pk, second.pk])
    unknown.update(state="unknown", phase="dot", reply="It broke off.")
    assert (tick_digests(), matters()) == ([], [])  # others are on their way
    sending.deliveries.filter(pk__in=[row.pk for row in others]).update(state="sent")
    move(sending, "sent", by=None)
    says = "2 letters may have arrived, or not: say what is known of them."
    ((subject, text),) = tick_digests()
    assert (subject, text.count(says)) == (f"{sending.label} needs you", 1)
    assert (tick_digests(), matters()) == ([], [(sending.label, says)])
    ledger.settle(first, "sent", by=told, why="She has it.")
    assert matters() == [(sending.label, "One letter may have arrived, or not: say what is known of it.")]
    ledger.settle(second, "sent", by=told, why="He has it.")
    assert (tick_digests(), matters()) == ([], [])


def test_a_relay_that_is_away_for_long_stands_there_and_is_no_mail(sending, told):
    """It could not take the mail either."""
    for _ in range(6):
        assert matters() == []
        ledger.rest(sending, "no answer in time")
    says = "The mail server cannot be used (no answer in time). It is tried again and again; nobody is lost."
    assert (tick_digests(), matters()) == ([], [(sending.label, says)])
    ledger.go_on(sending)
    assert matters() == []


def test_a_digest_that_asks_before_it_starts_is_told_of_each_time_it_asks(proof, told):
    digests.approve(proof, by=told)
    digest = Digest.objects.get(pk=proof.digest_id)
    for _ in range(2):
        Digest.objects.filter(pk=digest.pk).update(start_at=timezone.now() - timedelta(days=2))
        digests.start(digest)
        ((subject, text),) = tick_digests()
        assert (subject, text.count("Send it now?")) == (f"{digest.label} needs you", 1)
        assert [about for about, _ in matters()] == [digest.label]
        digests.schedule(digest, by=told)
        assert (tick_digests(), matters()) == ([], [])


def test_what_came_back_after_the_end_stands_there_until_somebody_has_seen_it(sending, told):
    with pytest.raises(NotAllowed):
        digests.seen(sending, by=told)
    sending.deliveries.update(state="sent")
    move(sending, "sent", by=None)
    Digest.objects.filter(pk=sending.pk).update(attention="Servers refuse it.", told_at=timezone.now())
    assert (tick_digests(), matters()) == ([], [(sending.label, "Servers refuse it.")])
    digests.seen(Digest.objects.get(pk=sending.pk), by=told)
    assert matters() == []
    assert list(history(sending).filter(verb="seen").values_list("by__username", "why")) == [
        (told.username, "Servers refuse it.")
    ]
