from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from publisher.models import Lease


@pytest.fixture
def clock(db: Any) -> Lease:
    return Lease.objects.create(name="clock", holder="here", until=timezone.now() + timedelta(seconds=20))


@pytest.fixture
def silent_server() -> Iterator[int]:
    """Takes connections and never says a word: worse than one that is away."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def found(answer: Any) -> dict[str, bool]:
    return {name: check["ok"] for name, check in answer.json()["checks"].items()}


def test_a_process_that_answers_is_alive_without_a_database(client: Any) -> None:
    # No database fixture: a query would fail this test.
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content, answer.cookies) == (200, b"ok\n", {})


def test_all_in_order_is_ready(client: Any, clock: Lease) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    assert found(answer) == {"database": True, "broker": True, "clock": True, "migrations": True, "epoch": True}
    assert answer["Cache-Control"].startswith("max-age=0")


def test_a_clock_that_stands_still_is_reported_and_pages_are_served(client: Any, clock: Lease) -> None:
    Lease.objects.update(until=timezone.now() - timedelta(minutes=5))
    answer = client.get("/readyz")
    assert (answer.status_code, found(answer)["clock"]) == (200, False)
    assert answer.json()["checks"]["clock"]["says"].startswith("The clock's lease ran out 30")
    Lease.objects.all().delete()
    assert client.get("/readyz").json()["checks"]["clock"]["says"].startswith("The clock has never run here")


def test_a_broker_that_does_not_answer_is_reported_and_pages_are_served(
    client: Any, clock: Lease, settings: Any, silent_server: int
) -> None:
    settings.BROKER_URL = f"redis://:p4ss@127.0.0.1:{silent_server}/0"
    answer = client.get("/readyz")
    assert (answer.status_code, found(answer)["broker"]) == (200, False)
    assert "p4ss" not in answer.content.decode()


@pytest.mark.parametrize("wrong", ["redis://127.0.0.1:1/0", "nonsense://"])
def test_a_broker_that_is_not_there_is_reported(client: Any, clock: Lease, settings: Any, wrong: str) -> None:
    settings.BROKER_URL = wrong
    assert found(client.get("/readyz"))["broker"] is False


def test_without_a_database_nothing_is_ready(client: Any, clock: Lease) -> None:
    def away(execute: Any, sql: str, *rest: Any) -> Any:
        raise OperationalError("could not connect to host db.internal as user publisher")

    with connection.execute_wrapper(away):
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert found(answer) == {"database": False, "broker": True, "clock": False}
    assert "db.internal" not in answer.content.decode()


def test_a_migration_that_is_missing_is_not_ready(client: Any, clock: Lease) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'publisher'")
    answer = client.get("/readyz")
    assert (answer.status_code, found(answer)["database"], found(answer)["migrations"]) == (503, True, False)
