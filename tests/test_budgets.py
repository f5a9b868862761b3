"""What posts cost, and what a month's budget lets go out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

import pytest
import time_machine
from django.db import connection, transaction

from publisher import budgets, lifecycle, posting, posts, prices
from publisher.lifecycle import Refusal
from publisher.models import Channel, Event, Notice, Post, PostSet
from publisher.networks.base import Outgoing, Picture
from publisher.prices import Price, PricesWrong
from tests.meeting import at_once

LINK = "https://reading-rooms.example/1"
MARCH, APRIL = datetime(2027, 3, 9, 12, tzinfo=UTC), datetime(2027, 4, 1, 0, 30, tzinfo=UTC)


@pytest.fixture
def x(channels, settings, tmp_path):
    """The X account at ten cents a post, whatever stands in it, under a budget of a quarter dollar a month."""
    settings.PRICES = tmp_path / "prices.toml"
    settings.PRICES.write_text('[x]\ncurrency = "USD"\n"post" = "0.10"\n"post with link" = "0.10"\n')
    Channel.objects.filter(pk=channels[0].pk).update(budget=Decimal("0.25"))
    return Channel.objects.select_related("publication").get(pk=channels[0].pk)


@pytest.fixture
def make_post(publication):
    def make(channel, *, at=MARCH, state="approved", **fields):
        return Post.objects.create(
            channel=channel, purpose="digest", state=state, text=f"Number {Post.objects.count()}", due_at=at, **fields
        )

    return make


@pytest.fixture
def editor(anne):
    """Whom an alert reaches; Carla has no address, and somebody who left has one still."""
    type(anne).objects.filter(pk=anne.pk).update(email="anne@reading-rooms.example")
    type(anne).objects.create_user("gone", email="gone@reading-rooms.example", is_active=False)
    return anne


def states():
    return list(Post.objects.order_by("pk").values_list("state", flat=True))


def of(pk):
    return Post.objects.select_related("channel__publication", "item").get(pk=pk)


def go(channel):
    for post in posting.due().filter(channel=channel).order_by("pk"):
        posting.publish(post)


# ---- Prices


def test_a_post_on_x_costs_more_with_a_link_and_a_little_for_a_description():
    said = [
        str(prices.of_words("x", "Books cross the lake", "", False, "")),
        str(prices.of_words("x", f"Books cross the lake {LINK}", LINK, False, "")),
        str(prices.of_words("x", "Books cross the lake, see report.md", "", False, "")),
        str(prices.of_words("x", f"Books cross the lake {LINK}", LINK, True, "A mule with books")),
        str(prices.of_words("facebook", "Books cross the lake", LINK, True, "A mule with books")),
    ]
    assert said == ["0.015 USD", "0.20 USD", "0.20 USD", "0.205 USD", "free"]


def test_sums_keep_currencies_apart():
    assert prices.together([Price(Decimal("0.2"), "USD"), Price(Decimal("0.63"), "USD"), prices.FREE]) == "0.83 USD"
    assert prices.together([Price(Decimal("0.2"), "USD"), Price(Decimal(1), "EUR")]) == "1.00 EUR and 0.20 USD"
    assert prices.together([]) == "free"


def test_a_tariff_that_the_table_lacks_costs_what_the_dearest_does(settings, tmp_path):
    settings.PRICES = tmp_path / "prices.toml"
    settings.PRICES.write_text('[x]\ncurrency = "USD"\n"quote" = "0.30"\n"reply" = "0.01"\n')
    assert prices.of("x", Outgoing("Books", None, Picture(b"", "", "A mule"))) == Price(Decimal("0.30"), "USD")


@pytest.mark.parametrize("written", ["[x]", '[x]\n"post" = "1"', '[x]\ncurrency="USD"\n"post"="-1"', "x = 3", "[x", ""])
def test_a_price_table_that_cannot_be_read_says_so(settings, tmp_path, written):
    settings.PRICES = tmp_path / f"{abs(hash(written))}.toml"
    if written:
        settings.PRICES.write_text(written)
    with pytest.raises(PricesWrong, match="cannot be read"):
        prices.table()


# ---- Budgets


@time_machine.travel(MARCH, tick=False)
def test_what_the_budget_leaves_nothing_for_is_held_and_staff_are_told_once(connected, x, make_post, editor):
    for _ in range(4):
        make_post(x)
    go(x)
    held = Post.objects.filter(state="held").first()
    assert states() == ["published", "published", "held", "held"]
    assert len(connected.json("/x/posts.json")) == 2
    assert held.outcome == (
        "This costs 0.10 USD, and 0.20 USD of March 2027's budget of 0.25 USD is spent. "
        "It waits until somebody releases it."
    )
    assert Event.objects.filter(noun="channel", verb="spent").count() == 1
    assert list(Notice.objects.values_list("address", "subject")) == [
        ("anne@reading-rooms.example", "The budget of x reading_rooms is spent")
    ]
    assert budgets.standing(x) == "0.20 USD of 0.25 USD in March 2027"


@time_machine.travel(MARCH, tick=False)
def test_what_may_have_gone_out_is_spent_and_what_did_not_is_not(connected, x, make_post):
    for state in ("unknown", "publishing", "refused", "held", "cancelled", "approved", "draft"):
        make_post(x, state=state, charged=Decimal("0.10"), intent_at=MARCH)
    make_post(x, state="published", charged=Decimal("0.01"), intent_at=MARCH, remote_id="1")
    make_post(x, state="published", charged=Decimal("7.00"), intent_at=datetime(2027, 2, 28, tzinfo=UTC), remote_id="2")
    assert budgets.spent(x) == Price(Decimal("0.21"), "USD")


def test_a_month_is_the_publications_own(x):
    x.publication.time_zone = "America/Lima"
    assert budgets.month(x, APRIL).name == "2027-03"
    assert budgets.month(x, datetime(2026, 12, 31, 12, tzinfo=UTC)).end == datetime(2027, 1, 1, 5, tzinfo=UTC)


@time_machine.travel(MARCH, tick=False)
def test_without_prices_nothing_goes_out_and_staff_are_told_once(connected, x, make_post, editor, settings):
    for _ in range(2):
        make_post(x)
    settings.PRICES.write_text("[x")
    go(x)
    told = Channel.objects.get(pk=x.pk)
    assert (states(), told.paused, Notice.objects.count()) == (["approved", "approved"], True, 1)
    assert told.attention.startswith(f"The price table {settings.PRICES} cannot be read: ")


@time_machine.travel(MARCH, tick=False)
def test_a_person_who_releases_it_spends_more_than_the_budget(connected, x, make_post, anne):
    make_post(x, charged=Decimal("0.25"), state="published", intent_at=MARCH, remote_id="1")
    make_post(x)
    go(x)
    held = Post.objects.select_related("channel__publication").get(state="held")
    posts.release(held, by=anne)
    go(x)
    assert states() == ["published", "published"]


def test_the_new_month_releases_where_the_channel_says_so(connected, x, channels, make_post):
    Channel.objects.filter(pk=x.pk).update(when_spent="month")
    asking = Channel.objects.create(publication=x.publication, network="x", account="asks", when_spent="ask")
    for channel in (x, asking):
        make_post(channel, state="held", spent_in="2027-03")
    by_hand = make_post(x, state="held")
    with time_machine.travel(MARCH, tick=False):
        assert budgets.release_of_last_month() == 0
    with time_machine.travel(APRIL, tick=False):
        assert (budgets.release_of_last_month(), budgets.release_of_last_month()) == (1, 0)
        go(x)
    assert states() == ["published", "held", "held"]
    assert Post.objects.get(pk=by_hand.pk).state == "held"


@pytest.mark.parametrize("held_again_by", ["a person", "its lateness", "an edit"])
def test_the_new_month_releases_nothing_that_is_held_for_another_reason(connected, x, make_post, anne, held_again_by):
    """Released by a person in March, it was held once more: money is not what it waits for any longer."""
    Channel.objects.filter(pk=x.pk).update(when_spent="month", late_after=3600)
    pk = make_post(x, state="held", spent_in="2027-03").pk
    with time_machine.travel(MARCH, tick=False):
        posts.release(of(pk), by=anne)
        if held_again_by == "a person":
            posts.hold(of(pk), by=anne)
        elif held_again_by == "an edit":
            lifecycle.move(of(pk), "draft", by=anne)
    with time_machine.travel(APRIL, tick=False):
        go(x)
        stood = states()
        assert budgets.release_of_last_month() == 0
    assert states() == stood == ["draft" if held_again_by == "an edit" else "held"]


@time_machine.travel(MARCH, tick=False)
def test_an_approval_anew_releases_nothing_for_which_there_is_no_money(connected, x, publication, make_post, anne):
    post_set = PostSet.objects.create(publication=publication, title="Rain", state="approved")
    make_post(x, charged=Decimal("0.25"), state="published", intent_at=MARCH, remote_id="1")
    make_post(x, post_set=post_set)
    go(x)
    posts.withdraw_approval(post_set, by=anne)
    posts.approve_of(post_set, by=anne)
    Post.objects.filter(post_set=post_set).update(due_at=MARCH, slot_at=None)
    go(x)
    assert states() == ["published", "held"]


@time_machine.travel(MARCH, tick=False)
def test_what_a_person_has_seen_on_the_network_stays_spent(x, make_post, anne):
    """Its name there is not known; the money is gone all the same."""
    pk = make_post(x, state="unknown", charged=Decimal("0.10"), intent_at=MARCH).pk
    posts.settle(of(pk), by=anne, published=True)
    assert budgets.spent(x) == Price(Decimal("0.10"), "USD")


@time_machine.travel(MARCH, tick=False)
def test_an_account_without_credits_is_paused_with_one_alert(connected, x, make_post, editor):
    Channel.objects.filter(pk=x.pk).update(budget=None)
    connected.fault("x", "payment_required", "post", times=None)
    waiting = [make_post(x) for _ in range(3)]
    for post in waiting:
        posting.publish(Post.objects.select_related("channel__publication").get(pk=post.pk))
    Channel.objects.filter(pk=x.pk).update(paused=True)
    assert connected.json("/x/posts.json") == []
    assert list(Notice.objects.values_list("subject", flat=True)) == ["x reading_rooms is paused"]
    assert Event.objects.filter(noun="channel", verb="paused").count() == 1


def test_a_budget_is_set_by_a_person_and_for_what_costs_something(x, channels, anne):
    budgets.set_budget(x, Decimal("12.50"), "month", by=anne)
    assert Channel.objects.filter(pk=x.pk, budget=Decimal("12.50"), when_spent="month").exists()
    for wrong in (Decimal(-1), Decimal("NaN"), Decimal(10**9)):
        with pytest.raises(Refusal, match="an amount of money"):
            budgets.set_budget(x, wrong, "ask", by=anne)
    with pytest.raises(Refusal, match="knows of no costs"):
        budgets.set_budget(channels[1], Decimal(5), "ask", by=anne)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="on SQLite one transaction writes at a time")
def test_two_workers_do_not_spend_the_same_money(connected, x, make_post):
    with time_machine.travel(MARCH, tick=False):
        for _ in range(4):
            make_post(x)
        rows = Post.objects.select_related("channel__publication").order_by("pk")
        at_once(*(partial(posting.publish, post) for post in rows))
    assert sorted(states()) == ["held", "held", "published", "published"]
    assert len(connected.json("/x/posts.json")) == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="on SQLite one transaction writes at a time")
@time_machine.travel(MARCH, tick=False)
def test_who_takes_money_makes_the_next_one_wait_for_the_outcome(x, make_post):
    Channel.objects.filter(pk=x.pk).update(budget=Decimal("0.15"))
    first, second = (Post.objects.select_related("channel").get(pk=make_post(x).pk) for _ in range(2))
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            cost = budgets.take(first)
            other = pool.submit(taken_of, second)
            while not other.done() and not somebody_waits():
                pass
            assert not other.done()
            lifecycle.move(first, "publishing", by=None, charged=cost, intent_at=MARCH)
        assert isinstance(other.result(10), budgets.Spent)


def taken_of(post):
    try:
        with transaction.atomic():
            return budgets.take(post)
    except budgets.Spent as spent:
        return spent
    finally:
        connection.close()


def somebody_waits():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0
