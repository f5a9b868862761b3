"""What lies in the database before a sending begins: a publication, its members, and an approved digest.

Everything is made by the product's own verbs, so that what is measured is what is sent. To be imported after
`django.setup()` in a process whose environment names the database.
"""

from __future__ import annotations

import random
from itertools import islice

from django.utils import timezone

from publisher import digests
from publisher.delivery import ledger
from publisher.models import Digest, Item, Member, Person, Publication, Subscription

#: Characters of each paragraph of a teaser, which has two.
PARAGRAPH = 460
#: Bytes of a member's whole message, headers and all; what is measured must lie within 5 % of them.
SIZES = {5: 25_240, 20: 71_710}
#: Members have their mailboxes with many providers, so that no cap per domain is what is measured.
DOMAINS = 97
_CHUNK = 5000
_NAMES = "Ana Luis Rosa Tomás Inés Pedro Marta Jorge Lucía Raúl Elena Hugo Carmen Iván Sofía Óscar Julia Andrés Nora"
_WORDS = (
    "the river court valley growers teachers have after the order of last spring reading rooms open with forty families"
    " and their mill says a report by the water board which was printed in March while talks broke down over pay in the"
    " highland districts whose posts are funded from year to year until the villages upstream have been consulted señor"
)


def audience(slug: str, count: int) -> Publication:
    """A publication with so many active members; its hold is over at once."""
    publication = Publication.objects.create(
        slug=slug,
        series="Update",
        organisation="Andean Reading Rooms",
        site_url="https://reading-rooms.example",
        sender_name="Andean Reading Rooms",
        sender_email=f"{slug}@reading-rooms.example",
        reply_to="office@reading-rooms.example",
        list_id=f"{slug}.reading-rooms.example",
        postal_address="Andean Reading Rooms, 1 Example Street, London N1",
        next_number=120,
        hold_minutes=0,
    )
    numbers = iter(range(count))
    while chunk := list(islice(numbers, _CHUNK)):
        _join(publication, chunk)
    return publication


def _join(publication: Publication, numbers: list[int]) -> None:
    names = _NAMES.split()
    made = Member.objects.bulk_create(
        Member(email=address(publication.slug, n), first_name=names[n % len(names)], last_name=f"No {n}")
        for n in numbers
    )
    Subscription.objects.bulk_create(
        Subscription(member=member, publication=publication, state=Subscription.State.ACTIVE) for member in made
    )


def address(slug: str, number: int) -> str:
    return f"{slug}{number:07}@members{number % DOMAINS}.example"


def staff() -> tuple[Person, Person]:
    """Anne, who writes, and Ben, who approves."""
    anne, _ = Person.objects.get_or_create(username="anne", defaults={"first_name": "Anne"})
    ben, _ = Person.objects.get_or_create(username="ben", defaults={"first_name": "Ben", "may_approve": True})
    return anne, ben


def approved(publication: Publication, items: int) -> Digest:
    """A digest of so many new items, approved and due now."""
    anne, ben = staff()
    digest = digests.compose(publication, by=anne, items=[_item(publication, n) for n in range(items)])
    introduction = "Dear {first_name|friend},\n\nhere is what has happened since the last Update."
    digests.edit(digest, by=anne, introduction=introduction)
    digests.approve(digests.proof(digest, by=anne), by=ben)
    return _fresh(digest)


def frozen(digest: Digest) -> Digest:
    """The same digest, its audience frozen: sending, and nothing sent yet."""
    digests.start(digest)
    digests.prepare(digest)
    digest = _fresh(digest)
    if digest.state != Digest.State.SENDING:
        raise RuntimeError(f"{digest.label} is {digest.state}: {digest.attention}")
    return digest


def counts(digest: Digest) -> dict[str, int]:
    """How many rows are in each state that has any."""
    return {state: n for state, n in ledger.counts(digest).items() if n}


def _fresh(digest: Digest) -> Digest:
    return Digest.objects.select_related("publication", "proof").get(pk=digest.pk)


def _item(publication: Publication, number: int) -> Item:
    unique = f"{publication.slug}-{Item.objects.count()}"
    words = random.Random(number)
    return Item.objects.create(
        publication=publication,
        identity=unique,
        state=Item.State.QUEUED,
        title=_sentence(words, 48),
        teaser="\n\n".join(_sentence(words, PARAGRAPH) for _ in range(2)),
        link=f"https://reading-rooms.example/news/{unique}",
        published_on=timezone.now().date(),
    )


def _sentence(words: random.Random, length: int) -> str:
    said, words_known = "", _WORDS.split()
    while len(said) < length:
        said += f" {words.choice(words_known)}"
    return said.strip().capitalize() + "."
