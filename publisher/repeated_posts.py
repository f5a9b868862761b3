"""Which posts say what their channel has said already, or is about to: networks refuse it, followers tire of it.

Of the texts of posts. Whether two items are the same news says identity.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.utils import timezone

from .models import Digest, Post, PostSet
from .networks import network_class
from .networks.timeline import bare

State = Post.State
#: No network says for how long it remembers; longer than any was seen to.
WINDOW = timedelta(days=30)
TO_GO = (State.DRAFT, State.APPROVED, State.HELD)
#: Removed is not among them: the network has forgotten it with us.
THERE = (State.PUBLISHING, State.UNKNOWN, State.PUBLISHED)


def of(whole: Digest | PostSet) -> list[str]:
    """A sentence for each post that is to go out and repeats another, in a fixed number of queries."""
    return _told(list(whole.posts.filter(state__in=TO_GO).select_related("channel")))


def of_post(post: Post, text: str) -> list[str]:
    """The same of one post, were it worded so."""
    worded = Post(pk=post.pk, channel=post.channel, text=text, link=post.link)
    return _told([worded])


def _told(posts: list[Post]) -> list[str]:
    same = _the_same(posts)
    pks = {pk for pair in same for pk in pair}
    whole = Post.objects.select_related("channel__publication", "item", "campaign", "digest__publication", "post_set")
    found = whole.defer("item__body").in_bulk(pks)
    return [_sentence(found[one], found[other]) for one, other in same]


def _the_same(posts: Iterable[Post]) -> list[tuple[int, int]]:
    """Each post with the first other on its channel that says the same."""
    kept = {post.pk: (post.channel_id, _compared(post.channel.network, post.text, post.link)) for post in posts}
    others: dict[tuple[int, str], list[int]] = {}
    for pk, channel, *words in _standing({channel for channel, _ in kept.values()}):
        # What is being worded just now counts by its new words.
        key = kept.get(pk) or (channel, _compared(*words))
        others.setdefault(key, []).append(pk)
    pairs = ((pk, next((other for other in others.get(key, ()) if other != pk), None)) for pk, key in kept.items())
    return [(pk, other) for pk, other in pairs if other is not None]


def _standing(channels: set[int]) -> Iterable[tuple[int, int, str, str, str]]:
    """What these channels have said within the window, or are to say."""
    recent = Q(published_at=None) | Q(published_at__gte=timezone.now() - WINDOW)
    found = Post.objects.filter(Q(state__in=TO_GO) | Q(recent, state__in=THERE), channel__in=channels)
    # What is there comes first: that is what the network will hold against the rest.
    in_order = found.order_by(F("published_at").asc(nulls_last=True), "pk")
    return in_order.values_list("pk", "channel_id", "channel__network", "text", "link")


def _compared(network: str, text: str, link: str) -> str:
    """As networks compare, and a little more broadly: case, white space and the form of links are no difference."""
    said = bare(text)
    beside = link and not network_class(network).link_in_text and bare(link) not in said.split()
    return f"{said} {bare(link)}" if beside else said


def _sentence(post: Post, other: Post) -> str:
    adapter = network_class(post.channel.network)
    follows = (
        f"{adapter.label} refuses what it has had before" if adapter.refuses_repeats else "Followers read it twice"
    )
    where = f"“{_name(post)}” on {adapter.label} {post.channel.account}"
    return f"{where} says the same as “{_name(other)}”, which {_when(other)}. {follows}: word one of them anew."


def _name(post: Post) -> str:
    return str(post.item or post.campaign or post.digest or post.post_set or post)


def _when(post: Post) -> str:
    at = post.published_at or post.due_at
    if post.state == State.PUBLISHED and at:
        return f"was posted on {_moment(post, at)}"
    if post.state in THERE:
        return "may be there already"
    if at:
        return f"goes out on {_moment(post, at)}"
    return f"waits in {post.digest or post.post_set or post.channel}"


def _moment(post: Post, at: datetime) -> str:
    local = at.astimezone(post.channel.publication.zone)
    return f"{local:%A} {local.day} {local:%B %Y}, {local:%H:%M}"
