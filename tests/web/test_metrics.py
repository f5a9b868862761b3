from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from publisher import digests
from publisher.models import Delivery, Digest, Lease, Member, Notice, Post, Source

pytestmark = pytest.mark.django_db


def read(client: Any, **asked: Any) -> dict[tuple[str, ...], float]:
    """What is not 0: (name, label) → value."""
    answer = client.get("/metrics", **asked)
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.content.decode())
    samples = [sample for family in families for sample in family.samples]
    return {(sample.name, *sample.labels.values()): sample.value for sample in samples if sample.value}


def test_an_empty_service_counts_nothing(client: Any) -> None:
    assert read(client) == {}


def test_every_state_is_there_before_anything_is_in_it(client: Any) -> None:
    text = client.get("/metrics").content.decode()
    assert [
        state for state in Delivery.State.values if f'publisher_deliveries{{state="{state}"}} 0.0' not in text
    ] == []


def test_what_waits_and_what_is_due_is_counted(
    client: Any, digest: Digest, members: Any, channels: Any, publication: Any
) -> None:
    now = timezone.now()
    Digest.objects.filter(pk=digest.pk).update(state="sending", number=120)
    states = ["sent", "queued", "deferred", "deferred", "unknown"]
    for member, state, ago in zip(members, states, (900, 60, 300, -3600, 900), strict=True):
        due_at = now - timedelta(seconds=ago)
        Delivery.objects.create(digest=digest, member=member, address=member.email, state=state, due_at=due_at)
    Post.objects.create(
        channel=channels[0], purpose="digest", state="approved", text="…", due_at=now - timedelta(seconds=30)
    )
    Post.objects.create(
        channel=channels[1], purpose="digest", state="approved", text="…", due_at=now + timedelta(days=1)
    )
    Notice.objects.create(kind="confirm", address="a@b.example", sender_email="c@d.example", state="queued")
    Source.objects.create(
        publication=publication, address="https://a.example", poll_minutes=5, next_poll_at=now - timedelta(seconds=10)
    )
    Lease.objects.create(name="clock", holder="here", until=now + timedelta(seconds=15))
    counted = read(client)
    ages = {
        noun: counted.pop(("publisher_due_oldest_seconds", noun))
        for noun in ("deliveries", "posts", "notices", "sources")
    }
    assert {noun: round(age, -1) for noun, age in ages.items()} == {
        "deliveries": 300,
        "posts": 30,
        "notices": 0,
        "sources": 10,
    }
    assert round(counted.pop(("publisher_clock_lease_age_seconds",)), -1) in {-10, -20}
    assert counted == {
        ("publisher_deliveries", "sent"): 1,
        ("publisher_deliveries", "queued"): 1,
        ("publisher_deliveries", "deferred"): 2,
        ("publisher_deliveries", "unknown"): 1,
        ("publisher_posts", "approved"): 2,
        ("publisher_digests", "sending"): 1,
        ("publisher_notices", "queued"): 1,
        ("publisher_due", "deliveries"): 2,
        ("publisher_due", "posts"): 1,
        ("publisher_due", "notices"): 1,
        ("publisher_due", "sources"): 1,
    }


def test_the_deliveries_of_years_ago_are_not_counted_again(client: Any, digest: Digest, members: Any) -> None:
    Delivery.objects.create(digest=digest, member=members[0], address="a@b.example", state="sent")
    Digest.objects.update(state="sent", state_since=timezone.now() - timedelta(days=6))
    assert read(client)["publisher_deliveries", "sent"] == 1
    Digest.objects.update(state="sent", state_since=timezone.now() - timedelta(days=8))
    assert ("publisher_deliveries", "sent") not in read(client)


@pytest.mark.parametrize("count", [1, 3])
def test_a_scrape_takes_the_same_queries_however_much_there_is(
    client: Any, publication: Any, make_item: Any, make_members: Any, django_assert_num_queries: Any, count: int
) -> None:
    for n in range(count):
        digest = digests.compose(publication, by=None, date=date(2007, 3, 31), items=[make_item(f"Item {n}")])
        Digest.objects.filter(pk=digest.pk).update(state="sending")
        for member in make_members(count, prefix=f"p{n}-"):
            Delivery.objects.create(digest=digest, member=member, address=member.email, state="queued")
    with django_assert_num_queries(7):
        client.get("/metrics")


def test_strangers_read_nothing(client: Any) -> None:
    Member.objects.create(email="anne@members.example")
    for asked in (
        {"REMOTE_ADDR": "192.0.2.7"},
        {"REMOTE_ADDR": "127.0.0.1", "headers": {"X-Forwarded-For": "192.0.2.7"}},
        {"REMOTE_ADDR": "127.0.0.1", "headers": {"Forwarded": "for=192.0.2.7"}},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "192.0.2.7", "headers": {"Authorization": "Bearer "}},
    ):
        answer = client.get("/metrics", **asked)
        assert (answer.status_code, b"publisher_" in answer.content) == (403, False)


def test_whoever_has_the_token_reads_from_anywhere(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLISHER_METRICS_TOKEN", "t0ken")
    far = {"REMOTE_ADDR": "192.0.2.7"}
    statuses = [
        client.get("/metrics", headers={"Authorization": f"Bearer {given}"}, **far).status_code
        for given in ("t0ken", "t0ke", "tökén")
    ]
    assert statuses == [200, 403, 403]
