"""Mails to one person, over a real conversation to the real catcher."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from publisher import holders, links, members, notices
from publisher.models import Event, Member, Notice, Subscription

ROSA = "rosa@members.example"


@pytest.fixture
def notice(connected, publication):
    """Rosa's confirmation, waiting."""
    members.join(publication, ROSA, first_name="Buy pills", how="subscribe page")
    return Notice.objects.select_related("member").get()


def arrived(connected: Any) -> list[str]:
    return [address for entry in connected.json("/mail/log.json") for address in entry["rcpt_to"]]


def settled() -> tuple[str, int]:
    found = Notice.objects.get()
    return found.state, found.attempts


def test_a_confirmation_arrives_once_with_its_link(notice, connected):
    same = Notice.objects.get()
    notices.send(notice)
    notices.send(same)
    assert arrived(connected) == [ROSA]
    assert settled() == ("sent", 1)
    mail = message_from_bytes(connected.get("/mail/1/raw").content, policy=policy.default)
    text, html = (part.get_content() for part in mail.iter_parts())
    link = links.confirm_url(Subscription.objects.get())
    assert link in text
    assert link in html
    assert (mail["From"], mail["To"]) == ("Andean Reading Rooms <update@reading-rooms.example>", ROSA)
    assert (mail["Auto-Submitted"], mail["List-Unsubscribe"]) == ("auto-generated", None)
    assert "Buy pills" not in mail.as_string()


def test_it_is_due_until_it_is_sent(notice):
    assert list(notices.due()) == [notice]
    Notice.objects.update(due_at=timezone.now() + timedelta(minutes=1))
    assert list(notices.due()) == []
    Notice.objects.update(due_at=timezone.now())
    notices.send(Notice.objects.get())
    assert list(notices.due()) == []


def test_a_busy_server_is_asked_again_later_and_not_for_ever(notice, connected):
    connected.fault("mail", "4xx", "rcpt", times=2, code=450, text="4.2.0 <rosa@members.example> come back later")
    notices.send(notice)
    later = Notice.objects.get()
    assert (later.state, later.attempts, later.due_at > timezone.now()) == ("queued", 1, True)
    Notice.objects.update(attempts=9)
    notices.send(Notice.objects.get())
    assert settled() == ("failed", 10)
    assert arrived(connected) == []
    assert not any(ROSA in str(row) for row in Event.objects.values())


def test_an_address_that_does_not_exist_fails_at_once(notice, connected):
    connected.fault("mail", "5xx", "rcpt", code=550, text="5.1.1 no such user")
    notices.send(notice)
    assert settled() == ("failed", 1)


def test_what_broke_after_the_dot_is_unknown_and_not_sent_again(notice, connected):
    connected.fault("mail", "close", "dot")
    notices.send(notice)
    assert settled() == ("unknown", 1)
    assert list(notices.due()) == []


@pytest.mark.parametrize("relay", ["", "smtp://mail.example.org", "http://wrong"], ids=["none", "outside", "wrong"])
def test_without_a_server_it_waits_and_is_sent_when_there_is_one(notice, connected, settings, relay):
    good, settings.SMTP_URL, settings.LOOPBACK_ONLY = settings.SMTP_URL, relay, True
    notices.send(notice)
    assert settled() == ("queued", 1)
    assert Notice.objects.get().reply != ""
    settings.SMTP_URL = good
    notices.send(Notice.objects.select_related("member").get())
    assert (settled(), arrived(connected)) == (("sent", 2), [ROSA])


def test_an_address_that_no_mail_can_name_fails(notice, connected):
    Notice.objects.update(sender_email="nobody")
    notices.send(Notice.objects.get())
    assert (settled()[0], arrived(connected)) == ("failed", [])


def test_a_person_who_is_erased_while_it_is_handed_over_is_no_error(notice, connected, anne, monkeypatch):
    record = notices._record

    def meanwhile(mine: Any, outcome: Any) -> None:
        members.erase(Member.objects.get(), by=anne)
        record(mine, outcome)

    monkeypatch.setattr(notices, "_record", meanwhile)
    notices.send(notice)
    assert not Notice.objects.exists()


def test_what_a_dead_worker_held_is_unknown_and_a_living_ones_is_left_alone(notice, connected):
    Notice.objects.update(state="sending", holder=holders.me())
    assert notices.recover() == 0
    Notice.objects.update(holder=holders.me().rpartition("/")[0] + "/not-me")
    assert notices.recover() == 1
    assert settled()[0] == "unknown"


def test_an_outcome_that_a_living_worker_could_not_write_is_unknown(notice, connected, monkeypatch):
    monkeypatch.setattr(notices, "_record", locked)
    with pytest.raises(OperationalError):
        notices.send(notice)
    assert (settled()[0], notices.recover()) == ("sending", 0)
    Notice.objects.update(state_since=timezone.now() - timedelta(minutes=71))
    assert notices.recover() == 1
    assert (settled()[0], arrived(connected), list(notices.due())) == ("unknown", [ROSA], [])


def locked(*_: Any) -> None:
    raise OperationalError("database is locked")
