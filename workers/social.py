"""The queue `social`: posts, and looking for those whose outcome is unknown."""

from __future__ import annotations

from celery import shared_task

from publisher import checkups, measures, posting, removals
from publisher.models import Channel, Post


@shared_task(name="workers.social.publish")
def publish(post_id: int) -> None:
    posting.publish(_post(post_id))


@shared_task(name="workers.social.reconcile")
def reconcile(post_id: int) -> None:
    found = posting.to_look_for().select_related("channel__publication", "picture").filter(pk=post_id).first()
    if found:
        posting.reconcile(found)


@shared_task(name="workers.social.remove")
def remove(post_id: int) -> None:
    removals.take_off(_post(post_id))


@shared_task(name="workers.social.figures")
def figures(channel_id: int) -> None:
    measures.gather(Channel.objects.select_related("publication").get(pk=channel_id))


@shared_task(name="workers.social.check_account")
def check_account(channel_id: int) -> None:
    checkups.daily(Channel.objects.select_related("publication").get(pk=channel_id))


def _post(post_id: int) -> Post:
    return Post.objects.select_related("channel__publication", "item", "digest", "picture").get(pk=post_id)
