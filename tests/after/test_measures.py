"""What became of posts: asked ever more seldom, within a budget, and never the posts' own trouble."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from publisher import channel_accounts, measures
from publisher.models import Gathering, Measure, Post
from publisher.networks.base import Figures, Outgoing, Refused, TryLater

pytestmark = pytest.mark.django_db

OUT = datetime(2016, 2, 23, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def post(mastodon: Any, make_post: Any, items: Any, script: Any) -> Post:
    """Published on 23 February 2016 at nine."""
    post = make_post(mastodon, items[0], published_at=OUT)
    script.says = {post.remote_id: Figures(likes=3, reposts=1, comments=0)}
    return post


def look(channel: Any, after: timedelta) -> int:
    """What the clock would do so long after the publishing."""
    with time_machine.travel(OUT + after, tick=False):
        return sum(measures.gather(found) for found in measures.due().filter(pk=channel.pk))


def test_a_post_is_looked_at_six_times_ever_more_seldom(post, script):
    around = [0, 1, 2, 5, 6, 7, 23, 24, 25, 71, 72, 73, 167, 168, 169, 719, 720, 721, 2000]
    hours = [hour for hour in around if look(post.channel, hour * HOUR)]

    assert hours == [1, 6, 24, 3 * 24, 7 * 24, 30 * 24]
    assert script.asked == [[post.remote_id]] * 6
    newest = measures.latest([post])[post.pk]
    assert (newest.likes, newest.reposts, newest.comments, newest.views) == (3, 1, 0, None)


def test_after_a_long_stop_it_is_looked_at_once(post, script):
    assert (look(post.channel, 8 * DAY), look(post.channel, 8 * DAY)) == (1, 0)
    assert (Measure.objects.count(), Post.objects.get(pk=post.pk).measured) == (1, 5)


def test_the_figures_of_a_real_account_are_its_own(sandbox, mastodon, make_post, items):
    made = channel_accounts.connect(mastodon).publish(Outgoing("A reading room opens", None))
    sandbox.store.run("UPDATE mastodon_posts SET favourites = 7, reblogs = 2")
    post = make_post(mastodon, items[0], remote_id=made.remote_id, published_at=OUT)
    gone = make_post(mastodon, items[1], remote_id="404404", published_at=OUT)

    assert look(mastodon, HOUR) == 1
    assert {pk: (m.likes, m.reposts, m.views) for pk, m in measures.latest([post, gone]).items()} == {
        post.pk: (7, 2, None)
    }
    assert [each.measured for each in Post.objects.order_by("pk")] == [1, 1]


def test_many_posts_are_asked_about_together_and_the_newest_first(post, script, make_post, make_item):
    more = [
        make_post(post.channel, make_item(f"News {n}"), published_at=OUT - timedelta(minutes=n)) for n in range(1, 3)
    ]
    look(post.channel, 2 * HOUR)

    assert script.asked == [[each.remote_id for each in (post, *more)]]


def test_no_more_is_read_in_a_month_than_its_budget(post, script, make_post, make_item, anne):
    for n in range(1, 4):
        make_post(post.channel, make_item(f"News {n}"), published_at=OUT - timedelta(minutes=n))
    measures.set_budget(post.channel, 3, by=anne)

    look(post.channel, 2 * HOUR)
    with time_machine.travel(OUT + 3 * HOUR):
        assert (measures.left(post.channel), measures.due().count()) == (0, 0)
    assert [len(asked) for asked in script.asked] == [3]

    look(post.channel, 8 * DAY)  # the 2nd of March
    assert [len(asked) for asked in script.asked] == [3, 3]


def test_a_budget_of_nothing_asks_nothing(post, script, anne):
    measures.set_budget(post.channel, 0, by=anne)

    assert (look(post.channel, 2 * HOUR), script.asked) == (0, [])


def test_what_may_be_charged_counts_also_where_no_answer_came(post, script):
    script.failures = [TryLater("Down.", after=60)]
    look(post.channel, HOUR)

    assert Gathering.objects.get().reads == 1


def test_a_failure_backs_off_and_leaves_the_post_alone(post, script):
    script.failures = [
        Refused("The keys are wrong.", kind="credentials"),
        ValueError("{"),
        TryLater("Down.", after=86400),
    ]
    before = Post.objects.values().get(pk=post.pk)
    asked = []
    for minute in (60, 60, 69, 70, 129, 130, 600, 1569, 1570):
        look(post.channel, timedelta(minutes=minute))
        asked += [minute] * (len(script.asked) - len(asked))

    assert asked == [60, 60 + 10, 70 + 60, 130 + 24 * 60]
    after = Post.objects.values().get(pk=post.pk)
    assert {name for name in before if before[name] != after[name]} == {"measured"}
    assert (Gathering.objects.get().problem, Gathering.objects.get().failures) == ("", 0)


def test_staff_read_why_there_are_no_figures(post, script):
    script.failures = [Refused("The keys are wrong.", kind="credentials")]
    look(post.channel, HOUR)

    assert Gathering.objects.get().problem == "The keys are wrong."


@pytest.mark.parametrize("change", [{"state": "removed"}, {"state": "unknown"}, {"remote_id": ""}])
def test_what_does_not_stand_there_is_not_asked_about(post, script, change):
    Post.objects.filter(pk=post.pk).update(**change)

    assert (look(post.channel, 2 * HOUR), script.asked) == (0, [])


def test_a_paused_channel_is_asked_nothing(post, script):
    type(post.channel).objects.update(paused=True)

    assert (look(post.channel, 2 * HOUR), script.asked) == (0, [])


def test_of_two_workers_one_asks_and_pays(post, script):
    with time_machine.travel(OUT + HOUR, tick=False):
        Gathering.objects.create(channel=post.channel, rest_until=OUT + HOUR + measures.LEASE)
        assert measures.gather(post.channel) == 0

    assert (script.asked, Gathering.objects.get().reads) == ([], 0)


def test_a_sum_says_nothing_where_no_network_does():
    counted = [Measure(likes=2, comments=0), Measure(likes=3, reposts=None)]

    assert measures.total(counted) == {"likes": 5, "reposts": None, "comments": 0, "views": None}
