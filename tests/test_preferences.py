"""What members decide themselves, behind a link of half an hour that was mailed to them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import time_machine

from publisher import caps, links, members, preferences
from publisher.lifecycle import Refusal
from publisher.models import Consent, Delivery, Event, Member, Notice, Subscription, Suppression, Unasked

pytestmark = pytest.mark.django_db
NEW = "new@members.example"


@pytest.fixture
def rosa(members: Any) -> Any:
    """m0@members.example, who gets “Update”."""
    return members[0]


def choose(member: Any, wanted: list[int], **changes: Any) -> None:
    preferences.choose(member, wanted, **{"language": "", "plain_text": False, **changes})


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
    preferences.ask_link(" M0@members.example ")

    notice = Notice.objects.get()
    found = re.search(r"/preferences/([^/\s]+)/", notice.text)
    assert (notice.kind, notice.address, notice.member) == ("preferences", "m0@members.example", rosa)
    assert found
    assert preferences.opened(found[1]) == rosa


def test_a_stranger_and_a_suppressed_address_are_not_written_to(rosa: Any, members: Any) -> None:
    Suppression.objects.create(hash=Suppression.fingerprints(members[1].email)[0], why="complained")

    for address in ("nobody@members.example", members[1].email):
        preferences.ask_link(address)

    assert Notice.objects.count() == 0


def test_nobody_can_have_an_inbox_filled_with_links(rosa: Any) -> None:
    for _ in range(10):
        preferences.ask_link(rosa.email)

    assert Notice.objects.count() == preferences.MOST_LINKS


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
    choose(rosa, [other_publication.pk], network="192.0.2.0/24")

    consent = Consent.objects.get()
    assert states(rosa) == {"update": "left", "peru-new": "active"}
    assert (consent.how, consent.network, consent.confirmed_at is None) == ("preference page", "192.0.2.0/24", False)
    assert consent.words.startswith("I would like to receive Peru New from Andean Reading Rooms")


def test_choosing_the_same_again_moves_nothing(rosa: Any, publication: Any) -> None:
    choose(rosa, [publication.pk])

    assert (states(rosa), Event.objects.filter(verb="moved").count()) == ({"update": "active"}, 0)


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
    assert preferences.say_farewell(publication, "often")
    assert not preferences.say_farewell(publication, "my name is Rosa, m0@members.example")

    (farewell,) = publication.farewells.all()
    assert {field.name for field in farewell._meta.fields} == {"id", "publication", "reason", "on"}
    assert farewell.reason == "often"


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

    with pytest.raises(Refusal, match="letters of its own"):
        preferences.change_address(token)
    rosa.refresh_from_db()
    assert rosa.email == "m0@members.example"


def test_a_suppressed_address_is_not_written_to(rosa: Any) -> None:
    Suppression.objects.create(hash=Suppression.fingerprints(NEW)[0], why="erased")

    assert preferences.ask_change(rosa, NEW, network="192.0.2.0/24") == NEW
    assert Notice.objects.count() == 0


def test_nobody_can_have_a_strangers_inbox_filled_by_changes(rosa: Any, members: Any) -> None:
    for member in members:
        for _ in range(3):
            preferences.ask_change(member, NEW, network="192.0.2.0/24")

    assert Notice.objects.filter(address=NEW).count() == 1


def test_a_mailbox_gets_three_in_ninety_days_and_then_is_forgotten(db: Any) -> None:
    with time_machine.travel("2007-03-31 12:00 +0000", tick=False) as clock:
        allowed = []
        for _ in range(8):
            allowed.append(caps.allow("friend", NEW, "192.0.2.0/24"))
            clock.shift(25 * 3600)
        assert allowed == [True, True, True, False, False, False, False, False]
        clock.shift(90 * 24 * 3600)
        assert caps.allow("friend", NEW, "192.0.2.0/24")

    assert Unasked.objects.count() == 1
    assert NEW not in str(Unasked.objects.values())


def test_their_own_data_is_whole_and_of_nobody_else(rosa: Any, sending: Any) -> None:
    told = preferences.own_data(rosa).decode()

    assert (json.loads(told)["email"], "m1@members.example" in told) == ("m0@members.example", False)
