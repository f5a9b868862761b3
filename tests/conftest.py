"""The cast. Anne writes, Ben approves, Carla may do neither; the publication is "Update", next number 120."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import date, time, timedelta
from typing import Any

import pytest

# First of all it gives the tests an environment of their own, before Django reads its settings.
from tests import canaries, surroundings
from tests.sandbox.conftest import sandbox as sandbox

pytest_unconfigure = surroundings.stop


def pytest_configure(config: Any) -> None:
    """Hashing passwords slowly is right for people and wasted on the cast."""
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    canaries.begin()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """A test in which a credential of the cast was said has failed, whatever else it showed."""
    report = yield
    if call.when == "teardown":
        for _, what, content in item._report_sections:
            canaries.look(f"what was captured of {what}", content)
        if folder := getattr(item, "funcargs", {}).get("tmp_path"):
            canaries.look_into(folder)
        if said := canaries.heard():
            report.outcome, report.longrepr = "failed", "A secret was said:\n" + "\n".join(said)
    return report


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_said_in_the_data_folder() -> Iterator[None]:
    """Of all tests together: keys, journals, pictures, what is kept beside the database."""
    from django.conf import settings

    yield
    canaries.look_into(settings.DATA)
    assert canaries.heard() == []


@pytest.fixture(autouse=True)
def _what_stands_beside_the_database() -> Iterator[None]:
    """Each test has a fresh database, so nothing was sent from here before."""
    from publisher import epoch

    yield
    epoch.file().unlink(missing_ok=True)
    epoch.forget()


@pytest.fixture
def anne(db: Any) -> Any:
    from publisher.models import Person

    return Person.objects.create_user("anne", password="letters-to-lima", first_name="Anne", last_name="Rowe")


@pytest.fixture
def ben(db: Any) -> Any:
    from publisher.models import Person

    return Person.objects.create_user(
        "ben", password="letters-to-lima", first_name="Ben", last_name="Ortiz", may_approve=True
    )


@pytest.fixture
def carla(db: Any) -> Any:
    """Signs in, and may neither approve nor be taken for somebody who may."""
    from publisher.models import Person

    return Person.objects.create_user("carla", password="letters-to-lima", first_name="Carla", last_name="Vidal")


@pytest.fixture
def publication(db: Any) -> Any:
    from publisher.models import Publication, StandingSection

    publication = Publication.objects.create(
        slug="update",
        series="Update",
        organisation="Andean Reading Rooms",
        site_url="https://reading-rooms.example",
        sender_name="Andean Reading Rooms",
        sender_email="update@reading-rooms.example",
        reply_to="office@reading-rooms.example",
        list_id="update.reading-rooms.example",
        postal_address="Andean Reading Rooms, 1 Example Street, London N1",
        next_number=120,
    )
    StandingSection.objects.create(publication=publication, title="Our aims", body="Books where there are none.")
    return publication


@pytest.fixture
def other_publication(db: Any) -> Any:
    """What must not leak into “Update”."""
    from publisher.models import Publication

    return Publication.objects.create(
        slug="peru-new",
        series="Peru New",
        organisation="Andean Reading Rooms",
        sender_email="new@reading-rooms.example",
        list_id="new.reading-rooms.example",
        postal_address="Andean Reading Rooms, 1 Example Street, London N1",
        next_number=58,
    )


@pytest.fixture
def make_item(publication: Any) -> Any:
    """make_item("Title", state="queued", …): one item of “Update”."""
    from publisher.models import Item

    def make(title: str = "A reading room opens", **fields: Any) -> Any:
        given = {
            "publication": publication,
            "identity": f"test-{title}",
            "state": "queued",
            "teaser": f"What there is to say of “{title}”.",
            "link": f"https://reading-rooms.example/{abs(hash(title))}",
            "published_on": date(2007, 3, 20),
            "date_label": "20 March 2007",
        }
        return Item.objects.create(title=title, **{**given, **fields})

    return make


@pytest.fixture
def items(make_item: Any) -> Any:
    return [
        make_item("A reading room opens", published_on=date(2007, 3, 20)),
        make_item("Books cross the lake", published_on=date(2007, 3, 12)),
        make_item("The mule library turns ten", published_on=date(2007, 2, 28)),
    ]


@pytest.fixture
def make_members(publication: Any) -> Any:
    """make_members(5): active members m0@… m4@… of “Update”."""
    from publisher.models import Member, Subscription

    def make(count: int, *, of: Any = None, prefix: str = "m") -> Any:
        members = Member.objects.bulk_create(
            Member(email=f"{prefix}{n}@members.example", first_name=f"Name{n}") for n in range(count)
        )
        Subscription.objects.bulk_create(
            Subscription(member=member, publication=of or publication, state="active") for member in members
        )
        return members

    return make


@pytest.fixture
def members(make_members: Any) -> Any:
    return make_members(5)


@pytest.fixture
def channels(publication: Any) -> Any:
    """An X account with two weekly slots and a Facebook page without, both looked at today."""
    from django.utils import timezone

    from publisher.models import Channel, Slot

    tomorrow = timezone.now() + timedelta(days=1)
    x = Channel(publication=publication, network="x", account="reading_rooms", check_at=tomorrow)
    x.credentials = {
        name: canaries.secret(name)
        for name in ("consumer_key", "consumer_secret", "access_token", "access_token_secret")
    }
    x.save()
    Slot.objects.create(channel=x, weekday=0, time=time(9, 0))
    Slot.objects.create(channel=x, weekday=3, time=time(17, 30))
    facebook = Channel(publication=publication, network="facebook", account="Andean Reading Rooms", check_at=tomorrow)
    facebook.credentials = {"page_id": "1001", "page_token": canaries.secret("page_token"), "version": "v24.0"}
    facebook.save()
    return [x, facebook]


@pytest.fixture
def connected(sandbox: Any, settings: Any, channels: Any) -> Any:
    """The real sandbox as mail server and networks, knowing the accounts of `channels`."""
    from publisher.sandbox import accounts

    settings.SMTP_URL = f"smtp://127.0.0.1:{sandbox.smtp}"
    settings.NETWORK_URLS = {"x": f"{sandbox.url}/x", "facebook": f"{sandbox.url}/graph"}
    for channel in channels:
        handle = {"handle": "reading_rooms"} if channel.network == "x" else {"page_id": "1001"}
        accounts.add(
            sandbox.store, {"network": channel.network, "credentials": channel.credentials, "name": "Rooms", **handle}
        )
    return sandbox


@pytest.fixture
def sending(connected: Any, members: Any, proof: Any, ben: Any) -> Any:
    """Update 120 to five members, its audience frozen, nothing sent yet; its posts are due."""
    from django.utils import timezone

    from publisher import digests
    from publisher.models import Digest, Post

    digests.approve(proof, by=ben)
    Digest.objects.filter(pk=proof.digest_id).update(start_at=timezone.now())
    Post.objects.update(due_at=timezone.now())
    digest = Digest.objects.select_related("publication", "proof").get(pk=proof.digest_id)
    digests.start(digest)
    digests.prepare(digest)
    return digest


@pytest.fixture
def digest(publication: Any, items: Any, anne: Any) -> Any:
    """A draft by Anne of the three items, dated 31 March 2007."""
    from publisher import digests

    return digests.compose(publication, by=anne, date=date(2007, 3, 31))


@pytest.fixture
def proof(digest: Any, anne: Any) -> Any:
    """Update 120, in review."""
    from publisher import digests

    return digests.proof(digest, by=anne)
