"""What a person does with a post just as the machine has it: an old page, a second press, a word that comes late."""

from __future__ import annotations

import pytest
from django.utils import timezone

from publisher import posting, posts, slots
from publisher.lifecycle import NotAllowed, Overtaken
from publisher.models import Post
from publisher.networks.x import X
from tests.posts import fresh, of, on_x


def press(post, deed, anne):
    """A deed of a person on the post as it stands at this moment; whether it was refused."""
    try:
        {"release": posts.release, "hold": posts.hold, "now": slots.post_now}[deed](fresh(post), by=anne)
    except (NotAllowed, Overtaken):
        return True
    return False


@pytest.mark.parametrize("deed", ["release", "hold", "now"])
def test_a_deed_while_the_request_is_on_its_way_takes_nothing_back(sending, connected, anne, monkeypatch, deed):
    """A second press on "Let it go" once put a post back in line while it was being posted, and it went out twice."""
    post, refused, publish = of(sending, "x"), [], X.publish

    def pressed_meanwhile(adapter, outgoing):
        refused.append(press(post, deed, anne))
        return publish(adapter, outgoing)

    monkeypatch.setattr(X, "publish", pressed_meanwhile)
    posting.publish(post)
    posting.publish(fresh(post))
    assert (refused, fresh(post).state, len(on_x(connected))) == ([True], "published", 1)


@pytest.mark.parametrize("deed", ["release", "hold"])
def test_only_evidence_or_settling_ends_a_doubt(sending, connected, anne, deed):
    post = of(sending, "x")
    connected.fault("x", "close_after_commit", "post", times=1)
    posting.publish(post)
    assert (press(post, deed, anne), fresh(post).state) == (True, "unknown")
    posting.publish(fresh(post))
    assert len(on_x(connected)) == 1


def test_only_what_is_held_is_released(channels, anne):
    for state in set(Post.State.values) - {"held"}:
        post = Post.objects.create(channel=channels[0], purpose="item", state=state, due_at=timezone.now())
        with pytest.raises(NotAllowed):
            posts.release(fresh(post), by=anne)
        assert fresh(post).state == state
