"""Posts as the tests look at them: in the database as it stands, and in the networks' own logs."""

from __future__ import annotations

from publisher.models import Digest, Post


def on_x(connected):
    return connected.json("/x/posts.json")


def on_facebook(connected):
    return connected.json("/graph/posts.json")


def of(sending, network, *, item=True):
    return Post.objects.filter(digest=sending, channel__network=network, item__isnull=not item).order_by("position")[0]


def fresh(post):
    return Post.objects.select_related("channel__publication", "item", "digest", "picture").get(pk=post.pk)


def again(digest):
    """As it stands in the database now."""
    return Digest.objects.select_related("publication").get(pk=digest.pk)
