"""Posts outside a digest, from the command line: composed, proofed, approved by who saw the proof."""

from __future__ import annotations

from django.utils import timezone

from publisher import posting
from publisher.models import Post, PostSet


def test_a_set_is_composed_proofed_and_approved(publisher, channels, items, anne, ben):
    first, second, _ = items
    answer = publisher("posts", "compose", first.pk, second.pk, "--on", "x reading_rooms", "--by", "anne")
    made = PostSet.objects.get()
    said = (
        f"Set {made.pk}, “A reading room opens and 1 more”: 2 posts. See them with `publisher posts show {made.pk}`.\n"
    )
    assert (answer.out, answer.err) == (said, "")
    assert publisher("posts", "proof", made.pk, "--by", "anne").status == 0
    (shown,) = publisher("posts", "sets", "--json").json()
    assert ([post["channel"] for post in shown["posts"]], shown["state"]) == (["x reading_rooms"] * 2, "in_review")
    unseen = publisher("posts", "approve", made.pk, "--by", "ben")
    assert (unseen.status, shown["review"] in unseen.err) == (1, True)
    own = publisher("posts", "approve", made.pk, "--sha256", shown["review"][:12], "--by", "anne")
    assert own.err.startswith("You may edit, and ask for changes")
    assert publisher("posts", "approve", made.pk, "--sha256", shown["review"][:12], "--by", "ben").status == 0
    assert set(Post.objects.values_list("state", flat=True)) == {"approved"}
    assert publisher("posts", "take-back", made.pk, "--by", "anne").out == "A draft again.\n"
    assert publisher("posts", "cancel-set", made.pk, "--why", "A mistake", "--by", "anne").out == "Cancelled.\n"
    assert set(Post.objects.values_list("state", flat=True)) == {"cancelled"}


def test_what_is_not_there_is_told(publisher, channels, items, anne):
    assert publisher("posts", "compose", 4711, "--by", "anne").err == (
        "There is no item 4711 of Update: see `publisher items list`.\n"
    )
    assert publisher("posts", "show", 4711).err == "There is no set of posts 4711: see `publisher posts sets`.\n"
    publisher("posts", "compose", items[0].pk, "--by", "anne")
    approved = publisher("posts", "approve", PostSet.objects.get().pk, "--by", "anne")
    assert approved.err.startswith("A reading room opens has no proof in review: make one with `publisher posts proof")


def test_what_is_known_of_an_unknown_post_is_shown(publisher, sending, connected):
    post = Post.objects.filter(channel__network="x").first()
    assert publisher("posts", "known", post.pk).err == f"Post {post.pk} is approved, not unknown.\n"
    connected.fault("x", "html_500", "post", times=1, commit=False)
    Post.objects.update(due_at=timezone.now())
    posting.publish(post)
    posting.reconcile(Post.objects.get(pk=post.pk))
    told = publisher("posts", "known", post.pk).out
    assert [words in told for words in ("attempt 1", "X answered", "It was not on the timeline.")] == [True] * 3
