"""Asking to join, from the row at the door to the mail, or to nothing: limits, forgetting, and the latest Update."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_string, policy
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from publisher import asking, consents, digests, joining, latest, links, members, notices, preferences
from publisher.delivery import sending as sending_
from publisher.lifecycle import Refusal
from publisher.models import (
    Asked,
    Consent,
    ConsentWording,
    Event,
    JoinRequest,
    Lease,
    Member,
    Notice,
    Subscription,
    Suppression,
)
from tests.lists import bring

ROSA = "rosa@members.example"


@pytest.fixture
def ask(publication: Any) -> Any:
    """ask(): Rosa asks for “Update” at the door, and nobody has answered yet."""

    def asked(email: str = ROSA, *, of: Any = None, network: str = "192.0.2.0/24", language: str = "en") -> None:
        of = of or publication
        joining.ask(of, email, language=language, worded=consents.current(of, language), how="page", network=network)

    return asked


def later(**time: float) -> Any:
    return time_machine.travel(timezone.now() + timedelta(**time), tick=False)


def token(subscription: Any) -> str:
    subscription.refresh_from_db()
    return links.confirm_token(subscription)


def join_and_confirm(ask: Any, email: str = ROSA) -> Any:
    ask(email)
    joining.answer()
    subscription = Subscription.objects.get(member__email=email)
    assert members.confirm(token(subscription)) == subscription
    subscription.refresh_from_db()
    return subscription


# The limits


def test_one_address_is_asked_once_in_a_day_and_three_times_in_ninety_however_often_anybody_asks(ask):
    mailed = []
    begin = timezone.now()
    for hours in (0, 12, 23, 25, 48, 50, 24 * 40, 24 * 89, 24 * 91):
        with time_machine.travel(begin + timedelta(hours=hours), tick=False):
            for n in range(6):
                ask(network=f"198.51.{n}.0/24")
            joining.answer()
            mailed.append(Notice.objects.count())
            assert JoinRequest.objects.count() == 0
    assert mailed == [1, 1, 1, 2, 2, 3, 3, 3, 4]


def test_the_count_outlives_the_row_that_waited(ask):
    for day in (0, 10, 20, 30):
        with later(days=day):
            ask()
            joining.answer()
        with later(days=day + 8):
            joining.forget()
    assert (Member.objects.count(), Asked.objects.count()) == (0, 3)
    with later(days=95):
        joining.forget()
        assert Asked.objects.count() == 2
        ask()
        joining.answer()
    assert Member.objects.get().email == ROSA


def test_no_row_of_the_count_tells_an_address_or_a_network(ask):
    ask()
    joining.answer()
    told = str(list(Asked.objects.values()))
    assert [word for word in ("rosa", "members.example", "192.0.2") if word in told] == []
    assert set(Asked.objects.values_list("mailbox", flat=True)).isdisjoint(Suppression.fingerprints(ROSA))


def test_a_rotated_key_still_knows_what_was_counted(ask, settings):
    ask()
    joining.answer()
    settings.KEYS = {**settings.KEYS, "suppression": ["a new key", *settings.KEYS["suppression"]]}
    ask()
    joining.answer()
    assert (Notice.objects.count(), JoinRequest.objects.count()) == (1, 0)


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("rosa+update@members.example", "rosa@members.example"),
        ("ro.sa+x@gmail.com", "rosa@gmail.com"),
        ("ro.sa@googlemail.com", "rosa@gmail.com"),
        ("ro.sa@members.example", "ro.sa@members.example"),
    ],
)
def test_the_names_of_one_mailbox_count_together(address, mailbox):
    assert asking.mailbox(address) == mailbox


def test_who_asks_for_two_publications_on_one_visit_gets_the_second_mail_a_day_later(ask, other_publication):
    ask()
    ask(of=other_publication)
    joining.answer()
    assert list(Notice.objects.values_list("address", flat=True)) == [ROSA]
    assert joining.due().count() == 0
    with later(hours=24, minutes=1):
        joining.answer()
    slugs = Subscription.objects.order_by("pk").values_list("publication__slug", flat=True)
    assert list(slugs) == ["update", "peru-new"]


def test_a_request_that_waits_in_vain_is_forgotten(ask, monkeypatch):
    monkeypatch.setattr(asking, "MOST_OF_ALL", 1)
    ask()
    joining.answer()
    ask("luis@members.example")
    joining.answer()
    with later(hours=49):
        joining.forget()
    assert (JoinRequest.objects.count(), Notice.objects.count()) == (0, 1)


def test_staff_are_told_once_a_day_that_more_ask_than_may_be_asked(ask, monkeypatch, anne, publication):
    anne.email = "anne@staff.example"
    anne.save()
    monkeypatch.setattr(asking, "MOST_OF_ALL", 1)
    assert joining.crowded() == ""
    for n in range(4):
        ask(f"p{n}@members.example", network=f"198.51.{n}.0/24")
    joining.answer()
    alert = Notice.objects.get(kind="alert")
    assert (alert.address, alert.subject.startswith("Many ask to join")) == ("anne@staff.example", True)
    assert "/staff/health/" in alert.text
    assert joining.crowded() == "more than 1 asked to join within an hour of the last day; 3 still wait"


def test_a_request_that_cannot_be_answered_keeps_nobody_waiting(ask, publication):
    JoinRequest.objects.create(publication=publication, email="no address", language="en", how="page", network="")
    ask()
    joining.answer()
    assert (JoinRequest.objects.count(), Notice.objects.get().address) == (0, ROSA)


def test_who_asks_for_links_keeps_nobody_from_joining(ask):
    for n in range(3):
        preferences.ask_link(f"p{n}@members.example", network="198.51.100.0/24")
    ask()
    assert (joining.answer(most=4), Notice.objects.get().address) == (3, ROSA)
    assert (joining.answer(), joining.somebody_waits()) == (1, False)


def test_one_worker_answers_at_a_time_and_one_that_died_is_followed(ask):
    ask()
    Lease.objects.create(name=joining.LEASE, holder="", until=timezone.now() + timedelta(minutes=5))
    assert (joining.answer(), Notice.objects.count()) == (0, 0)
    Lease.objects.update(until=timezone.now() - timedelta(seconds=5))
    assert (joining.answer(), Notice.objects.count()) == (1, 1)
    ask("luis@members.example")
    assert joining.answer() == 1


def test_what_is_no_address_is_refused_at_the_door(ask):
    with pytest.raises(Refusal, match="is not an e-mail address"):
        ask("rosa@")
    assert not JoinRequest.objects.exists()


# Forgetting


def test_who_does_not_confirm_within_a_week_is_forgotten_whole(ask):
    ask()
    joining.answer()
    with later(days=6, hours=23):
        joining.forget()
        assert Subscription.objects.get().state == "pending"
    with later(days=7, minutes=1):
        joining.forget()
    assert (Member.objects.count(), Consent.objects.count(), Notice.objects.count()) == (0, 0, 0)
    assert ROSA not in str(list(Event.objects.values()))


def test_who_confirmed_is_not_forgotten(ask):
    join_and_confirm(ask)
    with later(days=400):
        joining.forget()
    assert Subscription.objects.get().state == "active"


def test_who_left_and_does_not_confirm_anew_has_left_still(ask, publication, anne):
    rosa = join_and_confirm(ask)
    members.leave(links.sign("leave", rosa.member_id, publication.pk))
    with later(days=2):
        ask()
        joining.answer()
    assert Subscription.objects.get().state == "pending"
    with later(days=10):
        joining.forget()
        bring(publication, anne, "email", ROSA)
    assert Subscription.objects.get().state == "left"


def test_a_member_of_another_publication_stays(ask, other_publication):
    join_and_confirm(ask)
    with later(days=2):
        ask(of=other_publication)
        joining.answer()
    with later(days=10):
        joining.forget()
    assert [(s.publication.slug, s.state) for s in Subscription.objects.all()] == [("update", "active")]


# The words


def test_words_have_versions_and_what_was_said_to_the_old_ones_stays(ask, publication, anne):
    rosa = join_and_confirm(ask)
    ours = consents.current(publication, "en")
    mine = consents.change(publication, "en", " Yes, send me\nUpdate. ", by=anne)
    assert (ours.version, mine.version, mine.text, mine.by) == (1, 2, "Yes, send me Update.", anne)
    assert consents.change(publication, "en", mine.text, by=anne) == mine
    publication.organisation = "Another name"
    assert consents.current(publication, "en") == mine
    assert consents.current(publication, "es").version == 1
    assert rosa.consents.get().words == ours.text
    assert ConsentWording.objects.count() == 3


@pytest.mark.parametrize("text", ["", "  ", "x" * 1001])
def test_words_have_to_be_words(publication, anne, text):
    with pytest.raises(Refusal, match="Write what people agree to"):
        consents.change(publication, "en", text, by=anne)


@pytest.mark.parametrize(
    ("network", "kept"),
    [("192.0.2.0/24", "192.0.2.0/24"), ("2001:db8:1:200::/56", "2001:db8:1::/48"), ("unknown", ""), ("", "")],
)
def test_a_network_is_kept_shortened(network, kept):
    assert consents.shortened(network) == kept


# The latest Update


@pytest.fixture
def sent(sending):
    """Update 120 has gone out to five members."""
    while sending_.send_batch(sending):
        pass
    digests.finish(sending)
    return sending


def test_who_joins_may_have_the_latest_update_at_once(ask, sent, connected):
    ask()
    joining.answer()
    rosa = Subscription.objects.get(member__email=ROSA)
    assert latest.of(rosa) == sent
    assert joining.confirm(token(rosa), latest_too=True) == (rosa, True)
    counts = sent.deliveries.count()
    for notice in Notice.objects.filter(kind="latest"):
        notices.send(notice)
    notice = Notice.objects.get(kind="latest")
    assert (notice.state, notice.address, notice.html, sent.deliveries.count()) == ("sent", ROSA, "", counts)
    # Not twice, however often the button is pressed.
    assert joining.confirm(token(rosa), latest_too=True) == (rosa, False)


def test_the_latest_update_is_the_approved_letter_with_their_own_way_out(ask, sent):
    rosa = join_and_confirm(ask)
    assert latest.send(rosa) is True
    content = notices._content(Notice.objects.get(kind="latest"))
    mail = message_from_string(content.decode(), policy=policy.default)
    leave = links.leaver(sent.publication_id)(rosa.member_id)
    assert (str(mail["Subject"]), mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"]) == (
        sent.proof.subject,
        f"<{leave}>",
        "List-Unsubscribe=One-Click",
    )
    assert leave in mail.get_body(("plain",)).get_content()
    assert abs(mail["Date"].datetime - timezone.now()) < timedelta(minutes=5)


def test_who_has_left_meanwhile_does_not_get_it(ask, sent):
    rosa = join_and_confirm(ask)
    latest.send(rosa)
    members.leave(links.sign("leave", rosa.member_id, sent.publication_id))
    notice = Notice.objects.get(kind="latest")
    notices.send(notice)
    assert (notice.state, notice.reply) == ("failed", "They have left meanwhile.")


def test_who_had_it_already_is_not_offered_it(sent, make_members):
    had = Subscription.objects.filter(publication=sent.publication).first()
    assert latest.of(had) is None


def test_where_nothing_has_gone_out_there_is_nothing_to_send(ask, proof):
    rosa = join_and_confirm(ask)
    assert (latest.of(rosa), latest.send(rosa)) == (None, False)
