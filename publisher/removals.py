"""Taking a published post off its network. A person asks for it, and that is written down before anything is tried.

Unlike a post, a removal may be asked for again: twice removed is removed. So what had no answer is tried anew.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from . import channel_accounts, epoch
from .handing import hand_over
from .lifecycle import NotAllowed, Overtaken, Refusal, move, note
from .models import Channel, Person, Post
from .networks.base import Failure, Refused, TryLater
from .sealing import CannotUnseal

logger = logging.getLogger(__name__)

State = Post.State
#: How long after a failure it is tried again; the last of these over and over.
AGAIN = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 720))
#: Whoever takes it has it for this long: more than the time limits of one request.
LEASE = timedelta(minutes=5)


def ask(post: Post, *, by: Person | None, why: str) -> None:
    """published → removing: from now on the service tries until it is gone, or the network says no for good."""
    if not why.strip():
        raise Refusal("Say why it is removed: it stands in the history.")
    if not post.remote_id and post.state == State.PUBLISHED:
        raise Refusal("The network's own name of this post is not known here: remove it there, and then say so here.")
    move(post, State.REMOVING, by=by, why=why, remove_at=timezone.now(), removals=0, outcome="")
    hand_over("workers.social.remove", post.pk)


def gone(post: Post, *, by: Person) -> None:
    """A person has removed it on the network, or seen that it is gone."""
    with transaction.atomic():
        if post.state == State.PUBLISHED:
            move(post, State.REMOVING, by=by, why="removed on the network itself", remove_at=None)
        elif post.state != State.REMOVING:
            raise NotAllowed(f"{post} is {post.get_state_display()}: there is nothing of it to remove.")
        move(post, State.REMOVED, by=by, why="gone, says a person", remove_at=None, outcome="")


def due() -> Any:
    """Those whose turn it is. A copy of the database, or one that was put back, takes nothing off."""
    if epoch.doubt():
        return Post.objects.none()
    return Post.objects.filter(state=State.REMOVING, remove_at__lte=timezone.now())


def take_off(post: Post) -> None:
    """Try it once. Does nothing where it is not due, or somebody else has it."""
    now = timezone.now()
    if not due().filter(pk=post.pk).update(remove_at=now + LEASE, removals=F("removals") + 1):
        return
    post.refresh_from_db()
    # Overtaken: a person said meanwhile that it is gone.
    with suppress(Overtaken):
        try:
            channel_accounts.connect(post.channel).remove(post.remote_id)
        except Refused as problem:
            _stands(post, str(problem))
        except Exception as problem:  # whatever broke, asking again does no harm
            _again(post, problem)
        else:
            move(post, State.REMOVED, by=None, remove_at=None, outcome="")


def make_room(replaced: Iterable[Post]) -> None:
    """Take off what approved corrections replace: see posting.replaced. None is posted before the wrong one is gone."""
    for post in replaced:
        # Overtaken: a person did.
        with suppress(Overtaken):
            _make_room_of(post)


def _make_room_of(post: Post) -> None:
    try:
        ask(post, by=None, why="its correction is approved")
    except Overtaken:
        raise
    except Refusal as problem:
        _hold_corrections(post, str(problem))


def _stands(post: Post, why: str) -> None:
    """The network will not: it stands, a person decides, and nothing is put beside it meanwhile."""
    sentence = f"It could not be removed: {why}"
    with transaction.atomic():
        move(post, State.PUBLISHED, by=None, why=sentence, remove_at=None, outcome=sentence)
        _hold_corrections(post, sentence)


def _hold_corrections(post: Post, why: str) -> None:
    for waiting in post.corrections.filter(state=State.APPROVED).exclude(purpose=Post.Purpose.ERRATUM):
        sentence = f"What it corrects still stands. {why} When it is gone, say so there, and release this."
        move(waiting, State.HELD, by=None, why=sentence, outcome=sentence, spent_in="")


def _again(post: Post, problem: Exception) -> None:
    after = AGAIN[min(post.removals, len(AGAIN)) - 1]
    if isinstance(problem, TryLater):
        after = max(after, timedelta(seconds=problem.after))
    sentence = _sentence(problem, post.channel)
    with transaction.atomic():
        if not Post.objects.filter(pk=post.pk, state=State.REMOVING).update(
            remove_at=timezone.now() + after, outcome=f"Not removed yet: {sentence}"
        ):
            return
        note(post, "not removed", by=None, why=sentence)


def _sentence(problem: Exception, channel: Channel) -> str:
    if isinstance(problem, Failure | Refusal | CannotUnseal):
        return str(problem)
    logger.error("a post could not be removed:\n%s", channel_accounts.traced(problem, channel))
    return f"An error ({type(problem).__name__}): see the log."
