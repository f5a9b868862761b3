"""Who may approve learns what became of posts: by one mail, and on the page of health."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from lxml import html

from publisher import attention, clockwork, epoch, posts
from publisher.models import Channel, Notice, Post

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
