"""Posts outside a digest, as staff compose, read, approve and follow them."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from publisher import post_sets, posting
from publisher.models import Post, PostSet


@pytest.fixture
def post_set(publication, channels, make_item, anne):
    return post_sets.compose(publication, [make_item("Rain in Puno"), make_item("A bridge")], by=anne)


def to(name, *ids):
    return reverse(name, args=ids)


def test_a_set_is_composed_of_what_is_ticked(publication, other_publication, channels, items, as_anne, read):
    page = read(as_anne.get(to("post-sets") + "?publication=update"))
    offered = page.values("input[name=item]")
    assert offered == [str(item.pk) for item in items]
    channel = next(each for each in channels if each.network == "facebook")
    ticked = {"item": offered[:2], "channel": [channel.pk]}
    answer = as_anne.post(to("post-set-compose", "update"), ticked, follow=True)
    made = PostSet.objects.get()
    assert (answer.request["PATH_INFO"], made.created_by.username) == (to("post-set", made.pk), "anne")
    assert [(post.item_id, post.channel) for post in made.posts.all()] == [(item.pk, channel) for item in items[:2]]
    assert read(as_anne.get(to("post-sets")))("h3 a") == ["A reading room opens and 1 more"]
    nothing = as_anne.post(to("post-set-compose", "peru-new"), ticked, follow=True)
    assert read(nothing)(".messages p") == ["Choose the items that the posts are about."]


@pytest.mark.parametrize("missing", ["item", "channel"])
def test_whoever_forgets_a_tick_keeps_the_others(
    publication, other_publication, channels, items, as_anne, read, missing
):
    """On the same publication, which is not the first of the list."""
    ticked = {"item": [items[1].pk], "channel": [channels[0].pk]} | {missing: []}

    page = read(as_anne.post(to("post-set-compose", "update"), ticked, follow=True))

    what = {"item": "items that the posts are about", "channel": "channels that they go to"}[missing]
    assert page(".messages .error") == [f"Choose the {what}."]
    assert page("nav[aria-label=Publication] a[aria-current]") == ["Update"]
    for name in ("item", "channel"):
        assert page.values(f"input[name={name}][checked]") == [str(pk) for pk in ticked[name]]
    assert not PostSet.objects.exists()


def test_without_a_channel_or_an_item_the_page_says_what_to_do_first(publication, as_anne, read):
    assert read(as_anne.get(to("post-sets"))).one(".empty") == "No channel is connected. Connect one first."


def test_only_who_may_approves_and_only_what_they_saw(post_set, as_anne, as_ben, read):
    as_anne.post(to("post-set-review", post_set.pk))
    proof = PostSet.objects.get(pk=post_set.pk).review
    assert read(as_anne.get(to("post-set-proof", post_set.pk)))("form[action$=approve\\/]") == []
    page = read(as_ben.get(to("post-set-proof", post_set.pk)))
    assert page("h1") == ["Rain in Puno and 1 more"]
    assert page("dd code") == [proof.sha256]
    assert len(page("ul.posts > li")) == 4
    for sha256, state in (("0" * 64, "in_review"), (proof.sha256, "approved")):
        as_ben.post(to("post-set-approve", post_set.pk), {"sha256": sha256})
        assert PostSet.objects.get(pk=post_set.pk).state == state


def test_changes_are_asked_for_and_the_set_is_a_draft_again(post_set, as_anne, as_ben, read):
    as_anne.post(to("post-set-review", post_set.pk))
    sha256 = PostSet.objects.get(pk=post_set.pk).review.sha256
    as_ben.post(to("post-set-changes", post_set.pk), {"sha256": sha256, "comment": "Say where Puno is."})
    page = read(as_anne.get(to("post-set-proof", post_set.pk)))
    assert page(".attention")[0] == "These posts are a draft again: this proof is from before, and cannot be approved."
    assert "Say where Puno is." in page.one(".decisions li")


def test_a_post_is_worded_anew_taken_out_and_an_item_added(post_set, make_item, as_anne, read):
    first, second, *_ = post_set.posts.order_by("id")
    as_anne.post(to("post-words", first.pk), {"text": f"In other words {first.link}"})
    as_anne.post(to("post-set-remove", post_set.pk, second.pk))
    as_anne.post(to("post-set-add", post_set.pk), {"item": make_item("A late one").pk})
    assert Post.objects.get(pk=first.pk).text == f"In other words {first.link}"
    assert [post.state for post in post_set.posts.order_by("id")] == ["draft", "cancelled", *["draft"] * 4]
    assert read(as_anne.get(to("post-words", first.pk)))("p.trail a") == ["Rain in Puno and 1 more"]


def test_an_approved_set_is_taken_back_or_cancelled(post_set, anne, ben, as_anne):
    post_sets.approve(post_sets.proof(post_set, by=anne), by=ben)
    as_anne.post(to("post-set-take-back", post_set.pk))
    assert PostSet.objects.get(pk=post_set.pk).state == "draft"
    as_anne.post(to("post-set-cancel", post_set.pk), {"why": ""})
    assert PostSet.objects.get(pk=post_set.pk).state == "draft"
    as_anne.post(to("post-set-cancel", post_set.pk), {"why": "A mistake."})
    assert PostSet.objects.get(pk=post_set.pk).state == "cancelled"
    assert {post.state for post in Post.objects.all()} == {"cancelled"}


@pytest.mark.parametrize(("there", "state"), [("yes", "published"), ("no", "approved")])
def test_who_settles_an_unknown_post_sees_what_is_known(post_set, connected, anne, ben, as_anne, read, there, state):
    post_sets.approve(post_sets.proof(post_set, by=anne), by=ben)
    Post.objects.update(due_at=timezone.now())
    post = post_set.posts.filter(channel__network="x").first()
    connected.fault("x", "html_500", "post", times=1, commit=False)
    posting.publish(post)
    posting.reconcile(Post.objects.get(pk=post.pk))
    page = read(as_anne.get(to("post-set", post_set.pk)))
    asked, answered, looked = page(f"#known-{post.pk} li")
    assert "it was asked for. The text: " + " ".join(post.text.split()) in asked
    assert "X" in answered
    assert looked.endswith("It was not on the timeline.")
    as_anne.post(to("post-set-settle", post_set.pk, post.pk), {"there": there})
    assert Post.objects.get(pk=post.pk).state == state


def test_the_list_asks_the_database_equally_often_for_one_set_and_for_four(
    publication, channels, make_item, anne, as_anne
):
    asked = []
    for titles in (("One",), ("Two", "Three", "Four")):
        for title in titles:
            post_sets.compose(publication, [make_item(title)], by=anne)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert as_anne.get(to("post-sets")).status_code == 200
        asked.append(len(queries))
    assert asked[0] == asked[1]


def test_a_page_of_a_set_is_for_staff(post_set, client):
    for name in ("post-set", "post-set-proof"):
        assert client.get(to(name, post_set.pk)).status_code == 302
    assert client.post(to("post-set-cancel", post_set.pk), {"why": "x"}).status_code == 302
    assert PostSet.objects.get(pk=post_set.pk).state == "draft"


def test_a_large_set_is_shown_page_by_page(post_set, as_anne, read, monkeypatch):
    monkeypatch.setattr("publisher.web.staff.post_sets.PER_PAGE", 3)
    pages = [as_anne.get(f"{to('post-set', post_set.pk)}?page={number}").content.decode() for number in (1, 2)]
    assert [page.count('id="post-') for page in pages] == [3, post_set.posts.count() - 3]
