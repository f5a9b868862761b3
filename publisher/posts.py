"""What can be done with posts: draft, approve, schedule, publish, reconcile, and what a person decides."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from . import epoch, holders, links, networks, reach
from .lifecycle import NotAllowed, Overtaken, Refusal, history, move, note
from .models import Channel, Digest, Entry, Item, Person, Post, Slot
from .networks import text as wording
from .networks.base import Failure, Network, Outgoing, Picture, Published, Refused, TryLater, Unknown
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
_WAITING = (State.DRAFT, State.APPROVED, State.HELD)


def draft_for(digest: Digest) -> None:
    """Write the posts of a digest: one for the digest and one for each entry, on each channel.

    A text that staff worded themselves is kept; posts of entries that were taken out are cancelled. What a
    person cancelled is not written again, nor what went out with an earlier digest that was stopped.
    """
    entries = list(digest.entries.select_related("item", "picture").defer("picture__content"))
    for post in digest.posts.filter(state=State.DRAFT, item__isnull=False).exclude(
        item__in=[e.item_id for e in entries]
    ):
        move(post, State.CANCELLED, by=None, why="its item is no longer in the digest")
    for channel in digest.publication.channels.all():
        _draft(channel, digest, None, 0, _digest_words(digest, entries))
        for entry in entries:
            _draft(channel, digest, entry, entry.position, _item_words(digest, entry))


def check_text(post: Post, text: str) -> None:
    """Refusal, in a sentence, where the network would not take this text or it lost its link."""
    network = networks.network_class(post.channel.network)
    length = network.measure(text)
    if length > network.limit:
        raise Refusal(f"{network.label} takes {network.limit} characters; this has {length}. Shorten it.")
    if network.link_in_text and post.link and post.link not in text.split():
        raise Refusal(f"The link {post.link} has to stay in the text, whole.")
    if not text.strip():
        raise Refusal("A post needs a text.")


def approve_of_digest(digest: Digest, *, by: Person | None) -> None:
    """The posts were in the proof: they are approved with it, and get their times."""
    for post in digest.posts.filter(state=State.DRAFT):
        held = _was_held(post)
        move(post, State.APPROVED, by=by, why="with the digest")
        if held:
            move(post, State.HELD, by=by, why="it was held before the digest was edited")
    schedule_of_digest(digest)


def schedule_of_digest(digest: Digest) -> None:
    """Place the approved posts into the slots of their channels, from the digest's start on, in their order."""
    start = digest.start_at or timezone.now()
    for channel in Channel.objects.filter(posts__digest=digest).distinct():
        waiting = list(channel.posts.filter(digest=digest, state=State.APPROVED).order_by("position", "id"))
        for post, due_at in zip(waiting, free_slots(channel, start, len(waiting), without=digest), strict=True):
            Post.objects.filter(pk=post.pk, state=State.APPROVED).update(due_at=due_at)


def free_slots(channel: Channel, start: datetime, wanted: int, *, without: Digest | None = None) -> list[datetime]:
    """The next `wanted` times at which nothing is planned on the channel. Without slots: at once."""
    slots = list(channel.slots.all())
    if not slots:
        return [start] * wanted
    planned = channel.posts.filter(due_at__isnull=False).exclude(digest=without) if without else channel.posts.all()
    taken = set(planned.values_list("due_at", flat=True))
    zone = channel.publication.zone
    day, found = start.astimezone(zone).date(), list[datetime]()
    while len(found) < wanted:
        for slot in (slot for slot in slots if slot.weekday == day.weekday()):
            # By way of UTC: a wall time that does not exist in spring is moved on, not shown as it cannot be.
            at = datetime.combine(day, slot.time, zone).astimezone(UTC)
            if at >= start and at not in taken and len(found) < wanted:
                found.append(at)
        day += timedelta(days=1)
    return found


def set_slots(channel: Channel, slots: Iterable[tuple[int, time]], *, by: Person) -> None:
    """Let the channel post at these weekdays (0 is Monday) and times. What has its time already keeps it."""
    wanted = sorted(set(slots))
    with transaction.atomic():
        channel.slots.all().delete()
        Slot.objects.bulk_create(Slot(channel=channel, weekday=weekday, time=at) for weekday, at in wanted)
        note(channel, "edited", by=by, why="its weekly times", slots=[f"{day} {at:%H:%M}" for day, at in wanted])


def withdraw_approval(digest: Digest, *, by: Person | None) -> None:
    for post in digest.posts.filter(state__in=[State.APPROVED, State.HELD]):
        move(post, State.DRAFT, by=by, why="the approval is void", due_at=None, outcome="")


def drop_of_entry(entry: Entry, *, by: Person | None) -> None:
    for post in entry.digest.posts.filter(item=entry.item, state__in=_WAITING):
        move(post, State.CANCELLED, by=by, why="its item was taken out of the digest")


def cancel_of_item(item: Item, *, by: Person | None, why: str) -> None:
    for post in item.posts.filter(state__in=_WAITING):
        move(post, State.CANCELLED, by=by, why=why)


def cancel_of_digest(digest: Digest, *, by: Person | None, why: str) -> None:
    """Cancel what waits. What a worker has just begun to post is past stopping: see `reached`."""
    for post in digest.posts.filter(state__in=_WAITING):
        with suppress(Overtaken):
            move(post, State.CANCELLED, by=by, why=why)


def reached(digest: Digest) -> bool:
    """Whether anybody may have seen a post of this digest."""
    return digest.posts.filter(state__in=[State.PUBLISHING, State.PUBLISHED, State.UNKNOWN]).exists()


def hold(post: Post, *, by: Person, why: str = "") -> None:
    move(post, State.HELD, by=by, why=why)


def release(post: Post, *, by: Person) -> None:
    move(post, State.APPROVED, by=by, due_at=timezone.now(), outcome="")


def cancel(post: Post, *, by: Person, why: str = "") -> None:
    move(post, State.CANCELLED, by=by, why=why, declined=True)


def resume_channel(channel: Channel, *, by: Person) -> None:
    """A person has mended the account. Posts that were held with it are released one by one."""
    if not Channel.objects.filter(pk=channel.pk, paused=True).update(paused=False, attention=""):
        raise NotAllowed(f"{channel} is not paused.")
    channel.paused, channel.attention = False, ""
    note(channel, "resumed", by=by)


def settle(post: Post, *, by: Person, published: bool, remote_url: str = "") -> None:
    """A person's evidence on an unknown post: it is there, or it is not and goes out again."""
    if post.state != State.UNKNOWN:
        raise NotAllowed(f"{post} is {post.get_state_display()}, not unknown.")
    if published:
        move(post, State.PUBLISHED, by=by, why="seen by a person", remote_url=remote_url, published_at=timezone.now())
    else:
        move(post, State.APPROVED, by=by, why="not there, says a person", due_at=timezone.now(), look_at=None)


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
            adapter = _connect(post.channel)
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
        found = _connect(post.channel).find(_outgoing(post), since=since, known=set(known))
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


def _connect(channel: Channel) -> Network:
    address = reach.allowed(settings.NETWORK_URLS[channel.network])
    return networks.connect(channel.network, credentials=channel.credentials, address=address, account=channel.account)


def _outgoing(post: Post) -> Outgoing:
    picture = post.picture and Picture(bytes(post.picture.content), post.picture.media_type, post.image_alt)
    return Outgoing(text=post.text, link=post.link or None, picture=picture or None)


def _send(post: Post, adapter: Network) -> None:
    try:
        published = adapter.publish(_outgoing(post))
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


def _was_held(post: Post) -> bool:
    """Whether a person held it until its approval became void: an edit of the digest is no release."""
    moves = history(post).filter(verb="moved").order_by("-pk")
    last, hold = moves.first(), moves.filter(after=State.HELD).first()
    return bool(last and hold and last.before == State.HELD and hold.by_id)


def _draft(channel: Channel, digest: Digest, entry: Entry | None, position: int, words: dict[str, Any]) -> None:
    item, purpose = (entry.item, Post.Purpose.ITEM) if entry else (None, Post.Purpose.DIGEST)
    existing = Post.objects.filter(channel=channel, digest=digest, item=item, purpose=purpose)
    post = existing.exclude(state=State.CANCELLED).first()
    if post is None and (existing.filter(declined=True).exists() or _went_out_before(channel, item)):
        return
    text = _words(purpose, channel, bool(entry and entry.picture_id), words)
    fields = {
        "link": words["link"],
        "picture": entry and entry.picture,
        "image_alt": entry.image_alt if entry else "",
        "position": position,
    }
    if post is None:
        post = Post.objects.create(
            channel=channel,
            digest=digest,
            item=item,
            purpose=purpose,
            state=State.DRAFT,
            text=text,
            **fields,
        )
        note(post, "drafted", by=None)
    elif post.state == State.DRAFT:
        # Staff's own wording stays, unless the link it carries is no longer the one.
        kept = post.edited and post.link == words["link"]
        Post.objects.filter(pk=post.pk).update(text=post.text if kept else text, edited=kept, **fields)


def _went_out_before(channel: Channel, item: Item | None) -> bool:
    """With a digest that was stopped after this post had gone, or had been tried. Each item is posted once."""
    return item is not None and item.posts.filter(channel=channel).exclude(state=State.CANCELLED).exists()


def _words(purpose: str, channel: Channel, with_picture: bool, words: dict[str, Any]) -> str:
    try:
        return wording.render(str(purpose), channel.network, with_picture=with_picture, **words)
    except ValueError as problem:
        raise Refusal(str(problem)) from problem


def _digest_words(digest: Digest, entries: list[Entry]) -> dict[str, Any]:
    return {
        "label": digest.label,
        "headlines": [entry.title for entry in entries],
        "link": links.digest_url(digest),
    }


def _item_words(digest: Digest, entry: Entry) -> dict[str, Any]:
    return {
        "label": digest.label,
        "title": entry.title,
        "teaser": entry.teaser,
        "link": entry.link or links.entry_url(entry),
    }
