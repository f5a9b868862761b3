"""A process that posts and may be killed: it makes a scene, and posts in children of its own.

    python -m tests.posting_mortal '{"x": ["reading_rooms", {…credentials…}], …}'

For each line of input, {"network": …, "fault": …}, there is a new approved post, and a child that posts it with this
PUBLISHER_FAULT. What the child leaves is settled as a service does that was started again, and told in a line of JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from itertools import count
from typing import Any

import django


def main(accounts: dict[str, Any]) -> None:
    django.setup()
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
    channels = connected(accounts)
    print(json.dumps({"channels": len(channels)}), flush=True)
    for number, line in zip(count(1), sys.stdin, strict=False):
        order = json.loads(line)
        post = approved(channels[order["network"]], f"News number {number} of a long day")
        status = run(post, order["fault"])
        print(json.dumps({"status": status, "title": post.item.title, **restarted(post)}), flush=True)


def connected(accounts: dict[str, Any]) -> dict[str, Any]:
    from publisher.models import Channel, Publication

    publication = Publication.objects.create(
        slug="update", series="Update", sender_email="update@rooms.example", list_id="rooms.example", hold_minutes=0
    )
    made = {}
    for network, (account, credentials) in accounts.items():
        channel = Channel(publication=publication, network=network, account=account)
        channel.credentials = credentials
        channel.save()
        made[network] = channel
    return made


def approved(channel: Any, title: str) -> Any:
    from benchmarks import scene
    from publisher import post_sets
    from publisher.models import Item

    anne, ben = scene.staff()
    link = f"https://rooms.example/{title.replace(' ', '-').lower()}"
    item = Item.objects.create(
        publication=channel.publication, identity=title, title=title, link=link, state=Item.State.QUEUED
    )
    post_set = post_sets.compose(channel.publication, [item], by=anne, channels=[channel])
    post_sets.approve(post_sets.proof(post_set, by=anne), by=ben)
    return post_set.posts.select_related("channel__publication", "item").get()


def run(post: Any, fault: str) -> int:
    from django.db import connections

    connections.close_all()  # no connection is for two processes
    if (child := os.fork()) == 0:
        os.environ["PUBLISHER_FAULT"] = fault
        live(post)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def live(post: Any) -> None:
    from publisher import faults, posting

    importlib.reload(faults)
    code = 1
    try:
        posting.publish(post)
        post.refresh_from_db()
        posting.reconcile(post)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def restarted(post: Any) -> dict[str, Any]:
    """What has become of it an hour later."""
    from publisher import posting

    left = type(post).objects.get(pk=post.pk).state
    posting.recover()
    for _ in posting.LOOKS:
        posting.reconcile(type(post).objects.get(pk=post.pk))
    for due in posting.due():
        posting.publish(due)
    post.refresh_from_db()
    return {"left": left, "state": post.state, "asked": post.outcome.endswith("say whether it is there.")}


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
