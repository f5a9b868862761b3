"""What can be done with digests: compose, edit, proof, approve, schedule, start, pause, resume, cancel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date as Date
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from . import epoch, numbers, posts, proofs
from .delivery import ledger, manners
from .handing import hand_over
from .lifecycle import NotAllowed, Overtaken, Refusal, move, note
from .models import Approval, Digest, Entry, Event, Item, Person, Post, Proof, Publication

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
    with _editing(digest, by, "added an item"):
        last = digest.entries.order_by("-position").first()
        return _enter(digest, item, last.position + 1 if last else 1)


def remove(entry: Entry, *, by: Person) -> None:
    with _editing(entry.digest, by, "took an item out"):
        posts.drop_of_entry(entry, by=by)
        entry.delete()
        _renumber(entry.digest, list(entry.digest.entries.all()))


def reorder(digest: Digest, entry_ids: list[int], *, by: Person) -> None:
    """Put the entries into this order. All of them must be named, each once."""
    entries = {entry.pk: entry for entry in digest.entries.all()}
    if sorted(entry_ids) != sorted(entries):
        raise Refusal("The digest has changed meanwhile: look at its entries again.")
    with _editing(digest, by, "changed the order"):
        _renumber(digest, [entries[pk] for pk in entry_ids])


def edit(digest: Digest, *, by: Person, introduction: str | None = None, date: Date | None = None) -> None:
    given: dict[str, Any] = {"introduction": introduction, "date": date}
    changed = {name: value for name, value in given.items() if value is not None and value != getattr(digest, name)}
    if not changed:
        return
    with _editing(digest, by, f"changed the {' and '.join(changed)}"):
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
    with _editing(entry.digest, by, f"changed the {', '.join(sorted(changed))} of “{entry.title}”"):
        for name, value in changed.items():
            setattr(entry, name, value)
        entry.save(update_fields=list(changed))


def edit_post(post: Post, text: str, *, by: Person) -> None:
    """Word one post anew. Refusal where the network would not take it, or the link was lost."""
    if post.digest is None:
        raise Refusal("This post belongs to no digest.")
    posts.check_text(post, text)
    if text == post.text:
        return
    with _editing(post.digest, by, f"reworded the post on {post.channel}"):
        Post.objects.filter(pk=post.pk).update(text=text, edited=True)
        post.text, post.edited = text, True


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
        _refuse_unwanted(digest)
        posts.draft_for(digest)
        made = proofs.freeze(digest, by=by)
        move(digest, Digest.State.IN_REVIEW, by=by, why=f"proof {made.sha256[:12]}", review=made)
    return made


def letter(digest: Digest) -> Any:
    """The letter as it would be now."""
    return proofs.letter(digest)


def why_not(proof: Proof, person: Person) -> str | None:
    """Why this person may not approve this proof, in a sentence; None when they may."""
    digest = proof.digest
    if digest.state != Digest.State.IN_REVIEW:
        return f"{digest.label} is {digest.get_state_display()}, not in review."
    if digest.review_id != proof.pk:
        return "There is a newer proof: approve that one."
    if not person.may_approve:
        return "You may edit, and ask for changes; approving is for the people named as approvers."
    if digest.publication.four_eyes and person in editors_since_approval(digest):
        return "You edited this digest since it was last approved: somebody else has to approve it."
    return None


def editors_since_approval(digest: Digest) -> set[Person]:
    """Everybody who changed what the proof is made of since a proof of this digest was last approved."""
    last = _last_approval(proof__digest=digest)
    # An item that was not in the approved proof yet is new to the approver, however old its edits are.
    old = digest.entries.filter(added_at__lte=last.at) if last else digest.entries.none()
    new = digest.entries.exclude(pk__in=old)
    since = {"at__gt": last.at} if last else {}
    footer = _last_approval(proof__digest__publication=digest.publication)
    mine = (
        Q(noun="digest", noun_id=digest.pk, **since)
        | Q(noun="item", noun_id__in=list(old.values_list("item_id", flat=True)), **since)
        | Q(noun="item", noun_id__in=list(new.values_list("item_id", flat=True)))
        | Q(noun="publication", noun_id=digest.publication_id, **({"at__gt": footer.at} if footer else {}))
    )
    edits = Event.objects.filter(mine, verb="edited", by__isnull=False).select_related("by")
    return {event.by for event in edits if event.by}


def _last_approval(**of: Any) -> Approval | None:
    return Approval.objects.filter(decision=Approval.Decision.APPROVED, **of).order_by("-at").first()


def approve(proof: Proof, *, by: Person, comment: str = "") -> Approval:
    """Approve exactly these bytes: in review → approved, with its posts, and the hold begins.

    Approving the same proof twice counts once. Refusal where the person may not, or where what would go
    out now is no longer what the proof holds.
    """
    with transaction.atomic():
        digest = ledger.locked(proof.digest_id)
        if digest.proof_id == proof.pk and digest.state != Digest.State.DRAFT:
            return proof.approvals.filter(decision="approved").latest("at")
        proof.digest = digest
        if reason := why_not(proof, by):
            raise NotAllowed(reason)
        _refuse_unwanted(digest)
        if not proofs.still_true(proof):
            raise Overtaken("What would go out has changed since this proof was made: take it back and make a new one.")
        approval = _decide(proof, by, Approval.Decision.APPROVED, comment)
        start_at = timezone.now() + timedelta(minutes=digest.publication.hold_minutes)
        approved: dict[str, Any] = {"proof": proof, "review": None, "start_at": start_at, "attention": ""}
        move(digest, Digest.State.APPROVED, by=by, why=comment, **approved)
        posts.approve_of_digest(digest, by=by)
    return approval


def ask_changes(proof: Proof, *, by: Person, comment: str) -> Approval:
    """Send the digest back with a comment: in review → draft."""
    if not comment.strip():
        raise Refusal("Say what should change: the editor reads it.")
    with transaction.atomic():
        digest = ledger.locked(proof.digest_id)
        if digest.state != Digest.State.IN_REVIEW or digest.review_id != proof.pk:
            raise Overtaken("This proof is no longer the one in review. Look again.")
        approval = _decide(proof, by, Approval.Decision.CHANGES, comment)
        move(digest, Digest.State.DRAFT, by=by, why=comment, review=None)
    return approval


def schedule(digest: Digest, at: datetime, *, by: Person) -> None:
    """Let an approved digest start at this moment; never within the hold that allows an undo.

    Doing so after a question (it was too late, the audience grew) is the answer: yes.
    """
    if digest.state != Digest.State.APPROVED:
        raise NotAllowed(f"{digest.label} is {digest.get_state_display()}: only an approved digest is scheduled.")
    hold = timezone.now() + timedelta(minutes=digest.publication.hold_minutes)
    _plan(digest, max(at, hold), by, "scheduled", confirmed_count=ledger.audience(digest.publication).count())
    posts.schedule_of_digest(digest)


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
    while ledger.freeze_chunk(digest):
        pass
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


def cancel(digest: Digest, *, by: Person, why: str = "") -> None:
    """Stop for good. Where nobody received it, its number and its items are free again."""
    with transaction.atomic():
        move(digest, Digest.State.CANCELLED, by=by, why=why, start_at=None)
        posts.cancel_of_digest(digest, by=by, why="the digest was cancelled")
        # What a follower has read counts as received: its number and its items are spent. Asked after the
        # posts were cancelled: one that a worker had just taken is among those that reached somebody.
        reached = ledger.skip_rest(digest) or posts.reached(digest)
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


@contextmanager
def _editing(digest: Digest, by: Person, what: str) -> Iterator[None]:
    """One edit of a digest: refused once it goes out, voids what was in review or approved, and is written down."""
    with transaction.atomic():
        current = ledger.locked(digest.pk)
        if not current.editable:
            raise NotAllowed(f"{current.label} is {current.get_state_display()}: its text can no longer change.")
        if current.state != Digest.State.DRAFT:
            void(current, by=by, why=what)
        digest.state, digest.proof, digest.start_at = current.state, None, None
        yield
        note(digest, "edited", by=by, why=what)


def void(digest: Digest, *, by: Person, why: str) -> None:
    """Back to draft: what was laid before the approver, or approved, is no longer what would go out."""
    posts.withdraw_approval(digest, by=by)
    move(digest, Digest.State.DRAFT, by=by, why=why, proof=None, review=None, start_at=None)


def _refuse_unwanted(digest: Digest) -> None:
    """An item may have been withdrawn or set aside since it was taken in."""
    unwanted = digest.entries.exclude(item__state=Item.State.QUEUED).first()
    if unwanted:
        raise Refusal(f"“{unwanted.title}” is {unwanted.item.get_state_display()}: take it out of the digest first.")


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


def _decide(proof: Proof, by: Person, decision: str, comment: str) -> Approval:
    approval, _ = Approval.objects.update_or_create(
        proof=proof, person=by, defaults={"decision": decision, "comment": comment, "at": timezone.now()}
    )
    return approval


def _plan(digest: Digest, at: datetime | None, by: Person | None, verb: str, **fields: Any) -> None:
    """Set when an approved digest starts, unless it has begun meanwhile."""
    changed = {"start_at": at, "attention": "", **fields}
    if Digest.objects.filter(pk=digest.pk, state=Digest.State.APPROVED).update(**changed) != 1:
        raise Overtaken(f"{digest.label} has begun meanwhile: pause it instead.")
    for name, value in changed.items():
        setattr(digest, name, value)
    note(digest, verb, by=by, why=digest.attention, at=at.isoformat() if at else None)


def _question(digest: Digest) -> str:
    """What a person must decide before this digest may start; empty when nothing."""
    assert digest.start_at is not None
    assert digest.proof is not None
    if not proofs.intact(digest.proof):
        return "The stored proof is not what was approved: its bytes were changed. Edit the digest and approve anew."
    if timezone.now() - digest.start_at > timedelta(seconds=settings.LATE_AFTER):
        return f"This was due on {digest.start_at:%d %B at %H:%M} UTC and the service was down. Send it now?"
    now = ledger.audience(digest.publication).count()
    then = max(digest.proof.audience_count, digest.confirmed_count)
    if now > then * 1.1 and now - then > 10:
        return f"{now} members would receive this; when it was approved there were {then}. Send it to all of them?"
    return ""
