"""From an import to inboxes and timelines, by commands alone; the workers' part is called where they would."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from publisher import digests, posting, sources
from publisher.delivery import sending
from publisher.models import Digest, Post

PAGE = """<html><body>
<h2>A reading room opens</h2><p>20 March 2007</p><p>Four hundred books, and people queued for them.</p>
<h2>Books cross the lake</h2><p>12 March 2007</p><p>By boat, because there is no road.</p>
"""


@pytest.fixture
def typed(publisher):
    """A command that has to succeed; what it printed."""

    def run(*words: object, typed: str = "") -> str:
        answer = publisher(*words, typed=typed)
        assert (answer.status, answer.err) == (0, ""), (words, answer)
        return answer.out

    return run


@pytest.fixture
def prepared(typed, sandbox, settings, tmp_path):
    """Everything but the first digest: made by commands."""
    settings.SMTP_URL = f"smtp://127.0.0.1:{sandbox.smtp}"
    settings.NETWORK_URLS = {"x": f"{sandbox.url}/x", "facebook": f"{sandbox.url}/graph"}
    settings.LOOPBACK_ONLY = True
    (tmp_path / "news.html").write_text(PAGE)
    (tmp_path / "members.csv").write_text("email,first_name\nrosa@members.example,Rosa\nluis@members.example,Luis\n")
    typed("people", "add", "anne", "--name", "Anne Rowe", "--password", "letters-to-lima")
    typed("people", "add", "ben", "--name", "Ben Ortiz", "--password", "letters-to-lima", "--approver")
    typed("publications", "add", "update", "--series", "Update", "--organisation", "Rooms", "--next-number", "120",
          "--sender", "update@rooms.example", "--postal-address", "1 Example Street")  # fmt: skip
    typed("publications", "set", "hold_minutes=0", "--by", "anne")
    typed("members", "import", tmp_path / "members.csv", "--by", "anne", "--basis", "consent")
    from tests.sandbox.conftest import KEYS

    typed("publications", "connect", "x", "update_news", "--by", "anne", typed=json.dumps(KEYS))
    typed("items", "import", tmp_path / "news.html", "--queue", "--by", "anne")
    return sandbox


def work() -> None:
    """What the clock and the workers do in their time."""
    digest = Digest.objects.select_related("publication", "proof").get()
    if digest.due:
        digests.start(digest)
        digests.prepare(digest)
    if digest.state == "sending":
        while sending.send_batch(digest):
            pass
        digests.finish(digest)
        Post.objects.filter(state="approved").update(due_at=timezone.now())
        for post in Post.objects.select_related("channel", "item", "digest", "picture"):
            posting.publish(post)


def mailed(sandbox) -> list[str]:
    return sorted(address for entry in sandbox.json("/mail/log.json") for address in entry["rcpt_to"])


def test_the_whole_way_by_commands(prepared, typed, publisher):
    assert typed("digests", "compose", "--by", "anne", "--date", "2007-03-31") == (
        "A draft with 2 items, dated 2007-03-31.\n"
    )
    said = typed("digests", "proof", "--by", "anne")
    proof = Digest.objects.get().proofs.get()
    assert said == (
        f"Update 120. 31 March 2007 is in review. Proof {proof.sha256}, for 2 members.\nIts posts cost 0.61 USD.\n"
    )
    for who, why in [("anne", "approving is for the people named as approvers")]:
        refused = publisher("digests", "approve", "--by", who, "--sha256", proof.sha256)
        assert (refused.status, why in refused.err) == (1, True)
    approved = typed("digests", "approve", "--by", "ben", "--sha256", proof.sha256[:12])
    assert approved.startswith("Update 120. 31 March 2007 is approved and starts at")
    work()
    assert mailed(prepared) == ["luis@members.example", "rosa@members.example"]
    shown = json.loads(typed("digests", "show", "120", "--json"))
    assert (shown["state"], shown["proof"], shown["frozen"], shown["deliveries"]["sent"]) == (
        "sent",
        proof.sha256,
        2,
        2,
    )
    assert [entry["title"] for entry in shown["entries"]] == ["A reading room opens", "Books cross the lake"]
    assert {post["state"] for post in shown["posts"]} == {"published"}
    posted = [entry for entry in prepared.json("/x/log.json") if entry["what"] == "post"]
    assert len(posted) == len(shown["posts"]) == 3
    assert [(e["after"], e["by"]) for e in shown["history"] if e["verb"] == "moved"] == [
        ("in_review", "anne"),
        ("approved", "ben"),
        ("preparing", None),
        ("sending", None),
        ("sent", None),
    ]
    plain = typed("digests", "show", "120")
    assert [word for word in ("Update 120", "Books cross the lake", "approved", "ben") if word not in plain] == []
    assert {post["state"] for post in json.loads(typed("posts", "list", "--json"))} == {"published"}


@pytest.fixture
def approved(prepared, typed):
    typed("publications", "set", "hold_minutes=5", "--by", "anne")
    typed("digests", "compose", "--by", "anne")
    typed("digests", "proof", "--by", "anne")
    shown = json.loads(typed("digests", "show", "--json"))
    typed("digests", "approve", "--by", "ben", "--sha256", shown["review"])
    return Digest.objects.get()


def test_an_approval_is_undone_rescheduled_paused_resumed_and_cancelled(approved, prepared, typed):
    typed("digests", "undo", "--by", "anne")
    assert Digest.objects.get().start_at is None
    day = f"{timezone.now() + timedelta(days=30):%Y-%m-%d}"
    typed("digests", "send", "--by", "anne", "--at", f"{day}T09:00:00")
    assert Digest.objects.get().start_at.isoformat() == f"{day}T09:00:00+00:00"
    Digest.objects.update(start_at=timezone.now())
    digest = Digest.objects.select_related("publication", "proof").get()
    digests.start(digest)
    digests.prepare(digest)
    typed("digests", "pause", "--by", "anne", "--why", "a mistake in it")
    work()
    assert mailed(prepared) == []
    typed("digests", "resume", "--by", "anne")
    typed("digests", "cancel", "--by", "anne", "--why", "it is wrong")
    work()
    assert (Digest.objects.get().state, Digest.objects.get().number, mailed(prepared)) == ("cancelled", None, [])


def test_a_post_is_held_and_released(approved, prepared, typed, publisher):
    held, *others = Post.objects.order_by("pk")
    typed("posts", "hold", held.pk, "--by", "anne", "--why", "not today")
    Digest.objects.update(start_at=timezone.now())
    work()
    work()
    assert {post["id"]: post["state"] for post in json.loads(typed("posts", "list", "--json"))} == {
        held.pk: "held",
        **{post.pk: "published" for post in others},
    }
    typed("posts", "release", held.pk, "--by", "anne")
    assert typed("posts", "publish", held.pk, "--by", "anne").startswith("published: http")
    refused = publisher("posts", "settle", held.pk, "--there", "--by", "anne")
    assert (refused.status, "is published, not unknown" in refused.err) == (1, True)


def test_a_page_that_is_read_again_after_all_this_brings_nothing_new(approved, tmp_path, typed):
    (told,) = json.loads(typed("items", "import", tmp_path / "news.html", "--json"))
    assert (told["new"], told["flagged"], told["unchanged"]) == ([], [], 2)
    assert Digest.objects.get().state == "approved"
    assert next(sources.readings(str(tmp_path / "news.html")))[1].kind == "listing"
