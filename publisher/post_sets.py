"""What can be done with posts outside a digest, which are approved as a set: compose, proof, approve, cancel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Q

from . import posts, proofs
from .lifecycle import NotAllowed, Refusal, move, note
from .models import Channel, Item, Person, Post, PostSet, Proof, Publication

# What is done to a digest as well reads as a verb of sets too: `post_sets.approve(proof, by=person)`.
from .reviews import approve as approve
from .reviews import ask_changes as ask_changes
from .reviews import edit_post as edit_post
from .reviews import editing, locked, refuse_unwanted
from .reviews import editors_since_approval as editors_since_approval
from .reviews import void as void
from .reviews import why_not as why_not

State = PostSet.State


def compose(
    publication: Publication, items: Iterable[Item], *, by: Person | None, channels: Iterable[Channel] | None = None
) -> PostSet:
    """A draft of one post for each of these items on each of these channels; without any named, on all there are.

    What a channel has already, or will have with a digest, is left out. Refusal where nothing is left.
    """
    chosen = list(items)
    if not chosen:
        raise Refusal("Choose the items that the posts are about.")
    if channels is not None:
        channels = list(channels)
    if channels == []:
        raise Refusal("Choose the channels that they go to.")
    with transaction.atomic():
        post_set = PostSet.objects.create(
            publication=publication, title=_title(chosen), state=State.DRAFT, created_by=by
        )
        where = list(publication.channels.all()) if channels is None else list(channels)
        if not [post for item in chosen for post in _draft(post_set, item, where)]:
            raise Refusal(_nothing(chosen, where))
        note(post_set, "edited", by=by, why="composed", items=[item.pk for item in chosen])
    return post_set


def add(post_set: PostSet, item: Item, *, by: Person) -> None:
    """The item on all channels of the publication that have no post of it."""
    with editing(post_set, by, f"added “{item}”"):
        where = list(post_set.publication.channels.all())
        if not _draft(post_set, item, where):
            raise Refusal(_nothing([item], where))


def remove(post: Post, *, by: Person) -> None:
    """Take one post out of its set."""
    if post.post_set is None:
        raise Refusal("This post belongs to no set.")
    with editing(post.post_set, by, f"took the post on {post.channel} out"):
        current = Post.objects.get(pk=post.pk)
        posts.cancel(current, by=by, why="it was taken out of its set")


def proof(post_set: PostSet, *, by: Person | None) -> Proof:
    """Freeze what has not gone out yet and lay it before the approver: draft → in review."""
    with transaction.atomic():
        current = locked(post_set)
        if current.state != State.DRAFT:
            raise NotAllowed(f"{current.label} is {current.get_state_display()}: only a draft can be sent to review.")
        if not current.posts.filter(proofs.TO_GO).exists():
            raise Refusal("No post of this set is left to go out.")
        refuse_unwanted(current)
        made = proofs.freeze(current, by=by)
        move(current, State.IN_REVIEW, by=by, why=f"proof {made.sha256[:12]}", review=made)
    post_set.refresh_from_db()
    return made


def take_back(post_set: PostSet, *, by: Person, why: str = "taken back") -> None:
    """Back to draft, from review or within the hold after the approval. What has gone out has gone out."""
    with transaction.atomic():
        current = locked(post_set)
        void(current, by=by, why=why)
    post_set.refresh_from_db()


def cancel(post_set: PostSet, *, by: Person, why: str) -> None:
    """Stop for good what has not gone out yet. Its items are free again where nobody read of them."""
    if not why.strip():
        raise Refusal("Say why these posts are cancelled: it stands in the history.")
    with transaction.atomic():
        current = locked(post_set)
        move(current, State.CANCELLED, by=by, why=why, review=None)
        posts.cancel_of(current, by=by, why="its set was cancelled")
    post_set.refresh_from_db()


def drop_item(item: Item, *, by: Person) -> None:
    """A withdrawn item's posts are cancelled elsewhere; what lay before an approver is no longer what would go out."""
    for post_set in PostSet.objects.filter(state=State.IN_REVIEW, posts__item=item).distinct():
        void(locked(post_set), by=by, why="an item was withdrawn")


def postable(publication: Publication) -> Any:
    """Queued items of which some channel has no post, newest first."""
    queued = Item.objects.filter(publication=publication, state=Item.State.QUEUED)
    taken = Count("posts__channel", filter=~Q(posts__state=Post.State.CANCELLED), distinct=True)
    missing = queued.annotate(taken=taken).filter(taken__lt=publication.channels.count())
    return missing.order_by(F("published_on").desc(nulls_last=True), "id")


def _draft(post_set: PostSet, item: Item, channels: list[Channel]) -> list[Post]:
    # Read again under a lock: withdrawing it at the same moment must not come too late.
    item = Item.objects.select_for_update(of=("self",)).select_related("picture").get(pk=item.pk)
    if item.state != Item.State.QUEUED:
        raise Refusal(f"“{item}” is {item.get_state_display()}: queue it first.")
    return posts.drafts_of_item(post_set, channels, item)


def _title(items: list[Item]) -> str:
    more = f" and {len(items) - 1} more" if len(items) > 1 else ""
    return items[0].title[: 300 - len(more)] + more


def _nothing(items: list[Item], channels: list[Channel]) -> str:
    if not channels:
        return "No channel is connected: connect one first."
    named = f"“{items[0]}” is" if len(items) == 1 else "All of these items are"
    return f"{named} posted on these channels already, or will be with what they stand in: each item is posted once."
