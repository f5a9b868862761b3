"""The whole way, by the same verbs that staff pages and workers use: from a page to an approved digest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests
from django.utils import timezone

from .. import digests, items, pictures, sources
from ..models import Digest, Item, Person, Post, Publication
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


def leave_one_in_review() -> Digest:
    """For whoever signs in afterwards: the next Update, written by Anne, waiting for Ben."""
    publication = Publication.objects.get(slug="update")
    anne = Person.objects.get(username="anne")
    _take_in(publication, "next.txt", anne)
    digest = digests.compose(publication, by=anne)
    digests.edit(digest, by=anne, introduction="Dear {first_name|friend},\n\ntwo short pieces of news this time.")
    digests.proof(digest, by=anne)
    return digest


def _publish(publication: Publication, part: cast.Part, anne: Person, ben: Person, say: Say) -> Digest:
    count = _take_in(publication, part.page, anne)
    say(f"Read {count} items from {part.page} into “{publication.series}”")
    digest = digests.compose(publication, by=anne)
    digests.edit(digest, by=anne, introduction=_introduction(publication))
    proof = digests.proof(digest, by=anne)
    digest.refresh_from_db()
    say(f"Anne composed {digest.label}; proof {proof.sha256[:12]} for {proof.audience_count} members")
    digests.approve(proof, by=ben, comment="Read it twice.")
    # The slots of the demo's channels are on three days of the week; here they fall due at once.
    Post.objects.filter(digest=digest, state=Post.State.APPROVED).update(due_at=timezone.now())
    say(f"Ben approved exactly these bytes and {digest.posts.count()} posts with them")
    digest.refresh_from_db()
    return digest


def _take_in(publication: Publication, page: str, by: Person) -> int:
    path = cast.NEWS / page
    received = [received for _, received in sources.import_from(str(path), publication)]
    new = [item for each in received for item in each.new]
    for item in new:
        _attach_picture(item, path.parent)
        items.queue(item, by=by)
    return len(new)


def _attach_picture(item: Item, folder: Path) -> None:
    """The page names its pictures beside itself: the file is taken, where a web page's would be fetched."""
    file = folder / Path(item.image_url).name
    if item.image_url and file.is_file():
        Item.objects.filter(pk=item.pk).update(picture=pictures.keep(file.read_bytes()), image_url="")


def _introduction(publication: Publication) -> str:
    return (
        f"Dear {{first_name|friend}},\n\nhere is what happened since the last {publication.series}. "
        "Reply to this letter and a person answers."
    )
