"""The short tier of the networks: each behaviour once; and that the figures tell of a fault of ours.

The long tier is in benchmarks/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from benchmarks import networks_stage
from benchmarks.networks import Count, add
from benchmarks.networks_behaviours import ON_ALL, Behaviour
from benchmarks.networks_own import OWN, behaviours_of
from benchmarks.networks_stage import ROOMS, Stage
from publisher import posting
from publisher.networks import NETWORKS, x
from publisher.networks.base import Network, Unknown
from publisher.sandbox import behaviours as sandbox_behaviours
from publisher.sandbox.bluesky_errors import FALSE

pytestmark = pytest.mark.django_db

#: What a sandbox plays for something else than a post.
ELSEWHERE = {"lagging", "preparing", "preparing_forever", "preparing_failed", "not_implemented"}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with networks_stage.sandbox(tmp_path_factory.mktemp("networks")) as port:
        yield port


@pytest.fixture
def stage(port: int) -> Iterator[Stage]:
    with networks_stage.built(port) as stage:
        yield stage


def count_of(stage: Stage, network: str, *names: str) -> Count:
    """What became of the posts that met these behaviours."""
    count = Count(network, len(names), 1)
    for behaviour in behaviours_of(network):
        if behaviour.name in names:
            add(count, stage, behaviour, seed=0)
    return count


def of_this_run(network: str) -> list[Behaviour]:
    """A network's own answers; and of what befalls all of them its share, so that each is played once.

    On PostgreSQL a fifth of the answers: what an adapter makes of one is no matter of the database.
    """
    place, step = list(ROOMS).index(network), 5 if connection.vendor == "postgresql" else 1
    return [*ON_ALL[place :: len(ROOMS)], *OWN[network][::step]]


@pytest.mark.parametrize("network", ROOMS)
def test_nothing_is_posted_twice_lost_or_stuck_whatever_a_network_does(stage: Stage, network: str) -> None:
    count = Count(network, 1, 1)
    for behaviour in of_this_run(network):
        add(count, stage, behaviour, seed=1, alone=True)

    assert count.wrong == []
    assert (count.recognised, count.again) == (count.readable, 0)
    assert count.posts_wanted >= len(of_this_run(network))


def test_every_network_is_played_with_forty_behaviours_and_more() -> None:
    assert set(ROOMS) == set(NETWORKS)
    for network in ROOMS:
        names = [behaviour.name for behaviour in behaviours_of(network)]
        assert len(set(names)) == len(names) >= 40


@pytest.mark.parametrize("network", ROOMS)
def test_every_answer_that_the_sandbox_knows_is_played(network: str) -> None:
    """A new error in the sandbox has to say here how a post must end that meets it."""
    common = set(sandbox_behaviours.EVERYWHERE)
    known = {name for name in sandbox_behaviours.TABLE[network] if not name.endswith("_published")} - common
    told = " ".join(behaviour.name for behaviour in OWN[network])

    assert {name for name in known - ELSEWHERE - set(FALSE) if f" {name}" not in told} == set()


# ---- Faults of ours, planted


def test_a_second_request_after_a_time_out_is_counted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    publish = x.X.publish

    def impatient(self: Network, outgoing: Any) -> Any:
        try:
            return publish(self, outgoing)  # type: ignore[arg-type]  # the class has it as its own
        except Unknown:
            return publish(self, outgoing)  # type: ignore[arg-type]

    monkeypatch.setattr(x.X, "publish", impatient)
    count = count_of(stage, "x", "a time-out after the commit", "502 after the commit", "all is well")

    assert (len(count.twice), len(count.stuck), count.recognised, count.readable) == (2, 0, 0, 2)


def test_believing_a_success_without_an_id_is_counted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = x.identity
    monkeypatch.setattr(x, "identity", lambda response: identity(response) or ("1" if response.ok else None))
    count = count_of(stage, "x", "a page with 200, nothing done", "all is well")

    assert (count.twice, count.stuck) == ([], [])
    assert "stands there 0 times, and should 1" in count.lost[-1]


def test_taking_another_post_of_ours_for_this_one_is_counted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    find = x.X.find
    monkeypatch.setattr(x.X, "find", lambda self, outgoing, *, since, known: find(self, outgoing, since=since))
    count = count_of(stage, "x", "lost, and another post of ours says the same")

    assert (len(count.lost), count.recognised, count.readable) == (1, 0, 1)


def test_a_post_that_nobody_looks_for_is_counted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "reconcile", lambda post: None)
    count = count_of(stage, "facebook", "a reset after the commit")

    assert len(count.stuck) == 1
