"""Two rows for one person: found by spelling, decided by one of the staff, and of two states the stricter one wins.

Dots and what follows a plus are part of an address: whether two of them lead to one mailbox only its host knows.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator

from django.db import transaction

from . import members
from .lifecycle import Refusal, move, note
from .models import Delivery, Member, MemberTag, Merged, Notice, Person, Subscription

State = Subscription.State
#: From the strictest on. Pending is stricter than active: it says that nobody has confirmed.
STRICTEST = (State.SUPPRESSED, State.LEFT, State.PENDING, State.ACTIVE)


def alike() -> Iterator[list[int]]:
    """The numbers of members whose addresses are spellings of one: case, widths and accents written in two ways."""
    spelled: dict[str, list[int]] = defaultdict(list)
    for pk, email in Member.objects.order_by("pk").values_list("pk", "email").iterator(chunk_size=10_000):
        if not (email.isascii() and email.islower()):  # what nearly all are, and stored once already
            spelled[_folded(email)].append(pk)
    for folded, found in spelled.items():
        plain = Member.objects.filter(email=folded).exclude(pk__in=found).values_list("pk", flat=True)
        if len(found) + len(plain) > 1:
            yield sorted([*found, *plain])


def merge(kept: Member, gone: Member, *, by: Person) -> None:
    """Let one row stand for a person who has two: `kept`, with its address. Nothing of theirs is lost.

    Who left or is suppressed under one address stays so. The address that goes is not suppressed: it may join anew.
    """
    if kept.pk == gone.pk:
        raise Refusal("These are one member already.")
    with transaction.atomic():
        locked = members.lock(pk__in=[kept.pk, gone.pk])
        if len(locked) != 2:
            raise Refusal("One of them has just been erased, or merged. Look again.")
        for theirs in list(gone.subscriptions.all()):
            _take_over(theirs, kept, by)
        Delivery.objects.filter(member=gone).update(member=kept)
        Notice.objects.filter(member=gone).update(member=kept)
        _take_tags(kept, gone)
        _complete(kept, gone)
        Merged.objects.filter(member=gone).update(member=kept)
        Merged.objects.create(number=gone.pk, member=kept)
        note(kept, "merged", by=by, member=gone.pk)
        gone.delete()


def _take_over(theirs: Subscription, kept: Member, by: Person) -> None:
    mine = Subscription.objects.filter(member=kept, publication=theirs.publication_id).first()
    if mine is None:
        Subscription.objects.filter(pk=theirs.pk).update(member=kept)
        return
    theirs.consents.update(subscription=mine)
    stricter = min(mine.state, theirs.state, key=STRICTEST.index)
    # There is no move from left to suppressed, and neither is mailed. From active none leads to pending either: that
    # the other address was never confirmed takes nothing from this one, which is mailed and was.
    if stricter != mine.state and stricter in mine.MOVES[mine.state]:
        move(mine, stricter, by=by, why="merged with another row of the same person")


def _take_tags(kept: Member, gone: Member) -> None:
    known = MemberTag.objects.filter(member=kept).values("key")
    MemberTag.objects.filter(member=gone).exclude(key__in=known).update(member=kept)


def _complete(kept: Member, gone: Member) -> None:
    """What only one of them says, and the earlier joining."""
    fields = {name: getattr(gone, name) for name in ("first_name", "last_name", "language") if not getattr(kept, name)}
    Member.objects.filter(pk=kept.pk).update(joined_at=min(kept.joined_at, gone.joined_at), **fields)


def _folded(email: str) -> str:
    return unicodedata.normalize("NFKC", email).casefold()
