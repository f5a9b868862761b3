"""What becomes of approved posts by themselves: publish, reconcile, recover. Each goes out once, or a person is asked.

The intent is committed before the request leaves. After it nothing is sent again by itself: what had no answer is
looked for on the network's own timeline. A network that said "later" may have made the post all the same, and so may
an installation whose database was put back: there the timeline is looked at before anything is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from . import budgets, channel_accounts, channels, epoch, faults, holders, posts, prices, proofs, slots, timetable
from .lifecycle import Overtaken, Refusal, move, note
from .models import Channel, Digest, Item, Post, PostSet
from .networks.base import CannotLook, Failure, Network, Published, Refused, TryLater, Unknown
from .sealing import CannotUnseal

logger = logging.getLogger(__name__)

State = Post.State
LOOKS = posts.LOOKS
#: A network's clock may be behind ours: what it dates this much before our intent may still be ours.
SKEW = timedelta(minutes=2)
#: More than the time limits of three requests (a picture, its description, the post) add up to.
LONGEST = timedelta(minutes=15)
_ASKED = " Look at the account yourself and say whether it is there."
#: Kinds of refusal that a person mends at the account, once for all its posts.
ABOUT_THE_ACCOUNT = frozenset({"credentials", "money", "permission"})
#: Of these, what stands in the way of reading and of posting alike.
NEITHER = frozenset({"credentials", "money"})


def due() -> Any:
    """Posts whose time has come and that may go out now."""
    return _ready().filter(_room())


def replaced() -> list[Post]:
    """Published posts in whose place a correction would go out now, if they were gone. Its money is set aside first.

    What stands against a correction is asked before: else followers would be left with neither.
    """
    waiting = _ready().filter(~_ERRATUM, corrects__state=State.PUBLISHED)
    wanted = waiting.select_related("corrects__channel__publication")
    return [post.corrects for post in wanted if post.corrects and _affords(post)]


def publish(post: Post) -> None:
    """Post it once. The intent is committed before the request leaves; the outcome is one of four.

    Does nothing where the post is not due, is no longer approved, or somebody else has it.
    """
    if not _intend(post):
        return
    # Overtaken: this took so long that recover() gave it up. The timeline decides.
    with suppress(Overtaken):
        try:
            adapter = channel_accounts.connect(post.channel)
        except TryLater as problem:  # its credentials are just being renewed
            _not_posted(post, problem, **_unasked(post))
        except Exception as problem:  # nothing can have left, and the next post would not get further
            _wait_with_channel(post, _sentence(problem, post.channel), **_unasked(post))
        else:
            _send(post, adapter)


def reconcile(post: Post) -> None:
    """Look for an unknown post on the network's own timeline. Found: published. Else look again, at last ask.

    The search begins at the first attempt: an answer "duplicate" to a later one is about what that one left.
    """
    if post.state != State.UNKNOWN:
        return
    faults.point("looking")
    try:
        found = _seek(post, channel_accounts.connect(post.channel))
    except Exception as problem:  # whatever it is, it is counted as a look: at the last a person is asked
        _look_again(post, _unread(problem, post.channel))
        return
    faults.point("seen")
    if found:
        _published(post, found, "found on the timeline")
    else:
        _look_again(post, "It was not on the timeline.")


def recover() -> int:
    """Posts without an outcome whose worker died, or takes too long, become unknown, and are looked for."""
    lost = [post for post in Post.objects.filter(state=State.PUBLISHING) if _abandoned(post)]
    for post in lost:
        # Overtaken: it has its outcome after all.
        with suppress(Overtaken):
            _doubt(post, "Posting broke off without an answer; it may have been posted.", since=post.intent_at)
    return len(lost)


def to_look_for() -> Any:
    return Post.objects.filter(state=State.UNKNOWN, look_at__lte=timezone.now())


def _wanted() -> Q:
    """Its item is still wanted, and its digest is on its way: never an announcement of what nobody received."""
    item = Q(item__isnull=True) | Q(item__state=Item.State.QUEUED)
    digest = Q(digest__isnull=True) | Q(digest__state__in=[Digest.State.SENDING, Digest.State.SENT])
    post_set = Q(post_set__isnull=True) | Q(post_set__state=PostSet.State.APPROVED)
    return item & digest & post_set


_ERRATUM = Q(purpose=Post.Purpose.ERRATUM)


def _room() -> Q:
    """What it takes the place of is gone: see removals.make_room. An erratum stands beside what it corrects."""
    return _ERRATUM | Q(corrects__isnull=True) | Q(corrects__state=State.REMOVED)


def _ready() -> Any:
    if epoch.doubt():
        return Post.objects.none()
    now = timezone.now()
    free = _rested(now) & slots.not_kept_back(now)
    return Post.objects.filter(_wanted(), free, state=State.APPROVED, due_at__lte=now, channel__paused=False)


def _rested(now: datetime) -> Q:
    """The network asked for no more time: neither for this post, nor for all of its account."""
    post = Q(not_before__isnull=True) | Q(not_before__lte=now)
    return post & (Q(channel__resting_until__isnull=True) | Q(channel__resting_until__lte=now))


def _intend(post: Post) -> bool:
    """Commit that we are about to post. The item is locked and asked again here: withdrawing it meanwhile wins."""
    # Overtaken: somebody else has it, or it was cancelled.
    with suppress(Overtaken), transaction.atomic():
        fresh = _unhindered(post, due())
        if fresh is None or not _paid(fresh, _begin):
            return False
        faults.point("meaning")
        post.refresh_from_db()
        return True
    return False


def _unhindered(post: Post, among: Any) -> Post | None:
    """As it stands, with its item and its channel locked, if it is among these still and nothing stops it."""
    if post.item_id:
        Item.objects.select_for_update(no_key=True).get(pk=post.item_id)
    channel = slots.locked(post.channel_id)
    fresh: Post | None = among.filter(pk=post.pk).first()
    if fresh is None:
        return None
    fresh.channel = channel
    return None if _stopped(fresh) else fresh


def _affords(correction: Post) -> bool:
    """Whether it would go out now if there were room for it. Its money is set aside; what stops it is said."""
    with suppress(Overtaken), transaction.atomic():
        fresh = _unhindered(correction, _ready())
        return fresh is not None and _paid(fresh, budgets.set_aside)
    return False


def _paid(post: Post, take: Callable[[Post], object]) -> bool:
    """Whether the budget has what it costs. If not it is held; without a price table all of its channel waits."""
    try:
        take(post)
    except budgets.Spent as spent:
        move(post, State.HELD, by=None, why=str(spent), outcome=str(spent), spent_in=spent.month)
    except prices.PricesWrong as problem:
        channels.pause(post.channel, str(problem))
    else:
        return True
    return False


def _stopped(post: Post) -> bool:
    """Whether it may not go out as it is, now that its time has come; then it waits, or asks a person."""
    if opens := posts.not_public_yet(post):
        # Not `not_before`: it is planned anew, and not late when its time comes.
        Post.objects.filter(pk=post.pk, state=State.APPROVED).update(due_at=opens)
        note(post, "postponed", by=None, why=f"its item is public from {opens:%d %B} on")
        return True
    question = _late(post) or _changed(post) or _over(post)
    if question:
        move(post, State.HELD, by=None, why=question, outcome=question, spent_in="")
    return bool(question) or slots.kept_back(post, post.channel)


def _late(post: Post) -> str:
    """After a long stop everything would go out at once, to readers for whom it is no news any more."""
    if not slots.is_late(post, post.channel):
        return ""
    assert post.due_at is not None
    wall = timetable.on_the_wall(post.channel.publication.zone, post.due_at)
    return f"This was due on {wall}; release it if it should still go out."


def _changed(post: Post) -> str:
    """What goes out is what was approved, whoever wrote into the row."""
    return "" if proofs.as_approved(post) else "This is not what was approved: cancel it, or have it approved anew."


def _over(post: Post) -> str:
    """Nobody is invited to what has ended."""
    invites = post.campaign if post.purpose == Post.Purpose.CAMPAIGN else None
    return f"{invites} is over: cancel this invitation." if invites and invites.over else ""


def _begin(post: Post) -> None:
    now = timezone.now()
    intent: dict[str, Any] = {"holder": holders.me(), "intent_at": now, "attempts": post.attempts + 1}
    intent["charged"] = budgets.take(post)
    move(post, State.PUBLISHING, by=None, first_intent_at=post.first_intent_at or now, not_before=None, **intent)
    epoch.advance()


def _seek(post: Post, adapter: Network) -> Published | None:
    """The post on its timeline, made since the first attempt and not known to be another one."""
    since = min(filter(None, (post.first_intent_at or post.state_since, epoch.forgotten_since()))) - SKEW
    known = post.channel.posts.exclude(remote_id="").values_list("remote_id", flat=True)
    return adapter.find(posts.outgoing(post), since=since, known=set(known))


def _send(post: Post, adapter: Network) -> None:
    faults.point("meant")
    if _may_be_there(post) and not _is_missing(post, adapter):
        return
    try:
        published = adapter.publish(posts.outgoing(post))
    except (Refused, TryLater) as problem:
        faults.point("told")
        _not_posted(post, problem, **(_unasked(post) if problem.kind == "network" else {"looks": 0}))
    except Exception as problem:  # whatever broke, bytes may have left: only the timeline can tell
        _doubt(post, _what_broke(post, problem))
    else:
        faults.point("told")
        _published(post, published, "")
        _rest(post, published.rest)
    faults.point("written")


def _may_be_there(post: Post) -> bool:
    """After an attempt that was answered, whatever the answer; and after a backup that does not know of any."""
    return post.first_intent_at != post.intent_at or epoch.forgotten_since() is not None


def _is_missing(post: Post, adapter: Network) -> bool:
    """Whether it is not on the timeline, so that it may be sent: as far as can be seen, or as a person has said."""
    try:
        found = _seek(post, adapter)
    except Exception as problem:  # whatever it is: nothing was sent, and it is not known whether anything may be
        if post.looks >= len(LOOKS):
            return True
        _not_seen(post, problem)
        return False
    if found:
        _published(post, found, "found on the timeline, from an earlier attempt")
    return found is None


def _not_seen(post: Post, problem: Exception) -> None:
    """Nothing was sent: the timeline is to be read before. After the last look a person is asked."""
    sentence, looks = f"It may have been posted before. {_unread(problem, post.channel)}", post.looks + 1
    if isinstance(problem, CannotLook) and problem.kind in NEITHER:
        _wait_with_channel(post, str(problem))
    elif looks < len(LOOKS):
        later = timezone.now() + LOOKS[looks] - LOOKS[looks - 1]
        posts.line_up_again(post, by=None, why=sentence, outcome=sentence, looks=looks, not_before=later)
    else:
        asked = sentence + _ASKED
        move(post, State.UNKNOWN, by=None, why=sentence, looks=looks, look_at=None, outcome=asked)


def _unasked(post: Post) -> dict[str, Any]:
    """Nothing of this attempt has left: if it was the first, the next one has nothing to look for."""
    return {"first_intent_at": None} if post.first_intent_at == post.intent_at else {}


def _rest(post: Post, seconds: int) -> None:
    """The network says that this one nearly used up what it allows: the account's others wait, unasked."""
    if seconds:
        until = timezone.now() + timedelta(seconds=seconds)
        Channel.objects.filter(pk=post.channel_id).update(resting_until=until)


def _published(post: Post, published: Published, why: str) -> None:
    """Write down that it is there, even where the row has moved on meanwhile: it must not be posted again."""
    try:
        _write_published(post, published, why)
    except IntegrityError:
        doubt = f"The network names {published.url}, but that is another post of ours."
        if post.state == State.UNKNOWN:
            _look_again(post, doubt)
        else:
            _doubt(post, doubt)
    except Overtaken:
        post.refresh_from_db()
        if post.state == State.APPROVED:
            move(post, State.PUBLISHING, by=None, why="it is there already", holder=holders.me())
        if post.state in (State.PUBLISHING, State.UNKNOWN):
            _write_published(post, published, why)


def _write_published(post: Post, published: Published, why: str) -> None:
    named = {"remote_id": published.remote_id, "remote_url": published.url}
    with transaction.atomic():
        at = published.at or timezone.now()
        move(post, State.PUBLISHED, by=None, why=why, published_at=at, look_at=None, outcome="", **named)
        faults.point("writing")


def _not_posted(post: Post, problem: Refused | TryLater, **fields: Any) -> None:
    """Nothing was posted, says the network."""
    if problem.kind in ABOUT_THE_ACCOUNT:
        _wait_with_channel(post, str(problem), **fields)
    elif isinstance(problem, TryLater):
        _wait(post, problem, **fields)
    elif problem.kind == "duplicate":
        # The network has this text already. If that is ours, from an attempt we lost, the timeline shows it.
        move(post, State.UNKNOWN, by=None, why=str(problem), look_at=timezone.now(), looks=0, outcome=str(problem))
    else:
        move(post, State.REFUSED, by=None, why=str(problem), outcome=str(problem))


def _wait(post: Post, problem: TryLater, **fields: Any) -> None:
    """The network will take it later. A limit is the account's: there the others keep their order and wait as well."""
    later = timezone.now() + timedelta(seconds=problem.after)
    if problem.kind == "rate":
        Channel.objects.filter(pk=post.channel_id).update(resting_until=later)
    posts.line_up_again(post, by=None, why=str(problem), not_before=later, outcome=str(problem), **fields)


def _wait_with_channel(post: Post, sentence: str, **fields: Any) -> None:
    """Not this text is the matter but the account: it waits, and so does everything else on the channel."""
    # In this order: whoever approves its set has locked that, and locks the channel then.
    with transaction.atomic():
        posts.line_up_again(post, by=None, why=sentence, outcome=sentence, **fields)
        channels.pause(post.channel, sentence)


def _unread(problem: Exception, channel: Channel) -> str:
    return f"The timeline could not be read: {_sentence(problem, channel)}"


def _sentence(problem: Exception, channel: Channel) -> str:
    """What went wrong with the account, for people."""
    if isinstance(problem, Failure | Refusal | CannotUnseal):
        return str(problem)
    logger.error("an account could not be used:\n%s", channel_accounts.traced(problem, channel))
    return f"The account cannot be used because of an error ({type(problem).__name__}): see the log."


def _what_broke(post: Post, problem: Exception) -> str:
    if isinstance(problem, Unknown):
        return str(problem)
    logger.error(
        "posting %s broke in a way that no adapter names:\n%s", post, channel_accounts.traced(problem, post.channel)
    )
    return "Posting broke off; it may have been posted."


def _doubt(post: Post, sentence: str, *, since: datetime | None = None) -> None:
    look_at = (since or timezone.now()) + LOOKS[0]
    move(post, State.UNKNOWN, by=None, why=sentence, look_at=look_at, looks=0, outcome=sentence)


def _look_again(post: Post, sentence: str) -> None:
    looks = post.looks + 1
    more = looks < len(LOOKS)
    asked = "" if more else _ASKED
    look_at = timezone.now() + (LOOKS[looks] - LOOKS[looks - 1]) if more else None
    # Of two who looked at once one has counted it.
    unchanged = Post.objects.filter(pk=post.pk, state=State.UNKNOWN, looks=post.looks)
    with transaction.atomic():
        if unchanged.update(looks=looks, look_at=look_at, outcome=sentence + asked):
            note(post, "looked", by=None, why=sentence)


def _abandoned(post: Post) -> bool:
    """A living process proves little: its thread may have failed to write the outcome."""
    return holders.alive(post.holder) is False or timezone.now() - post.state_since > LONGEST
