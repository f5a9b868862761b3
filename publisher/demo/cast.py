"""Who is in the demo: two people of the staff, two publications, two hundred members, accounts on every network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Any

from django.utils import timezone

from .. import consents, readership
from ..models import Channel, Consent, Member, Person, Publication, Slot, Subscription

NEWS = Path(__file__).parent / "news"
#: Whose letter comes back: there is no such mailbox any more.
MOVED_AWAY = "member007@members.example"
PASSWORD = "read-the-proof"  # noqa: S105 - printed by the demo, good for nothing else
MEMBERSHIP = """Members pay twelve pounds a year, or what they can.

• Know what your money buys
• Vote at the annual meeting

Write to the office, or come to any of our meetings."""
ADDRESS = "Andean Reading Rooms (invented), 1 Example Street, London N1"


@dataclass(frozen=True)
class Part:
    """A publication of the demo: its settings, the page its news is on and where that would be, how many receive it."""

    page: str
    address: str
    members: int
    handle: str
    page_id: str
    settings: dict[str, Any]


PARTS = (
    Part(
        page="update.html",
        address="https://reading-rooms.example/news/",
        members=150,
        handle="reading_rooms",
        page_id="100200300",
        settings={
            "slug": "update",
            "series": "Update",
            "organisation": "Andean Reading Rooms",
            "next_number": 120,
            "sender_email": "update@reading-rooms.example",
            "list_id": "update.reading-rooms.example",
            "accent": "#8a1c1c",
        },
    ),
    Part(
        page="lake-letter.txt",
        address="https://lake.example/letter.txt",
        members=50,
        handle="lake_letter",
        page_id="400500600",
        settings={
            "slug": "lake-letter",
            "series": "Lake Letter",
            "organisation": "Friends of the Lake",
            "next_number": 31,
            "sender_email": "letter@lake.example",
            "list_id": "letter.lake.example",
            "accent": "#1c5a8a",
        },
    ),
)
_FIRST = (
    "Ana Luis Rosa Tomás Inés Pedro Marta Jorge Lucía Raúl Elena Hugo Carmen Iván Sofía Óscar Julia Andrés Nora Félix"
)
_LAST = "Quispe Rowe Mamani Ortiz Huamán Lane Flores Hart Condori Vidal"


def people() -> tuple[Person, Person]:
    """Anne, who writes, and Ben, who approves."""
    anne = Person(username="anne", first_name="Anne", last_name="Rowe")
    ben = Person(username="ben", first_name="Ben", last_name="Ortiz", may_approve=True)
    for person in (anne, ben):
        person.set_password(PASSWORD)
        person.save()
    return anne, ben


def publication(part: Part) -> Publication:
    """A publication whose hold is over at once: the demo does not wait five minutes."""
    return Publication.objects.create(
        **part.settings,
        site_url=f"https://{str(part.settings['sender_email']).rpartition('@')[2]}",
        sender_name=part.settings["organisation"],
        postal_address=ADDRESS,
        hold_minutes=0,
        membership=MEMBERSHIP,
    )


def members(publication: Publication, count: int, first: int) -> None:
    """Members with invented names at an address that cannot exist."""
    names = [(given, family) for family in _LAST.split() for given in _FIRST.split()]
    made = Member.objects.bulk_create(
        Member(email=f"member{n:03}@members.example", first_name=names[n % 200][0], last_name=names[n % 200][1])
        for n in range(first, first + count)
    )
    joined = Subscription.objects.bulk_create(
        Subscription(member=member, publication=publication, state=Subscription.State.ACTIVE) for member in made
    )
    words = consents.current(publication, publication.language)
    Consent.objects.bulk_create(
        Consent(subscription=each, how="at an invented fair", worded=words, confirmed_at=timezone.now())
        for each in joined
    )
    readership.joined(publication, len(joined))


def accounts(part: Part) -> tuple[tuple[str, str, dict[str, str]], ...]:
    """On each network: the account as followers know it, and credentials that only the sandbox knows."""
    server = str(part.settings["sender_email"]).rpartition("@")[2]
    secret = f"demo-{part.handle}"
    x_keys = ("consumer_key", "consumer_secret", "access_token", "access_token_secret")
    page = {"page_token": f"{secret}-page-token", "app_secret": f"{secret}-app-secret", "version": "v24.0"}
    return (
        ("x", part.handle, {name: f"{secret}-{name}" for name in x_keys}),
        ("facebook", str(part.settings["organisation"]), {"page_id": part.page_id, **page}),
        ("mastodon", f"@{part.handle}@{server}", {"access_token": f"{secret}-mastodon-token"}),
        ("bluesky", server, {"app_password": f"{secret}-app-password"}),
    )


def channels(publication: Publication, part: Part) -> list[Channel]:
    """A channel for each account, with weekly slots."""
    made = [_channel(publication, *account) for account in accounts(part)]
    for channel in made:
        for weekday in (0, 2, 4):
            Slot.objects.create(channel=channel, weekday=weekday, time=time(9, 0))
    return made


def sandbox_accounts(part: Part) -> list[dict[str, object]]:
    """What the sandbox is told, so that it knows these accounts: the bodies of POST /control/accounts."""
    return [
        {
            "network": network,
            "handle": credentials.get("page_id") or account,
            "name": part.settings["organisation"],
            "credentials": credentials,
        }
        for network, account, credentials in accounts(part)
    ]


def _channel(publication: Publication, network: str, account: str, credentials: dict[str, str]) -> Channel:
    channel = Channel(publication=publication, network=network, account=account)
    channel.credentials = credentials
    channel.save()
    return channel
