"""What members decide themselves, behind a link of half an hour that was mailed to them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import time_machine

from publisher import asking, clicks, farewells, joining, links, members, preferences
from publisher.lifecycle import Refusal
from publisher.models import (
    Asked,
    Consent,
    ConsentWording,
    Delivery,
    Event,
    MeasuringConsent,
    Member,
    Notice,
    Subscription,
    Suppression,
)

pytestmark = pytest.mark.django_db
NEW = "new@members.example"


@pytest.fixture
def rosa(members: Any) -> Any:
    """m0@members.example, who gets “Update”."""
    return members[0]


def choose(member: Any, wanted: list[int], **changes: Any) -> None:
    preferences.choose(member, preferences.Choice(wanted, **changes), network="192.0.2.0/24")


def ask_link(email: str) -> None:
    """Asked at the door, and answered by a worker."""
    preferences.ask_link(email, network="192.0.2.0/24")
    joining.answer()


def states(member: Any) -> dict[str, str]:
    return dict(Subscription.objects.filter(member=member).values_list("publication__slug", "state"))


def asked_change(member: Any, to: str = NEW) -> str:
    """The token in the mail to the new address."""
    preferences.ask_change(member, to, network="192.0.2.0/24")
    notice = Notice.objects.filter(kind="address").latest("pk")
    assert notice.address == to
    found = re.search(r"/preferences/address/([^/\s]+)/", notice.text)
    assert found
    return found[1]


# ---- The link


def test_the_link_is_mailed_to_the_address_on_file(rosa: Any) -> None:
    ask_link(" M0@members.example ")

    notice = Notice.objects.get()
    found = re.search(r"/preferences/([^/\s]+)/", notice.text)
    assert (notice.kind, notice.address, notice.member) == ("preferences", "m0@members.example", rosa)
    assert found
    assert preferences.opened(found[1]) == rosa


def test_a_stranger_and_a_suppressed_address_are_not_written_to(rosa: Any, members: Any) -> None:
    Suppression.objects.create(hash=Suppression.fingerprints(members[1].email)[0], why="complained")

    for address in ("nobody@members.example", members[1].email):
        ask_link(address)

    assert Notice.objects.count() == 0


def test_nobody_can_have_an_inbox_filled_with_links(rosa: Any) -> None:
    with time_machine.travel("2007-03-31 12:00 +0000", tick=False) as clock:
        mailed = []
        for _ in range(5):
            for _ in range(5):
                ask_link(rosa.email)
            mailed.append(Notice.objects.count())
            clock.shift(25 * 3600)

    assert mailed == [3, 6, 9, 10, 10]


def test_who_has_not_confirmed_is_mailed_no_link(rosa: Any, publication: Any) -> None:
    joining.ask(publication, NEW, language="en", worded=None, how="page", network="192.0.2.0/24")
    joining.answer()
    ask_link(NEW)

    assert list(Notice.objects.values_list("kind", flat=True)) == ["confirm"]


def test_the_link_is_good_for_half_an_hour(rosa: Any) -> None:
    with time_machine.travel("2007-03-31 12:00 +0000", tick=False) as clock:
        token = preferences.token(rosa)
        clock.shift(29 * 60)
        assert preferences.opened(token) == rosa
        clock.shift(2 * 60)
        assert preferences.opened(token) is None


def test_no_other_token_opens_the_page_and_its_token_opens_nothing_else(rosa: Any, publication: Any) -> None:
    lasting = links.sign("leave", rosa.pk, publication.pk)
    own = preferences.token(rosa)

    assert preferences.opened(lasting) is None
    assert preferences.opened(own[:-2]) is None
    assert (members.leave(own), members.confirm(own), preferences.asked_change(own)) == (None, None, None)


def test_the_link_survives_a_change_of_keys(rosa: Any, settings: Any) -> None:
    token = preferences.token(rosa)
    settings.KEYS = {name: ["a newer key", *keys] for name, keys in settings.KEYS.items()}

    assert preferences.opened(token) == rosa


# ---- What is received


def test_another_publication_is_received_and_one_is_left_at_once(
    rosa: Any, publication: Any, other_publication: Any
) -> None:
    choose(rosa, [other_publication.pk])

    consent = Consent.objects.get()
    assert states(rosa) == {"update": "left", "peru-new": "active"}
    assert (consent.how, consent.network, consent.confirmed_at is None) == ("preference page", "192.0.2.0/24", False)
    assert consent.words.startswith("I would like to receive Peru New from Andean Reading Rooms")


def test_choosing_the_same_again_moves_nothing(rosa: Any, publication: Any) -> None:
    choose(rosa, [publication.pk])

    assert (states(rosa), Event.objects.filter(verb="moved").count()) == ({"update": "active"}, 0)


def test_what_waits_for_their_confirmation_goes_on_waiting(rosa: Any, publication: Any, other_publication: Any) -> None:
    Subscription.objects.create(member=rosa, publication=other_publication, state="pending")

    choose(rosa, [publication.pk], language="es")

    assert states(rosa) == {"update": "active", "peru-new": "pending"}


def test_to_be_measured_is_agreed_to_in_the_words_that_were_shown_and_taken_back(
    rosa: Any, publication: Any, anne: Any
) -> None:
    assert preferences.offered(rosa)[0].shown == []
    publication.measure = "persons"
    publication.save()
    (shown,) = preferences.offered(rosa)[0].shown
    preferences.consents.change(publication, "en", "Other words.", by=anne, about=ConsentWording.About.MEASURING)

    choose(rosa, [publication.pk], measured=[publication.pk], shown=[shown.pk])
    assert MeasuringConsent.objects.get().words == shown.text
    assert preferences.offered(rosa)[0].measured
    assert preferences.consents.current(publication, "en").version == 1  # the words about receiving are others

    choose(rosa, [publication.pk])
    assert not MeasuringConsent.objects.exists()


def test_who_left_and_comes_back_is_not_measured_by_what_they_once_agreed_to(rosa: Any, publication: Any) -> None:
    clicks.agree(rosa.subscriptions.get(), how="a form", wording="Yes.")
    preferences.leave_all(rosa)

    choose(rosa, [publication.pk])

    assert (states(rosa), MeasuringConsent.objects.exists()) == ({"update": "active"}, False)


def test_only_what_is_offered_can_be_chosen(rosa: Any, publication: Any, other_publication: Any) -> None:
    other_publication.organisation = "Somebody Else"
    other_publication.save()

    choose(rosa, [publication.pk, other_publication.pk, 999])

    assert states(rosa) == {"update": "active"}


def test_language_and_plain_text_are_kept(rosa: Any, publication: Any) -> None:
    choose(rosa, [publication.pk], language="es", plain_text=True)
    rosa.refresh_from_db()
    assert (rosa.language, rosa.plain_text) == ("es", True)

    choose(rosa, [publication.pk], language="klingon")
    rosa.refresh_from_db()
    assert (rosa.language, rosa.plain_text) == ("", False)


def test_leaving_all_leaves_every_publication_and_nobody_else(rosa: Any, members: Any, other_publication: Any) -> None:
    for member in members[:2]:
        Subscription.objects.create(member=member, publication=other_publication, state="active")

    preferences.leave_all(rosa)

    assert states(rosa) == {"update": "left", "peru-new": "left"}
    assert states(members[1]) == {"update": "active", "peru-new": "active"}


def test_who_was_just_erased_is_not_changed(rosa: Any, publication: Any) -> None:
    Member.objects.filter(pk=rosa.pk).delete()

    with pytest.raises(Refusal, match="forgotten you"):
        choose(rosa, [publication.pk])


def test_a_farewell_is_kept_without_the_person(rosa: Any, publication: Any) -> None:
    assert farewells.say(publication, "often")
    assert not farewells.say(publication, "my name is Rosa, m0@members.example")

    (farewell,) = publication.farewells.all()
    assert {field.name for field in farewell._meta.fields} == {"id", "publication", "reason", "words", "on"}
    assert (farewell.reason, farewell.words) == ("often", "")


def test_their_own_words_are_kept_without_addresses_and_numbers(publication: Any) -> None:
    words = "Too long!\n\0 Write to <m0@members.example> or +44 (0)20 7946-0958; 3 times in 2007"
    assert farewells.say(publication, "other", words)

    assert publication.farewells.get().words == "Too long! Write to (an address) or (a number); 3 times in 2007"


# ---- Another address


def test_a_new_address_counts_when_its_link_is_followed(rosa: Any, sending: Any) -> None:
    token = asked_change(rosa)
    rosa.refresh_from_db()
    assert rosa.email == "m0@members.example"

    preferences.change_address(token)

    rosa.refresh_from_db()
    # What is under way goes to the new address too.
    assert (rosa.email, Delivery.objects.get(member=rosa).address) == (NEW, NEW)
    assert preferences.change_address(token) is None
    assert "@" not in json.dumps(list(Event.objects.values_list("detail", "why")))


def test_who_is_moved_is_told_where_their_letters_came_before(rosa: Any, publication: Any) -> None:
    preferences.change_address(asked_change(rosa))

    told = Notice.objects.get(kind="moved")
    assert (told.address, NEW in told.text, links.subscribe_url(publication) in told.text) == (
        "m0@members.example",
        False,
        True,
    )


def test_the_old_link_is_closed_by_a_change_of_address(rosa: Any) -> None:
    old = preferences.token(rosa)
    preferences.change_address(asked_change(rosa))

    assert preferences.opened(old) is None


def test_the_link_to_a_new_address_is_good_for_a_day(rosa: Any) -> None:
    with time_machine.travel("2007-03-31 12:00 +0000", tick=False) as clock:
        token = asked_change(rosa)
        clock.shift(25 * 3600)
        assert preferences.change_address(token) is None


def test_the_address_of_another_member_is_not_taken_over_and_not_told(rosa: Any, members: Any) -> None:
    token = asked_change(rosa, members[1].email)

    with pytest.raises(Refusal, match="a subscription of its own"):
        preferences.change_address(token)
    rosa.refresh_from_db()
    assert rosa.email == "m0@members.example"


def test_an_address_in_whose_name_somebody_only_asked_is_free(rosa: Any, publication: Any) -> None:
    joining.ask(publication, NEW, language="en", worded=None, how="page", network="192.0.2.0/24")
    joining.answer()

    preferences.change_address(asked_change(rosa))

    assert list(Member.objects.filter(email=NEW)) == [rosa]


def test_of_two_new_addresses_the_one_that_is_followed_first_closes_the_other(rosa: Any) -> None:
    first, second = asked_change(rosa), asked_change(rosa, "other@members.example")
    preferences.change_address(second)

    assert preferences.change_address(first) is None
    rosa.refresh_from_db()
    assert rosa.email == "other@members.example"


def test_no_key_to_another_address_is_among_their_own_data(rosa: Any) -> None:
    token = asked_change(rosa)
    told = preferences.own_data(rosa).decode()

    assert (token in told, "/preferences/address/…" in told) == (False, True)


def test_a_suppressed_address_is_not_written_to(rosa: Any) -> None:
    Suppression.objects.create(hash=Suppression.fingerprints(NEW)[0], why="erased")

    assert preferences.ask_change(rosa, NEW, network="192.0.2.0/24") == NEW
    assert Notice.objects.count() == 0


def test_nobody_can_have_a_strangers_inbox_filled_by_changes(rosa: Any, members: Any) -> None:
    for member in members:
        for _ in range(3):
            preferences.ask_change(member, NEW, network="192.0.2.0/24")

    assert Notice.objects.filter(address=NEW).count() == 1


def test_what_is_sent_to_friends_keeps_nobody_from_another_address(rosa: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(asking.LIMITS, asking.What.FRIEND, asking.Limits((), (1, asking.DAY), (1, asking.DAY)))
    assert asking.allow(asking.What.FRIEND, NEW, "192.0.2.0/24")

    assert asked_change(rosa)


def test_a_mailbox_gets_three_in_ninety_days_and_then_is_forgotten(db: Any) -> None:
    with time_machine.travel("2007-03-31 12:00 +0000", tick=False) as clock:
        allowed = []
        for _ in range(8):
            allowed.append(asking.allow(asking.What.FRIEND, NEW, "192.0.2.0/24"))
            clock.shift(25 * 3600)
        assert allowed == [True, True, True, False, False, False, False, False]
        clock.shift(90 * 24 * 3600)
        asking.forget()
        assert asking.allow(asking.What.FRIEND, NEW, "192.0.2.0/24")

    assert Asked.objects.count() == 1
    assert NEW not in str(Asked.objects.values())


def test_their_own_data_is_whole_and_of_nobody_else(rosa: Any, sending: Any) -> None:
    told = preferences.own_data(rosa).decode()

    assert (json.loads(told)["email"], "m1@members.example" in told) == ("m0@members.example", False)
