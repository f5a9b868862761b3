"""An Update for a friend: one mail, and the friend is not kept."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

import pytest

from publisher import friends, members, notices
from publisher.lifecycle import Refusal
from publisher.models import Asked, Consent, Event, Member, Notice, Suppression

pytestmark = pytest.mark.django_db
FRIEND = "inés@friends.example"


@pytest.fixture
def sent(sending: Any) -> Any:
    """Update 120 on its way, with three items."""
    return sending


def confirm(member: Any) -> None:
    Consent.objects.create(
        subscription=member.subscriptions.get(), how="subscribe page", confirmed_at="2007-01-01T00:00Z"
    )


def forward(digest: Any, email: str = FRIEND, **changes: Any) -> None:
    friends.send(digest, changes.pop("entry", None), email, **{"network": "192.0.2.0/24", "language": "en", **changes})


def test_one_mail_arrives_and_nothing_of_the_friend_is_kept(sent: Any, connected: Any) -> None:
    forward(sent, "ines@friends.example", entry=sent.entries.first())
    notices.send(Notice.objects.get())

    (entry,) = connected.json("/mail/log.json")
    mail: Any = message_from_bytes(connected.get("/mail/1/raw").content, policy=policy.default)
    assert (entry["rcpt_to"], mail["To"]) == (["ines@friends.example"], "ines@friends.example")
    text = mail.get_body(("plain",)).get_content()
    assert "What there is to say of “A reading room opens”." in text
    assert "http://127.0.0.1:8000/update/120/1/" in text
    assert "http://127.0.0.1:8000/update/subscribe/" in text
    kept = [*Notice.objects.values(), *Asked.objects.values(), *Event.objects.values(), *Member.objects.values()]
    assert "friends.example" not in str(kept)


def test_a_mailbox_gets_one_mail_however_often_it_is_asked_for(sent: Any) -> None:
    for name in ("ines", "ines+1", "ines+2"):
        forward(sent, f"{name}@friends.example")

    assert Notice.objects.count() == 1


def test_who_must_not_be_mailed_is_not_and_nobody_is_told(sent: Any) -> None:
    Suppression.objects.create(hash=Suppression.fingerprints("ines@friends.example")[0], why="erased")

    forward(sent, "ines@friends.example")

    assert (Notice.objects.count(), Asked.objects.count()) == (0, 0)


def test_what_is_no_address_is_refused(sent: Any) -> None:
    with pytest.raises(Refusal, match="is not an e-mail address"):
        forward(sent, "nonsense")


def test_a_name_is_given_only_where_it_is_confirmed(sent: Any, members: Any) -> None:
    rosa = members[0]
    forward(sent, "a@friends.example", sender=rosa)
    confirm(rosa)
    forward(sent, "b@friends.example", sender=rosa)

    first, second = Notice.objects.order_by("pk").values_list("text", flat=True)
    assert ("Name0" in first, "A reader thought" in first) == (False, True)
    assert "Name0 thought" in second


@pytest.mark.parametrize("name", ["Win at pills.example", "http://x", "Rosa @x", "Call 555 1234", "x" * 61])
def test_a_name_that_advertises_is_not_given(sent: Any, members: Any, name: str) -> None:
    rosa = members[0]
    confirm(rosa)
    Member.objects.filter(pk=rosa.pk).update(first_name=name, last_name="")
    rosa.refresh_from_db()

    forward(sent, sender=rosa)

    text = Notice.objects.get().text
    assert (name in text, "A reader thought" in text) == (False, True)


def test_a_withdrawn_item_is_passed_on_no_more(sent: Any) -> None:
    from publisher.models import Item

    Item.objects.filter(title="Books cross the lake").update(state="withdrawn")
    forward(sent)

    text = Notice.objects.get().text
    assert ("A reading room opens" in text, "Books cross the lake" in text) == (True, False)


def test_the_friend_may_join_like_anybody(sent: Any) -> None:
    forward(sent, "ines@friends.example")

    assert not Member.objects.filter(email="ines@friends.example").exists()
    assert members.normalise("Ines@Friends.example") == "ines@friends.example"
