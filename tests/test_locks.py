"""The lock files: every package by hash, from no particular host; all that pyproject.toml asks for, and no more."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
CORE, TEST, BOOTSTRAP = "requirements.lock", "requirements-test.lock", "requirements-bootstrap.lock"
PIN = re.compile(r"([\w.-]+)==([\w.!+]+)( ; [^@:/]+?)?(\s+--hash=sha256:[0-9a-f]{64})+")


@pytest.mark.parametrize("lock", [CORE, TEST, BOOTSTRAP])
def test_a_lock_holds_pins_and_hashes_and_nothing_else(lock: str) -> None:
    """No index, no host, no option, no package without a hash."""
    lines = text(lock).splitlines()

    assert [line for line in lines if not PIN.fullmatch(line)] == []
    assert lines


@pytest.mark.parametrize("lock", [CORE, TEST])
def test_a_lock_pins_all_that_the_project_asks_for(lock: str) -> None:
    pins = pinned(lock)
    missing = [
        str(asked)
        for asked in asked_for(lock)
        if not any(asked.specifier.contains(version) for version in pins.get(canonicalize_name(asked.name), ()))
    ]

    assert missing == [], "make the locks again: CONTRIBUTING.md says how"


@pytest.mark.parametrize("lock", [CORE, TEST])
def test_a_lock_pins_nothing_that_nobody_needs(lock: str) -> None:
    assert set(pinned(lock)) - needed(asked_for(lock)) == set(), "make the locks again: CONTRIBUTING.md says how"


def test_the_lock_of_the_tests_holds_the_other_pin_for_pin() -> None:
    """publisher.sh relies on it: with the tests' packages installed, everything else is."""
    assert {name: pinned(TEST).get(name) for name in pinned(CORE)} == pinned(CORE)


def text(lock: str) -> str:
    return (ROOT / lock).read_text().replace("\\\n", " ")


def pinned(lock: str) -> dict[str, set[str]]:
    """Package → its versions: more than one where it depends on the Python."""
    pins: dict[str, set[str]] = {}
    for name, version, *_ in PIN.findall(text(lock)):
        pins.setdefault(canonicalize_name(name), set()).add(version)
    return pins


def asked_for(lock: str) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["test"] if lock == TEST else []
    return [Requirement(line) for line in [*project["dependencies"], *extra]]


def needed(asked: list[Requirement]) -> set[str]:
    """These packages and all that they need on any Python or system, by what the installed ones say themselves."""
    found: set[tuple[str, str]] = set()
    waiting = list(asked)
    while waiting:
        each = waiting.pop()
        name = canonicalize_name(each.name)
        new = {(name, extra) for extra in ("", *each.extras)} - found
        found |= new
        for extra in {extra for _, extra in new}:
            waiting += _needs(name, extra)
    return {name for name, _ in found}


def _needs(name: str, extra: str) -> list[Requirement]:
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []  # not for this machine
    listed = [Requirement(line) for line in lines]
    return (
        [each for each in listed if f'extra == "{extra}"' in str(each.marker)]
        if extra
        else [each for each in listed if "extra ==" not in str(each.marker)]
    )
