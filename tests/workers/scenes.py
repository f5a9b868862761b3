"""What a test does in a place that runs for itself: `python -m tests.workers.scenes SCENE ARGS`, in its environment."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def approve_for(members: int) -> dict[str, Any]:
    """Update 120 with one item, for this many members, written by Anne and approved by Ben; starts at once."""
    from publisher import digests, items
    from publisher.demo import cast, story
    from publisher.models import Channel, Publication

    anne, ben = cast.people()
    publication = cast.publication(cast.PARTS[0])
    cast.members(publication, members, 0)
    if os.environ.get("SCENE_CHANNELS"):
        cast.channels(publication, cast.PARTS[0])
    for item in story._take_in(publication, "update.html", cast.PARTS[0].address):
        items.queue(item, by=anne)
    digest = digests.compose(publication, by=anne)
    digests.approve(digests.proof(digest, by=anne), by=ben)
    assert Publication.objects.count() == 1
    return {"digest": digest.pk, "members": members, "channels": Channel.objects.count()}


def counts(digest: int) -> dict[str, Any]:
    from publisher.delivery import ledger
    from publisher.models import Digest

    found = Digest.objects.get(pk=digest)
    unknown = list(found.deliveries.filter(state="unknown").values_list("address", flat=True))
    return {"state": found.state, "frozen": found.frozen_count, "counts": ledger.counts(found), "unknown": unknown}


def send_again(digest: int) -> dict[str, Any]:
    """Ben has every unknown letter sent again."""
    from publisher.delivery import ledger
    from publisher.models import Digest, Person

    unknown = list(ledger.unsettled(Digest.objects.get(pk=digest)))
    for row in unknown:
        ledger.settle(row, "queued", by=Person.objects.get(username="ben"), why="asked on the telephone")
    return {"rows": len(unknown)}


SCENES = {"approve_for": approve_for, "counts": counts, "send_again": send_again}


def play(environment: Mapping[str, str], scene: str, *numbers: int) -> dict[str, Any]:
    """Play a scene in a process of its own; what it returned."""
    import subprocess

    done = subprocess.run(
        [sys.executable, "-P", "-m", "tests.workers.scenes", scene, *map(str, numbers)],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


if __name__ == "__main__":
    django.setup()
    print(json.dumps(SCENES[sys.argv[1]](*map(int, sys.argv[2:]))))
