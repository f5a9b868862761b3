"""A wrong post on real adapters: out, counted, corrected, and at no moment twice there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from publisher import corrections, items, measures, post_sets, posting, removals
from publisher.models import Post

pytestmark = pytest.mark.django_db

ROOMS = {"x": "x", "facebook": "graph"}


@pytest.mark.parametrize("network", ROOMS)
def test_a_wrong_post_is_counted_removed_and_posted_anew(sending, connected, anne, ben, network):
    def there() -> list[str]:
        shown = connected.json(f"/{ROOMS[network]}/posts.json")
        return [post["text"] for post in shown if not post["deleted_at"]]

    wrong = Post.objects.filter(channel__network=network, item__title="Books cross the lake").get()
    posting.publish(fresh(wrong))
    assert [text.split("\n")[0] for text in there()] == ["Books cross the lake"]

    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        assert measures.gather(wrong.channel) == 1
    assert measures.latest([wrong])[wrong.pk].likes == 0

    items.edit(wrong.item, by=anne, title="Thirty books cross the lake")
    made = corrections.correct(wrong.item, by=anne, said="It was 30.", choices={wrong.pk: "correct"})
    post_sets.approve(post_sets.proof(made.post_set, by=anne), by=ben)
    Post.objects.filter(corrects=wrong).update(due_at=timezone.now())
    anew = Post.objects.get(corrects=wrong)
    posting.publish(fresh(anew))
    assert [text.split("\n")[0] for text in there()] == ["Books cross the lake"]

    removals.make_room(posting.replaced())
    removals.take_off(fresh(wrong))
    assert (fresh(wrong).state, fresh(wrong).outcome, there()) == ("removed", "", [])
    posting.publish(fresh(anew))

    assert [text.split("\n")[0] for text in there()] == ["Thirty books cross the lake"]
    assert (fresh(wrong).state, fresh(anew).state) == ("removed", "published")


def fresh(post: Any) -> Post:
    related = ("channel__publication", "item", "digest__publication", "post_set__publication", "picture", "corrects")
    return Post.objects.select_related(*related).get(pk=post.pk)
