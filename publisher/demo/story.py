"""The whole way, by the same verbs that staff pages and workers use: from a page to an approved digest."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import requests
from django.db import transaction
from django.utils import timezone

from .. import digests, intake, items, pictures
from ..bounces import mailbox
from ..lifecycle import Refusal
from ..models import Digest, Item, Person, Post, Publication, Source
from . import cast

Say = Callable[[str], None]


@dataclass(frozen=True)
class Told:
    part: cast.Part
    digest: Digest


def register_accounts(sandbox_url: str) -> None:
    """Make the demo's accounts known to the sandbox: like a network, it answers nobody it does not know."""
    for part in cast.PARTS:
        for account in cast.sandbox_accounts(part):
            requests.post(f"{sandbox_url}/control/accounts", json=account, timeout=10).raise_for_status()


def let_one_come_back(sandbox_url: str) -> None:
    """The sandbox's mail server takes one letter, and then reports that nobody is there."""
    order = {"network": "mail", "operation": "dot", "behaviour": "bounce", "match": cast.MOVED_AWAY}
    requests.post(f"{sandbox_url}/control/faults", json=order, timeout=10).raise_for_status()


def read_what_came_back() -> None:
    """At once, where the clock would have it read within the minute."""
    if place := mailbox.chosen():
        with suppress(Refusal):  # the table shows that it did not arrive, and `publisher check` why
            mailbox.read_now(place)


def tell(say: Say) -> list[Told]:
    """Import the news, compose, proof by Anne, approve by Ben: one digest for each publication."""
    anne, ben = cast.people()
    told, first = [], 0
    for part in cast.PARTS:
        publication = cast.publication(part)
        cast.members(publication, part.members, first)
        cast.channels(publication, part)
        first += part.members
        told.append(Told(part, _publish(publication, part, anne, ben, say)))
    return told


def leave_something_to_do() -> Digest:
    """For whoever signs in afterwards: news to decide on, and the next Update, waiting for Ben."""
    publication = Publication.objects.get(slug="update")
    anne = Person.objects.get(username="anne")
    first, *rest = _take_in(publication, "next.txt", "https://reading-rooms.example/next.txt")
    items.queue(first, by=anne)
    assert rest, "the others stay as they came in, for staff to decide on"
    digest = digests.compose(publication, by=anne)
    digests.edit(digest, by=anne, introduction="Dear {first_name|friend},\n\none short piece of news this time.")
    digests.proof(digest, by=anne)
    digest.refresh_from_db()
    return digest


def _publish(publication: Publication, part: cast.Part, anne: Person, ben: Person, say: Say) -> Digest:
    taken = _take_in(publication, part.page, part.address)
    for item in taken:
        items.queue(item, by=anne)
    say(f"Read {len(taken)} items from {part.page} into “{publication.series}”")
    digest = digests.compose(publication, by=anne)
    digests.edit(digest, by=anne, introduction=_introduction(publication))
    proof = digests.proof(digest, by=anne)
    digest.refresh_from_db()
    say(f"Anne composed {digest.label}; proof {proof.sha256[:12]} for {proof.audience_count} members")
    digests.approve(proof, by=ben, comment="Read it twice.")
    # The slots of the demo's channels are on three days of the week; here they fall due at once.
    Post.objects.filter(digest=digest, state=Post.State.APPROVED).update(due_at=timezone.now(), slot_at=None)
    say(f"Ben approved exactly these bytes and {digest.posts.count()} posts with them")
    digest.refresh_from_db()
    return digest


def _take_in(publication: Publication, page: str, address: str) -> list[Item]:
    """Read a page of the sample news as if it had been fetched from this address."""
    content = (cast.NEWS / page).read_bytes()
    with transaction.atomic():  # with its pictures: the clock must not look for them where they are not
        source = Source.objects.create(publication=publication, address=address)
        received = items.receive(publication, intake.read(content, address=address), source=source, by_hand=True)
        for item in received.new:
            _attach_picture(item)
    return received.new


def _attach_picture(item: Item) -> None:
    """The page's pictures lie beside it: the file is taken where a web page's would be fetched."""
    file = cast.NEWS / (item.image_url.rpartition("/")[2] or "none")
    if file.is_file():
        item.picture, item.image_url = pictures.keep(file.read_bytes()), ""
        item.save(update_fields=["picture", "image_url"])


def _introduction(publication: Publication) -> str:
    return (
        f"Dear {{first_name|friend}},\n\nhere is what happened since the last {publication.series}. "
        "Reply to this letter and a person answers."
    )
