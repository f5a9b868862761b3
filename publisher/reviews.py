"""What approving is, of a digest and of a set of posts alike: who edited, who may approve, what voids it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from . import posts, proofs
from .delivery import ledger
from .lifecycle import NotAllowed, Overtaken, Refusal, move, note, noun
from .models import Approval, Digest, Event, Item, Person, Post, PostSet, Proof

#: What is approved at once.
Whole = Digest | PostSet
_NONE = Q(pk__in=[])


def locked(whole: Whole) -> Whole:
    """As it stands now, locked until the transaction ends."""
    if isinstance(whole, Digest):
        return ledger.locked(whole.pk)
    return PostSet.objects.select_for_update(of=("self",)).select_related("publication").get(pk=whole.pk)


def why_not(proof: Proof, person: Person) -> str | None:
    """Why this person may not approve this proof, in a sentence; None when they may."""
    return _why_not(proof.of, proof, person)


def _why_not(whole: Whole, proof: Proof, person: Person) -> str | None:
    if whole.state != "in_review":
        return f"{whole.label} is {whole.get_state_display()}, not in review."
    if whole.review_id != proof.pk:
        return "There is a newer proof: approve that one."
    if not person.may_approve:
        return "You may edit, and ask for changes; approving is for the people named as approvers."
    if whole.publication.four_eyes and person in editors_since_approval(whole):
        return f"You edited this {_kind(whole)} since it was last approved: somebody else has to approve it."
    return None


def editors_since_approval(whole: Whole) -> set[Person]:
    """Everybody who changed what the proof is made of since a proof of this was last approved."""
    last = _last_approval(whole)
    # An item that was not in the approved proof yet is new to the approver, however old its edits are.
    old, new = _items(whole, last)
    since = {"at__gt": last.at} if last else {}
    footer = _last_approval_in(whole)
    mine = (
        Q(noun=noun(whole), noun_id=whole.pk, **since)
        | Q(noun="item", noun_id__in=old, **since)
        | Q(noun="item", noun_id__in=new)
        | Q(noun="publication", noun_id=whole.publication_id, **({"at__gt": footer.at} if footer else {}))
    )
    # An invitation is in a campaign's words, which are chosen when it is added.
    invited = whole.posts.filter(proofs.TO_GO, purpose=Post.Purpose.CAMPAIGN).values("campaign")
    worded = Q(noun="campaign", noun_id__in=invited, verb__in=("added", "edited"), **since) | _who_receives(whole)
    edits = Event.objects.filter(Q(mine, verb="edited") | worded, by__isnull=False).select_related("by")
    return {event.by for event in edits if event.by}


def approve(proof: Proof, *, by: Person, comment: str = "") -> Approval:
    """Approve exactly these bytes: in review → approved, with its posts, and the hold begins.

    Approving the same proof twice counts once. Refusal where the person may not, or where what would go
    out now is no longer what the proof holds.
    """
    with transaction.atomic():
        whole = locked(proof.of)
        if whole.proof_id == proof.pk and whole.state != "draft":
            return proof.approvals.filter(decision="approved").latest("at")
        if reason := _why_not(whole, proof, by):
            raise NotAllowed(reason)
        refuse_unwanted(whole)
        # Read anew, with all that it is made of: what the caller holds may be from before an edit.
        if reason := proofs.made_elsewhere(proof):
            raise Overtaken(reason)
        if not proofs.still_true(Proof.objects.get(pk=proof.pk)):
            raise Overtaken("What would go out has changed since this proof was made: take it back and make a new one.")
        approval = _decide(proof, by, Approval.Decision.APPROVED, comment)
        start_at = timezone.now() + timedelta(minutes=whole.publication.hold_minutes)
        move(whole, "approved", by=by, why=comment, proof=proof, review=None, start_at=start_at)
        posts.approve_of(whole, by=by)
    return approval


def ask_changes(proof: Proof, *, by: Person, comment: str) -> Approval:
    """Send it back with a comment: in review → draft."""
    if not comment.strip():
        raise Refusal("Say what should change: the editor reads it.")
    with transaction.atomic():
        whole = locked(proof.of)
        if whole.state != "in_review" or whole.review_id != proof.pk:
            raise Overtaken("This proof is no longer the one in review. Look again.")
        approval = _decide(proof, by, Approval.Decision.CHANGES, comment)
        move(whole, "draft", by=by, why=comment, review=None)
    return approval


def edit_post(post: Post, text: str, *, by: Person) -> None:
    """Word one post anew. Refusal where the network would not take it, the link was lost, or it has begun to go out."""
    whole = post.digest or post.post_set
    if whole is None:
        raise Refusal("This post belongs to nothing that could be approved.")
    posts.check_text(post, text)
    if text == post.text:
        return
    with editing(whole, by, f"reworded the post on {post.channel}"):
        if not Post.objects.filter(pk=post.pk, state=Post.State.DRAFT).update(text=text, edited=True):
            raise NotAllowed(f"The post on {post.channel} has begun to go out, or is cancelled: its text stays.")
        post.text, post.edited = text, True


@contextmanager
def editing(whole: Whole, by: Person, what: str) -> Iterator[None]:
    """One edit: refused where it can no longer change, voids what was in review or approved, and is written down."""
    with transaction.atomic():
        current = locked(whole)
        if not current.editable:
            raise NotAllowed(f"{current.label} is {current.get_state_display()}: its text can no longer change.")
        if current.state != "draft":
            void(current, by=by, why=what)
        whole.state, whole.proof, whole.start_at = current.state, None, None
        yield
        note(whole, "edited", by=by, why=what)


def void(whole: Whole, *, by: Person, why: str) -> None:
    """Back to draft: what was laid before the approver, or approved, is no longer what would go out."""
    posts.withdraw_approval(whole, by=by)
    fields: dict[str, Any] = {"attention": ""} if isinstance(whole, Digest) else {}
    move(whole, "draft", by=by, why=why, proof=None, review=None, start_at=None, **fields)


def refuse_unwanted(whole: Whole) -> None:
    """An item may have been withdrawn or set aside since it was taken in."""
    unwanted = Item.objects.filter(_within(whole)).exclude(state=Item.State.QUEUED).first()
    if unwanted:
        raise Refusal(f"“{unwanted}” is {unwanted.get_state_display()}: take it out of the {_kind(whole)} first.")


def _within(whole: Whole) -> Q:
    if isinstance(whole, Digest):
        return Q(entries__digest=whole)
    return Q(pk__in=whole.posts.filter(proofs.TO_GO).values("item"))


def _items(whole: Whole, last: Approval | None) -> tuple[list[int], list[int]]:
    """The ids of its items that were there at the last approval, and of the others."""
    mine: Any
    if isinstance(whole, Digest):
        mine, known = whole.entries.all(), Q(added_at__lte=last.at) if last else _NONE
    else:
        mine = whole.posts.filter(item__isnull=False)
        known = Q(pk__in=[post["post"] for post in last.proof.posts]) if last else _NONE
    return _ids(mine.filter(known)), _ids(mine.exclude(known))


def _ids(rows: Any) -> list[int]:
    return list(rows.values_list("item_id", flat=True))


def _last_approval(whole: Whole) -> Approval | None:
    return _approvals().filter(proof__in=whole.proofs.all()).first()


def _last_approval_in(whole: Whole) -> Approval | None:
    """Of anything of this kind in the publication: whoever approved has seen what all of them share."""
    if isinstance(whole, Digest):
        return _approvals().filter(proof__digest__publication=whole.publication_id).first()
    return _approvals().filter(proof__post_set__publication=whole.publication_id).first()


def _who_receives(whole: Whole) -> Q:
    """Edits of the segment that it goes to, since anything to that segment was last approved."""
    if not isinstance(whole, Digest) or whole.segment_id is None:
        return Q(pk__in=[])
    last = _approvals().filter(proof__digest__segment=whole.segment_id).first()
    return Q(noun="segment", noun_id=whole.segment_id, verb="edited", **({"at__gt": last.at} if last else {}))


def _approvals() -> Any:
    return Approval.objects.filter(decision=Approval.Decision.APPROVED).order_by("-at")


def _decide(proof: Proof, by: Person, decision: str, comment: str) -> Approval:
    approval, _ = Approval.objects.update_or_create(
        proof=proof, person=by, defaults={"decision": decision, "comment": comment, "at": timezone.now()}
    )
    return approval


def _kind(whole: Whole) -> str:
    return "digest" if isinstance(whole, Digest) else "set of posts"
