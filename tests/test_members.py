"""Joining, confirming, leaving, being suppressed and erased: told by what is stored and mailed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from publisher import asking, links, members
from publisher.delivery import ledger
from publisher.delivery import sending as sending_
from publisher.lifecycle import Refusal
from publisher.models import Consent, Delivery, Event, Member, Notice, Publication, Subscription, Suppression
from tests.lists import bring

ROSA = "rosa@members.example"


@pytest.fixture
def join(publication):
    """join(): Rosa asks for “Update” on the page; join("luis@…", of=…) another for another."""

    def ask(email: str = ROSA, *, of: Any = None, **given: Any) -> None:
        members.join(of or publication, email, **{"how": "subscribe page", **given})

    return ask


@pytest.fixture
def rosa(join):
    """Rosa's subscription: she asked, and has not confirmed."""
    join()
    return Subscription.objects.get()


def token(subscription: Any) -> str:
    subscription.refresh_from_db()
    return links.confirm_token(subscription)


def leave_token(subscription: Any) -> str:
    return links.sign("leave", subscription.member_id, subscription.publication_id)


def state(email: str = ROSA, of: str = "update") -> str:
    return Subscription.objects.get(member__email=email, publication__slug=of).state


def suppressed(email: str = ROSA) -> bool:
    return Suppression.objects.filter(hash__in=Suppression.fingerprints(email)).exists()


def a_day_later() -> Any:
    return time_machine.travel(timezone.now() + timedelta(hours=24, minutes=1), tick=False)


def people() -> Any:
    """All that must not change by what belongs to another."""
    return [list(model.objects.order_by("pk").values()) for model in (Member, Subscription, Consent, Suppression)]


# Joining and confirming


def test_who_asks_is_mailed_a_link_and_receives_nothing_until_it_is_used(join, publication):
    join(first_name=" Rosa \r\nBcc: x ", last_name="V" * 200, network="192.0.2.0/24")
    subscription, notice = Subscription.objects.get(), Notice.objects.get()
    assert (subscription.state, notice.kind, notice.address) == ("pending", "confirm", ROSA)
    assert notice.text.count(links.confirm_url(subscription)) == 1
    assert (subscription.member.first_name, subscription.member.last_name) == ("Rosa Bcc: x", "V" * 120)
    consent = Consent.objects.get()
    assert (consent.basis, consent.how, consent.network, consent.confirmed_at) == (
        "consent",
        "subscribe page",
        "192.0.2.0/24",
        None,
    )
    assert not ledger.audience(publication).exists()


def test_who_confirms_receives_and_doing_it_twice_changes_nothing(rosa, publication, other_publication):
    assert members.confirm(token(rosa)) == rosa
    assert [s.member.email for s in ledger.audience(publication)] == [ROSA]
    before, events = people(), Event.objects.count()
    assert members.confirm(token(rosa)) == rosa
    assert (people(), Event.objects.count()) == (before, events)
    assert Consent.objects.get().confirmed_at is not None
    assert not ledger.audience(other_publication).exists()


def test_only_the_newest_asking_is_what_was_confirmed(join, rosa):
    with a_day_later():
        join(how="another page")
    members.confirm(token(rosa))
    assert [(c.how, c.confirmed_at is not None) for c in Consent.objects.order_by("pk")] == [
        ("subscribe page", False),
        ("another page", True),
    ]


def every_kind_of_person(join: Any, make_members: Any, anne: Any) -> list[str]:
    """A stranger, and one of each that we know something of."""
    known = [f"{kind}@members.example" for kind in ("stranger", "pending", "active", "left", "suppressed", "erased")]
    _stranger, _pending, active, left, suppress, erased = known
    with time_machine.travel(timezone.now() - timedelta(days=9), tick=False):
        for address in known[1:]:
            join(address)
        for address in (active, left, suppress, erased):
            subscription = Subscription.objects.get(member__email=address)
            members.confirm(token(subscription))
        members.leave(leave_token(Subscription.objects.get(member__email=left)))
        members.suppress(suppress, "complaint")
        members.erase(Member.objects.get(email=erased), by=anne)
    return known


def test_joining_looks_the_same_whatever_is_known_of_the_address(join, make_members, anne):
    known = every_kind_of_person(join, make_members, anne)
    mailed = Notice.objects.count()
    assert [join(address) for address in known] == [None] * 6
    assert Notice.objects.count() - mailed == 5  # all but the active one
    assert [state(address) for address in known] == ["pending", "pending", "active", "pending", "pending", "pending"]


@pytest.mark.parametrize("email", ["rosa", "rosa@", "a b@c.example", "rosa@members.example\nBcc: x@y.example", ""])
def test_what_is_no_address_is_said(join, email):
    with pytest.raises(Refusal, match="is not an e-mail address"):
        join(email)
    assert not Member.objects.exists()


@pytest.mark.parametrize("email", ["ROSA@Members.Example", " rosa@members.example ", "rosa@members.example"])
def test_one_address_is_one_member_however_it_is_spelled(join, rosa, email):
    join(email)
    assert Member.objects.get().email == ROSA


def test_an_address_is_kept_as_the_mailbox_it_is():
    assert members.normalise("Straße@BÜCHER.example") == "straße@bücher.example"


def test_an_address_is_asked_to_confirm_at_most_once_a_day(join, rosa, other_publication):
    for _ in range(3):
        join()
        with pytest.raises(asking.NotNow):
            join(of=other_publication)
    assert Notice.objects.count() == 1
    with a_day_later():
        join()
        join()
    assert Notice.objects.count() == 2


def test_a_day_is_counted_for_each_address(join, rosa):
    join("luis@members.example")
    assert sorted(Notice.objects.values_list("address", flat=True)) == ["luis@members.example", ROSA]


def test_a_name_that_nobody_confirmed_gives_way_and_a_confirmed_one_stays(join):
    join(first_name="Somebody's joke")
    with a_day_later():
        join(first_name="Rosa")
        members.confirm(token(Subscription.objects.get()))
        members.leave(leave_token(Subscription.objects.get()))
    with time_machine.travel(timezone.now() + timedelta(days=5), tick=False):
        join(first_name="Another joke")
    assert Member.objects.get().first_name == "Rosa"


# Leaving


def test_who_leaves_is_out_at_once_and_leaving_twice_changes_nothing(rosa, publication):
    members.confirm(token(rosa))
    assert members.leave(leave_token(rosa)) == publication
    assert (state(), ledger.audience(publication).count()) == ("left", 0)
    before, events = people(), Event.objects.count()
    assert members.leave(leave_token(rosa)) == publication
    assert (people(), Event.objects.count()) == (before, events)


def test_who_leaves_one_publication_stays_in_the_other(rosa, join, other_publication):
    with a_day_later():
        join(of=other_publication)
        for subscription in Subscription.objects.all():
            members.confirm(token(subscription))
    members.leave(leave_token(rosa))
    assert (state(), state(of="peru-new")) == ("left", "active")


def test_the_link_of_one_changes_nothing_for_another(rosa, join, publication, other_publication):
    join("luis@members.example")
    luis = Subscription.objects.get(member__email="luis@members.example")
    members.confirm(token(luis))
    before = people()
    assert members.leave(links.sign("leave", luis.member_id, other_publication.pk)) == other_publication
    assert members.leave(links.sign("leave", luis.member_id, other_publication.pk + 99)) is None
    assert members.leave(links.sign("leave", luis.member_id + 99, publication.pk)) == publication
    assert members.confirm(links.sign("confirm", luis.pk + 99)) is None
    assert people() == before


def test_a_leave_link_confirms_nothing_and_a_confirm_link_leaves_nothing(rosa):
    assert members.confirm(leave_token(rosa)) is None
    assert members.confirm(links.sign("leave", rosa.pk)) is None
    assert members.leave(token(rosa)) is None
    assert members.leave(links.sign("confirm", rosa.member_id, rosa.publication_id)) is None
    assert members.leave("nonsense") is None
    assert state() == "pending"


def test_who_left_comes_back_by_joining_anew_and_not_by_an_old_link(rosa, join):
    old = token(rosa)
    members.confirm(old)
    members.leave(leave_token(rosa))
    assert members.confirm(old) is None
    assert state() == "left"
    with a_day_later():
        join()  # it may be a stranger who asks
    assert (members.confirm(old), state()) == (None, "pending")
    members.confirm(token(rosa))
    assert (state(), Consent.objects.count()) == ("active", 2)


# Suppression


def test_suppressing_ends_all_subscriptions_and_nobody_elses(rosa, join, other_publication):
    join("luis@members.example")
    with a_day_later():
        join(of=other_publication)
        for subscription in Subscription.objects.all():
            members.confirm(token(subscription))
    members.suppress(" Rosa@Members.example ", "complaint")
    members.suppress(ROSA, "bounced")
    assert [state(), state(of="peru-new"), state("luis@members.example")] == ["suppressed", "suppressed", "active"]
    assert list(Suppression.objects.values_list("why", flat=True)) == ["complaint"]
    assert not any("rosa" in str(row) for row in Suppression.objects.values())


def test_a_suppression_is_lifted_by_the_persons_own_confirmed_joining_alone(rosa, join, publication, anne):
    members.confirm(old := token(rosa))
    members.suppress(ROSA, "complaint")
    assert members.confirm(old) is None
    members.leave(leave_token(rosa))
    bring(publication, anne, "email", ROSA)
    assert (state(), suppressed()) == ("suppressed", True)
    with a_day_later():
        join()
        assert (state(), suppressed()) == ("pending", True)
        members.confirm(token(rosa))
    assert (state(), suppressed()) == ("active", False)


def test_joining_anew_does_not_bring_back_what_was_suppressed_elsewhere(rosa, join, other_publication):
    with a_day_later():
        join(of=other_publication)
        for subscription in Subscription.objects.all():
            members.confirm(token(subscription))
        members.suppress(ROSA, "complaint")
    with time_machine.travel(timezone.now() + timedelta(days=3), tick=False):
        join()
        members.confirm(token(rosa))
    assert (state(), state(of="peru-new")) == ("active", "suppressed")


def test_a_suppression_holds_after_its_key_was_changed(rosa, publication, anne, settings):
    members.confirm(token(rosa))
    members.suppress(ROSA, "complaint")
    Member.objects.all().delete()
    settings.KEYS = {**settings.KEYS, "suppression": ["new", *settings.KEYS["suppression"]]}
    assert bring(publication, anne, "email", ROSA).refused == 1
    settings.KEYS = {**settings.KEYS, "suppression": ["another"]}
    assert bring(publication, anne, "email", ROSA).added == 1


# Erasure


@pytest.fixture
def erased(sending, members_named, anne):
    """Update 120 went to five; then the first of them was erased."""
    sending.deliveries.filter(address="m1@members.example").update(state="sent")
    before = ledger.counts(sending)
    members.erase(members_named[1], by=anne)
    return sending, before


@pytest.fixture
def members_named(request):
    return request.getfixturevalue("members")


def test_who_is_erased_is_nowhere_and_the_counts_stay_true(erased, members_named):
    digest, before = erased
    assert ledger.counts(digest) == before
    assert sum(before.values()) == digest.frozen_count == 5
    models = (Member, Subscription, Consent, Suppression, Delivery, Notice, Event)
    assert not [row for model in models for row in model.objects.values() if "m1@" in str(row) or "Name1" in str(row)]
    assert Member.objects.count() == 4
    gone = digest.deliveries.get(member=None)
    assert (gone.state, gone.address) == ("sent", f"erased-{gone.pk}")


def test_who_is_erased_is_not_imported_again_and_may_join_themselves(erased, publication, anne, join):
    report = bring(publication, anne, "email", "m1@members.example", "new@members.example")
    assert (report.added, report.refused, Member.objects.filter(email="m1@members.example").exists()) == (1, 1, False)
    join("m1@members.example")
    members.confirm(token(Subscription.objects.get(member__email="m1@members.example")))
    assert (state("m1@members.example"), suppressed("m1@members.example")) == ("active", False)


def test_who_is_erased_in_the_midst_of_a_sending_gets_nothing(sending, members_named, anne):
    members.erase(members_named[0], by=anne)
    assert sending_.send_batch(sending) == 5
    assert sorted(sending.deliveries.filter(state="sent").values_list("address", flat=True)) == [
        f"m{n}@members.example" for n in range(1, 5)
    ]


def test_members_are_named_by_number_where_they_end_up_in_logs(rosa):
    assert ROSA not in f"{rosa} {rosa.member} {Consent.objects.get()} {Publication.objects.get()}"
    assert not any(ROSA in str(row) for row in Event.objects.values())
