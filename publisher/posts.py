"""What people do with posts, and how they are drafted: word, approve, place, hold, release, cancel, settle.

What goes out by itself, and what follows a doubt, is publisher/posting.py.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date as Date
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from . import cards, links, networks, slots, wordings
from .lifecycle import NotAllowed, Overtaken, Refusal, history, move, note
from .models import Campaign, Channel, Digest, Entry, Event, Item, Person, Post, PostSet
from .networks.base import Outgoing, Picture
from .networks.http import web_address

State = Post.State
_WAITING = (State.DRAFT, State.APPROVED, State.HELD)
#: When an unknown post is looked for on the network's own timeline, counted from the doubt.
LOOKS = tuple(timedelta(seconds=seconds) for seconds in (30, 120, 600, 3600))
#: A follower may have seen it.
REACHED = (State.PUBLISHING, State.PUBLISHED, State.UNKNOWN, State.REMOVING, State.REMOVED)


@dataclass(frozen=True)
class Evidence:
    """What is known of an unknown post beside its text: when it was asked for, what was answered, what was seen."""

    asked_at: datetime | None
    attempts: int
    answer: str
    answered_at: datetime | None
    looks: list[tuple[datetime, str]]


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


def approve_of(whole: Digest | PostSet, *, by: Person | None) -> None:
    """The posts were in the proof: they are approved with it, and get their times."""
    drafts = list(whole.posts.filter(state=State.DRAFT))
    ever = Event.objects.filter(noun="post", noun_id__in=whole.posts.values("pk"), after=State.HELD)
    once_held = set(ever.values_list("noun_id", flat=True))
    for post in drafts:
        held = post.pk in once_held and _was_held(post)
        move(post, State.APPROVED, by=by, why="with its proof")
        if held:
            move(post, State.HELD, by=by, why="it was held before the approval was void")
    slots.place(whole.posts.all(), whole.start_at or timezone.now())


def withdraw_approval(whole: Digest | PostSet, *, by: Person | None) -> None:
    for post in whole.posts.filter(state__in=[State.APPROVED, State.HELD]):
        move(post, State.DRAFT, by=by, why="the approval is void", outcome="", **slots.UNPLACED)


def drafts_of_item(post_set: PostSet, channels: list[Channel], item: Item) -> list[Post]:
    """Posts of an item that belongs to no digest, on each of these channels that has none of it, whatever it is of.

    Worded and illustrated once for each network, however many its accounts are.
    """
    has_it = set(item.posts.exclude(state=State.CANCELLED).values_list("channel", flat=True))
    free = [channel for channel in channels if channel.pk not in has_it]
    said = {channel.network: channel for channel in free}
    fields = {network: _fields_of_item(channel, item) for network, channel in said.items()}
    first = post_set.posts.count() + 1
    drafts = Post.objects.bulk_create(
        Post(channel=channel, post_set=post_set, position=position, **fields[channel.network])
        for position, channel in enumerate(free, first)
    )
    for post in drafts:
        note(post, "drafted", by=None)
    return drafts


def _fields_of_item(channel: Channel, item: Item) -> dict[str, Any]:
    picture, alt = cards.illustration(item, channel.network)
    campaigns = campaigns_of(item, channel.publication.today())
    tags = [each.hashtag for each in campaigns]
    words = {"title": item.title, "teaser": item.teaser, "link": item.link, "hashtags": tags}
    return {
        "campaign": next(iter(campaigns), None),
        "item": item,
        "purpose": Post.Purpose.ITEM,
        "state": State.DRAFT,
        "text": _words(Post.Purpose.ITEM, channel, picture is not None, words),
        "link": item.link,
        "picture": picture,
        "image_alt": alt,
    }


def drop_of_entry(entry: Entry, *, by: Person | None) -> None:
    for post in entry.digest.posts.filter(item=entry.item, state__in=_WAITING):
        move(post, State.CANCELLED, by=by, why="its item was taken out of the digest")


def cancel_of_item(item: Item, *, by: Person | None, why: str) -> None:
    for post in item.posts.filter(state__in=_WAITING):
        move(post, State.CANCELLED, by=by, why=why)


def cancel_of(whole: Digest | PostSet, *, by: Person | None, why: str) -> None:
    """Cancel what waits. What a worker has just begun to post is past stopping: see `reached`."""
    for post in whole.posts.filter(state__in=_WAITING):
        with suppress(Overtaken):
            move(post, State.CANCELLED, by=by, why=why)


def reached(digest: Digest) -> bool:
    """Whether anybody may have seen a post of this digest."""
    return digest.posts.filter(state__in=REACHED).exists()


def hold(post: Post, *, by: Person, why: str = "") -> None:
    # Not for want of money, or not any more: a new month is no reason to let it go.
    move(post, State.HELD, by=by, why=why, spent_in="")


def release(post: Post, *, by: Person) -> None:
    """To its time, where that is still to come; else as soon as quiet hours and spacing allow."""
    # Being posted, or unknown, it could become approved as well: not by this word, which would send it once more.
    if post.state != State.HELD:
        raise NotAllowed(f"{post} is {post.get_state_display()}, not held: there is nothing to release.")
    with transaction.atomic():
        move(post, State.APPROVED, by=by, outcome="", **slots.time_again(post))


def cancel(post: Post, *, by: Person, why: str = "") -> None:
    """Not to go out any more. Of one that was refused: its item may be posted there anew, in a set."""
    move(post, State.CANCELLED, by=by, why=why, declined=True)


def resume_channel(channel: Channel, *, by: Person) -> None:
    """A person has mended the account. What is due goes out, and what is too late by its rule asks first."""
    if not Channel.objects.filter(pk=channel.pk, paused=True).update(paused=False, attention=""):
        raise NotAllowed(f"{channel} is not paused.")
    channel.paused, channel.attention = False, ""
    note(channel, "resumed", by=by)


def settle(post: Post, *, by: Person, published: bool, remote_url: str = "") -> None:
    """A person's evidence on an unknown post: it is there, or it is not and goes out again."""
    if post.state != State.UNKNOWN:
        raise NotAllowed(f"{post} is {post.get_state_display()}, not unknown.")
    if remote_url and not web_address(remote_url):
        raise Refusal(f"“{remote_url[:200]}” is no address of a post: copy it from the browser, or leave it empty.")
    if published:
        move(post, State.PUBLISHED, by=by, why="seen by a person", remote_url=remote_url, published_at=timezone.now())
    else:
        # Looked at enough: where the timeline cannot be read, the next attempt goes by this word.
        seen = {"look_at": None, "looks": len(LOOKS), "outcome": ""}
        line_up_again(post, by=by, why="not there, says a person", due_at=timezone.now(), **seen)


def line_up_again(post: Post, *, by: Person | None, why: str, **fields: Any) -> None:
    """Back to the approved ones, because nothing was posted; unless meanwhile nobody wants it any more.

    What it belongs to is locked: whoever cancels or edits that meets it either here or among those that wait.
    """
    with transaction.atomic():
        # no_key: whoever approves posts of it has PostgreSQL look, at the end, whether there is such an item.
        items = Item.objects.select_for_update(of=("self",), no_key=True)
        item = items.get(pk=post.item_id) if post.item_id else None
        whole = _locked(post)
        move(post, State.APPROVED, by=by, why=why, **fields)
        if item and item.state == Item.State.WITHDRAWN:
            move(post, State.CANCELLED, by=None, why="the item was withdrawn")
        elif whole and whole.state == "cancelled":
            move(post, State.CANCELLED, by=None, why="what it belongs to was cancelled")
        elif isinstance(whole, PostSet) and whole.state != PostSet.State.APPROVED:
            move(post, State.DRAFT, by=None, why="the approval is void", outcome="", **slots.UNPLACED)


def not_public_yet(post: Post) -> datetime | None:
    """When its item becomes public, where that is still to come: the first moment of its day where the readers are."""
    opens = slots.public_from(post)
    return opens if opens > timezone.now() else None


def evidence(post: Post) -> Evidence | None:
    """What a person needs to know to settle an unknown post; None of one that is in no doubt."""
    if post.state != State.UNKNOWN:
        return None
    doubt = history(post).filter(verb="moved", after=State.UNKNOWN).last()
    looks = history(post).filter(verb="looked", pk__gt=doubt.pk) if doubt else Event.objects.none()
    answer, at = (doubt.why, doubt.at) if doubt else ("", None)
    return Evidence(post.intent_at, post.attempts, answer, at, list(looks.values_list("at", "why")))


def _locked(post: Post) -> Digest | PostSet | None:
    if post.digest_id:
        return Digest.objects.select_for_update(of=("self",)).get(pk=post.digest_id)
    return PostSet.objects.select_for_update(of=("self",)).get(pk=post.post_set_id) if post.post_set_id else None


def outgoing(post: Post) -> Outgoing:
    """The post as a network is given it."""
    picture = post.picture and Picture(bytes(post.picture.content), post.picture.media_type, post.image_alt)
    return Outgoing(text=post.text, link=post.link or None, picture=picture or None, key=post.key.hex)


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
    picture, alt = cards.illustration(entry, channel.network) if entry else (None, "")
    campaigns = campaigns_of(item, digest.date)
    text = _words(purpose, channel, picture is not None, {**words, "hashtags": [each.hashtag for each in campaigns]})
    fields = {
        "campaign": next(iter(campaigns), None),
        "link": words["link"],
        "picture": picture,
        "image_alt": alt,
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


def draft_correction(post_set: PostSet, wrong: Post, item: Item, *, erratum: str = "") -> Post:
    """The item's post as it should have been, in the place of a wrong one; or beside it an erratum with these words."""
    channel, purpose = wrong.channel, Post.Purpose.ERRATUM if erratum else Post.Purpose.ITEM
    picture, alt = (None, "") if erratum else cards.illustration(item, channel.network)
    tags = [each.hashtag for each in campaigns_of(item, channel.publication.today())]
    words = {"title": item.title, "teaser": erratum or item.teaser, "link": wrong.link, "hashtags": tags}
    post = Post.objects.create(
        channel=channel,
        campaign=wrong.campaign,
        post_set=post_set,
        item=item,
        corrects=wrong,
        purpose=purpose,
        state=State.DRAFT,
        text=_words(purpose, channel, picture is not None, words),
        link=wrong.link,
        picture=picture,
        image_alt=alt,
        position=post_set.posts.count() + 1,
    )
    note(post, "drafted", by=None)
    return post


def campaigns_of(item: Item | None, on: Date) -> list[Campaign]:
    """The campaigns of that day that it belongs to; what is covered live first: its posts wait for no weekly time."""
    found = Campaign.objects.of_item(item).running(on) if item else Campaign.objects.none()
    return list(found.order_by("-live", "starts_on", "pk"))


def _went_out_before(channel: Channel, item: Item | None) -> bool:
    """With a digest that was stopped after this post had gone, or had been tried. Each item is posted once."""
    return item is not None and item.posts.filter(channel=channel).exclude(state=State.CANCELLED).exists()


def _words(purpose: str, channel: Channel, with_picture: bool, words: dict[str, Any]) -> str:
    return wordings.write(channel.publication, channel.network, str(purpose), with_picture=with_picture, **words)


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
