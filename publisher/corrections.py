"""Putting right what is out: every place where an item went, and what becomes of each.

Three things can be done about a post that stands: leave it, remove it, or correct it: by a new one in its place, which
waits until the wrong one is gone, or by an erratum beside it. Letters cannot be taken back, and the archive keeps the
words that were approved: there a note with its date says what was wrong. The note is for readers, so it is approved;
the posts are a set like any other, with a proof of their own. What is removed is removed at once. The next issue may
tell the note to those who have read the letter: `tell`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from . import posts, removals, reviews
from .lifecycle import NotAllowed, Refusal, move, note
from .models import Correction, Digest, Entry, Item, Person, Post, PostSet


class Choice(models.TextChoices):
    """What becomes of a post that stands."""

    LEAVE = "leave", "leave it"
    REMOVE = "remove", "remove it"
    CORRECT = "correct", "remove it and post it anew"
    ERRATUM = "erratum", "leave it and post an erratum"


State = Correction.State
#: A digest in one of these has readers.
_OUT = ("sending", "sent", "paused")


@dataclass(frozen=True)
class Places:
    """Where an item went out: entries of digests, and posts."""

    entries: list[Entry]
    posts: list[Post]

    @property
    def standing(self) -> list[Post]:
        """The posts about which something can be done."""
        return [post for post in self.posts if post.state == Post.State.PUBLISHED]

    def __bool__(self) -> bool:
        return bool(self.entries or self.posts)


def places(item: Item) -> Places:
    """All of them, also posts in doubt, or removed by now. Two queries."""
    entries = item.entries.filter(released=False, digest__state__in=_OUT, digest__number__isnull=False)
    out = item.posts.filter(state__in=posts.REACHED).select_related("channel__publication", "campaign")
    return Places(list(entries.select_related("digest__publication")), list(out.order_by("channel", "published_at")))


def correct(
    item: Item, *, by: Person, said: str, choices: Mapping[int, str], entries: Collection[int] = ()
) -> Correction:
    """Draft a correction: `said` for readers, by a post's id what becomes of it, the entries at which the note stands.

    A post that is not named is left. What is corrected is worded from the item as it is now: edit that first.
    """
    if not said.strip():
        raise Refusal("Say what was wrong and what is right: readers see it, and it stands in the history.")
    with transaction.atomic():
        found = places(Item.objects.select_for_update(of=("self",)).get(pk=item.pk))
        chosen = _chosen(found, choices)
        noted = [entry for entry in found.entries if entry.pk in entries]
        if not (noted or any(choice != Choice.LEAVE for choice in chosen.values())):
            raise Refusal("Choose at least one place: a page of the archive, or a post.")
        post_set = _draft(item, chosen, by, said)
        correction = Correction.objects.create(
            item=item, note=said.strip(), made_by=by, state=State.DRAFT, post_set=post_set
        )
        correction.entries.set(noted)
        _remove(chosen, by, said)
        told = {str(post.pk): str(choice) for post, choice in chosen.items()}
        note(item, "corrected", by=by, why=said, posts=told, entries=[entry.pk for entry in noted])
    return correction


def why_not(correction: Correction, person: Person) -> str | None:
    """Why this person may not let readers see the note, in a sentence; None when they may."""
    if correction.state != State.DRAFT:
        return f"The correction is {correction.get_state_display()}."
    if not person.may_approve:
        return "Approving is for the people named as approvers."
    if correction.item.publication.four_eyes and person == correction.made_by:
        return "You wrote this note: somebody else has to approve it."
    return None


def approve(correction: Correction, *, by: Person) -> None:
    """draft → public: the note stands in the archive, with this day."""
    if reason := why_not(correction, by):
        raise NotAllowed(reason)
    move(correction, State.PUBLIC, by=by, approved_by=by, public_at=timezone.now())


def drop(correction: Correction, *, by: Person, why: str) -> None:
    """draft → dropped. Posts that were drafted with it are a set of their own, and cancelled there."""
    if not why.strip():
        raise Refusal("Say why the note is dropped: it stands in the history.")
    move(correction, State.DROPPED, by=by, why=why)


def untold(digest: Digest) -> list[Correction]:
    """Public ones of what its publication has printed, that no issue of it tells yet: this one may take them in."""
    told = Digest.objects.filter(corrections=OuterRef("pk"), publication=digest.publication_id)
    earlier = Entry.objects.filter(corrections=OuterRef("pk"), publication=digest.publication_id)
    wanted = public().filter(Exists(earlier.exclude(digest=digest)))
    return list(_with_places(wanted.filter(~Exists(told.exclude(state=Digest.State.CANCELLED)))))


def told(digest: Digest) -> list[Correction]:
    """Those that this issue tells."""
    return list(_with_places(digest.corrections.order_by("public_at", "id")))


def tell(correction: Correction, digest: Digest, *, by: Person) -> None:
    """Take it into this issue, in the words that were approved, above the standing sections."""
    with reviews.editing(digest, by, f"took in {correction}"):
        if correction not in untold(digest):
            raise Refusal("This correction is told already, or is not of what this publication has printed.")
        correction.told_in.add(digest)


def tell_not(correction: Correction, digest: Digest, *, by: Person) -> None:
    """Take it out of this issue again; a later one may tell it."""
    with reviews.editing(digest, by, f"took out {correction}"):
        correction.told_in.remove(digest)


def _with_places(found: models.QuerySet[Correction]) -> models.QuerySet[Correction]:
    return found.select_related("item").prefetch_related("entries__digest__publication")


def public() -> models.QuerySet[Correction]:
    return Correction.objects.filter(state=State.PUBLIC).order_by("public_at", "id")


def waiting() -> Any:
    """Notes that wait for an approver."""
    return Correction.objects.filter(state=State.DRAFT).select_related("item__publication", "made_by")


def _chosen(found: Places, choices: Mapping[int, str]) -> dict[Post, Choice]:
    """Refusal where a choice is about a post that does not stand: it was removed meanwhile, or is not of this item."""
    standing = {post.pk: post for post in found.standing}
    if set(choices) - set(standing):
        raise Refusal("One of these posts does not stand any more. Look again.")
    try:
        return {standing[pk]: Choice(choice) for pk, choice in choices.items()}
    except ValueError as problem:
        raise Refusal(f"A post can be: {', '.join(Choice.values)}.") from problem


def _draft(item: Item, chosen: dict[Post, Choice], by: Person, said: str) -> PostSet | None:
    """The set of posts that this makes, if any: staff word them and send them to review like others."""
    wrong = {post: choice for post, choice in chosen.items() if choice in (Choice.CORRECT, Choice.ERRATUM)}
    if not wrong:
        return None
    if item.state != Item.State.QUEUED:
        raise Refusal(f"“{item}” is {item.get_state_display()}: its posts can be removed, and not corrected.")
    title = f"Correction of “{item.title}”"
    post_set = PostSet.objects.create(
        publication=item.publication, title=title[:300], state=PostSet.State.DRAFT, created_by=by
    )
    note(post_set, "edited", by=by, why="composed", items=[item.pk])
    for post, choice in wrong.items():
        _refuse_second(post)
        posts.draft_correction(post_set, post, item, erratum=said.strip() if choice == Choice.ERRATUM else "")
    return post_set


def _refuse_second(post: Post) -> None:
    waiting = post.corrections.exclude(state__in=[Post.State.CANCELLED, *posts.REACHED, Post.State.REFUSED])
    if waiting.exists():
        raise Refusal(f"The {post} is being corrected already: word that correction, or cancel it first.")


def _remove(chosen: dict[Post, Choice], by: Person, why: str) -> None:
    for post, choice in chosen.items():
        if choice == Choice.REMOVE:
            removals.ask(post, by=by, why=why)
