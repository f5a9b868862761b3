"""What becomes of approved posts by themselves: publish, reconcile, recover. Each goes out once, or a person is asked.

The intent is committed before the request leaves. After it nothing is sent again by itself: what had no answer is
looked for on the network's own timeline.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from . import accounts, epoch, holders, posts
from .lifecycle import Overtaken, Refusal, move, note
from .models import Channel, Digest, Item, Post
from .networks.base import Failure, Network, Published, Refused, TryLater, Unknown
from .sealing import CannotUnseal

logger = logging.getLogger(__name__)

State = Post.State
#: When an unknown post is looked for on the network's own timeline, counted from the doubt.
LOOKS = tuple(timedelta(seconds=seconds) for seconds in (30, 120, 600, 3600))
#: A network's clock may be behind ours: what it dates this much before our intent may still be ours.
SKEW = timedelta(minutes=2)
#: More than the time limits of three requests (a picture, its description, the post) add up to.
LONGEST = timedelta(minutes=15)
#: Kinds of refusal that a person mends at the account, once for all its posts.
ABOUT_THE_ACCOUNT = frozenset({"credentials", "money", "permission"})


def due() -> Any:
    """Posts whose time has come and that may go out now."""
    if epoch.doubt():
        return Post.objects.none()
    now = timezone.now()
    return Post.objects.filter(state=State.APPROVED, due_at__lte=now, channel__paused=False).filter(_may_go())


def publish(post: Post) -> None:
    """Post it once. The intent is committed before the request leaves; the outcome is one of four.

    Does nothing where the post is not due, is no longer approved, or somebody else has it.
    """
    if not _intend(post):
        return
    # Overtaken: this took so long that recover() gave it up. The timeline decides.
    with suppress(Overtaken):
        try:
            adapter = accounts.connect(post.channel)
        except Exception as problem:  # nothing can have left, and the next post would not get further
            _hold_with_channel(post, _sentence(problem))
        else:
            _send(post, adapter)


def reconcile(post: Post) -> None:
    """Look for an unknown post on the network's own timeline. Found: published. Else look again, at last ask.

    The search begins at the first attempt: an answer "duplicate" to a later one is about what that one left.
    """
    if post.state != State.UNKNOWN:
        return
    since = (post.first_intent_at or post.state_since) - SKEW
    try:
        known = post.channel.posts.exclude(remote_id="").values_list("remote_id", flat=True)
        found = accounts.connect(post.channel).find(posts.outgoing(post), since=since, known=set(known))
    except Exception as problem:  # whatever it is, it is counted as a look: at the last a person is asked
        _look_again(post, f"The timeline could not be read: {_sentence(problem)}")
        return
    if found:
        _published(post, found, "found on the timeline")
    else:
        _look_again(post, "It was not on the timeline.")


def recover() -> int:
    """Posts without an outcome whose worker died, or takes too long, become unknown: they are looked for at once."""
    lost = [post for post in Post.objects.filter(state=State.PUBLISHING) if _abandoned(post)]
    for post in lost:
        # Overtaken: it has its outcome after all.
        with suppress(Overtaken):
            move(post, State.UNKNOWN, by=None, why="posting broke off", look_at=timezone.now(), looks=0)
    return len(lost)


def to_look_for() -> Any:
    return Post.objects.filter(state=State.UNKNOWN, look_at__lte=timezone.now())


def _may_go() -> Q:
    """Its item is still wanted, and its digest is on its way: never an announcement of what nobody received."""
    item = Q(item__isnull=True) | Q(item__state=Item.State.QUEUED)
    digest = Q(digest__isnull=True) | Q(digest__state__in=[Digest.State.SENDING, Digest.State.SENT])
    return item & digest


def _intend(post: Post) -> bool:
    """Commit that we are about to post. The item is locked and asked again here: withdrawing it meanwhile wins."""
    # Overtaken: somebody else has it, or it was cancelled.
    with suppress(Overtaken), transaction.atomic():
        if post.item_id:
            Item.objects.select_for_update().get(pk=post.item_id)
        fresh = due().filter(pk=post.pk).first()
        if fresh is None:
            return False
        now = timezone.now()
        if now - fresh.due_at > timedelta(seconds=settings.LATE_AFTER):
            _hold_as_late(fresh)
            return False
        first = fresh.first_intent_at or now
        move(
            fresh,
            State.PUBLISHING,
            by=None,
            holder=holders.me(),
            intent_at=now,
            first_intent_at=first,
            attempts=fresh.attempts + 1,
        )
        epoch.advance()
        post.refresh_from_db()
        return True
    return False


def _hold_as_late(post: Post) -> None:
    """After a long stop everything would go out at once, to readers for whom it is no news any more."""
    sentence = f"This was due on {post.due_at:%d %B at %H:%M} UTC; release it if it should still go out."
    move(post, State.HELD, by=None, why=sentence, outcome=sentence)


def _send(post: Post, adapter: Network) -> None:
    try:
        published = adapter.publish(posts.outgoing(post))
    except (Refused, TryLater) as problem:
        _not_posted(post, problem)
    except Exception as problem:  # whatever broke, bytes may have left: only the timeline can tell
        _doubt(post, problem)
    else:
        _published(post, published, "")


def _published(post: Post, published: Published, why: str) -> None:
    """Write down that it is there, even where the row has moved on meanwhile: it must not be posted again."""
    try:
        _write_published(post, published, why)
    except IntegrityError:
        doubt = f"The network names {published.url}, but that is another post of ours."
        if post.state == State.UNKNOWN:
            _look_again(post, doubt)
        else:
            _doubt(post, Unknown(doubt))
    except Overtaken:
        post.refresh_from_db()
        if post.state == State.APPROVED:
            move(post, State.PUBLISHING, by=None, why="it is there already", holder=holders.me())
        if post.state in (State.PUBLISHING, State.UNKNOWN):
            _write_published(post, published, why)


def _write_published(post: Post, published: Published, why: str) -> None:
    move(
        post,
        State.PUBLISHED,
        by=None,
        why=why,
        remote_id=published.remote_id,
        remote_url=published.url,
        published_at=published.at or timezone.now(),
        look_at=None,
        outcome="",
    )


def _not_posted(post: Post, problem: Exception) -> None:
    """Nothing was posted, and we know it."""
    if isinstance(problem, TryLater):
        move(post, State.APPROVED, by=None, why=str(problem), due_at=timezone.now() + timedelta(seconds=problem.after))
    elif isinstance(problem, Refused) and problem.kind == "duplicate":
        # The network has this text already. If that is ours, from an attempt we lost, the timeline shows it.
        move(post, State.UNKNOWN, by=None, why=str(problem), look_at=timezone.now(), looks=0, outcome=str(problem))
    elif isinstance(problem, Refused) and problem.kind in ABOUT_THE_ACCOUNT:
        _hold_with_channel(post, str(problem))
    else:
        move(post, State.REFUSED, by=None, why=str(problem), outcome=str(problem))


def _hold_with_channel(post: Post, sentence: str) -> None:
    """Not this text is the matter but the account: it waits, and so does everything else on the channel."""
    Channel.objects.filter(pk=post.channel_id).update(paused=True, attention=sentence)
    note(post.channel, "paused", by=None, why=sentence)
    move(post, State.HELD, by=None, why=sentence, outcome=sentence)


def _sentence(problem: Exception) -> str:
    """What went wrong with the account, for people."""
    if isinstance(problem, Failure | Refusal | CannotUnseal):
        return str(problem)
    logger.error("an account could not be used", exc_info=problem)
    return f"The account cannot be used because of an error ({type(problem).__name__}): see the log."


def _doubt(post: Post, problem: Exception) -> None:
    if not isinstance(problem, Unknown):
        logger.exception("posting %s broke in a way that no adapter names", post)
    sentence = str(problem) if isinstance(problem, Unknown) else "Posting broke off; it may have been posted."
    look_at = timezone.now() + LOOKS[0]
    move(post, State.UNKNOWN, by=None, why=sentence, look_at=look_at, looks=0, outcome=sentence)


def _look_again(post: Post, sentence: str) -> None:
    looks = post.looks + 1
    more = looks < len(LOOKS)
    asked = "" if more else " Look at the account yourself and say whether it is there."
    look_at = timezone.now() + (LOOKS[looks] - LOOKS[looks - 1]) if more else None
    Post.objects.filter(pk=post.pk, state=State.UNKNOWN).update(looks=looks, look_at=look_at, outcome=sentence + asked)
    note(post, "looked", by=None, why=sentence)


def _abandoned(post: Post) -> bool:
    """A living process proves little: its thread may have failed to write the outcome."""
    return holders.alive(post.holder) is False or timezone.now() - post.state_since > LONGEST
