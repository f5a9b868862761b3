"""What can be done with digests: compose, edit, proof, approve, schedule, start, pause, resume, cancel."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date as Date
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from . import epoch, merge, numbers, posts, proofs, slots, timetable
from .delivery import ledger, manners
from .handing import hand_over
from .lifecycle import NotAllowed, Overtaken, Refusal, move, note
from .models import Digest, Entry, Item, Person, Proof, Publication, Segment

# What is done to a set of posts as well reads as a verb of digests too: `digests.approve(proof, by=person)`.
from .reviews import approve as approve
from .reviews import ask_changes as ask_changes
from .reviews import edit_post as edit_post
from .reviews import editing, refuse_unwanted
from .reviews import editors_since_approval as editors_since_approval
from .reviews import void as void
from .reviews import why_not as why_not

#: A start that is farther away has a slip in its year.
_A_YEAR = timedelta(days=366)
#: Whoever chooses this very minute means now.
_THIS_MINUTE = timedelta(minutes=1)

EDITABLE_ENTRY = frozenset({"title", "teaser", "link", "byline", "image_alt", "image_caption", "picture"})


def compose(
    publication: Publication, *, by: Person | None, date: Date | None = None, items: Iterable[Item] | None = None
) -> Digest:
    """A draft of all queued items that are not used in this series yet, newest first, as the series prints them."""
    chosen = list(items) if items is not None else list(waiting(publication))
    if not chosen:
        raise Refusal(f"No item is queued for {publication.series}: queue the items that belong into the next one.")
    with transaction.atomic():
        Publication.objects.select_for_update().get(pk=publication.pk)
        digest = Digest.objects.create(
            publication=publication, date=date or publication.today(), state=Digest.State.DRAFT, created_by=by
        )
        for position, item in enumerate(chosen, 1):
            _enter(digest, item, position)
        note(digest, "edited", by=by, why="composed", items=[item.pk for item in chosen])
    return digest


def waiting(publication: Publication) -> Any:
    """Queued items that no live digest of this series uses, in the series' order."""
    used = Entry.objects.filter(publication=publication, released=False).values("item")
    queued = Item.objects.filter(publication=publication, state=Item.State.QUEUED)
    return queued.exclude(pk__in=used).order_by(F("published_on").desc(nulls_last=True), "id")


def add(digest: Digest, item: Item, *, by: Person) -> Entry:
    with editing(digest, by, "added an item"):
        last = digest.entries.order_by("-position").first()
        return _enter(digest, item, last.position + 1 if last else 1)


def remove(entry: Entry, *, by: Person) -> None:
    with editing(entry.digest, by, "took an item out"):
        posts.drop_of_entry(entry, by=by)
        entry.delete()
        _renumber(entry.digest, list(entry.digest.entries.all()))


def reorder(digest: Digest, entry_ids: list[int], *, by: Person) -> None:
    """Put the entries into this order. All of them must be named, each once."""
    entries = {entry.pk: entry for entry in digest.entries.all()}
    if sorted(entry_ids) != sorted(entries):
        raise Refusal("The digest has changed meanwhile: look at its entries again.")
    with editing(digest, by, "changed the order"):
        _renumber(digest, [entries[pk] for pk in entry_ids])


def edit(digest: Digest, *, by: Person, introduction: str | None = None, date: Date | None = None) -> None:
    given: dict[str, Any] = {"introduction": introduction, "date": date}
    changed = {name: value for name, value in given.items() if value is not None and value != getattr(digest, name)}
    if not changed:
        return
    _refuse_misspelt(changed.get("introduction", ""))
    with editing(digest, by, f"changed the {' and '.join(changed)}"):
        Digest.objects.filter(pk=digest.pk).update(**changed)
        for name, value in changed.items():
            setattr(digest, name, value)


def edit_entry(entry: Entry, *, by: Person, **fields: Any) -> None:
    """Change the digest's copy of an item's text."""
    if wrong := set(fields) - EDITABLE_ENTRY:
        raise Refusal(f"These cannot be edited: {', '.join(sorted(wrong))}.")
    if not fields.get("title", entry.title).strip():
        raise Refusal("An entry needs a title.")
    changed = {name: value for name, value in fields.items() if getattr(entry, name) != value}
    if not changed:
        return
    with editing(entry.digest, by, f"changed the {', '.join(sorted(changed))} of “{entry.title}”"):
        for name, value in changed.items():
            setattr(entry, name, value)
        entry.save(update_fields=list(changed))


def proof(digest: Digest, *, by: Person | None) -> Proof:
    """Freeze the digest as it stands and lay it before the approver: draft → in review.

    The number is reserved here, once; the digest keeps it however often it comes back.
    """
    with transaction.atomic():
        digest = ledger.locked(digest.pk)
        if digest.state != Digest.State.DRAFT:
            raise NotAllowed(f"{digest.label} is {digest.get_state_display()}: only a draft can be sent to review.")
        if not digest.entries.exists():
            raise Refusal("The digest is empty: add an item first.")
        if digest.number is None:
            digest.number = numbers.reserve(digest.publication_id)
            digest.save(update_fields=["number"])
        refuse_unwanted(digest)
        _refuse_empty(digest)
        _refuse_misspelt(digest.introduction)
        posts.draft_for(digest)
        made = proofs.freeze(digest, by=by)
        move(digest, Digest.State.IN_REVIEW, by=by, why=f"proof {made.sha256[:12]}", review=made)
    return made


def choose_audience(digest: Digest, segment: Segment | None, *, by: Person) -> None:
    """Let a part of the members receive it, or all. An edit like any other: it voids an approval."""
    if segment and segment.publication_id != digest.publication_id:
        raise Refusal(f"“{segment}” is a segment of another publication.")
    if digest.segment_id == (segment.pk if segment else None):
        return
    with editing(digest, by, f"chose who receives it: {segment or 'all members'}"):
        Digest.objects.filter(pk=digest.pk).update(segment=segment)
        digest.segment = segment


def _refuse_misspelt(introduction: str) -> None:
    if wrong := merge.misspelt(introduction):
        raise Refusal(f"Introduction: {wrong}")


def _refuse_empty(digest: Digest) -> None:
    if digest.segment and not ledger.audience(digest.publication, digest.segment.rule).exists():
        raise Refusal(f"Nobody is in the segment “{digest.segment}”: choose another, or change its rule.")


def letter(digest: Digest) -> Any:
    """The letter as it would be now."""
    return proofs.letter(digest)


def schedule(digest: Digest, at: datetime | None = None, *, by: Person) -> datetime:
    """Let an approved digest start at this moment, or as soon as the hold that allows an undo is over; when it will.

    Doing so after a question (it was too late, the audience grew) is the answer: yes.
    """
    if digest.state != Digest.State.APPROVED:
        raise NotAllowed(f"{digest.label} is {digest.get_state_display()}: only an approved digest is scheduled.")
    now = timezone.now()
    if at and (wrong := _never(at, digest, now)):
        raise Refusal(wrong)
    hold = now + timedelta(minutes=digest.publication.hold_minutes)
    start = max(at or hold, hold)
    _plan(digest, start, by, "scheduled", confirmed_count=ledger.audience_of(digest).count())
    slots.place_of_digest(digest)
    return start


def unschedule(digest: Digest, *, by: Person) -> None:
    """Undo during the hold: stays approved, starts when somebody schedules it."""
    _plan(digest, None, by, "unscheduled")


def start(digest: Digest) -> None:
    """Begin a due digest: approved → preparing. What is due too late, or grew since, asks a person instead."""
    with transaction.atomic():
        # Asked again under the lock: an undo, or a new approval with a hold of its own, may have come meanwhile.
        current = ledger.locked(digest.pk)
        if not current.due or epoch.doubt():
            return
        if question := _question(current):
            _plan(current, None, None, "asked", attention=question)
        else:
            move(current, Digest.State.PREPARING, by=None, why="due", started_at=timezone.now())
            epoch.advance()
            hand_over("workers.delivery.prepare", digest.pk)
    digest.refresh_from_db()


def prepare(digest: Digest) -> None:
    """Freeze the audience chunk by chunk, then preparing → sending. Goes on where it was after a crash."""
    ledger.freeze_all(digest)
    digest.refresh_from_db()
    if digest.state == Digest.State.PREPARING:
        ledger.close_audience(digest)
    hand_over("workers.delivery.send", digest.pk)


def pause(digest: Digest, *, by: Person | None, why: str = "") -> None:
    move(digest, Digest.State.PAUSED, by=by, why=why, attention=why if by is None else "")


def resume(digest: Digest, *, by: Person) -> None:
    """Go on where the pause was. What nobody has received yet is sent once; nothing is sent again."""
    if digest.state != Digest.State.PAUSED:
        raise NotAllowed(f"{digest.label} is {digest.get_state_display()}, not paused.")
    frozen = digest.frozen_count is not None
    # Whoever resumes has seen why it was paused: the list is right, or the first letters do not matter.
    rested: dict[str, Any] = {"attention": "", "breaks": 0, "resting_until": None, **manners.accepted(digest)}
    move(digest, Digest.State.SENDING if frozen else Digest.State.PREPARING, by=by, **rested)
    hand_over("workers.delivery.send" if frozen else "workers.delivery.prepare", digest.pk)


def seen(digest: Digest, *, by: Person) -> None:
    """Somebody has looked at what stands on a digest that is over. One that is not goes on, or is cancelled."""
    if digest.state not in {Digest.State.SENT, Digest.State.CANCELLED}:
        raise NotAllowed(f"{digest.label} is {digest.get_state_display()}: decide whether it goes on.")
    if digest.attention:
        with transaction.atomic():
            note(digest, "seen", by=by, why=digest.attention)
            Digest.objects.filter(pk=digest.pk).update(attention="")


def cancel(digest: Digest, *, by: Person, why: str = "") -> None:
    """Stop for good. Where nobody received it, its number and its items are free again."""
    with transaction.atomic():
        move(digest, Digest.State.CANCELLED, by=by, why=why, start_at=None, attention="")
        posts.cancel_of(digest, by=by, why="the digest was cancelled")
        # What a follower has read counts as received: its number and its items are spent. Asked after the
        # posts were cancelled: one that a worker had just taken is among those that reached somebody.
        reached = ledger.skip_waiting(digest) or posts.reached(digest)
        if not reached:
            digest.entries.update(released=True)
            numbers.give_back(digest)


def finish(digest: Digest) -> bool:
    """sending → sent, when nothing is queued, claimed, armed or deferred."""
    with transaction.atomic():
        current = ledger.locked(digest.pk)
        if current.state != Digest.State.SENDING or ledger.unfinished(current):
            return False
        move(current, Digest.State.SENT, by=None)
    digest.refresh_from_db()
    return True


def drop_item(item: Item, *, by: Person, why: str) -> None:
    """Take a withdrawn item out of every digest that has not begun to go out. That voids an approval."""
    entries = Entry.objects.filter(item=item, released=False, digest__state__in=["draft", "in_review", "approved"])
    for entry in entries.select_related("digest", "digest__publication"):
        remove(entry, by=by)


def _enter(digest: Digest, item: Item, position: int) -> Entry:
    # Read again under a lock: withdrawing it at the same moment must not come too late.
    item = Item.objects.select_for_update(of=("self",)).select_related("picture").get(pk=item.pk)
    if item.state != Item.State.QUEUED:
        raise Refusal(f"“{item}” is {item.get_state_display()}: queue it first.")
    if Entry.objects.filter(publication=digest.publication, item=item, released=False).exists():
        raise Refusal(f"“{item}” is already used in this series: each item goes out once.")
    copied = {name: getattr(item, name) for name in EDITABLE_ENTRY}
    return Entry.objects.create(digest=digest, publication=digest.publication, item=item, position=position, **copied)


def _renumber(digest: Digest, entries: list[Entry]) -> None:
    for position, entry in enumerate(entries, 1):
        Entry.objects.filter(pk=entry.pk).update(position=position)


def _plan(digest: Digest, at: datetime | None, by: Person | None, verb: str, **fields: Any) -> None:
    """Set when an approved digest starts, unless it has begun meanwhile."""
    changed = {"start_at": at, "attention": "", "told_at": None, **fields}
    if Digest.objects.filter(pk=digest.pk, state=Digest.State.APPROVED).update(**changed) != 1:
        raise Overtaken(f"{digest.label} has begun meanwhile: pause it instead.")
    for name, value in changed.items():
        setattr(digest, name, value)
    note(digest, verb, by=by, why=digest.attention, at=at.isoformat() if at else None)


def _never(at: datetime, digest: Digest, now: datetime) -> str:
    """Why nobody can mean this time; empty where somebody may."""
    # First, since at the ends of the calendar no zone can show it.
    if abs(at - now) > _A_YEAR:
        return "That is more than a year from now: choose a nearer time, or none to start it now."
    if at > now - _THIS_MINUTE:
        return ""
    return f"{_wall(digest, at)} is past: choose a time to come, or none to start it now."


def _wall(digest: Digest, at: datetime) -> str:
    return timetable.on_the_wall(digest.publication.zone, at)


def _question(digest: Digest) -> str:
    """What a person must decide before this digest may start; empty when nothing."""
    assert digest.start_at is not None
    assert digest.proof is not None
    if not proofs.intact(digest.proof):
        return "The stored proof is not what was approved: its bytes were changed. Edit the digest and approve anew."
    if reason := proofs.made_elsewhere(digest.proof):
        return reason
    if timezone.now() - digest.start_at > timedelta(seconds=settings.LATE_AFTER):
        return f"This was due on {_wall(digest, digest.start_at)} and the service was down. Send it now?"
    now = ledger.audience_of(digest).count()
    if digest.segment_id and not now:
        return "Nobody is in the segment that this was approved for any more. Choose another, and approve anew."
    then = max(digest.proof.audience_count, digest.confirmed_count)
    if now > then * 1.1 and now - then > 10:
        return f"{now} members would receive this; when it was approved there were {then}. Send it to all of them?"
    return ""
