"""What processes remember together: in the Redis that they share, and each for itself while it is gone."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import redis
from django.test import Client

from publisher.remembering import Shared
from workers.embedded import EmbeddedServer
from workers.processes import Child, Crew

from .conftest import until

SIGN_IN = "/staff/sign-in/"


@pytest.fixture
def server(tmp_path: Path) -> Any:
    server = EmbeddedServer(tmp_path / "redis")
    yield server
    server.forget()


@pytest.fixture
def running(crew: Crew, server: EmbeddedServer) -> EmbeddedServer:
    crew.start(Child("redis", server.command, None, server.folder, server.answers))
    until(server.answers)
    return server


def another_process(server: EmbeddedServer) -> Shared:
    """With connections and a memory of its own, as each process has."""
    shared = Shared(server.place.url, {})
    shared._own._cache, shared._own._expire_info = type(shared._own._cache)(), {}
    return shared


def test_what_one_process_counts_the_other_knows(running: EmbeddedServer) -> None:
    one, other = another_process(running), another_process(running)
    assert (one.add("failures", 1, 60), other.add("failures", 1, 60)) == (True, False)
    assert (other.incr("failures"), one.get("failures")) == (2, 2)
    one.set("follows", [3, 4], 60)
    assert other.get("follows") == [3, 4]
    with redis.Redis.from_url(running.place.url) as client:  # nothing that Python would run stands there
        assert [client.get(key) for key in client.keys("*follows*")] == [b"[3, 4]"]
    assert (other.delete("failures"), one.get("failures", 0)) == (True, 0)
    with pytest.raises(ValueError, match="failures"):
        one.incr("failures")


def test_without_redis_each_counts_for_itself_and_asks_again_later(
    server: EmbeddedServer, crew: Crew, caplog: Any, monkeypatch: Any
) -> None:
    one, other = another_process(server), another_process(server)
    with caplog.at_level(logging.WARNING, logger="publisher.remembering"):
        assert (one.add("failures", 1, 60), one.incr("failures"), one.get("failures")) == (True, 2, 2)
        assert other.get("failures") is None
    assert [each.getMessage() for each in caplog.records] == [
        "Redis does not answer (ConnectionError); this process counts for itself"
    ] * 2
    crew.start(Child("redis", server.command, None, server.folder, server.answers))
    until(server.answers)
    one._rests_until = 0.0
    assert (one.get("failures"), one.add("failures", 1, 60), one.get("failures")) == (None, True, 1)


@pytest.mark.django_db
def test_guessed_passwords_are_counted_and_pages_open_while_redis_is_gone(
    server: EmbeddedServer, anne: Any, settings: Any
) -> None:
    settings.CACHES = {"default": {"BACKEND": "publisher.remembering.Shared", "LOCATION": server.place.url}}
    client, right = Client(), {"username": "anne", "password": "letters-to-lima"}
    wrong = [client.post(SIGN_IN, right | {"password": "guess"}).status_code for _ in range(10)]
    assert (wrong, client.post(SIGN_IN, right).status_code) == ([200] * 10, 429)
    assert Client().post(SIGN_IN, right, REMOTE_ADDR="192.0.2.9").status_code == 302
